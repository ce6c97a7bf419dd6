"""Percentiles that thresholds ask a run to measure, and thresholds that end the run early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sim.measure.requests import RequestLog
    from sim.result import Counts

EVERY_S: Final = 2.0
"""k6 evaluates thresholds every two seconds (internal/metrics/engine, thresholdsRate)."""
THRESHOLD_CROSSED: Final = "threshold_crossed"
"""How a run ended that a threshold with abortOnFail ended."""


class Statistics(Protocol):
    """Metrics by name, as k6's: a mapping, or one that computes what is asked for."""

    def get(self, name: str, default: Mapping[str, float], /) -> Mapping[str, float]:
        """The statistics of a metric; `default` where it has no samples."""
        ...


class Measured(Protocol):
    """The numbers that a threshold is judged by, of a finished run or of a run under way."""

    @property
    def metrics(self) -> Statistics:
        """Metric -> statistic -> value."""
        ...

    @property
    def outcomes(self) -> Mapping[str, Counts]:
        """Endpoint -> status -> requests."""
        ...

    @property
    def errors(self) -> Mapping[str, Counts]:
        """Endpoint -> primary cause -> failed requests."""
        ...

    @property
    def scenarios(self) -> Mapping[str, dict[str, Counts]]:
        """Scenario -> its outcomes."""
        ...

    @property
    def simulated_s(self) -> float:
        """For how long it was measured."""
        ...


class Stop(Protocol):
    """A threshold that ends the load where it is crossed."""

    @property
    def name(self) -> str:
        """The whole threshold, as people read it."""
        ...

    @property
    def not_before_s(self) -> float:
        """Until when it is not acted upon, in seconds since the load began."""
        ...

    def is_crossed(self, measured: Measured) -> bool:
        """Whether it is not met now; no samples are no reason."""
        ...


class Judge(Protocol):
    """Says what a run under way already fails in."""

    def __call__(self, measured: Measured, /) -> tuple[tuple[str, float], ...]:
        """Thresholds that are not met so far, each with its number."""
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """Percentiles beyond the usual ones, from 0 to 100, and thresholds that end a run.

    `judge` is asked now and then for whoever watches the run; the run does not depend on it.
    """

    percentiles: tuple[float, ...] = ()
    stops: tuple[Stop, ...] = ()
    judge: Judge | None = None


NOTHING: Final = Watched()


class UnderWay:
    """The metrics of a run so far; computes only what a threshold asks for."""

    def __init__(
        self,
        now_s: float,
        log: RequestLog,
        parts: Mapping[str, RequestLog],
        others: Callable[[], Mapping[str, Mapping[str, float]]],
    ) -> None:
        self.simulated_s = now_s
        self._log = log
        self._parts = parts
        self._others = others
        self.metrics: Statistics = self

    @property
    def outcomes(self) -> Mapping[str, Counts]:
        """Endpoint -> status -> requests."""
        return self._log.outcomes()

    @property
    def errors(self) -> Mapping[str, Counts]:
        """Endpoint -> primary cause -> failed requests."""
        return self._log.errors()

    @property
    def scenarios(self) -> Mapping[str, dict[str, Counts]]:
        """Scenario -> its outcomes."""
        return {name: part.outcomes() for name, part in self._parts.items()}

    def get(self, name: str, default: Mapping[str, float], /) -> Mapping[str, float]:
        """See `Statistics`."""
        log, base = self._log, name
        for scenario, part in self._parts.items():
            without = without_scenario(name, scenario)
            if without != name:
                log, base = part, without
        found = log.metric(base, self.simulated_s)
        if found is None and log is self._log:
            return self._others().get(name, default)
        return default if found is None else found


def with_scenario(metric: str, scenario: str) -> str:
    """The name of a metric, tags and all, for the requests of one scenario."""
    bare, brace, tags = metric.partition("{")
    return (
        f"{bare}{{{tags[:-1]},scenario:{scenario}}}" if brace else f"{bare}{{scenario:{scenario}}}"
    )


def without_scenario(metric: str, scenario: str) -> str:
    """The inverse of `with_scenario`; other names stay as they are."""
    tag = f"scenario:{scenario}}}"
    if metric.endswith(f",{tag}"):
        return metric.removesuffix(f",{tag}") + "}"
    return metric.removesuffix(f"{{{tag}")
