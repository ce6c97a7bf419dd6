"""Exceptions that the service logged, over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.views.plots.style import GREY, SERIES, legend, new_figure, short, styled
from experiments.views.plots.timeline import (
    band,
    bins_of,
    clock,
    columns,
    counted,
    draw_stages,
    draw_sweeps,
    finish,
)
from experiments.views.text.run_text import number
from sim.load.settings import Loads
from sim.result import RunResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CLASSES = 5
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


@styled
def exceptions(
    runs: Sequence[RunResult], load: Loads | None = None, *, narrow: bool = False
) -> Figure:
    """Exceptions logged per second by class, over time; more than one can belong to a request.

    Args:
        runs: replications with time series: means, and their range where there are several.
        load: for the bands of its stages.
        narrow: see `style.new_figure`.
    """
    bins = bins_of(runs)
    figure, (axes,) = new_figure(3.6 if narrow else 3.4, narrow=narrow)
    classes = columns(runs, "exception")
    for column, colour, dashes in zip(classes[:_CLASSES], SERIES, _DASHES, strict=False):
        rate = counted(runs, column, bins) / bins.width_s
        name = short(column.partition(":")[2])
        band(axes, bins, rate, color=str(colour), linestyle=dashes, label=name)
    if classes[_CLASSES:]:
        rest = sum(counted(runs, column, bins) for column in classes[_CLASSES:])
        rates = np.asarray(rest) / bins.width_s
        band(axes, bins, rates, color=str(GREY), linestyle="-", label="other classes")
    axes.set_ylabel("exceptions per second")
    axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    draw_stages(axes, load, narrow=narrow)
    draw_sweeps(axes, runs[0].sweeps)
    legend(axes, narrow=narrow)
    finish(axes, bins)
    figure.set_label(_words(runs, classes))
    return figure


def _words(runs: Sequence[RunResult], classes: Sequence[str]) -> str:
    if not classes:
        return "Exceptions over time: the service logged none."
    bins = bins_of(runs)
    parts = []
    for column in classes[:3]:
        counts = counted(runs, column, bins).mean(axis=0)
        most = bins.middles_min[int(counts.argmax())]
        name = column.partition(":")[2]
        parts.append(f"{name} {number(counts.sum())} times, most often around {clock(most)}")
    more = f", and {len(classes) - 3} more classes" if len(classes) > len(parts) else ""
    return f"Exceptions logged over time: {'; '.join(parts)}{more}."
