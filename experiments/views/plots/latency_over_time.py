"""How long requests took over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.views.plots.style import BLUE, INK, VERMILION, legend, new_figure, styled
from experiments.views.plots.timeline import (
    band,
    bins_of,
    clock,
    draw_stages,
    draw_sweeps,
    finish,
    known_level,
)
from experiments.views.text.run_text import duration
from sim.load.settings import Loads
from sim.result import RunResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEDIAN, P95 = "duration_median_ms", "duration_p95_ms"
_LEAST_MS = 1.0


@styled
def latency_over_time(
    runs: Sequence[RunResult],
    load: Loads | None = None,
    *,
    limit_ms: float | None = None,
    narrow: bool = False,
) -> Figure:
    """Median and 95th percentile of the requests that ended in each second, on a log axis.

    Args:
        runs: replications with time series: means, and their range where there are several.
        load: for the bands of its stages.
        limit_ms: the threshold on the 95th percentile, for a line.
        narrow: see `style.new_figure`.
    """
    bins = bins_of(runs)
    figure, (axes,) = new_figure(3.8 if narrow else 3.4, narrow=narrow)
    p95 = np.maximum(known_level(runs, P95, bins), _LEAST_MS)
    median = np.maximum(known_level(runs, MEDIAN, bins), _LEAST_MS)
    band(axes, bins, p95, color=str(VERMILION), label="95 % took at most")
    band(axes, bins, median, color=str(BLUE), linestyle="--", label="half took at most")
    if limit_ms is not None:
        label = f"p(95) limit {duration(limit_ms)}"
        axes.axhline(limit_ms, color=str(INK), linestyle=":", linewidth=1.4, label=label)
    axes.set_yscale("log")
    axes.set_ylabel("duration")
    axes.yaxis.set_major_formatter(lambda value, _: duration(value))
    axes.yaxis.set_minor_formatter(lambda _value, _: "")
    draw_stages(axes, load, narrow=narrow)
    draw_sweeps(axes, runs[0].sweeps)
    legend(axes, narrow=narrow)
    finish(axes, bins)
    means = np.where(np.isnan(p95), 0.0, p95).mean(axis=0)
    worst = int(means.argmax())
    over = "" if limit_ms is None else f", with a threshold of {duration(limit_ms)}"
    figure.set_label(
        f"Durations over time: the 95th percentile is highest with {duration(float(means[worst]))} "
        f"at {clock(bins.middles_min[worst])}{over}."
    )
    return figure
