"""Numbers of many worlds, one strip for each: a dot for each world, and what was observed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from experiments.views.plots.style import BLUE, GREY, INK, NARROW_IN, VERMILION, WIDE_IN, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STRIP_IN: Final = 0.75
_ROWS_OF_DOTS: Final = 5
"""Dots of one strip lie in so many rows, so that equal numbers can be counted."""
_WIDE_RANGE: Final = 20.0
"""Ratio of largest to smallest number from which an axis is logarithmic."""
_TICKS: Final = 5
_MARGIN: Final = 0.04


@dataclass(frozen=True)
class Strip:
    """One quantity in all worlds.

    Args:
        name: of the quantity.
        values: of each world, in any unit.
        show: a value as text with its unit.
        interval: what holds 95 % of the worlds; drawn as a bar.
        observed: drawn as a line; None for what was not observed.
        observed_text: what stands beside that line, such as "observed: at least 3".
    """

    name: str
    values: Sequence[float]
    show: Callable[[float], str]
    interval: tuple[float, float] | None = None
    observed: float | None = None
    observed_text: str = ""


@styled
def strips(found: Sequence[Strip], *, narrow: bool = False) -> Figure:
    """One strip below the other, each with an axis of its own; strips without values are left out.

    Args:
        found: the quantities.
        narrow: see `style.new_figure`.
    """
    from matplotlib.figure import Figure

    drawn = [one for one in found if one.values]
    figure = Figure(
        figsize=(NARROW_IN if narrow else WIDE_IN, _STRIP_IN * max(1, len(drawn)) + 0.3)
    )
    figure.set_label(" ".join(map(_words, drawn)) or "no world has a number")
    if drawn:
        grid = figure.subplots(len(drawn), 1, squeeze=False)
        for axes, one in zip(grid[:, 0], drawn, strict=True):
            _strip(axes, one)
    return figure


def _strip(axes: Axes, one: Strip) -> None:
    height = [-(number % _ROWS_OF_DOTS) / _ROWS_OF_DOTS for number in range(len(one.values))]
    axes.plot(sorted(one.values), height, "o", markersize=3.5, alpha=0.6, color=str(BLUE))
    if one.interval is not None:
        axes.plot(one.interval, (0.35, 0.35), linewidth=3, color=str(GREY), solid_capstyle="butt")
    if one.observed is not None:
        axes.axvline(one.observed, color=str(VERMILION), linewidth=2)
    axes.set_title(
        f"{one.name}   {one.observed_text}", loc="left", fontsize="small", color=str(INK), pad=3
    )
    axes.set_ylim(-1.1, 0.7)
    axes.set_yticks([])
    _across(axes, one)


def _across(axes: Axes, one: Strip) -> None:
    """The axis: logarithmic where numbers span decades, with a few ticks in the unit."""
    from matplotlib.ticker import MaxNLocator

    marks = [*one.values, *([] if one.observed is None else [one.observed])]
    low, high = min(marks), max(marks)
    if low > 0 and high / low > _WIDE_RANGE:
        axes.set_xscale("log")
        axes.set_xlim(low ** (1 + _MARGIN) / high**_MARGIN, high ** (1 + _MARGIN) / low**_MARGIN)
        ticks = _decades(low, high)
    else:
        room = _MARGIN * (high - low) or 1.0
        axes.set_xlim(low - room, high + room)
        found = MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
        ticks = [float(tick) for tick in found if low - room <= tick <= high + room]
    axes.set_xticks(ticks, [one.show(tick) for tick in ticks])
    axes.minorticks_off()


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten within a range; 2 and 5 times these as well where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
        ticks = [
            f * 10.0**power for power in powers for f in factors if low <= f * 10**power <= high
        ]
        if len(ticks) >= _TICKS - 1:
            break
    return ticks


def _words(one: Strip) -> str:
    ordered = sorted(one.values)
    middle = one.show(ordered[len(ordered) // 2])
    said = f", {one.observed_text}" if one.observed_text else ""
    return f"{one.name}: {one.show(ordered[0])} to {one.show(ordered[-1])}, median {middle}{said}."
