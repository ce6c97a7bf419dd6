"""The effect of a config key's value: failed requests and 95th percentile at each step."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.statistics.quantities import FAILED, QUANTITIES, Quantity
from experiments.views.plots.style import BLUE, GREY, VERMILION, Colour, new_figure, styled
from experiments.views.text.run_text import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P95 = next(quantity for quantity in QUANTITIES if quantity.name == "p95")
_LOG_FROM = 20.0
"""Steps that span more than this factor are drawn on a logarithmic axis."""


@styled
def steps(
    points: Sequence[Mapping[str, Any]],
    key: str,
    *,
    limits: Mapping[str, float] | None = None,
    breaks_at: float | None = None,
    narrow: bool = False,
) -> Figure:
    """Failed requests above and p95 below, with 95 % intervals, at each value of a key.

    Args:
        points: the `points` of a sweep, of which `key` is a number.
        key: the config key.
        limits: quantity name -> the most that a threshold allows, as a share or in milliseconds.
        breaks_at: the first value that does not hold, for a mark.
        narrow: see `style.new_figure`.
    """
    ordered = sorted(points, key=lambda point: float(point["values"][key]))
    figure, panels = new_figure(5.4 if narrow else 4.8, narrow=narrow, heights=(1.0, 1.0))
    for axes, quantity, colour, factor in (
        (panels[0], FAILED, VERMILION, 1.0),
        (panels[1], P95, BLUE, 1e-3),
    ):
        limit = (limits or {}).get(quantity.name)
        _panel(axes, ordered, key, quantity, colour, factor)
        if limit is not None:
            axes.axhline(factor * limit, color=str(GREY), linestyle=":", label="threshold")
            axes.legend(loc="best")
        if breaks_at is not None:
            axes.axvline(breaks_at, color=str(VERMILION), linewidth=1.2, linestyle="--")
        axes.set_ylim(bottom=0.0)
    panels[0].set_ylabel("failed requests")
    panels[0].yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    panels[1].set_ylabel("p95, seconds")
    _across(panels[1], [float(point["values"][key]) for point in ordered], key, narrow=narrow)
    if breaks_at is not None:
        _say_break(panels[0], breaks_at)
    figure.set_label(_words(ordered, key))
    return figure


def _panel(
    axes: Axes,
    points: Sequence[Mapping[str, Any]],
    key: str,
    quantity: Quantity,
    colour: Colour,
    factor: float,
) -> None:
    known = [point for point in points if point["quantities"][quantity.name]["mean"] is not None]
    means = [factor * point["quantities"][quantity.name]["mean"] for point in known]
    ends = [
        [factor * max(0.0, end) for end in point["quantities"][quantity.name]["ci95"] or ()]
        for point in known
    ]
    below = [mean - end[0] if end else 0.0 for mean, end in zip(means, ends, strict=True)]
    above = [end[1] - mean if end else 0.0 for mean, end in zip(means, ends, strict=True)]
    axes.errorbar(
        [float(point["values"][key]) for point in known],
        means,
        yerr=[[max(0.0, part) for part in below], [max(0.0, part) for part in above]],
        marker="o",
        capsize=4,
        color=str(colour),
    )


def _across(axes: Axes, values: Sequence[float], key: str, *, narrow: bool) -> None:
    if values and values[0] > 0 and values[-1] / values[0] > 1:
        if values[-1] / values[0] >= _LOG_FROM or _doubling(values):
            axes.set_xscale("log")
        axes.xaxis.set_minor_locator(_nothing())
    axes.set_xticks(list(values), [number(value) for value in values])
    if narrow and len(values) > 5:  # noqa: PLR2004 (labels that fit)
        axes.tick_params(axis="x", labelrotation=60)
    axes.set_xlabel(key)


def _doubling(values: Sequence[float]) -> bool:
    """Whether steps grow by a factor rather than by a sum."""
    ratios = [after / before for before, after in itertools.pairwise(values)]
    return len(ratios) > 1 and min(ratios) > 0.75 * max(ratios)


def _nothing() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _say_break(axes: Axes, at: float) -> None:
    axes.annotate(
        "breaks here",
        (at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-5, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        color=str(VERMILION),
    )


def _words(points: Sequence[Mapping[str, Any]], key: str) -> str:
    parts = [
        f"{number(point['values'][key])}: {percent(point['quantities'][FAILED.name]['mean'])}"
        for point in points
        if point["quantities"][FAILED.name]["mean"] is not None
    ]
    return f"Failed requests by {key}. " + "; ".join(parts) + "."
