"""Splits the spread between runs into unknown inputs and chance.

Each replication of a config with `[unknowns]` is another world. Some worlds are run twice, with
other random numbers: half the mean squared difference of such pairs is the variance within a
world, W. The variance of the replications, T, is that between worlds plus W (law of total
variance), so the share of what is unknown is (T - W) / T.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from typing_extensions import TypedDict

from experiments.statistics.intervals import FEWEST_FOR_INTERVALS, deviation
from sim.result import RunResult

_FEWEST: Final = 3
_ENOUGH: Final = 8
"""Worlds run twice from which on the split counts as more than rough: eight degrees of freedom."""
_SHARE: Final = 5
"""One world of so many is run twice."""


class Quantity(Protocol):
    """A number of a run: see `experiments.statistics.quantities`."""

    @property
    def name(self) -> str:
        """Its key."""
        ...

    @property
    def label(self) -> str:
        """Its name for people."""
        ...

    def of(self, run: RunResult) -> float | None:
        """The number; None where the run has none."""
        ...


class Split(TypedDict):
    """The variance of one quantity between runs; `unknown` and `chance` are shares of it."""

    variance: float
    unknown: float
    chance: float


class Uncertainty(TypedDict):
    """What the intervals of a result cover.

    `unknowns` names what is drawn, `worlds` has the drawn values of each replication in order,
    `run_twice` is the number of worlds that were run twice.
    """

    unknowns: list[str]
    worlds: list[dict[str, Any]]
    run_twice: int
    quantities: dict[str, Split]


def again(number: int) -> int:
    """The number of the second run of a world: replications from 0 upwards, these from -1 down."""
    return -1 - number


def world_number(number: int) -> int:
    """Which world a run is of: a replication, or the second run of one."""
    return number if number >= 0 else again(number)


def runs_again(replications: int) -> list[int]:
    """The numbers of the second runs that tell chance from what is unknown."""
    if replications < FEWEST_FOR_INTERVALS:
        return []
    return [again(number) for number in range(max(_FEWEST, replications // _SHARE))]


def split(values: Sequence[float], pairs: Sequence[tuple[float, float]]) -> Split | None:
    """Split a variance; None for fewer than three values or three pairs, or without any spread.

    Args:
        values: one per replication.
        pairs: both values of each world that was run twice.
    """
    if len(values) < FEWEST_FOR_INTERVALS or len(pairs) < _FEWEST:
        return None
    variance = deviation(values) ** 2
    if variance <= 0.0:
        return None
    within = math.fsum((one - other) ** 2 for one, other in pairs) / (2 * len(pairs))
    chance = min(1.0, within / variance)
    return {"variance": variance, "unknown": 1.0 - chance, "chance": chance}


def splits(
    runs: Sequence[RunResult],
    second: Mapping[int, RunResult],
    quantities: Sequence[Quantity],
) -> dict[str, Split]:
    """Of each quantity that varies.

    Args:
        runs: the replications in order.
        second: world -> its second run.
        quantities: which.
    """
    found: dict[str, Split] = {}
    for quantity in quantities:
        values = [value for value in map(quantity.of, runs) if value is not None]
        numbers = [
            (quantity.of(runs[number]), quantity.of(run))
            for number, run in second.items()
            if number < len(runs)
        ]
        pairs = [(one, two) for one, two in numbers if one is not None and two is not None]
        parts = split(values, pairs)
        if parts is not None:
            found[quantity.name] = parts
    return found


def in_words(found: Uncertainty, quantities: Sequence[Quantity]) -> list[str]:
    """What a table says below: what the intervals cover, and how much is which."""
    names = ", ".join(found["unknowns"]) or "nothing"
    worlds = len(found["worlds"])
    lines = [f"Unknown inputs: {names}. Each of the {worlds} replications is another world."]
    shares = [
        f"{quantity.label} {parts['unknown']:.0%} and {parts['chance']:.0%}"
        for quantity in quantities
        if (parts := found["quantities"].get(quantity.name)) is not None
    ]
    if shares:
        twice = found["run_twice"]
        rough = ", so these shares are rough" if twice < _ENOUGH else ""
        lines.append(
            "Shares of the variance between replications that the unknowns and chance have: "
            f"{'; '.join(shares)} ({twice} worlds were run twice to tell{rough})."
        )
    elif worlds < FEWEST_FOR_INTERVALS:
        lines.append(
            f"How much is chance cannot be told below {FEWEST_FOR_INTERVALS} replications."
        )
    return lines
