"""The document of `ticketsim fuzz --json`."""

from __future__ import annotations

from typing import Final

from typing_extensions import TypedDict

SCHEMA: Final = 1


class Finding(TypedDict):
    """A violation, and the smallest case that shows it."""

    broken: list[str]
    """Invariants, or "crashed: Error" when the simulator itself failed."""
    seed: int
    """Of the try that found it."""
    found_after_tries: int
    found_after_seconds: float
    replay: str
    """The config that shows it: `ticketsim run FILE`."""
    users: int
    faults: list[str]
    stalls: int
    """How many times a thread has to be held up for it to happen."""
    shrinking_runs: int
    smallest: bool
    """Whether nothing more can be left out; false when time was up before that was known."""
    schedule: list[str]
    """The events of the smallest case that matter, below a heading; the violation last."""


class FuzzResult(TypedDict):
    """Counts of the tries made, here and in earlier calls with the same `--out`."""

    schema: int
    config: str
    seed: int
    scale: float
    seeds: int
    """As asked for."""
    tries: int
    """As made."""
    faults: dict[str, int]
    """Kind -> faults injected by the search."""
    violations: dict[str, int]
    """What was broken -> tries that broke it."""
    findings: list[Finding]
    not_exercised: list[str]
    """Where nothing broke: what could not have broken, and what to set."""
    partial: bool
    """Whether tries are missing: interrupted, out of budget, or ended by a violation."""
    digest: str
    wall_seconds: float
