"""Seats booked and paid over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.views.plots.style import BLUE, GREEN, GREY, legend, new_figure, styled
from experiments.views.plots.timeline import (
    Array,
    Bins,
    band,
    bins_of,
    clock,
    cumulated,
    draw_stages,
    finish,
)
from experiments.views.text.run_text import number
from model.service import BOOKING, PAYMENT
from sim.load.settings import Loads
from sim.result import RunResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def sales(
    runs: Sequence[RunResult],
    load: Loads | None = None,
    *,
    seats: int | None = None,
    narrow: bool = False,
) -> Figure:
    """Bookings and payments that were answered, counted since the load began.

    Args:
        runs: replications with time series: means, and their range where there are several.
        load: for the bands of its stages.
        seats: how many seats are on sale, for a line.
        narrow: see `style.new_figure`.
    """
    bins = bins_of(runs)
    figure, (axes,) = new_figure(3.6 if narrow else 3.2, narrow=narrow)
    booked, paid = (_answered(runs, endpoint, bins) for endpoint in (BOOKING, PAYMENT))
    band(axes, bins, booked, color=str(BLUE), linestyle="--", label="booked, lapsed ones too")
    band(axes, bins, paid, color=str(GREEN), label="paid")
    most = max(float(booked.max(initial=0.0)), float(paid.max(initial=0.0)))
    if seats is not None and most > 0.2 * seats:
        axes.axhline(seats, color=str(GREY), linestyle=":", label=f"{number(seats)} on sale")
    axes.set_ylim(0.0, None if most >= 1.0 else 1.0)
    axes.set_ylabel("seats")
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    draw_stages(axes, load, narrow=narrow)
    legend(axes, narrow=narrow)
    finish(axes, bins)
    figure.set_label(_words(bins, booked.mean(axis=0), paid.mean(axis=0), seats))
    return figure


def _answered(
    runs: Sequence[RunResult], endpoint: str, bins: Bins
) -> np.typing.NDArray[np.float64]:
    """Requests of an endpoint that did not fail, up to the end of each bin."""
    requests = cumulated(runs, f"requests:{endpoint}", bins)
    return requests - cumulated(runs, f"failed:{endpoint}", bins)


def _words(
    bins: Bins,
    booked: Array,
    paid: Array,
    seats: int | None,
) -> str:
    """The alternative text."""
    of = f" of {number(seats)} seats on sale" if seats is not None else ""
    text = f"Sales over time: {number(booked[-1])} bookings and {number(paid[-1])} payments{of}"
    if paid[-1] > 0:
        half = bins.middles_min[int(np.argmax(paid >= 0.5 * paid[-1]))]
        text += f"; half of the payments were made by {clock(half)}"
    return f"{text}."
