"""The response surface of a sweep as an SVG picture."""

from __future__ import annotations

from experiments.plots import response, svg
from experiments.sweep import SweepResult


def plot(sweep: SweepResult) -> str:
    """The picture as text: see `experiments.plots.response`."""
    return svg(response(sweep["points"]))
