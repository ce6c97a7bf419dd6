"""Variants against the config as it is: paired differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.statistics.quantities import FAILED, Quantity
from experiments.views.plots.style import (
    BLUE,
    GREY,
    INK,
    OCHRE,
    VERMILION,
    Colour,
    new_figure,
    short,
    styled,
)
from experiments.views.text.run_text import duration, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SECOND_MS = 1e3
VERDICTS: Mapping[str, tuple[Colour, str]] = {
    "better": (BLUE, "o"),
    "worse": (VERMILION, "X"),
    "more": (OCHRE, "^"),
    "fewer": (OCHRE, "v"),
    "no difference shown": (GREY, "s"),
    "undecided": (GREY, "d"),
}
"""Verdict -> colour and marker."""


def shown(quantity: Quantity, value: float | None) -> str:
    """A value of a quantity with its unit."""
    if value is None:
        return "-"
    if quantity.unit == "share":
        return percent(value)
    return duration(value) if quantity.unit == "ms" else number(value)


@styled
def differences(
    rows: Sequence[Mapping[str, Any]], quantity: Quantity = FAILED, *, narrow: bool = False
) -> Figure:
    """A forest plot: variant minus base with the 95 % interval, coloured by the verdict.

    Args:
        rows: the `variants` of a comparison; those without a pair of runs are left out.
        quantity: which of its quantities.
        narrow: see `style.new_figure`.
    """
    known = [row for row in rows if row["quantities"][quantity.name]["difference"] is not None]
    figure, (axes,) = new_figure(
        1.2 + (0.62 if narrow else 0.42) * max(1, len(known)), narrow=narrow
    )
    axes.axvline(0.0, color=str(INK), linewidth=1.2, zorder=1)
    factor, unit = _axis_unit(known, quantity)
    for index, row in enumerate(known):
        _row(axes, index, row["quantities"][quantity.name], factor)
        _label(axes, index, row, quantity, narrow=narrow)
    axes.set_yticks(
        [] if narrow else range(len(known)), [] if narrow else [short(row["name"]) for row in known]
    )
    axes.set_ylim(len(known) - 0.5, -0.75)
    axes.margins(x=0.08)
    better = {-1: "; left is better", 1: "; right is better", 0: ""}[quantity.better]
    axes.set_xlabel(f"change in {quantity.label}, {unit}{better}")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.set_label(_words(known, quantity))
    return figure


def _axis_unit(rows: Sequence[Mapping[str, Any]], quantity: Quantity) -> tuple[float, str]:
    """What values are multiplied by, and their unit then; durations below a second stay in ms."""
    if quantity.unit != "ms":
        return {"share": (100.0, "points"), "rows": (1.0, "number")}.get(
            quantity.unit, (1.0, quantity.unit)
        )
    found = [row["quantities"][quantity.name] for row in rows]
    ends = [abs(end) for one in found for end in (one["difference"], *(one["ci95"] or ()))]
    return (1e-3, "seconds") if max(ends, default=0.0) >= _SECOND_MS else (1.0, "milliseconds")


def _row(axes: Axes, index: int, found: Mapping[str, Any], factor: float) -> None:
    colour, marker = VERDICTS[found["verdict"]]
    if found["ci95"] is not None:
        low, high = (factor * end for end in found["ci95"])
        axes.plot([low, high], [index, index], color=str(colour), linewidth=2.4, zorder=2)
    at = factor * found["difference"]
    axes.plot([at], [index], marker=marker, markersize=9, color=str(colour), zorder=3)


def _label(
    axes: Axes, index: int, row: Mapping[str, Any], quantity: Quantity, *, narrow: bool
) -> None:
    found = row["quantities"][quantity.name]
    text = f"{shown(quantity, found['base'])} to {shown(quantity, found['variant'])}"
    across = axes.get_yaxis_transform()
    if narrow:
        name = f"{short(row['name'])}: {text}, {found['verdict']}"
        axes.text(0.0, index - 0.25, name, transform=across, fontsize=10)
    else:
        label = f"{text}   {found['verdict']}"
        axes.text(1.01, index, label, transform=across, va="center", fontsize=11)


def _words(rows: Sequence[Mapping[str, Any]], quantity: Quantity) -> str:
    parts = [
        f"{row['name']} {shown(quantity, row['quantities'][quantity.name]['base'])} to "
        f"{shown(quantity, row['quantities'][quantity.name]['variant'])}, "
        f"{row['quantities'][quantity.name]['verdict']}"
        for row in rows
    ]
    return f"Change in {quantity.label} by variant. " + ("; ".join(parts) or "None compared") + "."
