"""Finds the smallest scale at which a world still tells what full size tells.

`python -m experiments.studies.scale_check FILE` runs the incident at full size and at smaller
scales, with the same seeds, and writes what it finds into FILE; `ticketsim run --scale` warns from
the one in experiments/shipped/data.
"""

from __future__ import annotations

import functools
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from experiments.config.reading import Config, load
from experiments.statistics.intervals import ci95, mean
from experiments.studies.whole_units import lost_at, remark
from sim.world import World

SCALES: Final = (1.0, 0.3, 0.1, 0.03)
SEEDS: Final = (1, 2, 3, 4, 5)
RATE_TOLERANCE: Final = 0.03
"""Failure rates agree within 3 points."""
RATIO_TOLERANCE: Final = 0.2
"""Extrapolated token rows and the 95th percentile of durations agree within 20 %."""
_QUANTITIES: Final = {
    "failure rate": "failure_rate",
    "token rows": "token_rows",
    "p(95) of durations": "p95_ms",
}
_FILE: Final = "scale_check.toml"


def warnings(config: Config, scale: float) -> list[str]:
    """What is known of how well a config at `scale` tells what full size tells.

    The shipped incident was held against full size, quantity by quantity; of another config nothing
    is known before `--check-scale`.
    """
    if scale >= 1.0:
        return []
    if not _was_measured(config):
        lost = remark(config.world, scale)
        begin = f"{lost}. Whether" if lost else f"scale {scale:g}: whether"
        return [
            (
                f"{begin} shares and durations of {config.name} agree with full "
                f"size is not known; ticketsim run CONFIG --scale {scale:g} --check-scale compares "
                "two scales"
            )
        ]
    text = resources.files("experiments.shipped").joinpath("data", _FILE).read_text("utf-8")
    return list(_warnings(scale, tomllib.loads(text)["scale"]))


def before_runs(config: Config, scale: float) -> str:
    """What to say before anything is run at a scale that leaves a resource too small, or ""."""
    return "" if scale >= 1.0 or _was_measured(config) else remark(config.world, scale)


def rounded_keys(config: Config, scale: float) -> list[str]:
    """Config keys of the resources that `before_runs` tells of."""
    if scale >= 1.0 or _was_measured(config):
        return []
    return [lost.key for lost in lost_at(config.world, scale)]


def _was_measured(config: Config) -> bool:
    """Whether this is the one world that was held against full size at smaller scales."""
    return config.world == _measured_world()


@functools.cache
def _measured_world() -> World:
    return load("incident-as-planned", ()).world


def _warnings(scale: float, measured: Sequence[Mapping[str, float]]) -> Iterator[str]:
    full, *smaller = measured
    for quantity, key in _QUANTITIES.items():
        smallest = 1.0
        for row in smaller:
            if not _agrees(key, row[key], full[key]):
                if scale < smallest:
                    yield (
                        f"{quantity} is off at scale {scale:g}: on the incident, the one config "
                        f"held against full size, it agrees down to {smallest:g}; at "
                        f"{row['scale']:g} it is {_shown(key, row[key])} instead of "
                        f"{_shown(key, full[key])}"
                    )
                break
            smallest = row["scale"]
    if scale < smaller[-1]["scale"]:
        yield f"no scale below {smaller[-1]['scale']:g} was ever held against full size"


def _shown(key: str, value: float) -> str:
    if key == "failure_rate":
        return f"{100 * value:.2f} %"
    return f"{value:,.0f} ms" if key == "p95_ms" else f"{value:,.0f} rows"


def _agrees(key: str, value: float, full: float) -> bool:
    if key == "failure_rate":
        return abs(value - full) <= RATE_TOLERANCE
    return abs(value - full) <= RATIO_TOLERANCE * full


def measure(path: Path) -> None:
    """Run everything and write the file; takes five minutes on two cores, compiled."""
    from experiments.runs.workers.replications import run_replications
    from experiments.runs.workers.worker import Task

    world = load("incident-as-planned", ()).world
    rows = []
    for scale in SCALES:
        tasks = [Task(number, world, seed, scale) for number, seed in enumerate(SEEDS)]
        results = list(run_replications(tasks, None, lambda _number, _progress: None).values())
        rates = [result.metrics["http_req_failed"]["rate"] for result in results]
        low, high = ci95(rates) or (float("nan"), float("nan"))
        rows.append(
            {
                "scale": scale,
                "failure_rate": mean(rates),
                "failure_rate_half_width": (high - low) / 2,
                "token_rows": mean([r.tables["token_history"] / scale for r in results]),
                "p95_ms": mean([r.metrics["http_req_duration"]["p(95)"] for r in results]),
                "requests": mean([r.metrics["http_reqs"]["count"] / scale for r in results]),
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    path.write_text(_as_toml(rows), "utf-8")


def _as_toml(rows: Sequence[Mapping[str, float]]) -> str:
    lines = [
        "# Generated by `make scale-check`: the incident at several scales,",
        f"# means of {len(SEEDS)} runs (seeds {', '.join(map(str, SEEDS))}).",
        "# Rows and requests are extrapolated to full size.",
    ]
    for row in rows:
        lines += ["", "[[scale]]", *(f"{key} = {value:.6g}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
