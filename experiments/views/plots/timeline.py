"""Shared by figures over simulated time: the axis, stages of the load, cleanups, bins.

Times are simulated seconds since the load began; the axis is in minutes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.statistics import outcomes
from experiments.views.plots.style import BAND, FRAME, INK, PAPER, VERMILION
from experiments.views.text.run_text import number
from sim.load.settings import Load, Loads, RampingArrivalRate, RampingVUs, loads_of
from sim.result import Cleanup, RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_BINS = 150
_MINUTE_S = 60.0
_MANY_SWEEPS = 40


@dataclasses.dataclass(frozen=True)
class Bins:
    """Edges in seconds, and the middles in minutes to draw at."""

    edges_s: Array

    @property
    def middles_min(self) -> Array:
        """Middle of each bin in minutes."""
        middles: Array = (self.edges_s[1:] + self.edges_s[:-1]) / 2 / _MINUTE_S
        return middles

    @property
    def width_s(self) -> float:
        """Seconds of one bin."""
        return float(self.edges_s[1] - self.edges_s[0])


def has_series(runs: Sequence[RunResult]) -> bool:
    """Whether there is anything to draw over time."""
    return any(len(run.series.get("t_s", ())) > 1 for run in runs)


def bins_of(runs: Sequence[RunResult]) -> Bins:
    """At most 150 bins over the longest run, none shorter than the samples are apart."""
    times = [run.series["t_s"] for run in runs if len(run.series.get("t_s", ())) > 1]
    end_s = max(float(time[-1]) for time in times)
    apart_s = max(float(np.diff(time).max()) for time in times)
    count = max(1, min(_BINS, int(end_s // apart_s)))
    return Bins(np.linspace(0.0, end_s, count + 1))


def counted(runs: Sequence[RunResult], column: str, bins: Bins) -> Array:
    """How many were counted in each bin, of a column that counts up; 0 after the run's end.

    Shape (runs, bins).
    """
    return np.array([np.diff(_at(run, column, bins.edges_s)) for run in runs])


def cumulated(runs: Sequence[RunResult], column: str, bins: Bins) -> Array:
    """Counts up to the end of each bin. Shape (runs, bins)."""
    return np.array([_at(run, column, bins.edges_s[1:]) for run in runs])


def known_level(runs: Sequence[RunResult], column: str, bins: Bins) -> Array:
    """The mean of a gauge over those samples of each bin that are known, NaN without any.

    Shape (runs, bins).
    """
    return np.array([_known(run, column, bins) for run in runs])


def _known(run: RunResult, column: str, bins: Bins) -> Array:
    times = run.series.get("t_s", np.zeros(0))
    values = run.series.get(column, np.full(len(times), np.nan))
    known = ~np.isnan(values)
    sums = np.histogram(times[known], bins.edges_s, weights=values[known])[0]
    counts = np.histogram(times[known], bins.edges_s)[0].astype(np.float64)
    return shares(sums, counts)


def level(runs: Sequence[RunResult], column: str, bins: Bins) -> Array:
    """The mean of a gauge in each bin; a sample holds for the interval before it.

    Shape (runs, bins).
    """
    return np.array([_mean(run, column, bins) for run in runs])


def _mean(run: RunResult, column: str, bins: Bins) -> Array:
    known_s = np.append(0.0, run.series.get("t_s", np.zeros(0)))
    values = np.nan_to_num(run.series.get(column, np.zeros(len(known_s) - 1)))
    integral = np.append(0.0, np.cumsum(values * np.diff(known_s)))
    # A run that ended earlier than others has nothing to say about what came then.
    covered_s = np.diff(np.minimum(bins.edges_s, known_s[-1]))
    return shares(np.diff(np.interp(bins.edges_s, known_s, integral)), covered_s)


def _at(run: RunResult, column: str, times_s: Array) -> Array:
    """A column at these times; what was never counted is 0, as it was at the start."""
    known_s = run.series.get("t_s", np.zeros(0))
    values = np.nan_to_num(run.series.get(column, np.zeros(len(known_s))))
    found: Array = np.interp(times_s, np.append(0.0, known_s), np.append(0.0, values))
    return found


def columns(runs: Sequence[RunResult], prefix: str) -> list[str]:
    """The columns "prefix:NAME" of any run, those with the largest final sums first."""
    totals: dict[str, float] = {}
    for run in runs:
        for column, values in run.series.items():
            if column.startswith(f"{prefix}:") and len(values):
                totals[column] = totals.get(column, 0.0) + float(np.nan_to_num(values)[-1])
    return sorted(totals, key=lambda column: (-totals[column], column))


def shares(part: Array, whole: Array) -> Array:
    """Part of whole, NaN where the whole is 0."""
    found: Array = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found


def band(axes: Axes, bins: Bins, values: Array, **style: Any) -> None:
    """The mean of the runs as a line; from the lowest to the highest run as a shade."""
    middles = bins.middles_min
    present = ~np.isnan(values).all(axis=0)
    mean = np.full(len(middles), np.nan)
    mean[present] = np.nanmean(values[:, present], axis=0)
    axes.plot(middles, mean, **style)
    if len(values) > 1:
        low, high = mean.copy(), mean.copy()
        low[present] = np.nanmin(values[:, present], axis=0)
        high[present] = np.nanmax(values[:, present], axis=0)
        axes.fill_between(middles, low, high, color=style.get("color"), alpha=0.25, linewidth=0)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stretch of the load: from, to, and the users (or starts per time unit) it goes to."""

    start_s: float
    end_s: float
    before: float
    target: float
    unit: str


def stages_of(load: Loads | None) -> list[Stage]:
    """The stages of a load that has some; of several loads only where none overlaps another."""
    loads = sorted(() if load is None else loads_of(load), key=lambda one: one.start_s)
    found = [stage for one in loads for stage in _stages_of(one)]
    apart = all(before.end_s <= after.start_s for before, after in pairwise(found))
    return found if apart else []


def _stages_of(load: Load) -> list[Stage]:
    if not isinstance(load, RampingVUs | RampingArrivalRate):
        return []
    found = []
    at_s = load.start_s
    users = isinstance(load, RampingVUs)
    before = float(load.start_vus if isinstance(load, RampingVUs) else load.start_rate)
    for stage in load.stages:
        end_s = at_s + stage.duration_s
        found.append(Stage(at_s, end_s, before, stage.target, "users" if users else "starts"))
        at_s, before = at_s + stage.duration_s, stage.target
    return found


def draw_stages(axes: Axes, load: Loads | None, *, narrow: bool, label: bool = False) -> None:
    """Shade every other stage; with `label`, say above what each one does."""
    for index, stage in enumerate(stages_of(load)):
        start, end = stage.start_s / _MINUTE_S, stage.end_s / _MINUTE_S
        if index % 2 == 0:
            axes.axvspan(start, end, color=str(BAND), zorder=-2)
        if label and end > start:
            axes.annotate(
                _stage_text(stage, narrow=narrow),
                ((start + end) / 2, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=9 if narrow else 10.5,
                color=str(INK),
            )


def _stage_text(stage: Stage, *, narrow: bool) -> str:
    if narrow:
        return _short(stage.target)
    if stage.before == stage.target:
        return f"{number(stage.target)} {stage.unit}"
    return f"{number(stage.before)} to {number(stage.target)} {stage.unit}"


def _short(count: float) -> str:
    return f"{count / 1000:g}k" if count >= 1000 else f"{count:g}"  # noqa: PLR2004 (k)


def marked(sweeps: Sequence[Cleanup]) -> list[Cleanup]:
    """The sweeps worth a mark: all of a few, else those late or lost."""
    begun = [sweep for sweep in sweeps if sweep.started_s >= 0.0]
    if len(begun) <= _MANY_SWEEPS:
        return begun
    return [sweep for sweep in begun if is_lost(sweep) or is_late(sweep)][:_MANY_SWEEPS]


def is_lost(sweep: Cleanup) -> bool:
    """Whether a sweep did not do its work."""
    return sweep.outcome != "ok"


def is_late(sweep: Cleanup) -> bool:
    """Whether a sweep began more than a second late."""
    return outcomes.is_late(sweep.planned_s, sweep.started_s)


def draw_sweeps(axes: Axes, sweeps: Sequence[Cleanup]) -> None:
    """A dotted line where a sweep began; of a lost one a solid line with a cross."""
    for sweep in marked(sweeps):
        at = sweep.started_s / _MINUTE_S
        lost = is_lost(sweep)
        axes.axvline(
            at,
            color=str(VERMILION if lost else FRAME),
            linewidth=1.6 if lost else 1.0,
            linestyle="-" if lost else (0, (2, 3)),
            zorder=3,
        )
        if lost:
            axes.plot(
                [at],
                [0.94],
                marker="x",
                markersize=8,
                markeredgewidth=2.2,
                color=str(VERMILION),
                transform=axes.get_xaxis_transform(),
                zorder=4,
            )


def finish(axes: Axes, bins: Bins) -> None:
    """The axis of time."""
    axes.set_xlim(0.0, float(bins.edges_s[-1]) / _MINUTE_S)
    axes.set_xlabel("minutes since the load began")
    for axis in axes.figure.axes:
        axis.margins(x=0)


def mark_opening(figure: Figure, opens_s: float, begins_s: float | None) -> None:
    """Draw when the sale opens in every panel of a figure over time.

    Args:
        figure: its horizontal axes are minutes since the load began.
        opens_s: when the sale opens, in seconds since the load began.
        begins_s: when the load begins, in seconds since 1970; then the axis has clock times (UTC).
    """
    panels = [axes for axes in figure.axes if axes.get_xlim()[1] > opens_s / _MINUTE_S]
    for index, axes in enumerate(panels):
        axes.axvline(opens_s / _MINUTE_S, color=str(INK), linewidth=1.2, zorder=2)
        if index == 0:
            axes.annotate(
                "opens",
                (opens_s / _MINUTE_S, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(4, -4),
                textcoords="offset points",
                va="top",
                fontsize=10,
                color=str(INK),
                bbox={"facecolor": str(PAPER), "edgecolor": "none", "pad": 1.0},
                zorder=5,
            )
    if begins_s is None:
        return
    for axes in figure.axes:
        axes.xaxis.set_major_formatter(lambda minutes, _: _time_of_day(begins_s, minutes))
        if axes.get_xlabel():
            axes.set_xlabel("time of day (UTC)")


def _time_of_day(begins_s: float, minutes: float) -> str:
    return datetime.fromtimestamp(begins_s + minutes * _MINUTE_S, UTC).strftime("%H:%M")


def sweep_words(runs: Sequence[RunResult]) -> str:
    """The marks of cleanups in words; empty without cleanups."""
    sweeps = [sweep for sweep in runs[0].sweeps if sweep.started_s >= 0.0] if runs else []
    if not sweeps:
        return ""
    lost = sum(map(is_lost, sweeps))
    late = sum(1 for sweep in sweeps if is_late(sweep) and not is_lost(sweep))
    return f"{len(sweeps)} sweeps while the load ran, {lost} of them lost and {late} late"


def clock(minutes: float) -> str:
    """Minutes and seconds."""
    seconds = round(minutes * _MINUTE_S)
    return f"{seconds // 60}:{seconds % 60:02d}"
