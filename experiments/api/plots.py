"""Figures as notebooks show them, and the one that lays several runs over each other."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import TicketsimError
from experiments.views.plots.style import GREY, SERIES, legend, new_figure, styled, svg
from experiments.views.plots.timeline import bins_of, clock, counted, finish, level
from experiments.views.text.run_text import number
from sim.result import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 80
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))


class EmptyPlotError(TicketsimError):
    """A figure has nothing in it: no run has what it would show."""


class Plot:
    """A figure, shown by notebooks with its description as alternative text.

    Args:
        figure: a matplotlib figure; its label describes it in words.

    Raises:
        EmptyPlotError: nothing is drawn in it.
    """

    def __init__(self, figure: Figure) -> None:
        if not any(map(_has_data, figure.axes)):
            raise EmptyPlotError(f"there is nothing to draw: {figure.get_label() or 'no data'}")
        self.figure = figure

    @property
    def words(self) -> str:
        """What the figure shows, in words."""
        return str(self.figure.get_label())

    def __repr__(self) -> str:
        """Describe the figure."""
        return self.words

    def save(self, path: str | Path) -> None:
        """Write it as SVG or PNG, by the end of the name."""
        if str(path).endswith(".svg"):
            Path(path).write_text(svg(self.figure), "utf-8")
        else:
            Path(path).write_bytes(self._png())

    def _png(self) -> bytes:
        found = io.BytesIO()
        # No version in the file, so that the same results give the same picture.
        self.figure.savefig(found, format="png", dpi=_DPI, metadata={"Software": None})
        return found.getvalue()

    def _repr_mimebundle_(self, **_wanted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        width = round(72 * self.figure.get_figwidth())
        data = {"image/png": self._png(), "text/plain": self.words}
        return data, {"image/png": {"alt": self.words, "width": width}}


def _has_data(axes: Axes) -> bool:
    """Whether anything but text, stages behind the data and marks across it is drawn here."""
    bars = [patch for patch in axes.patches if patch.zorder >= 0]
    lines = [line for line in axes.lines if line.get_transform() == axes.transData]
    return bool(bars or axes.collections or lines)


@styled
def overlay(
    worlds: Mapping[str, Sequence[RunResult]], column: str, *, label: str, counts: bool
) -> Figure:
    """One quantity of several worlds over time, one line each: means over the replications.

    Args:
        worlds: name -> replications with time series.
        column: of the time series; see `ticketsim.Run.series`.
        label: of the vertical axis.
        counts: whether the column counts up since the load began; shown per second then.
    """
    bins = bins_of([run for runs in worlds.values() for run in runs])
    figure, (axes,) = new_figure(3.6, narrow=False)
    words = []
    for index, (name, runs) in enumerate(worlds.items()):
        found = counted(runs, column, bins) / bins.width_s if counts else level(runs, column, bins)
        values = found.mean(axis=0)
        # A world that ended earlier has no values after its end.
        values[bins.edges_s[:-1] >= max(float(run.series["t_s"][-1]) for run in runs)] = float(
            "nan"
        )
        colour = str([*SERIES, GREY][index % (len(SERIES) + 1)])
        dashes = _DASHES[index % len(_DASHES)]
        axes.plot(bins.middles_min, values, color=colour, linestyle=dashes, label=name)
        most = int(np.nanargmax(values))
        at = clock(bins.middles_min[most])
        words.append(f"{name}: at most {number(round(float(values[most]), 1))}, first at {at}")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    legend(axes, narrow=False)
    finish(axes, bins)
    figure.set_label(f"{label} over time. {'; '.join(words)}.")
    return figure
