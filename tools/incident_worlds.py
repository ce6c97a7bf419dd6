"""Take the worlds that `ticketsim explain incident` found into the shipped data.

    ticketsim explain incident --out runs/explain
    python -m tools.incident_worlds runs/explain

copies the draws to `experiments/shipped/data/incident-worlds.toml`, as they are.

    make fixes-everywhere
    python -m tools.incident_worlds runs/fixes-everywhere

records what the comparison found of fixes in these worlds, for the front page.

    python -m tools.incident_worlds --recheck

runs every draw again (two minutes). Where all of them have the distance that the inference had
accepted, the code changed nothing about them, and the file names this code as its version.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tomli_w

from experiments.config.reading import check, load, read
from experiments.config.sources import Merged, merge
from experiments.config.unknown import put
from experiments.config.worlds import without_unknowns
from experiments.runs.storage.store import program_version
from experiments.studies.explain.observations import Vector, observations_of
from sim.run import simulate

DATA: Final = Path("experiments/shipped/data")
WORLDS: Final = DATA / "incident-worlds.toml"
FIXES: Final = DATA / "incident-fixes.toml"
_ROUNDING: Final = 1e-9
_STOPGAPS: Final = frozenset({"F1", "F2", "stopgaps"})


def main(arguments: Sequence[str]) -> int:
    """Take a folder of results; returns the exit code."""
    if arguments[0] == "--recheck":
        return recheck()
    folder = Path(arguments[0])
    draws = folder / "draws.toml"
    if draws.is_file():
        WORLDS.write_text(draws.read_text("utf-8"), "utf-8")
        return 0
    comparison = json.loads((folder / "comparison.json").read_text("utf-8"))
    FIXES.write_text(tomli_w.dumps(record(comparison)), "utf-8")
    return 0


def recheck() -> int:
    """Run every draw again; write the version if nothing changed. Returns the exit code."""
    text = WORLDS.read_text("utf-8")
    before = hashlib.sha256(text.encode()).hexdigest()
    table = tomllib.loads(text)
    changed = [one["label"] for one in table["draws"] if not _same(one)]
    if changed:
        sys.stderr.write(f"changed: {', '.join(dict.fromkeys(changed))}; make explain worlds\n")
        return 1
    text = text.replace(table["version"], program_version(), 1)
    WORLDS.write_text(text, "utf-8")
    if FIXES.is_file():
        after = hashlib.sha256(text.encode()).hexdigest()
        FIXES.write_text(FIXES.read_text("utf-8").replace(before, after), "utf-8")
    return 0


def _same(entry: Mapping[str, Any]) -> bool:
    """Whether a draw still has the distance that was accepted."""
    given = read("incident")
    table: dict[str, Any] = {}
    merge(table, without_unknowns(given.merged).table)
    for key, value in entry["set"].items():
        put(table, key, value, str(WORLDS), key)
    world = check(Merged(table, {}), "incident").world
    vector = Vector(observations_of(given.config, given.source), 1.0)
    found = vector.distance(vector.values(simulate(world, entry["seed"])))
    return bool(abs(found - entry["distance"]) <= _ROUNDING)


def record(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a comparison: the robust choices by cost, and the stopgaps."""
    worlds = load("incident").worlds
    digests = [file.sha256 for file in worlds.files] if worlds else [""]
    rows = {row["name"]: row for row in comparison["variants"]}
    chosen = [choice["name"] for choice in comparison["first_choices"]]
    stopgaps = [name for name in rows if name in _STOPGAPS and name not in chosen]
    return {
        "draws_sha256": digests[0],
        "digest": comparison["digest"],
        "compared": len(rows),
        "fixes": [_fix(rows[name], stopgap=name in _STOPGAPS) for name in [*chosen, *stopgaps]],
    }


def _fix(row: Mapping[str, Any], *, stopgap: bool) -> dict[str, Any]:
    effects = row["over_worlds"]["effects"]
    failed = effects["failed"]
    return {
        "name": row["name"],
        "description": row["description"],
        "cost": row["cost"],
        "worlds": row["over_worlds"]["worlds"],
        "helps": failed["helps"],
        "harms": failed["harms"],
        "sells": effects["bookings"]["helps"],
        "stopgap": stopgap,
        **{name: effects[name]["median"] for name in ("failed", "bookings", "payments")},
        **{
            f"{name}_90": [effects[name]["low"], effects[name]["high"]]
            for name in ("failed", "bookings", "payments")
        },
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
