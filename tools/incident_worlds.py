"""Take the worlds that `ticketsim explain incident` found into the shipped data.

    ticketsim explain incident --out runs/explain
    python -m tools.incident_worlds runs/explain

copies the draws to `experiments/shipped/data/incident-worlds.toml`, as they are.

    ticketsim compare incident --out runs/fixes
    python -m tools.incident_worlds runs/fixes

records what the comparison found of fixes in these worlds, for the front page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tomli_w

from experiments.config.reading import load

DATA: Final = Path("experiments/shipped/data")
WORLDS: Final = DATA / "incident-worlds.toml"
FIXES: Final = DATA / "incident-fixes.toml"
_STOPGAPS: Final = frozenset({"F1", "F2", "stopgaps"})


def main(arguments: Sequence[str]) -> int:
    """Take a folder of results; returns the exit code."""
    folder = Path(arguments[0])
    draws = folder / "draws.toml"
    if draws.is_file():
        WORLDS.write_text(draws.read_text("utf-8"), "utf-8")
        return 0
    comparison = json.loads((folder / "comparison.json").read_text("utf-8"))
    FIXES.write_text(tomli_w.dumps(record(comparison)), "utf-8")
    return 0


def record(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a comparison: each fix with its effects over the worlds, best first."""
    worlds = load("incident").worlds
    digests = [file.sha256 for file in worlds.files] if worlds else [""]
    fixes = sorted(_fixes(comparison), key=lambda one: one["failed"])
    return {"draws_sha256": digests[0], "digest": comparison["digest"], "fixes": fixes}


def _fixes(comparison: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for row in comparison["variants"]:
        effects = row["over_worlds"]["effects"]
        failed = effects["failed"]
        yield {
            "name": row["name"],
            "description": row["description"],
            "keys": len(row["changes"]),
            "worlds": row["over_worlds"]["worlds"],
            "helps": failed["helps"],
            "harms": failed["harms"],
            "stopgap": row["name"] in _STOPGAPS,
            "harmful_where": row["over_worlds"]["harmful_where"],
            **{name: effects[name]["median"] for name in ("failed", "bookings", "payments")},
            **{
                f"{name}_90": [effects[name]["low"], effects[name]["high"]]
                for name in ("failed", "bookings", "payments")
            },
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
