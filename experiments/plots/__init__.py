"""Figures of results: pure functions from data to a matplotlib `Figure`, one subject to a file.

Every figure is made in one style (`ticketsim.mplstyle`, `style.py`), wide for a page or `narrow`
for a phone, and its label (`figure.get_label()`) is its alternative text: what it shows, in words.
"""

from experiments.plots.differences import differences
from experiments.plots.exceptions import exceptions
from experiments.plots.failures import failures
from experiments.plots.funnel import funnel
from experiments.plots.latency import latency
from experiments.plots.occupancy import occupancy
from experiments.plots.outcomes import outcomes
from experiments.plots.response import response
from experiments.plots.steps import steps
from experiments.plots.style import svg
from experiments.plots.waiting_room import waiting_room

__all__ = [
    "differences",
    "exceptions",
    "failures",
    "funnel",
    "latency",
    "occupancy",
    "outcomes",
    "response",
    "steps",
    "svg",
    "waiting_room",
]
