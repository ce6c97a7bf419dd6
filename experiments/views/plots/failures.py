"""The share of failed requests over time, by cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.views.plots.style import GREY, INK, SERIES, legend, new_figure, short, styled
from experiments.views.plots.timeline import (
    Array,
    Bins,
    band,
    bins_of,
    clock,
    columns,
    counted,
    draw_stages,
    draw_sweeps,
    finish,
    level,
    shares,
    sweep_words,
)
from experiments.views.text.run_text import number, percent
from sim.load.settings import Loads
from sim.result import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CAUSES = 5
_LEAST_TOP = 0.01


@styled
def failures(
    runs: Sequence[RunResult], load: Loads | None = None, *, narrow: bool = False
) -> Figure:
    """Failed requests by primary cause as a share of all, over time, with the load below.

    Args:
        runs: replications with time series: means, and their range where there are several.
        load: for the bands of its stages.
        narrow: see `style.new_figure`.
    """
    bins = bins_of(runs)
    figure, (axes, below) = new_figure(
        5.4 if narrow else 5.0, narrow=narrow, heights=(3.0, 1.2 if narrow else 1.0)
    )
    requests = counted(runs, "http_reqs", bins)
    failed = shares(counted(runs, "http_req_failed", bins), requests)
    _stack(axes, runs, bins, requests)
    band(axes, bins, failed, color=str(INK), linewidth=1.3, label="all failed requests")
    axes.set_ylim(0.0, _top(failed))
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    axes.set_ylabel("of requests" if narrow else "failed, of all requests")
    draw_stages(axes, load, narrow=narrow)
    draw_sweeps(axes, runs[0].sweeps)
    legend(axes, narrow=narrow, most=4)
    _load(below, runs, bins, requests, narrow=narrow)
    draw_stages(below, load, narrow=narrow, label=True)
    finish(below, bins)
    figure.set_label(_words(runs, bins, failed))
    return figure


def _top(failed: Array) -> float:
    """The upper end of the axis: room above the highest share, at least 1 % and at most all."""
    highest = float(np.nanmax(failed)) if not np.isnan(failed).all() else 0.0
    return min(1.0, max(_LEAST_TOP, 1.25 * highest))


def _stack(axes: Axes, runs: Sequence[RunResult], bins: Bins, requests: Array) -> None:
    """The commonest causes one on the other, all others in grey on top."""
    causes = columns(runs, "error")
    shown = causes if len(causes) <= _CAUSES + 1 else causes[:_CAUSES]
    layers = [
        np.nan_to_num(shares(counted(runs, cause, bins), requests)).mean(axis=0) for cause in shown
    ]
    names = [short(cause.partition(":")[2]) for cause in shown]
    colours = [str(colour) for colour in SERIES[: len(shown)]]
    rest = causes[len(shown) :]
    if rest:
        others = sum(counted(runs, cause, bins) for cause in rest)
        layers.append(np.nan_to_num(shares(np.asarray(others), requests)).mean(axis=0))
        names.append("other causes")
        colours.append(str(GREY))
    if layers:
        axes.stackplot(
            bins.middles_min, layers, labels=names, colors=colours, step="mid", alpha=0.85
        )


def _load(
    axes: Axes, runs: Sequence[RunResult], bins: Bins, requests: Array, *, narrow: bool
) -> None:
    """Requests per second, and the users of the load at their own scale."""
    band(axes, bins, requests / bins.width_s, color=str(SERIES[0]), label="requests per second")
    axes.set_ylabel("per s" if narrow else "requests/s", color=str(SERIES[0]))
    axes.set_ylim(bottom=0.0)
    users = axes.twinx()
    users.grid(visible=False)
    users.spines["right"].set_visible(True)
    middles = bins.middles_min
    users.plot(
        middles, np.nanmean(level(runs, "vus", bins), axis=0), color=str(GREY), linestyle="--"
    )
    users.set_ylabel("users (dashed)", color=str(GREY))
    users.set_ylim(bottom=0.0)
    for axis in (axes, users):
        axis.yaxis.set_major_formatter(lambda value, _: number(value))
        axis.locator_params(axis="y", nbins=3)


def _words(runs: Sequence[RunResult], bins: Bins, failed: Array) -> str:
    """The alternative text."""
    middles = bins.middles_min
    present = ~np.isnan(failed).all(axis=0)
    if not present.any():
        return "Failure rate over time: no request was sent."
    mean = np.nanmean(failed[:, present], axis=0)
    at = middles[present]
    worst = int(mean.argmax())
    bad = at[mean > 0.5 * mean.max()] if mean.max() > 0 else at[:0]
    causes = [cause.partition(":")[2] for cause in columns(runs, "error")[:3]]
    parts = [f"Failure rate over time, highest with {percent(mean[worst])} at {clock(at[worst])}"]
    if len(bad):
        parts.append(f"above half of that first at {clock(bad[0])} and last at {clock(bad[-1])}")
    if causes:
        parts.append(f"the commonest causes are {', '.join(causes)}")
    if sweep_words(runs):
        parts.append(f"marked are {sweep_words(runs)}")
    return "; ".join(parts) + "."
