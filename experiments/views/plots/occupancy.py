"""How full the service's worker threads and its database connections were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.views.plots.style import BLUE, GREY, VERMILION, legend, new_figure, styled
from experiments.views.plots.timeline import band, bins_of, draw_stages, draw_sweeps, finish, level
from experiments.views.text.run_text import number
from sim.load.settings import Loads
from sim.result import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.views.plots.timeline import Bins


@styled
def occupancy(
    runs: Sequence[RunResult],
    load: Loads | None = None,
    *,
    threads: int | None = None,
    connections: int | None = None,
    narrow: bool = False,
) -> Figure:
    """Busy worker threads above, borrowed database connections below, each with who waits for one.

    Args:
        runs: replications with time series: means, and their range where there are several.
        load: for the bands of its stages.
        threads: how many worker threads there are, for a line.
        connections: how many connections the pool has, for a line.
        narrow: see `style.new_figure`.
    """
    bins = bins_of(runs)
    figure, (above, below) = new_figure(5.6 if narrow else 4.8, narrow=narrow, heights=(1.0, 1.0))
    words = [
        _panel(above, runs, bins, ("threads_busy", "requests_queued"), "worker threads", threads),
        _panel(below, runs, bins, ("pool_active", "pool_pending"), "connections", connections),
    ]
    for axes in (above, below):
        draw_stages(axes, load, narrow=narrow)
        draw_sweeps(axes, runs[0].sweeps)
        legend(axes, narrow=narrow)
    finish(below, bins)
    figure.set_label("Occupancy over time. " + " ".join(words))
    return figure


def _panel(
    axes: Axes,
    runs: Sequence[RunResult],
    bins: Bins,
    column_names: tuple[str, str],
    what: str,
    limit: int | None,
) -> str:
    """Draw a resource; return the drawing in words."""
    used, waiting = (level(runs, column, bins) for column in column_names)
    band(axes, bins, used, color=str(BLUE), label=f"{what} in use")
    band(axes, bins, waiting, color=str(VERMILION), linestyle="--", label="waiting for one")
    if limit is not None:
        label = f"there are {number(limit)}"
        axes.axhline(limit, color=str(GREY), linestyle=":", linewidth=1.4, label=label)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(what)
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    most, queue = (np.nanmean(values, axis=0).max() for values in (used, waiting))
    of = f" of {number(limit)}" if limit is not None else ""
    return f"At most {number(most)}{of} {what} in use, at most {number(queue)} waiting for one."
