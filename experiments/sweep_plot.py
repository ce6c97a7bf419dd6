"""The response surface of a sweep as an SVG picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from experiments.quantities import QUANTITIES, Quantity
from experiments.sweep import PointResult, SweepResult

_COLUMNS = 3


def plot(sweep: SweepResult) -> str:
    """A panel per quantity: a curve with intervals over one parameter, dots coloured over two.

    With more than two parameters the first two are shown, as dots.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = -(-len(QUANTITIES) // _COLUMNS)
    figure = Figure(figsize=(4.0 * _COLUMNS, 3.2 * rows), layout="constrained")
    FigureCanvasSVG(figure)
    figure.suptitle(f"{sweep['config']}, scale {sweep['scale']:g}")
    for panel, quantity in enumerate(QUANTITIES, start=1):
        axes = figure.add_subplot(rows, _COLUMNS, panel)
        _panel(figure, axes, quantity, sweep["points"])
    text = io.StringIO()
    # No date in the file: the same sweep gives the same picture.
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _panel(figure: Any, axes: Any, quantity: Quantity, points: Sequence[PointResult]) -> None:
    shown = [point for point in points if point["quantities"][quantity.name]["mean"] is not None]
    keys = list(points[0]["values"])[:2]
    axes.set_title(f"{quantity.label} ({quantity.unit})")
    axes.set_xlabel(keys[0])
    across = [_coordinate(point["values"][keys[0]]) for point in shown]
    means = [point["quantities"][quantity.name]["mean"] for point in shown]
    if len(keys) == 1:
        _curve(axes, quantity, shown, across, means)
        return
    axes.set_ylabel(keys[1])
    up = [_coordinate(point["values"][keys[1]]) for point in shown]
    figure.colorbar(axes.scatter(across, up, c=means, cmap="viridis"), ax=axes)


def _curve(
    axes: Any,
    quantity: Quantity,
    points: Sequence[PointResult],
    across: Sequence[Any],
    means: Sequence[Any],
) -> None:
    below, above = [], []
    for point in points:
        level = point["quantities"][quantity.name]
        low, high = level["ci95"] or (level["mean"], level["mean"])
        below.append((level["mean"] or 0.0) - (low or 0.0))
        above.append((high or 0.0) - (level["mean"] or 0.0))
    order = range(len(across))
    if all(isinstance(value, int | float) for value in across):
        order = sorted(order, key=lambda index: across[index])  # type: ignore[assignment]
    axes.errorbar(
        [across[index] for index in order],
        [means[index] for index in order],
        yerr=[[below[index] for index in order], [above[index] for index in order]],
        marker="o",
        capsize=3,
    )


def _coordinate(value: Any) -> Any:
    """Numbers stay numbers; everything else is a category."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return value
