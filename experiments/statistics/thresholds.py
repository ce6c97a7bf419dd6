"""Thresholds in k6's own grammar, read off the results of runs.

    metric{tag:value,...}: aggregation operator number

    metric       one of k6's, such as http_req_failed, http_req_duration, http_reqs, vus,
                 or of the waiting room, such as waiting_time, order_inversions, goodput
    tags         endpoint, status, method, expected_response, scenario, and refused, which k6
                 lacks: true for answers 402, 403, 409 and 410, by which a service says no
    aggregation  rate: rate; counter: count, rate; gauge: value;
                 trend: avg, min, med, max, and any percentile, such as p(95) or p(99.9)
    operator     <  <=  >  >=  ==  ===  !=
    number       as Go writes floats: .01, 5., +5, 1e3; durations in milliseconds

Grammar and names are those of k6: metrics/thresholds_parser.go and metrics/metric.go.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from experiments.config.keys import nearest
from experiments.config.reading import Config, Threshold
from experiments.errors import ConfigError
from experiments.statistics.go_numbers import parse_duration_s, parse_float
from experiments.statistics.outcomes import is_failure
from experiments.statistics.steps import REFUSALS, STEPS, failed_share
from model.service import ENDPOINTS
from sim.load.settings import scenarios
from sim.measure.watched import Measured, Watched

Operator = Literal["<", "<=", ">", ">=", "==", "===", "!="]
_OPERATORS: Final[tuple[Operator, ...]] = ("<=", "<", ">=", ">", "===", "==", "!=")
"""In the order in which k6 looks for them."""
_PERCENTILE: Final = re.compile(r"p\((?P<percent>.*)\)", re.DOTALL)
_SPACE: Final = " \t\n\v\f\r\u0085\u00a0"
_TREND: Final = ("avg", "min", "med", "max", "p(0)", "p(50)", "p(90)", "p(95)", "p(99)", "p(100)")
_USUAL: Final = frozenset((0.0, 50.0, 90.0, 95.0, 99.0, 100.0))
"""Percentiles that every run measures."""
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
_TAGS: Final = (
    *("endpoint", "status", "method", "expected_response", "refused", "step", "scenario"),
)
REFUSED: Final = "refused"
"""The tag of requests that were refused as business."""
STEP_FAILED: Final = "step_failed"
"""The share of failed requests of a step of buying, refusals of the business apart."""
_BY_SCENARIO: Final = (
    *("data_received", "data_sent", "dropped_iterations", "iteration_duration", "iterations"),
    *("http_req_blocked", "http_req_connecting", "http_req_duration", "http_req_failed"),
    *("http_req_receiving", "http_req_sending", "http_req_waiting", "http_reqs"),
)
"""Metrics that each of several loads has of its own."""


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

    @property
    def percentile(self) -> float | None:
        """The percentile, if the aggregation is one that only runs asked for it measure."""
        found = _PERCENTILE.fullmatch(self.aggregation)
        percent = float(found["percent"]) if found else 0.0
        return None if percent in _USUAL else percent

    def of(self, run: Measured) -> float | None:
        """The number in a run; None when there are no samples."""
        if self.metric == STEP_FAILED:
            return failed_share(run, dict(self.tags)["step"])
        if self.tags and self.metric in _COUNTED:
            return self._counted(run)
        statistics = run.metrics.get(self.name, {})
        return statistics.get(_SAME.get(self.aggregation, self.aggregation))

    def _counted(self, run: Measured) -> float | None:
        requests = failed = 0
        tags = dict(self.tags)
        scenario = tags.pop("scenario", None)
        outcomes = run.outcomes if scenario is None else run.scenarios.get(scenario, {})
        for endpoint, statuses in outcomes.items():
            for status, count in statuses.items():
                if all(_tag(name, endpoint, status) == value for name, value in tags.items()):
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
    if name == REFUSED:
        return "true" if status in REFUSALS else "false"
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
    is_default: bool = False
    """Not of the config: a limit that holds where the config states none."""
    not_before_s: float = 0.0
    """delayAbortEval: until when the load goes on, whatever the threshold says."""

    @property
    def name(self) -> str:
        """The whole threshold, as people read it."""
        return f"{self.measure.name}: {self.text}"

    @property
    def worse(self) -> int:
        """1 when more is worse, -1 when less is, 0 when neither can be said."""
        return {"<": 1, ">": -1}.get(self.operator[0], 0)

    def is_crossed(self, measured: Measured) -> bool:
        """Whether it is not met by what is measured; no samples are no reason."""
        value = self.measure.of(measured)
        return value is not None and not holds(value, self.operator, self.bound)


def watched(config: Config) -> Watched:
    """What the thresholds of a config want of each of its runs.

    Raises:
        ConfigError: see `criteria`.
    """
    found = criteria_of(config)
    for one in found:
        _check_scenario(one, config)
    percentiles = sorted({p for one in found if (p := one.measure.percentile) is not None})
    return Watched(tuple(percentiles), tuple(one for one in found if one.abort_on_fail))


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


def criteria_of(config: Config) -> list[Criterion]:
    """The thresholds of a config. Raises ConfigError as `criteria` does."""
    # Which endpoints an application has is known when it has run.
    endpoints = () if config.world.app.path else ENDPOINTS
    return criteria(config.header.thresholds, config.name, endpoints)


def criteria(
    thresholds: Mapping[str, Sequence[str | Threshold]],
    source: str,
    endpoints: Collection[str] = ENDPOINTS,
) -> list[Criterion]:
    """Parse the thresholds of a config.

    Args:
        thresholds: metric -> expressions.
        source: the config, for messages.
        endpoints: the ones that a tag may name; empty: any.

    Raises:
        ConfigError: a metric or tag that does not exist, or an expression that is not right.
    """
    found = []
    for name, several in thresholds.items():
        for one in several:
            threshold = one if isinstance(one, Threshold) else Threshold(one)
            found.append(_criterion(name, threshold, source))
            endpoint = dict(found[-1].measure.tags).get("endpoint", "")
            if endpoint and endpoints and endpoint not in endpoints:
                raise ConfigError(
                    source,
                    f'thresholds."{name}"',
                    f"no endpoint {endpoint}",
                    allowed=", ".join(endpoints),
                )
    return found


def _check_scenario(criterion: Criterion, config: Config) -> None:
    scenario = dict(criterion.measure.tags).get("scenario")
    names = scenarios(config.world.load)
    if scenario is not None and scenario not in names:
        problem = f"no load has scenario {scenario}; allowed: {', '.join(names) or 'none'}"
        raise ConfigError(config.name, f'thresholds."{criterion.measure.name}"', problem)


def wishes_of(thresholds: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Those of a config's thresholds, as plain values, that change what its runs measure."""
    found = {
        name: [one for one in several if _is_wish(one)] for name, several in thresholds.items()
    }
    return {name: several for name, several in found.items() if several}


def _is_wish(threshold: Any) -> bool:
    if isinstance(threshold, Mapping):
        return threshold.get("abortOnFail") is True or _is_wish(threshold.get("threshold"))
    parsed = parse_expression(threshold) if isinstance(threshold, str) else None
    return parsed is not None and Measure("", (), parsed[0]).percentile is not None


def _criterion(name: str, threshold: Threshold, source: str) -> Criterion:
    key = f'thresholds."{name}"'
    metric, tags = _selector(name, key, source)
    text = threshold.threshold
    parsed = parse_expression(text)
    if parsed is None:
        raise ConfigError(
            source,
            key,
            "allowed: aggregation, operator and number, such as p(95)<500 or rate<=.01",
            value=f'"{text}"',
        )
    delay_s = parse_duration_s(threshold.delayAbortEval)
    if delay_s is None or delay_s < 0.0:
        raise ConfigError(
            source,
            f"{key}.delayAbortEval",
            "allowed: a duration such as 10s or 1m30s",
            value=f'"{threshold.delayAbortEval}"',
        )
    aggregation, operator, bound = parsed
    allowed = _AGGREGATIONS[_KINDS[metric]]
    percentile = aggregation.startswith("p(") and _KINDS[metric] == "trend"
    if percentile and not 0.0 <= float(aggregation[2:-1]) <= 100.0:  # noqa: PLR2004 (percent)
        raise ConfigError(source, key, "allowed: percentiles from 0 to 100", value=f'"{text}"')
    if aggregation not in allowed and not percentile:
        raise ConfigError(
            source,
            key,
            f"{aggregation} is not measured of the {_KINDS[metric]} {metric}",
            allowed=", ".join(allowed),
            value=f'"{text}"',
        )
    return Criterion(
        Measure(metric, tags, aggregation),
        operator,
        bound,
        text.strip(),
        abort_on_fail=threshold.abortOnFail,
        not_before_s=delay_s,
    )


def parse_expression(text: str) -> tuple[str, Operator, float] | None:
    """Aggregation, operator and number of an expression; None for what k6 refuses."""
    for operator in _OPERATORS:
        left, _, right = text.partition(operator)
        if right:
            aggregation = _aggregation(left.strip(_SPACE))
            bound = parse_float(right.strip(_SPACE))
            return (aggregation, operator, bound) if aggregation and bound is not None else None
    return None


def _aggregation(text: str) -> str:
    """The aggregation under k6's name for it; empty for what is none."""
    if text in {"value", "count", "rate", "avg", "min", "med", "max", "p"}:
        return text
    found = _PERCENTILE.fullmatch(text)
    percent = parse_float(found["percent"]) if found else None
    return "" if percent is None else f"p({percent:g})"


def _selector(name: str, key: str, source: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The metric and the tags of `metric{tag:value,...}`."""
    metric, brace, rest = name.partition("{")
    if metric not in _KINDS:
        raise ConfigError(
            source,
            key,
            "no such metric",
            allowed=", ".join(_KINDS),
            nearest=nearest(metric, _KINDS),
        )
    if not brace:
        for wrong in _problems(metric, ()) if metric == STEP_FAILED else ():
            raise ConfigError(source, key, wrong.problem, allowed=wrong.allowed)
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
    for wrong in _problems(metric, ordered):
        raise ConfigError(source, key, wrong.problem, allowed=wrong.allowed)
    return metric, ordered


class _Wrong(NamedTuple):
    """A fault of a selector, and what is allowed; either may be empty, not both."""

    problem: str
    allowed: str = ""


def _problems(metric: str, tags: Sequence[tuple[str, str]]) -> Iterator[_Wrong]:
    """What is wrong with the tags of a metric."""
    yield from _wrong_values(tags)
    names = [tag for tag, _ in tags]
    if len(set(names)) < len(names):
        yield _Wrong("a tag stands twice")
    if metric == STEP_FAILED:
        if names != ["step"] or tags[0][1] not in STEPS:
            yield _Wrong("", f"{STEP_FAILED}{{step:NAME}} with one of {', '.join(STEPS)}")
    elif "step" in names:
        yield _Wrong(f"only {STEP_FAILED} is measured by step")
    elif metric not in _COUNTED:
        yield from _not_measured(metric, tags)


def _wrong_values(tags: Sequence[tuple[str, str]]) -> Iterator[_Wrong]:
    """Which tags do not exist, or cannot have their values."""
    for tag, value in tags:
        yield from _wrong_value(tag, value)


def _not_measured(metric: str, tags: Sequence[tuple[str, str]]) -> Iterator[_Wrong]:
    """Which tags a metric that is not counted request by request does not have."""
    names = [tag for tag, _ in tags]
    if names[-1:] == ["scenario"] and metric in _BY_SCENARIO:
        names = names[:-1]
    measured = (["endpoint"], ["endpoint", "status"], ["expected_response"])
    if names and (metric != "http_req_duration" or names not in measured):
        yield _Wrong(
            f"{metric} is not measured by {', '.join(names)}",
            "http_req_duration by endpoint, by endpoint and status, or by "
            f"expected_response:true, {' and '.join(_COUNTED)} by any tags, and metrics of k6 by "
            "scenario",
        )
    if metric == "http_req_duration" and ("expected_response", "false") in tags:
        yield _Wrong("durations are measured by expected_response:true only")


def _wrong_value(tag: str, value: str) -> Iterator[_Wrong]:
    if tag not in _TAGS:
        yield _Wrong(f"no tag {tag}", ", ".join(_TAGS))
    if tag == "status" and not value.isdecimal():
        yield _Wrong(f"status {value}", "a number such as 500, 0 for no answer")
    if tag in {"expected_response", REFUSED} and value not in {"true", "false"}:
        yield _Wrong(f"{tag} {value}", "true, false")
