"""The response surface of a sweep as an SVG picture."""

from __future__ import annotations

from experiments.studies.sweep import SweepResult
from experiments.views.plots import response, svg


def plot(sweep: SweepResult) -> str:
    """The picture as text: see `experiments.views.plots.response`."""
    return svg(response(sweep["points"]))
