"""Ranks alternatives to a config, the config as it is among them.

In this order: fewer invariants broken; fewer of what a verdict demands broken; then more seats
sold (standing at the end, reserved or paid); then less of the quantity in which the config as it is
fails. What the paired runs cannot tell apart is a tie and shares a rank. Only an alternative whose
verdict holds can be recommended; so none that breaks a threshold is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from experiments.statistics.intervals import ci95, mean
from experiments.statistics.steps import buying_failed_share, failed_share
from experiments.statistics.thresholds import Criterion, Measure
from experiments.statistics.verdict import Verdict, standing
from sim.result import RunResult

SAME: Final = 0.005
"""Seats that differ by less than this share of those on sale are the same in practice, and so are
failing quantities that differ by less than this share of their size."""


@dataclasses.dataclass(frozen=True)
class FailingQuantity:
    """What the config as it is fails in, as a number of a run.

    `sign` times the number is better the less it is.
    """

    name: str
    read: Callable[[RunResult], float | None]
    sign: int = 1
    measure: Measure | None = None
    """Of the threshold that it comes from, if it comes from one."""

    def of(self, run: RunResult) -> float | None:
        """The number with its sign, less is better; None without samples."""
        value = self.read(run)
        return None if value is None else self.sign * value


@dataclasses.dataclass(frozen=True)
class Entry:
    """One alternative: its verdict, and its runs in order of replication."""

    name: str
    verdict: Verdict
    runs: Sequence[RunResult]


@dataclasses.dataclass(frozen=True)
class Rank:
    """Where an alternative stands: 1 is best; `tied_with` share the rank."""

    name: str
    rank: int
    broken: int
    tied_with: tuple[str, ...]


def failing_quantity(verdict: Verdict, criteria: Sequence[Criterion]) -> FailingQuantity:
    """The first thing that fails as a number; the failed share of buying where nothing does."""
    by_name = {one.name: one for one in criteria}
    for failure in verdict["failures"]:
        criterion = by_name.get(failure["name"])
        if failure["kind"] == "threshold" and criterion is not None and criterion.worse:
            measure = criterion.measure
            name = f"{measure.name} {measure.aggregation}"
            return FailingQuantity(name, measure.of, criterion.worse, measure)
        if failure["kind"] == "step":
            return FailingQuantity(f"{failure['name']} failed", _of_step(failure["name"]))
    return FailingQuantity("buying failed", buying_failed_share)


def _of_step(step: str) -> Callable[[RunResult], float | None]:
    return lambda run: failed_share(run, step)


def broken(verdict: Verdict) -> int:
    """How much of what a verdict demands is broken; what is open counts, as it is not met."""
    return len(verdict["failures"]) + len(verdict["open"])


def _level(verdict: Verdict) -> tuple[int, int]:
    # A service that sells too much may well answer faster and refuse less.
    invariants = sum(failure["kind"] == "invariant" for failure in verdict["failures"])
    return invariants, broken(verdict)


def ranked(entries: Sequence[Entry], quantity: FailingQuantity) -> list[Rank]:
    """Rank alternatives, best first; ties in the order given.

    Args:
        entries: with the same seeds in the same order.
        quantity: see `failing_quantity`.
    """
    found: list[Rank] = []
    for level in sorted({_level(entry.verdict) for entry in entries}):
        same = [entry for entry in entries if _level(entry.verdict) == level]
        for by_seats in _groups(same, lambda run: -standing(run), _seats_alike):
            for tied in _groups(by_seats, quantity.of, _quantity_alike):
                rank = len(found) + 1
                names = [entry.name for entry in tied]
                found += [
                    Rank(name, rank, level[1], tuple(other for other in names if other != name))
                    for name in names
                ]
    return found


def recommended(ranks: Sequence[Rank], verdicts: Mapping[str, Verdict], base: str) -> list[str]:
    """The best alternatives whose verdict holds and that rank above the config as it is."""
    of_base = next(rank.rank for rank in ranks if rank.name == base)
    good = [rank for rank in ranks if rank.rank < of_base and not rank.broken]
    best = min((rank.rank for rank in good), default=0)
    return [rank.name for rank in good if rank.rank == best and holds_now(verdicts[rank.name])]


def holds_now(verdict: Verdict) -> bool:
    """Whether everything that is demanded is met."""
    return verdict["outcome"] == "holds"


Read = Callable[[RunResult], float | None]
Alike = Callable[[Sequence[tuple[float, float]], RunResult], bool]


def _groups(entries: Sequence[Entry], read: Read, alike: Alike) -> list[list[Entry]]:
    """Divide by a number of which less is better: each group holds what its best is like."""
    left = sorted(entries, key=lambda entry: _mean(entry, read))
    groups: list[list[Entry]] = []
    while left:
        best = left[0]
        least = _mean(best, read)
        names = {
            one.name
            for one in left
            if _mean(one, read) == least or alike(_paired(best, one, read), best.runs[0])
        }
        groups.append([entry for entry in entries if entry.name in names])
        left = [entry for entry in left if entry.name not in names]
    return groups


def _mean(entry: Entry, read: Read) -> float:
    values = [value for value in map(read, entry.runs) if value is not None]
    return mean(values) if values else float("inf")


def _paired(one: Entry, other: Entry, read: Read) -> list[tuple[float, float]]:
    pairs = [(read(a), read(b)) for a, b in zip(one.runs, other.runs, strict=False)]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _seats_alike(pairs: Sequence[tuple[float, float]], run: RunResult) -> bool:
    return _alike(pairs, SAME * run.tables.get("seat", 0))


def _quantity_alike(pairs: Sequence[tuple[float, float]], _run: RunResult) -> bool:
    size = max((abs(value) for pair in pairs for value in pair), default=0.0)
    return _alike(pairs, SAME * size)


def _alike(pairs: Sequence[tuple[float, float]], least: float) -> bool:
    """Whether paired numbers are the same in practice, or their difference is not shown."""
    if not pairs:
        return False
    differences = [other - one for one, other in pairs]
    if abs(mean(differences)) <= least:
        return True
    interval = ci95(differences)
    return interval is not None and interval[0] <= 0.0 <= interval[1]
