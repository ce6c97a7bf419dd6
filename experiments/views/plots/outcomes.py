"""Statuses of the requests of each endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from experiments.views.plots.style import (
    GREEN,
    GREY,
    OCHRE,
    PAPER,
    PURPLE,
    VERMILION,
    Colour,
    legend,
    new_figure,
    short,
    styled,
)
from experiments.views.text.run_text import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Outcomes = Mapping[str, Mapping[str, float]]

CATEGORIES: Mapping[str, Colour] = {
    "answered well (2xx, 3xx)": GREEN,
    "lost a race (409)": OCHRE,
    "refused (other 4xx)": PURPLE,
    "server error (5xx)": VERMILION,
    "no answer": GREY,
}
_LEGIBLE = 0.07


def category(status: str) -> str:
    """The category of an HTTP status as text; "0" is no answer."""
    names = list(CATEGORIES)
    if status == "0":
        return names[4]
    if status == "409":
        return names[1]
    return {"4": names[2], "5": names[3]}.get(status[0], names[0])


@styled
def outcomes(outcomes: Outcomes, *, narrow: bool = False) -> Figure:
    """A bar of shares for each endpoint, those with most requests first.

    Args:
        outcomes: endpoint -> status -> requests.
        narrow: see `style.new_figure`.
    """
    table = {endpoint: _grouped(statuses) for endpoint, statuses in outcomes.items()}
    endpoints = sorted(
        (endpoint for endpoint in table if sum(table[endpoint].values())),
        key=lambda endpoint: -sum(table[endpoint].values()),
    )
    per_row = 0.72 if narrow else 0.52
    figure, (axes,) = new_figure(1.5 + per_row * max(1, len(endpoints)), narrow=narrow)
    for row, endpoint in enumerate(endpoints):
        _bar(axes, row, table[endpoint], thickness=0.42 if narrow else 0.62, narrow=narrow)
        total = f"{number(sum(table[endpoint].values()))} requests"
        if narrow:
            axes.text(0.0, row - 0.3, f"{short(endpoint)}: {total}", fontsize=10, va="bottom")
        else:
            axes.text(1.01, row, total, va="center", fontsize=11)
    axes.set_yticks(
        [] if narrow else range(len(endpoints)),
        [] if narrow else [short(endpoint) for endpoint in endpoints],
    )
    axes.set_ylim(len(endpoints) - 0.5, -0.75 if narrow else -0.5)
    axes.set_xlim(0.0, 1.0)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    legend(axes, narrow=narrow)
    figure.set_label(_words(table, endpoints))
    return figure


def _grouped(statuses: Mapping[str, float]) -> dict[str, float]:
    counts = dict.fromkeys(CATEGORIES, 0.0)
    for status, count in statuses.items():
        counts[category(status)] += count
    return counts


def _bar(
    axes: Axes, row: int, counts: Mapping[str, float], *, thickness: float, narrow: bool
) -> None:
    whole = sum(counts.values())
    left = 0.0
    for name, count in counts.items():
        share = count / whole
        axes.barh(
            row,
            share,
            left=left,
            height=thickness,
            color=str(CATEGORIES[name]),
            edgecolor=str(PAPER),
            linewidth=1.0,
            label=name if row == 0 else None,
        )
        if share >= _LEGIBLE * (2 if narrow else 1):
            axes.text(
                left + share / 2,
                row,
                f"{100 * share:.0f} %",
                ha="center",
                va="center",
                color=str(PAPER),
                fontsize=11,
            )
        left += share


def _words(table: Mapping[str, Mapping[str, float]], endpoints: list[str]) -> str:
    parts = []
    for endpoint in endpoints:
        whole = sum(table[endpoint].values())
        shares = ", ".join(
            f"{percent(count / whole)} {name}" for name, count in table[endpoint].items() if count
        )
        parts.append(f"{endpoint}: {shares}")
    return "Outcome per endpoint. " + ("; ".join(parts) or "No request was sent") + "."
