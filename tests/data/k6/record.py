"""Record what a real k6 does with each file in `options`, into `recordings`.

    python tests/data/k6/record.py K6_PROGRAM [NAME...]

Runs every case three times, one after the other, which shows the noise. k6 was installed from
the Go module go.k6.io/k6 with `go install`. It initialises users on all cores at once, which
shuffles their numbers a little; on one core it numbers them in order.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RUNS = 3
COMMAND = (
    "GOMAXPROCS=1 k6 run --no-usage-report --no-color --summary-mode disabled"
    " --config options/{name}.json --out json=points.json --console-output console.log script.js"
)


def main() -> None:
    program, *names = sys.argv[1:]
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True)
    for path in sorted((HERE / "options").glob("*.json")):
        if names and path.stem not in names:
            continue
        runs = [record(program, path) for _ in range(RUNS)]
        recording = {
            "k6": version.stdout.strip(),
            "command": COMMAND.format(name=path.stem),
            "options": json.loads(path.read_text()),
            "runs": runs,
        }
        target = HERE / "recordings" / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_text(layout(recording))
        counts = [[run[key] for key in ("complete", "interrupted", "dropped")] for run in runs]
        sys.stdout.write(f"{path.stem} {counts}\n")


def record(program: str, options: Path) -> dict[str, Any]:
    """One run: counts, k6's own once-a-second gauges, and every iteration.

    `gauges` are [seconds, vus, vus_max]; `iterations` are [vu, iter, begin, end] in seconds since
    the scenario's start, end null for an interrupted one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        points, console = Path(scratch, "points.json"), Path(scratch, "console.log")
        words = COMMAND.split()[2:]
        files = {
            "options/{name}.json": str(options),
            "json=points.json": f"json={points}",
            "console.log": str(console),
            "script.js": str(HERE / "script.js"),
        }
        done = subprocess.run(
            [program, *(files.get(word, word) for word in words)],
            env={**os.environ, "GOMAXPROCS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = re.findall(r'msg="([^"]*)"', console.read_text())
        samples = [json.loads(line) for line in points.read_text().splitlines()]
    counts = re.findall(r"(\d+) complete and (\d+) interrupted", done.stdout + done.stderr)
    start_ms = next(int(line.split()[1]) for line in lines if line.startswith("start"))
    return {
        "complete": int(counts[-1][0]),
        "interrupted": int(counts[-1][1]),
        "dropped": int(sum(value for _, value in series(samples, "dropped_iterations"))),
        "gauges": gauges(samples, start_ms / 1000),
        "iterations": iterations(lines),
    }


def series(samples: list[dict[str, Any]], metric: str) -> list[tuple[float, float]]:
    return [
        (datetime.fromisoformat(sample["data"]["time"]).timestamp(), sample["data"]["value"])
        for sample in samples
        if sample["type"] == "Point" and sample["metric"] == metric
    ]


def gauges(samples: list[dict[str, Any]], start_s: float) -> list[list[float]]:
    pairs = zip(series(samples, "vus"), series(samples, "vus_max"), strict=True)
    return [[round(at - start_s, 3), int(vus), int(most)] for (at, vus), (_, most) in pairs]


def iterations(lines: list[str]) -> list[list[float | None]]:
    found: dict[tuple[int, int], list[float | None]] = {}
    for line in lines:
        kind, *numbers = line.split()
        if kind == "start":
            continue
        vu, number, at_ms = map(int, numbers)
        if kind == "begin":
            found[vu, number] = [vu, number, at_ms / 1000, None]
        else:
            found[vu, number][3] = at_ms / 1000
    return list(found.values())


def layout(recording: dict[str, Any]) -> str:
    """JSON with a line per gauge and iteration."""
    text = json.dumps(recording, indent=1)
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


if __name__ == "__main__":
    main()
