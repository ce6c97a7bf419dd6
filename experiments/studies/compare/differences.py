"""Variants against a base by common random numbers: paired differences, intervals, verdicts.

Replication k of the base and of every variant has the same seed, and each purpose and user its own
random stream, so that a difference shows what the variant changes and not what chance does.
The intervals are those of two stages in `experiments.statistics.intervals`. The verdicts are
corrected by Holm's method over the variants compared, for each quantity (`stopping`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from experiments.runs.campaign import Campaign, Cell
from experiments.runs.run_reuse import switches_between
from experiments.runs.storage.store import identity_of
from experiments.statistics.intervals import Interval, MeanEstimate, mean, two_stage
from experiments.statistics.quantities import COMPARED, FAILED, Quantity
from experiments.statistics.stopping import Finding, holm, replications_needed, verdict_of
from experiments.statistics.summary import combined_digest
from experiments.statistics.uncertainty import Split, Uncertainty, split
from experiments.statistics.verdict import Verdict
from experiments.studies.compare.over_worlds import OverWorlds, over_worlds
from experiments.studies.compare.racing import Left
from experiments.studies.compare.robust_choice import Choice
from sim.result import RunResult

SCHEMA: Final = 1
MOST_REPLICATIONS = 1_000
"""Of one variant, whatever precision is asked for."""
TOLERANCE = 0.02
"""Half-width that counts as narrow when no precision is asked for: two points, or 2 %."""
CORRECTION = (
    "intervals: 95 % each, Student's t on paired differences (Stein's two-stage rule); verdicts: "
    "Holm over the variants, 5 % per quantity"
)


class Difference(TypedDict):
    """One quantity of one variant; durations in milliseconds, counts as simulated."""

    base: float | None
    variant: float | None
    difference: float | None
    ci95: Interval
    p: float | None
    p_holm: float | None
    verdict: Finding
    extrapolated: NotRequired[float | None]
    spread: NotRequired[Split]
    """Of the paired difference, where something is unknown: how much is that, how much chance.

    Where variants are named as first choices, only of these."""


class VariantRow(TypedDict):
    """One variant."""

    name: str
    description: str
    changes: dict[str, Any]
    replications: int
    digest: str
    ended_early: int
    over_worlds: NotRequired[OverWorlds]
    cost: NotRequired[float]
    """In the unit of the file of variants."""
    quantities: dict[str, Difference]
    verdict: NotRequired[Verdict]
    rank: NotRequired[int]
    """1 is best; the config as it is has a rank too; 0 where too few runs are done to rank."""
    tied_with: NotRequired[list[str]]
    against_base: NotRequired[Literal["better", "worse", "tie"]]
    measured: NotRequired[list[dict[str, Any]]]
    left: NotRequired[Left]
    """Where it left a race before the last replication: why."""


class RunsDone(TypedDict):
    """How many replications are done, and how many were wanted at first."""

    done: int
    wanted: int


class ComparisonResult(TypedDict):
    """What `ticketsim compare --json` prints; the variants best first."""

    schema: Literal[1]
    config: str
    seed: int
    scale: float
    replications: int
    precision: float | None
    partial: bool
    correction: str
    base: dict[str, float | None]
    variants: list[VariantRow]
    base_verdict: NotRequired[Verdict]
    base_rank: NotRequired[int]
    recommended: NotRequired[list[str]]
    """The best variants that meet everything and rank before the config as it is; several are
    tied; empty if there is none."""
    failing: NotRequired[str]
    """The quantity by which variants rank that sell as many seats."""
    failing_values: NotRequired[dict[str, float | None]]
    """Of the config as it is and of each variant, at full size."""
    unchanged: NotRequired[list[str]]
    """Variants that are on in the base already: they were not run and have no row."""
    runs: NotRequired[dict[str, RunsDone]]
    """Of the config as it is and of each variant, where the comparison ended early."""
    uncertainty: NotRequired[Uncertainty]
    first_choices: NotRequired[list[Choice]]
    """Where something is unknown and variants state a cost: what to take for how much."""
    warnings: list[str]
    digest: str
    wall_seconds: float


@dataclasses.dataclass(frozen=True)
class Alternative:
    """A variant, ready to run."""

    cell: Cell
    description: str
    changes: Mapping[str, Any]
    cost: float | None = None


@dataclasses.dataclass(frozen=True)
class Design:
    """How many replications: first so many, then as many as the precision (if any) needs."""

    first: int
    precision: float | None = None


Pairs = Mapping[str, Sequence[float]]


def replicate(
    design: Design,
    names: Sequence[str],
    extend: Callable[[Mapping[str, int]], bool],
    differences: Callable[[str], Sequence[float]],
) -> None:
    """Run the first stage, and then the second one that its variances ask for.

    This is the whole stopping rule: the tests of coverage run this function.

    Args:
        design: how many.
        names: of the alternatives.
        extend: makes replications up to the number for each name; false when it could not.
        differences: alternative minus base in the deciding quantity, one per pair so far.
    """
    if not extend(dict.fromkeys(names, design.first)) or design.precision is None:
        return
    extend(
        {
            name: min(
                MOST_REPLICATIONS,
                replications_needed(differences(name)[: design.first], design.precision),
            )
            for name in names
        }
    )


def run_comparison(
    campaign: Campaign, base: Cell, alternatives: Sequence[Alternative], design: Design
) -> None:
    """Make the runs of a comparison, as far as the budget goes."""
    cells = {alternative.cell.name: alternative.cell for alternative in alternatives}

    def extend(totals: Mapping[str, int]) -> bool:
        return campaign.run(
            (cell, number)
            for number in range(max(totals.values(), default=0))
            for cell in (base, *(cells[name] for name, most in totals.items() if number < most))
        )

    def differences(name: str) -> Sequence[float]:
        return _differences(campaign, base, cells[name], FAILED)

    replicate(design, list(cells), extend, differences)


def _pairs(campaign: Campaign, base: Cell, cell: Cell) -> list[tuple[RunResult, RunResult]]:
    return list(zip(campaign.results(base), campaign.results(cell), strict=False))


def _differences(campaign: Campaign, base: Cell, cell: Cell, quantity: Quantity) -> list[float]:
    """Variant minus base, pair by pair."""
    found = []
    for one, other in _pairs(campaign, base, cell):
        before, after = quantity.of(one), quantity.of(other)
        if before is not None and after is not None:
            found.append(after - before)
    return found


def comparison_of(
    campaign: Campaign, base: Cell, alternatives: Sequence[Alternative], design: Design
) -> tuple[dict[str, float | None], list[VariantRow]]:
    """The base's means, and a row for each alternative that has at least one pair, by effect."""
    present = [one for one in alternatives if _pairs(campaign, base, one.cell)]
    columns = {
        quantity.name: _column(campaign, base, present, design, quantity) for quantity in COMPARED
    }
    rows = []
    for index, alternative in enumerate(present):
        runs = [pair[1] for pair in _pairs(campaign, base, alternative.cell)]
        row = VariantRow(
            name=alternative.cell.name,
            description=alternative.description,
            changes=dict(alternative.changes),
            replications=len(runs),
            digest=combined_digest([run.digest for run in runs]),
            ended_early=sum(run.ended != "completed" for run in runs),
            quantities={name: column[index] for name, column in columns.items()},
        )
        if alternative.cost is not None:
            row["cost"] = alternative.cost
        rows.append(row)
    _add_worlds(campaign, base, present, rows)
    rows.sort(key=lambda row: row["quantities"][FAILED.name]["difference"] or 0.0)
    means = {quantity.name: _mean(campaign.results(base), quantity) for quantity in COMPARED}
    return means, rows


def _add_worlds(
    campaign: Campaign, base: Cell, present: Sequence[Alternative], rows: Sequence[VariantRow]
) -> None:
    """Where something is unknown: what each variant does in every world."""
    uncertainty = campaign.uncertainty(base, campaign.results(base))
    if uncertainty is None:
        return
    worlds = uncertainty["worlds"]
    second = campaign.second_runs(base)
    for alternative, row in zip(present, rows, strict=True):
        runs = _pairs(campaign, base, alternative.cell)
        own = campaign.second_runs(alternative.cell)
        again = [(second[number], own[number]) for number in second if number in own]
        pairs: dict[str, list[tuple[float, float]]] = {}
        for quantity in COMPARED:
            found = _numbers(runs, quantity)
            twice = _numbers(again, quantity)
            if len(found) < len(runs):
                continue
            pairs[quantity.name] = found
            changes = [after - before for before, after in found]
            both = [
                (one, after - before)
                for one, (before, after) in zip(changes, twice, strict=False)
                if len(twice) == len(again)
            ]
            parts = split(changes, both)
            if parts is not None:
                row["quantities"][quantity.name]["spread"] = parts
        row["over_worlds"] = over_worlds(COMPARED, pairs, worlds[: len(runs)], FAILED.name)


def _numbers(
    pairs: Sequence[tuple[RunResult, RunResult]], quantity: Quantity
) -> list[tuple[float, float]]:
    """The pairs of numbers, of those pairs of runs that have both."""
    found = [(quantity.of(one), quantity.of(other)) for one, other in pairs]
    return [(one, other) for one, other in found if one is not None and other is not None]


def changes_nothing(base: Cell, alternative: Alternative) -> bool:
    """Whether an alternative is the base itself."""
    one, other = (identity_of(cell.config.resolved, 0, 1.0) for cell in (base, alternative.cell))
    return one == other


def never_asked_for(
    campaign: Campaign, base: Cell, alternatives: Sequence[Alternative]
) -> list[str]:
    """Alternatives that change only what no run of the base ever asked for."""
    runs = campaign.results(base)
    if not runs or any(run.consulted is None for run in runs):
        return []
    asked = {name for run in runs for name in run.consulted or ()}
    return [
        one.cell.name
        for one in alternatives
        if all(key.startswith("policy.") for key in one.changes)
        and (switches := switches_between(base.config, one.cell.config))
        and asked.isdisjoint(switches)
    ]


def _mean(runs: Sequence[RunResult], quantity: Quantity) -> float | None:
    values = [value for value in map(quantity.of, runs) if value is not None]
    return mean(values) if values else None


def _column(
    campaign: Campaign,
    base: Cell,
    alternatives: Sequence[Alternative],
    design: Design,
    quantity: Quantity,
) -> list[Difference]:
    """One quantity of all alternatives, corrected for their number."""
    estimates: list[MeanEstimate | None] = []
    for alternative in alternatives:
        pairs = _pairs(campaign, base, alternative.cell)
        values = _differences(campaign, base, alternative.cell, quantity)
        # A pair without samples would break the order of the stages.
        complete = bool(values) and len(values) == len(pairs)
        estimates.append(two_stage(values, design.first) if complete else None)
    adjusted = holm([estimate.p_value if estimate else None for estimate in estimates])
    return [
        _difference(
            quantity, design, _pairs(campaign, base, alternative.cell), estimate, adjusted_p
        )
        for alternative, estimate, adjusted_p in zip(alternatives, estimates, adjusted, strict=True)
    ]


def _difference(
    quantity: Quantity,
    design: Design,
    pairs: Sequence[tuple[RunResult, RunResult]],
    estimate: MeanEstimate | None,
    adjusted_p: float | None,
) -> Difference:
    base = _mean([pair[0] for pair in pairs], quantity)
    variant = _mean([pair[1] for pair in pairs], quantity)
    row: Difference = {
        "base": base,
        "variant": variant,
        "difference": None,
        "ci95": None,
        "p": None,
        "p_holm": None,
        "verdict": "undecided",
    }
    if estimate is None or base is None or variant is None:
        return row
    tolerance = quantity.tolerance(design.precision or TOLERANCE, base, variant)
    row |= {
        "difference": estimate.mean,
        "ci95": _interval(estimate),
        "p": estimate.p_value,
        "p_holm": adjusted_p,
        "verdict": verdict_of(estimate, adjusted_p, tolerance, quantity.better),
    }
    return row


def _interval(estimate: MeanEstimate) -> Interval:
    if estimate.low is None or estimate.high is None:
        return None
    return (estimate.low, estimate.high)


def extrapolate(rows: Sequence[VariantRow], scale: float) -> None:
    """Add to each count what it would be at full size."""
    for row in rows:
        for quantity in COMPARED:
            found = row["quantities"][quantity.name]
            if quantity.grows_with_scale and found["difference"] is not None:
                found["extrapolated"] = found["difference"] / scale
