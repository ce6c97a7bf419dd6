"""The two sets of the queue and the memory that Redis needs for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.views.plots.style import (
    BLUE,
    GREY,
    INK,
    PURPLE,
    VERMILION,
    legend,
    new_figure,
    styled,
)
from experiments.views.plots.timeline import (
    band,
    bins_of,
    clock,
    draw_stages,
    draw_sweeps,
    finish,
    level,
    sweep_words,
)
from experiments.views.text.run_text import number, size
from sim.load.settings import Loads
from sim.result import RunResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MB = 1e6


@styled
def waiting_room(
    runs: Sequence[RunResult],
    load: Loads | None = None,
    *,
    capacity: int | None = None,
    maxmemory_bytes: int | None = None,
    narrow: bool = False,
) -> Figure:
    """Members of the waiting and the passed set above, memory used by Redis below, over time.

    Args:
        runs: replications with time series: means, and their range where there are several.
        load: for the bands of its stages.
        capacity: how many may be let in at once, for a line.
        maxmemory_bytes: Redis's own limit, for a line; none without one.
        narrow: see `style.new_figure`.
    """
    bins = bins_of(runs)
    figure, (axes, below) = new_figure(
        5.2 if narrow else 4.6, narrow=narrow, heights=(2.2, 1.2 if narrow else 1.0)
    )
    waiting, passed = level(runs, "waiting", bins), level(runs, "passed", bins)
    band(axes, bins, waiting, color=str(VERMILION), label="waiting")
    band(axes, bins, passed, color=str(BLUE), linestyle="--", label="let in (passed)")
    if capacity is not None:
        label = f"room for {number(capacity)}"
        axes.axhline(capacity, color=str(GREY), linestyle=":", linewidth=1.4, label=label)
    axes.set_ylabel("people in the queue")
    axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    memory = level(runs, "redis_used_bytes", bins)
    band(below, bins, memory / _MB, color=str(PURPLE), label="memory used by Redis")
    if maxmemory_bytes:
        below.axhline(maxmemory_bytes / _MB, color=str(INK), linestyle=":", label="maxmemory")
    below.set_ylabel("Redis, MB")
    below.set_ylim(bottom=0.0)
    for axis in (axes, below):
        draw_stages(axis, load, narrow=narrow)
        draw_sweeps(axis, runs[0].sweeps)
    legend(axes, narrow=narrow)
    finish(below, bins)
    most = np.nanmean(waiting, axis=0)
    words = [
        f"Most people waiting: {number(most.max())} at {clock(bins.middles_min[most.argmax()])}",
        f"most let in at once: {number(np.nanmean(passed, axis=0).max())}",
        f"Redis used at most {size(float(np.nanmax(memory)))}",
    ]
    if sweep_words(runs):
        words.append(sweep_words(runs))
    figure.set_label("Waiting and passed set over time. " + "; ".join(words) + ".")
    return figure
