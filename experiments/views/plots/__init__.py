"""Figures of results: pure functions from data to a matplotlib `Figure`, one subject to a file.

Every figure is made in one style (`ticketsim.mplstyle`, `style.py`), wide for a page or `narrow`
for a phone, and its label (`figure.get_label()`) is its alternative text: what it shows, in words.
"""

from experiments.views.plots.differences import differences
from experiments.views.plots.exceptions import exceptions
from experiments.views.plots.failures import failures
from experiments.views.plots.funnel import funnel
from experiments.views.plots.latency import latency
from experiments.views.plots.latency_over_time import latency_over_time
from experiments.views.plots.occupancy import occupancy
from experiments.views.plots.outcomes import outcomes
from experiments.views.plots.redis_keys import redis_keys
from experiments.views.plots.response import response
from experiments.views.plots.sales import sales
from experiments.views.plots.steps import steps
from experiments.views.plots.strips import Strip, strips
from experiments.views.plots.style import svg
from experiments.views.plots.waiting_room import waiting_room

__all__ = [
    "Strip",
    "differences",
    "exceptions",
    "failures",
    "funnel",
    "latency",
    "latency_over_time",
    "occupancy",
    "outcomes",
    "redis_keys",
    "response",
    "sales",
    "steps",
    "strips",
    "svg",
    "waiting_room",
]
