"""The quantities that variants are compared in: one number per run each."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Final, Literal

from experiments.statistics.steps import STEPS, buying_failed_share, failed_share, refused_share
from experiments.statistics.summary import is_count, number_at
from experiments.statistics.verdict import standing
from sim.result import RunResult

_MINUTE_S = 60.0


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A number of a run.

    Args:
        name: its key in JSON.
        label: how a table heads it.
        path: where it stands in a result; see `experiments.statistics.summary.number_at`.
        better: 1 when more is better, -1 when less is, 0 when neither can be said.
        unit: "share", "ms", "rows", "per minute", or a word for people.
    """

    name: str
    label: str
    path: str
    better: Literal[-1, 0, 1]
    unit: str
    read: Callable[[RunResult], float | None] | None = None

    def of(self, run: RunResult) -> float | None:
        """The number; None where the run has no samples of it."""
        return self.read(run) if self.read else number_at(run, self.path)

    @property
    def grows_with_scale(self) -> bool:
        """Whether a run at a scale shows only its share of it."""
        return self.unit == "per minute" or is_count(self.path)

    def tolerance(self, precision: float, base: float, variant: float) -> float:
        """The half-width that counts as narrow: of shares in points, of the rest relative."""
        return precision if self.unit == "share" else precision * max(abs(base), abs(variant))


def _goodput(run: RunResult) -> float:
    """People who paid, per simulated minute."""
    return run.funnel.get("paid", 0) / (run.simulated_s / _MINUTE_S) if run.simulated_s else 0.0


def _violations(run: RunResult) -> float:
    return float(sum(run.invariants.values()))


def _step(step: str, run: RunResult) -> float | None:
    return failed_share(run, step)


FAILED: Final = Quantity("failed", "failed requests", "http_req_failed.rate", -1, "share")
BOOKED: Final = Quantity(
    "bookings", "seats standing or paid", "tables.booking", 1, "rows", standing
)
QUANTITIES: Final = (
    FAILED,
    Quantity("tokens", "tokens issued", "tables.token_history", 0, "rows"),
    BOOKED,
    Quantity("payments", "payments", "tables.payment", 1, "rows"),
    Quantity("p95", "p95 duration", "http_req_duration.p(95)", -1, "ms"),
    Quantity("goodput", "goodput", "", 1, "per minute", _goodput),
)
"""The first one decides how many replications there are."""
OF_APPLICATIONS: Final = tuple(one for one in QUANTITIES if one.name in {"failed", "p95"})
"""Those that an application of the user's own has; the others read the ticket service's tables."""
WAITING_ROOM: Final = (
    Quantity("waiting_median", "median wait", "waiting_time.med", -1, "ms"),
    Quantity("waiting_p95", "p95 wait", "waiting_time.p(95)", -1, "ms"),
    Quantity("never_let_in", "never let in", "never_let_in.count", -1, "people"),
    Quantity("places_lost", "places lost each", "places_lost.avg", -1, "places"),
    Quantity("unevenness", "unevenness", "admissions_per_minute.cv", -1, "of the mean"),
)
"""How a waiting room is judged, where people wait: see `sim.measure.waiting_room`. A place is lost
to everyone who came later and got in earlier; unevenness is the variation of the admissions per
minute (standard deviation by mean)."""
PEOPLE_LOST: Final = (
    Quantity("lost_patience", "lost patience", "abandoned.count", -1, "people"),
    Quantity("shut_out", "shut out, seats free", "shut_out.count", -1, "people"),
)
STEPS_FAILED: Final = tuple(
    Quantity(f"{step}_failed", f"{step} failed", "", -1, "share", functools.partial(_step, step))
    for step in STEPS
)
"""Of the requests of each step of buying, refusals of the business apart."""
SWEPT: Final = (*QUANTITIES, *WAITING_ROOM[:3], *PEOPLE_LOST, *STEPS_FAILED)
"""What every point of a sweep has."""
VIOLATIONS: Final = Quantity(
    "violations", "violations of invariants", "", -1, "violations", _violations
)
FAILED_BUT_REFUSED: Final = Quantity(
    "failed_but_refused", "failed, refusals apart", "", -1, "share", buying_failed_share
)
COMPARED_OF_APPLICATIONS: Final = (
    VIOLATIONS,
    FAILED_BUT_REFUSED,
    Quantity("refused", "refused", "", 0, "share", refused_share),
    *(one for one in OF_APPLICATIONS if one is not FAILED),
)
"""A right service refuses more than one that sells too much, so `FAILED` judges none."""
COMPARED: Final = (*QUANTITIES, *WAITING_ROOM, *COMPARED_OF_APPLICATIONS[:3])
"""Everything that variants are compared in."""
