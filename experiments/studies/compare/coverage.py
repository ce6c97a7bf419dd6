"""What a comparison covers: variants that are on in the base, and runs done and missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from experiments.config.sources import show_value
from experiments.runs.campaign import Campaign, Cell
from experiments.studies.compare.differences import Alternative, Design, RunsDone

_MOST_CHANGES: Final = 2


def on_already(unchanged: Sequence[Alternative]) -> str:
    """Which variants are like the base, and how to see their effect; at least one.

    Such a variant has no effect to be ranked by: its runs would be those of the base.
    """
    names = ", ".join(one.cell.name for one in unchanged)
    first = unchanged[0]
    changes = list(first.changes.items())
    is_ = ", ".join(f"{key} = {show_value(value)}" for key, value in changes[:_MOST_CHANGES])
    others = {key: _other(value) for key, value in changes}
    sets = [f"--set {key}={value}" for key, value in others.items() if value]
    how = f", such as {' '.join(sets[:_MOST_CHANGES])} for {first.cell.name}" if sets else ""
    has = f" ({first.cell.name}: {is_})" if is_ else ""
    return (
        f"{names}: on in the base already{has}, so not compared; to see the effect, turn it off in "
        f"the base and compare again{how}"
    )


def _other(value: object) -> str:
    """The opposite of a switch, as TOML; nothing where there is none."""
    return show_value(not value) if isinstance(value, bool) else ""


def runs_done(
    campaign: Campaign, base: Cell, alternatives: Sequence[Alternative], design: Design
) -> dict[str, RunsDone]:
    """Name of the base and of each variant -> replications done, and wanted at first."""
    cells = [base, *(one.cell for one in alternatives)]
    return {
        cell.name: {"done": len(campaign.results(cell)), "wanted": design.first} for cell in cells
    }


def in_words(runs: Mapping[str, RunsDone]) -> str:
    """How many runs are done and missing, for each name."""
    return "runs done: " + ", ".join(
        f"{name} {found['done']} of {max(found['done'], found['wanted'])}"
        for name, found in runs.items()
    )
