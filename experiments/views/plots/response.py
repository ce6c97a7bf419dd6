"""The response surface of a sweep: every quantity over one or two keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.statistics.quantities import QUANTITIES, Quantity
from experiments.views.plots.style import BLUE, NARROW_IN, WIDE_IN, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3


@styled
def response(points: Sequence[Mapping[str, Any]], *, narrow: bool = False) -> Figure:
    """A panel per quantity: a curve with intervals over one key, dots coloured over two.

    With more than two keys the first two are shown, as dots.

    Args:
        points: the `points` of a sweep.
        narrow: see `style.new_figure`.
    """
    from matplotlib.figure import Figure

    across = 1 if narrow else _COLUMNS
    down = -(-len(QUANTITIES) // across)
    figure = Figure(figsize=(NARROW_IN if narrow else WIDE_IN, 3.2 * down))
    for panel, quantity in enumerate(QUANTITIES, start=1):
        _panel(figure, figure.add_subplot(down, across, panel), quantity, points)
    keys = list(points[0]["values"])[:2]
    figure.set_label(
        f"{', '.join(quantity.label for quantity in QUANTITIES)} at {len(points)} points, over "
        f"{' and '.join(keys)}."
    )
    return figure


def _panel(
    figure: Figure, axes: Axes, quantity: Quantity, points: Sequence[Mapping[str, Any]]
) -> None:
    shown = [point for point in points if point["quantities"][quantity.name]["mean"] is not None]
    keys = list(points[0]["values"])[:2]
    axes.set_title(f"{quantity.label} ({quantity.unit})")
    axes.set_xlabel(keys[0])
    across = [_coordinate(point["values"][keys[0]]) for point in shown]
    if len(keys) == 1:
        _curve(axes, quantity, shown, across)
        return
    axes.set_ylabel(keys[1])
    axes.grid(visible=True, axis="both")
    up = [_coordinate(point["values"][keys[1]]) for point in shown]
    means = [point["quantities"][quantity.name]["mean"] for point in shown]
    figure.colorbar(axes.scatter(across, up, c=means, cmap="cividis"), ax=axes)


def _curve(
    axes: Axes, quantity: Quantity, points: Sequence[Mapping[str, Any]], across: Sequence[Any]
) -> None:
    levels = [point["quantities"][quantity.name] for point in points]
    means = [level["mean"] for level in levels]
    ends = [level["ci95"] or (level["mean"], level["mean"]) for level in levels]
    order = list(range(len(across)))
    if all(isinstance(value, int | float) for value in across):
        order.sort(key=lambda index: across[index])
    axes.errorbar(
        [across[index] for index in order],
        [means[index] for index in order],
        yerr=[
            [means[index] - ends[index][0] for index in order],
            [ends[index][1] - means[index] for index in order],
        ],
        marker="o",
        capsize=3,
        color=str(BLUE),
    )


def _coordinate(value: Any) -> Any:
    """Numbers stay numbers; everything else is a category."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return value
