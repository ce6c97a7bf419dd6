"""Makes the runs of a race: those of all variants at first, then of those that stay in it."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.runs.campaign import Campaign, Cell
from experiments.statistics.ranking import Entry, FailingQuantity, failing_quantity
from experiments.statistics.verdict import standing
from experiments.studies.compare.differences import Alternative
from experiments.studies.compare.racing import Entrant, Left, Race, looks_before_the_end
from experiments.studies.compare.standings import entry_of
from experiments.studies.terms import terms_of


def left_early(
    campaign: Campaign,
    base: Cell,
    alternatives: Sequence[Alternative],
    replications: int,
    scale: float,
) -> dict[str, Left]:
    """Run the looks of a race before its last replication; name -> why it left.

    Args:
        campaign: makes and keeps the runs.
        base: the config as it is; it takes part and always stays.
        alternatives: the variants.
        replications: those of the first stage, which only those that stay reach.
        scale: of the runs.
    """
    planned = looks_before_the_end(replications)
    staying = [base, *(one.cell for one in alternatives)]
    left: dict[str, Left] = {}
    for look in planned:
        if not campaign.run((cell, number) for number in range(look) for cell in staying):
            break
        # A comparison that goes on has more runs already: each look sees those of its own time.
        entries = [entry_of(campaign, cell, scale, look) for cell in staying]
        verdict, seats = entries[0].verdict, entries[0].runs[0].tables.get("seat", 0)
        quantity = failing_quantity(verdict, terms_of(base.config, scale).criteria)
        race = Race(len(alternatives) + 1, len(planned), quantity.name, seats)
        entrants = [_entrant(entry, quantity) for entry in entries]
        leaving = race.leaving(entrants)
        left |= {name: why for name, why in leaving.items() if name != base.name}
        staying = [cell for cell in staying if cell.name not in left]
    return left


def _entrant(entry: Entry, quantity: FailingQuantity) -> Entrant:
    verdict = entry.verdict
    broken = {failure["name"] for failure in verdict["failures"]} | {*verdict["open"]}
    return Entrant(
        entry.name,
        frozenset(broken),
        [standing(run) for run in entry.runs],
        [quantity.of(run) for run in entry.runs],
    )
