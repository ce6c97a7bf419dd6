"""The verdict on each variant of a comparison, and its rank."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from experiments.runs.campaign import Campaign, Cell
from experiments.statistics.full_size import at_full_size
from experiments.statistics.intervals import mean
from experiments.statistics.ranking import (
    Entry,
    FailingQuantity,
    failing_quantity,
    ranked,
    recommended,
)
from experiments.statistics.verdict import Verdict, verdict_on
from experiments.studies.compare.differences import Alternative, VariantRow
from experiments.studies.terms import terms_of


@dataclasses.dataclass(frozen=True)
class Standings:
    """What a comparison says beside its rows; see `Comparison`."""

    base_verdict: Verdict
    base_rank: int
    recommended: list[str]
    failing: str
    failing_values: dict[str, float | None]


def ranking_of(
    campaign: Campaign,
    base: Cell,
    alternatives: Sequence[Alternative],
    rows: list[VariantRow],
    scale: float,
) -> Standings:
    """Give each row its verdict and rank, and put the rows in order, best first.

    Args:
        campaign: has the runs.
        base: the config as it is.
        alternatives: the variants.
        rows: of those that have at least one pair of runs; changed in place.
        scale: of the runs.
    """
    entry = entry_of(campaign, base, scale)
    cells = {one.cell.name: one.cell for one in alternatives}
    entries = [entry, *(entry_of(campaign, cells[row["name"]], scale) for row in rows)]
    quantity = failing_quantity(entry.verdict, terms_of(base.config, scale).criteria)
    ranks = {rank.name: rank for rank in ranked(entries, quantity)}
    verdicts = {one.name: one.verdict for one in entries}
    base_rank = ranks[base.name].rank
    for row in rows:
        found = ranks[row["name"]]
        row["verdict"] = verdicts[row["name"]]
        row["rank"] = found.rank
        row["tied_with"] = list(found.tied_with)
        row["against_base"] = (
            "tie" if found.rank == base_rank else "better" if found.rank < base_rank else "worse"
        )
    rows.sort(key=lambda row: row["rank"])
    return Standings(
        base_verdict=entry.verdict,
        base_rank=base_rank,
        recommended=recommended(list(ranks.values()), verdicts, base.name),
        failing=quantity.name,
        failing_values={one.name: _mean(one, quantity, scale) for one in entries},
    )


def unranked(standing: Standings, rows: Sequence[VariantRow]) -> Standings:
    """The same without ranks and recommendation, in `rows` too: too few runs are done for them."""
    for row in rows:
        row["rank"] = 0
        row["tied_with"] = []
        row["against_base"] = "tie"
    return dataclasses.replace(standing, base_rank=0, recommended=[])


def entry_of(
    campaign: Campaign, cell: Cell, scale: float, replications: int | None = None
) -> Entry:
    """The verdict on a cell, of its first replications or of all."""
    runs = campaign.results(cell)[:replications]
    return Entry(cell.name, verdict_on(runs, terms_of(cell.config, scale)), runs)


def _mean(entry: Entry, quantity: FailingQuantity, scale: float) -> float | None:
    """The mean over the runs, at full size as in a verdict; None without samples."""
    values = [value for value in map(quantity.read, entry.runs) if value is not None]
    if not values:
        return None
    measure = quantity.measure
    return mean(values) if measure is None else at_full_size(measure, mean(values), scale)
