"""How far a run is from what was observed.

Every observation is compared on a scale on which its errors are alike: shares and numbers of
exception classes as they are, durations and counts by their logarithm. The difference is divided
by a spread: how far off still counts as the same, as the config states it; without such a
statement the median absolute deviation over the worlds drawn from the prior. A count of a run at
a scale below 1 is compared with that share of the observed one, and the Poisson error of so small
a count is added to its spread: 0.6 expected payments say little. The distance is the mean of these
differences, each at most `MOST`, so that nothing that cannot be explained drowns the rest.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from experiments.config.keys import nearest
from experiments.config.reading import Config, Observed
from experiments.errors import ConfigError
from experiments.statistics.summary import is_count, number_at
from experiments.statistics.thresholds import measures
from model.schema import METADATA
from model.service import ENDPOINTS
from sim.result import RunResult

MOST: Final = 5.0
"""Spreads beyond which an observation counts as simply missed."""
Kind = Literal["share", "classes", "duration", "count"]
Values = tuple[float | None, ...]
_MAD_TO_DEVIATION: Final = 1.4826
_DEFAULT_SPREAD: Final[Mapping[Kind, float]] = {
    "share": 0.05,
    "classes": 1.0,
    "duration": 0.25,
    "count": 0.25,
}
_ROOTS: Final = (
    "tables",
    "exception_classes",
    "exception_share",
    "refused_tokens",
    "tokens_vanished",
)


@dataclass(frozen=True)
class Observation:
    """One observed number."""

    name: str
    observed: Observed

    @property
    def kind(self) -> Kind:
        """What kind of number it is; decides how it is compared."""
        root, _, rest = self.observed.metric.partition(".")
        if root in {"exception_classes", "tokens_vanished"}:
            return "classes"
        if is_count(self.observed.metric):
            return "count"
        if root in {"http_req_failed", "exception_share", "refused_tokens"} or rest == "rate":
            return "share"
        return "duration"

    def simulated(self, run: RunResult, scale: float) -> float | None:
        """The simulated number, extrapolated to full size if it is a count."""
        value = number_at(run, self.observed.metric)
        return None if value is None else value / scale if self.kind == "count" else value

    def spread(self, mad: float, scale: float) -> float:
        """What a difference is divided by.

        Args:
            mad: median absolute deviation over the prior, on the scale of comparison.
            scale: of the runs.
        """
        spread = self.observed.spread or max(_DEFAULT_SPREAD[self.kind], mad * _MAD_TO_DEVIATION)
        if self.kind != "count":
            return spread
        return math.hypot(spread, 1.0 / math.sqrt(self.observed.value * scale + 0.5))

    def compared(self, value: float, scale: float) -> float:
        """A number at full size, on the scale of comparison."""
        match self.kind:
            case "count":
                return math.log(value * scale + 0.5)
            case "duration":
                return math.log(value + 1.0)
            case _:
                return value

    def difference(self, value: float | None, spread: float, scale: float) -> float:
        """In spreads, signed; 0 within a bound that was observed, `MOST` without a number."""
        if value is None:
            return MOST
        target = self.compared(self.observed.value, scale)
        found = (self.compared(value, scale) - target) / spread
        match self.observed.bound:
            case "at_least":
                found = min(0.0, found)
            case "at_most":
                found = max(0.0, found)
            case "equal":
                pass
        return max(-MOST, min(MOST, found))


class Vector:
    """Everything that was observed, at the scale of the runs that are compared with it."""

    def __init__(self, observations: Sequence[Observation], scale: float) -> None:
        self.observations = list(observations)
        self.scale = scale
        self.spreads = [one.spread(0.0, scale) for one in self.observations]

    def adapt(self, prior: Sequence[Values]) -> None:
        """Take the spreads from worlds drawn from the prior."""
        for index, one in enumerate(self.observations):
            numbers = [
                one.compared(found, self.scale)
                for values in prior
                for found in [values[index]]
                if found is not None
            ]
            self.spreads[index] = one.spread(_mad(numbers), self.scale)

    def values(self, run: RunResult) -> Values | None:
        """The simulated vector, counts extrapolated; None for a run that is out of the question.

        That is one that was rejected, and one that ended because a program was killed: a load
        generator that is killed prints no summary, and there is one.
        """
        if run.ended != "completed":
            return None
        return tuple(one.simulated(run, self.scale) for one in self.observations)

    def differences(self, values: Values) -> list[float]:
        """Of each observation, in spreads."""
        return [
            one.difference(value, spread, self.scale)
            for one, value, spread in zip(self.observations, values, self.spreads, strict=True)
        ]

    def distance(self, values: Values | None) -> float:
        """The mean difference; infinite for a rejected run."""
        if values is None:
            return math.inf
        return statistics.fmean(abs(found) for found in self.differences(values))


def _mad(numbers: Sequence[float]) -> float:
    if not numbers:
        return 0.0
    centre = statistics.median(numbers)
    return statistics.median(abs(number - centre) for number in numbers)


def observations_of(config: Config, source: str) -> list[Observation]:
    """The observations of a config.

    Raises:
        ConfigError: there is none, or one names a number that no run has.
    """
    if not config.header.observed:
        raise ConfigError(source, "observed", "nothing was observed; allowed: at least one number")
    for name, observed in config.header.observed.items():
        _check_metric(source, name, observed)
    return [Observation(name, observed) for name, observed in config.header.observed.items()]


def _check_metric(source: str, name: str, observed: Observed) -> None:
    root, _, rest = observed.metric.partition(".")
    if rest in _known(root):
        return
    names = [f"{one}.{inner}" for one in [*_ROOTS, *measures()] for inner in _known(one)]
    raise ConfigError(
        source,
        f"observed.{name}.metric",
        "no run produces this number; allowed: the paths of the summary of ticketsim run --json",
        value=f'"{observed.metric}"',
        nearest=nearest(observed.metric, names),
    )


def _known(root: str) -> list[str]:
    """What may follow the first part of a path."""
    match root:
        case "tables":
            own = [table.name for table in METADATA.tables.values()]
            states = [f"booking:{state}" for state in ("RESERVED", "PAID", "CANCELLED")]
            types = [f"token_history:{kind}" for kind in ("ACCESS", "WAIT")]
            return [*own, *states, *types, "booked_seats", "seat:occupied"]
        case "exception_classes" | "exception_share":
            return list(ENDPOINTS)
        case "refused_tokens":
            return ["rate"]
        case "tokens_vanished":
            return ["any"]
        case _:
            return measures().get(root, [])
