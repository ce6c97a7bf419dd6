"""Thresholds in k6's own grammar, read off the results of runs.

    metric{tag:value,...}: aggregation operator number

    metric       one of k6's, such as http_req_failed, http_req_duration, http_reqs, vus,
                 or of the waiting room, such as waiting_time, order_inversions, goodput
    tags         endpoint, status, method, expected_response
    aggregation  rate: rate; counter: count, rate; gauge: value;
                 trend: avg, min, med, max, p(0), p(50), p(90), p(95), p(99), p(100)
    operator     <  <=  >  >=  ==  ===  !=
    number       durations in milliseconds

Grammar and names are those of k6's documentation of thresholds.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from experiments.config.keys import nearest
from experiments.config.reading import Threshold
from experiments.errors import ConfigError
from experiments.statistics.outcomes import is_failure
from experiments.statistics.steps import STEPS, failed_share
from model.service import ENDPOINTS
from sim.result import RunResult

Operator = Literal["<", "<=", ">", ">=", "==", "===", "!="]
_EXPRESSION = re.compile(
    r"\s*(?P<aggregation>[a-z]+|p\(\s*(?P<percent>[0-9.]+)\s*\))\s*"
    r"(?P<operator><=|>=|===|==|!=|<|>)\s*(?P<bound>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*"
)
_DELAY = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|s|m|h))+|0")
_TREND: Final = ("avg", "min", "med", "max", "p(0)", "p(50)", "p(90)", "p(95)", "p(99)", "p(100)")
_SAME: Final = {"p(0)": "min", "p(50)": "med", "p(100)": "max"}
_AGGREGATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "rate": ("rate",),
    "counter": ("count", "rate"),
    "gauge": ("value",),
    "trend": _TREND,
}
_KINDS: Final[Mapping[str, str]] = {
    "abandoned": "counter",
    "abandoned_after": "trend",
    "admissions": "counter",
    "admissions_per_minute": "trend",
    "booked_not_paid": "counter",
    "bots": "counter",
    "bots_paid": "counter",
    "checks": "rate",
    "data_received": "counter",
    "data_sent": "counter",
    "dropped_iterations": "counter",
    "goodput": "gauge",
    "http_req_blocked": "trend",
    "http_req_connecting": "trend",
    "http_req_duration": "trend",
    "http_req_failed": "rate",
    "http_req_receiving": "trend",
    "http_req_sending": "trend",
    "http_req_waiting": "trend",
    "http_reqs": "counter",
    "interrupted_iterations": "counter",
    "iteration_duration": "trend",
    "iterations": "counter",
    "never_let_in": "counter",
    "order_inversions": "counter",
    "places_lost": "trend",
    "position_went_up": "counter",
    "script_errors": "counter",
    "shut_out": "counter",
    "step_failed": "rate",
    "time_to_sell_out": "gauge",
    "vus": "gauge",
    "vus_max": "gauge",
    "waiting_time": "trend",
}
_COUNTED: Final = ("http_req_failed", "http_reqs")
"""Metrics of which every combination of tags can be counted."""
_TAGS: Final = ("endpoint", "status", "method", "expected_response", "step")
STEP_FAILED: Final = "step_failed"
"""The share of failed requests of a step of buying, refusals of the business apart."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number of a run: a metric, perhaps of some requests only, and its aggregation."""

    metric: str
    tags: tuple[tuple[str, str], ...]
    aggregation: str

    @property
    def name(self) -> str:
        """The metric as it is written in a threshold."""
        return self.metric + _braced(self.tags)

    def of(self, run: RunResult) -> float | None:
        """The number in a run; None when there are no samples."""
        if self.metric == STEP_FAILED:
            return failed_share(run, dict(self.tags)["step"])
        if self.tags and self.metric in _COUNTED:
            return self._counted(run)
        statistics = run.metrics.get(self.name, {})
        return statistics.get(_SAME.get(self.aggregation, self.aggregation))

    def _counted(self, run: RunResult) -> float | None:
        requests = failed = 0
        for endpoint, statuses in run.outcomes.items():
            for status, count in statuses.items():
                if all(_tag(name, endpoint, status) == value for name, value in self.tags):
                    requests += count
                    failed += count * is_failure(status)
        if not requests:
            return None
        if self.metric == "http_req_failed":
            return failed / requests
        return requests if self.aggregation == "count" else requests / run.simulated_s


def _tag(name: str, endpoint: str, status: str) -> str:
    if name == "endpoint":
        return endpoint
    if name == "status":
        return status
    if name == "method":
        return endpoint.partition(" ")[0]
    return "false" if is_failure(status) else "true"


def _braced(tags: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}:{value}" for name, value in tags) + "}" if tags else ""


@dataclasses.dataclass(frozen=True)
class Criterion:
    """A parsed threshold: what is measured, and how it must compare with which number."""

    measure: Measure
    operator: Operator
    bound: float
    text: str
    abort_on_fail: bool = False

    @property
    def name(self) -> str:
        """The whole threshold, as people read it."""
        return f"{self.measure.name}: {self.text}"

    @property
    def worse(self) -> int:
        """1 when more is worse, -1 when less is, 0 when neither can be said."""
        return {"<": 1, ">": -1}.get(self.operator[0], 0)


def holds(value: float, operator: str, limit: float) -> bool:
    """Whether a number meets a threshold."""
    return {
        "<": value < limit,
        "<=": value <= limit,
        ">": value > limit,
        ">=": value >= limit,
        "==": value == limit,
        "===": value == limit,
        "!=": value != limit,
    }[operator]


def kind_of(metric: str) -> str:
    """What a metric is in k6's words: "rate", "counter", "gauge" or "trend"."""
    return _KINDS[metric]


def measures() -> dict[str, list[str]]:
    """Every metric of a run and the statistics that it has."""
    return {metric: list(_AGGREGATIONS[kind]) for metric, kind in _KINDS.items()}


def criteria(thresholds: Mapping[str, Sequence[str | Threshold]], source: str) -> list[Criterion]:
    """Parse the thresholds of a config.

    Args:
        thresholds: metric -> expressions.
        source: the config, for messages.

    Raises:
        ConfigError: a metric or tag that does not exist, or an expression that is not right.
    """
    return [
        _criterion(name, one if isinstance(one, Threshold) else Threshold(one), source)
        for name, several in thresholds.items()
        for one in several
    ]


def _criterion(name: str, threshold: Threshold, source: str) -> Criterion:
    key = f'thresholds."{name}"'
    metric, tags = _selector(name, key, source)
    text = threshold.threshold
    found = _EXPRESSION.fullmatch(text)
    if found is None:
        raise ConfigError(
            source,
            key,
            "allowed: aggregation, operator and number, such as p(95)<500 or rate<=0.01",
            value=f'"{text}"',
        )
    if not _DELAY.fullmatch(threshold.delayAbortEval):
        raise ConfigError(
            source,
            f"{key}.delayAbortEval",
            "allowed: a duration such as 10s",
            value=f'"{threshold.delayAbortEval}"',
        )
    percent = found["percent"]
    aggregation = _percentile(percent) if percent else found["aggregation"]
    allowed = _AGGREGATIONS[_KINDS[metric]]
    if aggregation not in allowed:
        raise ConfigError(
            source,
            key,
            f"{aggregation} is not measured of the {_KINDS[metric]} {metric}; "
            f"allowed: {', '.join(allowed)}",
            value=f'"{text}"',
        )
    operator: Operator = found["operator"]  # type: ignore[assignment]
    return Criterion(
        Measure(metric, tags, aggregation),
        operator,
        float(found["bound"]),
        text.strip(),
        threshold.abortOnFail,
    )


def _percentile(percent: str) -> str:
    try:
        return f"p({float(percent):g})"
    except ValueError:
        return f"p({percent})"


def _selector(name: str, key: str, source: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The metric and the tags of `metric{tag:value,...}`."""
    metric, brace, rest = name.partition("{")
    if metric not in _KINDS:
        raise ConfigError(
            source,
            key,
            f"no such metric; allowed: {', '.join(_KINDS)}",
            nearest=nearest(metric, _KINDS),
        )
    if not brace:
        for problem in _problems(metric, ()) if metric == STEP_FAILED else ():
            raise ConfigError(source, key, problem)
        return metric, ()
    if not rest.endswith("}"):
        raise ConfigError(source, key, "allowed: metric{tag:value,tag:value}")
    # As in k6: tag and value part at the first colon, space and quotes around them do not count.
    tags = []
    for part in rest[:-1].split(","):
        tag, colon, value = (piece.strip().strip("'\"") for piece in part.partition(":"))
        if not colon or not tag or not value:
            raise ConfigError(source, key, "allowed: metric{tag:value,tag:value}")
        tags.append((tag, value))
    ordered = tuple(sorted(tags, key=lambda one: _TAGS.index(one[0]) if one[0] in _TAGS else 0))
    for problem in _problems(metric, ordered):
        raise ConfigError(source, key, problem)
    return metric, ordered


def _problems(metric: str, tags: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with the tags of a metric."""
    yield from _wrong_values(tags)
    names = [tag for tag, _ in tags]
    if len(set(names)) < len(names):
        yield "a tag stands twice"
    if metric == STEP_FAILED:
        if names != ["step"] or tags[0][1] not in STEPS:
            yield f"allowed: {STEP_FAILED}{{step:NAME}} with one of {', '.join(STEPS)}"
    elif "step" in names:
        yield f"only {STEP_FAILED} is measured by step"
    elif metric not in _COUNTED:
        yield from _not_measured(metric, tags)


def _wrong_values(tags: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Which tags do not exist, or cannot have their values."""
    for tag, value in tags:
        if tag not in _TAGS:
            yield f"no tag {tag}; allowed: {', '.join(_TAGS)}"
        if tag == "endpoint" and value not in ENDPOINTS:
            yield f"no endpoint {value}; allowed: {', '.join(ENDPOINTS)}"
        if tag == "status" and not value.isdecimal():
            yield f"status {value}; allowed: a number such as 500, 0 for no answer"
        if tag == "expected_response" and value not in {"true", "false"}:
            yield f"expected_response {value}; allowed: true, false"


def _not_measured(metric: str, tags: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Which tags a metric that is not counted request by request does not have."""
    names = [tag for tag, _ in tags]
    measured = (["endpoint"], ["endpoint", "status"], ["expected_response"])
    if metric != "http_req_duration" or names not in measured:
        yield (
            f"{metric} is not measured by {', '.join(names)}; allowed: http_req_duration by "
            f"endpoint, by endpoint and status, or by expected_response:true, and "
            f"{' and '.join(_COUNTED)} by any tags"
        )
    if metric == "http_req_duration" and ("expected_response", "false") in tags:
        yield "durations are measured by expected_response:true only"
