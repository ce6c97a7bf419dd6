"""Users by the furthest state that they reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from experiments.statistics.full_size import whole_parts
from experiments.views.plots.style import BLUE, GREY, INK, PAPER, new_figure, styled
from experiments.views.text.run_text import number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_AT_LEAST: Mapping[str, tuple[str, ...]] = {
    "came": (
        "arrived",
        "abandoned",
        "waited",
        "admitted",
        "saw_seats",
        "sold_out",
        "booked",
        "paid",
    ),
    "got a token": ("waited", "admitted", "saw_seats", "sold_out", "booked", "paid"),
    "were let in": ("admitted", "saw_seats", "sold_out", "booked", "paid"),
    "saw a free seat": ("saw_seats", "booked", "paid"),
    "booked a seat": ("booked", "paid"),
    "paid": ("paid",),
}
_STAYED = {"got a token": "got a token, stayed"}


def at_full_size(counts: Mapping[str, float], scale: float) -> dict[str, float]:
    """State -> people at full size, in whole people that add up; as they are at full size."""
    if scale >= 1:
        return dict(counts)
    whole = whole_parts([count / scale for count in counts.values()])
    return dict(zip(counts, map(float, whole), strict=True))


def at_least(counts: Mapping[str, float]) -> dict[str, float]:
    """Step -> people who came at least so far.

    Args:
        counts: furthest state -> people, as in a summary's `funnel`.
    """
    found = {
        step: sum(counts.get(state, 0.0) for state in states) for step, states in _AT_LEAST.items()
    }
    if counts.get("abandoned"):
        # How far they had come when they left is not kept.
        found = {_STAYED.get(step, step): people for step, people in found.items()}
        found["lost patience"] = counts["abandoned"]
    return found


@styled
def funnel(counts: Mapping[str, float], *, scale: float = 1.0, narrow: bool = False) -> Figure:
    """People who came at least as far as each step, with the share of all who were expected.

    Args:
        counts: furthest state -> people, as in a summary's `funnel`.
        scale: of the run; people are shown at full size.
        narrow: see `style.new_figure`.
    """
    counts = at_full_size(counts, scale)
    steps = at_least(counts)
    everyone = sum(counts.values()) or 1.0
    figure, (axes,) = new_figure(3.0 if narrow else 2.9, narrow=narrow)
    most = max(steps.values(), default=0.0) or 1.0
    for row, people in enumerate(steps.values()):
        axes.barh(row, most, height=0.7, color=str(GREY), alpha=0.12)
        axes.barh(row, people, height=0.7, color=str(BLUE))
        text = f" {number(people)}  ({percent(people / everyone)})"
        inside = people > 0.6 * most
        axes.text(
            people if not inside else people * 0.99,
            row,
            text if not inside else text.strip(),
            ha="right" if inside else "left",
            va="center",
            color=str(PAPER if inside else INK),
            fontsize=11,
        )
    axes.set_yticks(range(len(steps)), list(steps))
    axes.set_ylim(len(steps) - 0.5, -0.5)
    axes.set_xlim(0.0, most)
    axes.set_xticks([])
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if scale < 1:
        axes.set_xlabel(f"people, extrapolated from {scale:g} of them")
    words = ", ".join(f"{number(people)} {step}" for step, people in steps.items())
    figure.set_label(f"Of {number(sum(counts.values()))} people: {words}.")
    return figure
