"""Counts a kept run by hand, from its Parquet files alone, and holds the count beside its verdict.

`python -m tools.hand_count RUN_DIR...` prints a table for docs/verdict.md. Nothing of the verdict's
own code is used: a mistake there shows as a difference here.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

STEPS: Final = {
    "token": ["POST /v1/token/generation"],
    "seats": ["GET /v1/concerts/{id}/available-dates", "GET /v1/concerts/{id}/available-seats"],
    "booking": ["POST /v1/concerts/{id}/booking"],
    "payment": ["POST /v1/bookings/{id}/payment"],
}
BUSINESS: Final = {"402", "403", "409", "410"}
BUSINESS_WITH_500: Final = {
    "SeatLockedError",
    "NoFreeSeatError",
    "NotEnoughPointsError",
    "BookingStatusError",
}
NO_BUSINESS_WITH_403: Final = {"MissingTokenError", "WrongConcertError"}


def counted(folder: Path) -> dict[str, float]:
    """Name -> mean over the replications, as simulated; shares between 0 and 1."""
    runs: dict[int, dict[str, float]] = defaultdict(dict)
    for number, (requests, causes) in _requests(folder).items():
        for step, endpoints in STEPS.items():
            whole = sum(n for (endpoint, _), n in requests.items() if endpoint in endpoints)
            failed = sum(
                n
                for (endpoint, status), n in requests.items()
                if endpoint in endpoints
                and not 200 <= int(status) < 400  # noqa: PLR2004 (answered)
                and status not in BUSINESS
            )
            here = {name: n for (endpoint, name), n in causes.items() if endpoint in endpoints}
            failed -= sum(here.get(name, 0) for name in BUSINESS_WITH_500)
            failed += sum(here.get(name, 0) for name in NO_BUSINESS_WITH_403)
            if whole:
                runs[number][f"{step} failed"] = failed / whole
    for row in pq.read_table(folder / "tables.parquet").to_pylist():
        if row["table"] in _SEATS:
            runs[row["replication"]][_SEATS[row["table"]]] = row["rows"]
    for run in runs.values():
        for name in ("held", "paid", "cancelled"):
            run.setdefault(name, 0)
        run["standing"] = run["held"] - run["cancelled"]
    for row in pq.read_table(folder / "funnel.parquet").to_pylist():
        run = runs[row["replication"]]
        run["came"] = run.get("came", 0) + row["users"] * (row["state"] != "never_arrived")
    names = dict.fromkeys(name for run in runs.values() for name in run)
    return {
        name: sum(known) / len(known)
        for name in names
        if (known := [run[name] for run in runs.values() if name in run])
    }


_SEATS: Final = {"booking": "held", "booking:PAID": "paid", "booking:CANCELLED": "cancelled"}
_ROUNDING: Final = 1e-9
Counts = dict[tuple[str, str], int]


def _requests(folder: Path) -> dict[int, tuple[Counts, Counts]]:
    """Replication -> (endpoint, status) -> requests, and (endpoint, cause) -> failed requests."""
    found: dict[int, tuple[Counts, Counts]] = defaultdict(lambda: ({}, {}))
    for row in pq.read_table(folder / "requests.parquet").to_pylist():
        found[row["replication"]][0][row["endpoint"], row["status"]] = row["requests"]
    for row in pq.read_table(folder / "errors.parquet").to_pylist():
        if row["kind"] == "error":
            found[row["replication"]][1][row["endpoint"], row["name"]] = row["count"]
    return found


def said(folder: Path) -> dict[str, float]:
    """The same names, as the verdict of the run has them."""
    verdict: dict[str, Any] = json.loads((folder / "summary.json").read_text("utf-8"))["verdict"]
    steps = {f"{name} failed": step["failed_share"] for name, step in verdict["steps"].items()}
    seats = {name: verdict["seats"][name] for name in ("held", "paid", "cancelled", "standing")}
    return {**steps, **seats, "came": verdict["people"]["came"]}


def main() -> None:
    """Print a table of every folder named; exit with 1 where a count differs."""
    wrong = 0
    for folder in map(Path, sys.argv[1:]):
        hand, told = counted(folder), said(folder)
        print(f"\n| {folder} | by hand | verdict |\n| --- | --- | --- |")
        for name in dict.fromkeys([*told, *hand]):
            pair = hand.get(name, 0.0), told.get(name, 0.0)
            print(f"| {name} | {_shown(name, pair[0])} | {_shown(name, pair[1])} |")
            wrong += abs(pair[0] - pair[1]) > _ROUNDING
    sys.exit(bool(wrong))


def _shown(name: str, value: float) -> str:
    return f"{100 * value:.2f} %" if name.endswith("failed") else f"{value:.1f}"


if __name__ == "__main__":
    main()
