"""Redis as its operator would see it: every key over time, evictions and wipes marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.views.plots.style import SERIES, VERMILION, legend, new_figure, short, styled
from experiments.views.plots.timeline import (
    Array,
    Bins,
    band,
    bins_of,
    columns,
    counted,
    draw_stages,
    finish,
    level,
)
from experiments.views.text.run_text import duration, number
from sim.load.settings import Loads
from sim.result import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MB = 1e6
_MOST_KEYS = 5
_WIPED_FROM, _WIPED_TO = 20, 0.05
"""A key that had so many members and has this share of them a second later was wiped."""


def redis_key_names(runs: Sequence[RunResult]) -> list[str]:
    """The keys of Redis of all runs, with their types, the largest at the end first."""
    names = (column.partition(":")[2] for column in columns(runs, "redis_bytes"))
    return list(dict.fromkeys(names))


def wiped_s(run: RunResult, key: str) -> list[float]:
    """When a key lost nearly all of its members from one sample to the next, in seconds."""
    times, members = run.series["t_s"], run.series.get(f"redis_members:{key}")
    if members is None or len(times) < 2:  # noqa: PLR2004 (before and after)
        return []
    before, after = members[:-1], members[1:]
    lost = (before >= _WIPED_FROM) & (after <= _WIPED_TO * before)
    return [float(at_s) for at_s in times[1:][lost]]


@styled
def redis_keys(
    runs: Sequence[RunResult], load: Loads | None = None, *, narrow: bool = False
) -> Figure:
    """Members, bytes and time to live of the largest keys, with what was evicted and wiped.

    The time to live is of the first run, of keys that have one: a mean over runs is nobody's. So
    are wipes.

    Args:
        runs: replications with time series: means, and their range where there are several.
        load: for the bands of its stages.
        narrow: see `style.new_figure`.
    """
    bins = bins_of(runs)
    names = redis_key_names(runs)[:_MOST_KEYS]
    lives = {name: found for name in names if len((found := _lives_s(runs[0], name))[0])}
    heights = (1.5, 1.0, 1.0) if lives else (1.5, 1.0)
    height_in = (5.4 if narrow else 4.8) + (1.6 if lives else 0.0)
    figure, (above, below, *rest) = new_figure(height_in, narrow=narrow, heights=heights)
    for colour, name in zip(SERIES, names, strict=False):
        members = level(runs, f"redis_members:{name}", bins)
        band(above, bins, members, color=str(colour), label=short(name))
        size = level(runs, f"redis_bytes:{name}", bins) / _MB
        band(below, bins, size, color=str(colour))
    above.set_ylabel("members")
    below.set_ylabel("MB")
    for axes in rest:
        for colour, name in zip(SERIES, names, strict=False):
            if name in lives:
                at_s, left_s = lives[name]
                # Points: a line would go on where the key was not there.
                axes.plot(at_s / 60.0, left_s, ".", markersize=3, color=str(colour))
        axes.set_ylabel("time to live")
        axes.set_ylim(top=1.1 * max(float(life.max()) for _, life in lives.values()) or 1.0)
        axes.yaxis.set_major_formatter(lambda value, _: duration(1e3 * value))
    for axes in (above, below, *rest):
        axes.set_ylim(bottom=0.0)
        draw_stages(axes, load, narrow=narrow)
    above.yaxis.set_major_formatter(lambda value, _: number(value))
    wipes = [at_s for name in names for at_s in wiped_s(runs[0], name)]
    _mark(above, wipes)
    evicted = _lost(runs, "redis_evicted_keys", bins)
    refused = _lost(runs, "redis_refused_commands", bins)
    marks = (("v", 0.9, evicted, "keys evicted"), ("x", 0.75, refused, "writes refused: full"))
    for marker, height, counts, label in marks:
        at = bins.middles_min[counts > 0]
        if len(at):
            below.plot(
                at,
                np.full(len(at), height),
                linestyle="",
                marker=marker,
                color=str(VERMILION),
                transform=below.get_xaxis_transform(),
                label=label,
            )
    if evicted.any() or refused.any():
        legend(below, narrow=narrow)
    legend(above, narrow=narrow, most=3)
    finish((below, *rest)[-1], bins)
    parts = [
        f"{name}: at most {number(level(runs, f'redis_members:{name}', bins).max())} members"
        for name in names
    ]
    parts.append(f"{len(wipes)} times a key lost all of its members at once")
    parts.append(f"{number(round(evicted.sum()))} keys evicted")
    parts.append(f"{number(round(refused.sum()))} commands refused at the memory limit")
    parts += [
        f"{name} had {duration(1e3 * float(life.min()))} to live at least"
        for name, (_, life) in lives.items()
    ]
    figure.set_label("Keys of Redis over time. " + "; ".join(parts) + ".")
    return figure


def _lives_s(run: RunResult, key: str) -> tuple[Array, Array]:
    """(times, shortest time to live) in seconds while a key is there and has an expiry."""
    times = run.series["t_s"]
    nothing = np.zeros(len(times))
    left_s = run.series.get(f"redis_ttl_s:{key}", nothing)
    there = (run.series.get(f"redis_members:{key}", nothing) > 0) & (left_s >= 0)
    return times[there], left_s[there]


def _lost(runs: Sequence[RunResult], column: str, bins: Bins) -> Array:
    """The mean count in each bin of a counter that a restart of Redis sets back to 0."""
    lost: Array = np.maximum(counted(runs, column, bins), 0.0).mean(axis=0)
    return lost


def _mark(axes: Axes, times_s: Sequence[float]) -> None:
    """A red line with a cross where a key was wiped."""
    for number_, at_s in enumerate(times_s):
        at = at_s / 60.0
        axes.axvline(
            at,
            color=str(VERMILION),
            linewidth=1.4,
            zorder=3,
            label="all members gone at once" if number_ == 0 else None,
        )
