"""How long answers took at each endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.views.plots.style import BLUE, GREY, INK, VERMILION, new_figure, short, styled
from experiments.views.text.run_text import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PREFIX = "http_req_duration{endpoint:"
_FASTEST_MS = 1.0
"""Left end of the axis; what is quicker is drawn there."""
_MANY_DECADES_MS = 1_000.0
_MOST_TICKS = 20
_MARKS = (("med", "o", BLUE), ("p(95)", "s", VERMILION), ("p(99)", "D", INK))


@styled
def latency(metrics: Mapping[str, Mapping[str, Any]], *, narrow: bool = False) -> Figure:
    """Median, 95th and 99th percentile for each endpoint, on a line up to the longest request.

    Args:
        metrics: k6's, durations in milliseconds; those of `http_req_duration{endpoint:...}` count.
        narrow: see `style.new_figure`.
    """
    from matplotlib.ticker import LogLocator

    rows = {
        "all requests": metrics.get("http_req_duration", {}),
        **{
            name.removeprefix(_PREFIX).removesuffix("}"): statistics
            for name, statistics in metrics.items()
            if name.startswith(_PREFIX) and ",status:" not in name
        },
    }
    rows = {name: row for name, row in rows.items() if row}
    figure, (axes,) = new_figure(
        1.3 + (0.62 if narrow else 0.46) * max(1, len(rows)), narrow=narrow
    )
    axes.set_xscale("log")
    for index, (name, row) in enumerate(rows.items()):
        _row(axes, index, row)
        if narrow:
            axes.text(
                0.0, index - 0.25, short(name), transform=axes.get_yaxis_transform(), fontsize=10
            )
    slowest = max((float(row["max"]) for row in rows.values() if "max" in row), default=1e3)
    right = max(slowest, 10.0) * 1.6
    axes.set_xlim(_FASTEST_MS * 0.85, right)
    # Left to itself, matplotlib leaves out decades where it expects the texts to be wide.
    steps = (1.0,) if right > _MANY_DECADES_MS else (1.0, 3.0)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=_MOST_TICKS))
    axes.set_yticks(
        [] if narrow else range(len(rows)), [] if narrow else [short(name) for name in rows]
    )
    axes.set_ylim(len(rows) - 0.5, -0.75)
    axes.xaxis.set_major_formatter(_tick)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _legend(axes, narrow=narrow)
    figure.set_label(_words(rows))
    return figure


def _row(axes: Axes, index: int, row: Mapping[str, Any]) -> None:
    low, high = (max(_FASTEST_MS, float(row.get(key, 0.0))) for key in ("min", "max"))
    axes.plot([low, high], [index, index], color=str(GREY), linewidth=2.0, zorder=1)
    axes.plot([high], [index], marker="|", markersize=10, color=str(GREY), zorder=1)
    for statistic, marker, colour in _MARKS:
        if statistic in row:
            at = max(_FASTEST_MS, float(row[statistic]))
            axes.plot([at], [index], marker=marker, markersize=8, color=str(colour), zorder=2)


def _tick(milliseconds: float, _position: float) -> str:
    text = duration(milliseconds)
    return f"up to {text}" if milliseconds == _FASTEST_MS else text


def _legend(axes: Axes, *, narrow: bool) -> None:
    names = {"med": "half are quicker", "p(95)": "95 % are quicker", "p(99)": "99 % are quicker"}
    handles = [
        axes.plot([], [], marker=marker, linestyle="", color=str(colour))[0]
        for _, marker, colour in _MARKS
    ]
    labels = [names[statistic] for statistic, _, _ in _MARKS]
    handles.append(axes.plot([], [], color=str(GREY), marker="|", markersize=10)[0])
    labels.append("up to the longest")
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderpad=0.0,
        ncols=2 if narrow else 4,
    )


def _words(rows: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [
        f"{name}: median {duration(row['med'])}, 95th percentile {duration(row['p(95)'])}, "
        f"longest {duration(row['max'])}"
        for name, row in rows.items()
        if {"med", "p(95)", "max"} <= set(row)
    ]
    return "Durations of requests. " + ("; ".join(parts) or "There are none") + "."
