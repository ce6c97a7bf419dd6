"""k6's thresholds as those of a config: which metrics and tags can be carried over, and how."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from experiments.config.reading import Threshold
from experiments.errors import ConfigError
from experiments.interop.k6_place import Place
from experiments.statistics.thresholds import criteria, kind_of, parse_expression
from model.service import ENDPOINTS

_MEASURED: Final = (
    *("data_received", "data_sent", "dropped_iterations", "http_req_blocked"),
    *("http_req_connecting", "http_req_duration", "http_req_failed", "http_req_receiving"),
    *("http_req_sending", "http_req_waiting", "http_reqs", "iteration_duration", "iterations"),
    *("vus", "vus_max"),
)
"""Metrics of k6's own that a run measures too."""
_OTHERS: Final = (
    *("checks", "group_duration", "http_req_tls_handshaking", "ws_sessions", "ws_msgs_sent"),
    *("ws_msgs_received", "ws_ping", "ws_session_duration", "ws_connecting"),
    *("grpc_req_duration", "grpc_streams", "grpc_streams_msgs_received", "grpc_streams_msgs_sent"),
)
"""Metrics of k6's own that no run measures (metrics/builtin.go)."""
_FIELDS: Final = ("threshold", "abortOnFail", "delayAbortEval")


@dataclasses.dataclass(frozen=True)
class Names:
    """How the names in a script belong to ours.

    Args:
        endpoints: name tag or group of k6 -> endpoint.
        scripts: function of the script -> customer.
    """

    endpoints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    scripts: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def endpoint(self, name: str) -> str | None:
        """The endpoint that a name stands for; None when it is not known."""
        plain = name.removeprefix("::")
        for one in (name, plain):
            if one in self.endpoints:
                return self.endpoints[one]
        if plain in ENDPOINTS:
            return plain
        # An address without its method, where systemTags left that out.
        same = [endpoint for endpoint in ENDPOINTS if endpoint.partition(" ")[2] == plain]
        return same[0] if len(same) == 1 else None


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which requests there are: scenario that is imported -> tag -> value of all its requests."""

    tags: Mapping[str, Mapping[str, str]]


def thresholds(root: Place, names: Names, selection: Selection) -> dict[str, list[Any]]:
    """The thresholds that can be carried over; the others are left out or faults."""
    value = root.table.get("thresholds")
    if value is None:
        return {}
    if not isinstance(value, dict):
        root.fault("thresholds", "a table of lists")
        return {}
    kept: dict[str, list[Any]] = {}
    place = Place(root.notes, "thresholds", value)
    for metric, expressions in value.items():
        if not isinstance(expressions, list):
            place.fault(metric, "a list of thresholds")
            continue
        if not expressions:
            root.notes.leave_out(
                f"{place.at(metric)} = []: shows the metric in k6's summary and judges nothing"
            )
        for expression in expressions:
            threshold = _threshold(place, metric, expression)
            if threshold is None:
                continue
            try:
                name = _translated(metric, threshold, names, selection, root.notes.source)
            except _NotCarriedOverError as reason:
                written = json.dumps(expression, ensure_ascii=False)
                root.notes.leave_out(f"{place.at(metric)}: {written}: {reason}")
            else:
                kept.setdefault(name, []).append(_written(threshold))
    return kept


def _threshold(place: Place, metric: str, expression: Any) -> Threshold | None:
    """A threshold as it is written, if k6 accepts it."""
    table = {"threshold": expression} if isinstance(expression, str) else expression
    if not isinstance(table, dict) or not isinstance(table.get("threshold"), str):
        place.fault(metric, "texts such as rate<0.01, or tables with one as threshold")
        return None
    inner = Place(place.notes, place.at(metric), table)
    inner.refuse_others(_FIELDS)
    parsed = parse_expression(table["threshold"])
    if parsed is None:
        inner.fault("threshold", "aggregation, operator and number, such as p(95)<500 or rate<.01")
        return None
    bare = metric.partition("{")[0]
    if bare in _MEASURED and not _goes_with(parsed[0], kind_of(bare)):
        inner.fault("threshold", f"an aggregation that k6 has for the {kind_of(bare)} {bare}")
        return None
    delay_s = inner.seconds("delayAbortEval", 0.0)
    return Threshold(
        table["threshold"],
        abortOnFail=inner.switch("abortOnFail"),
        delayAbortEval=f"{(delay_s or 0.0):g}s" if delay_s else "0",
    )


def _goes_with(aggregation: str, kind: str) -> bool:
    if kind == "trend":
        return aggregation not in {"rate", "count", "value", "p"}
    return (
        aggregation in {"rate": ("rate",), "counter": ("count", "rate"), "gauge": ("value",)}[kind]
    )


class _NotCarriedOverError(Exception):
    """A threshold cannot be one of a config; its text is the reason."""


def _translated(
    metric: str, threshold: Threshold, names: Names, selection: Selection, source: str
) -> str:
    """The metric as a config names it."""
    bare, brace, rest = metric.partition("{")
    if bare in _OTHERS:
        raise _NotCarriedOverError("is not measured in a simulation")
    if bare not in _MEASURED:
        raise _NotCarriedOverError("a metric of the script's own")
    tags: dict[str, str] = {}
    for part in rest.removesuffix("}").split(",") if brace else ():
        tag, _, value = (piece.strip().strip("'\"") for piece in part.partition(":"))
        if not tag or not value:
            raise _NotCarriedOverError("the tags are malformed")
        for name, known in _tag(tag, value, names, selection).items():
            if tags.setdefault(name, known) != known:
                raise _NotCarriedOverError("no request has all of these tags")
    found = bare + ("{" + ",".join(f"{k}:{v}" for k, v in tags.items()) + "}" if tags else "")
    try:
        criteria({found: (threshold,)}, source)
    except ConfigError as error:
        raise _NotCarriedOverError(error.problem or f"allowed: {error.allowed}") from error
    return found


def _tag(tag: str, value: str, names: Names, selection: Selection) -> dict[str, str]:
    """A tag as ours has it; none when every request has it."""
    if tag in {"name", "group", "url"}:
        endpoint = names.endpoint(value)
        if endpoint is None:
            problem = f"no endpoint is known for {tag} {value}; --names can say which it is"
            raise _NotCarriedOverError(problem)
        return {"endpoint": endpoint}
    if tag == "scenario":
        having = [name for name in selection.tags if name == value]
    elif any(tag in tags for tags in selection.tags.values()):
        having = [name for name, tags in selection.tags.items() if tags.get(tag) == value]
    else:
        return {tag: value}
    if not having:
        raise _NotCarriedOverError(f"no scenario that is imported has {tag} {value}")
    if len(having) == len(selection.tags):
        return {}
    if len(having) > 1:
        raise _NotCarriedOverError(f"several scenarios have {tag} {value}, and not all")
    return {"scenario": having[0]}


def _written(threshold: Threshold) -> Any:
    if not threshold.abortOnFail:
        return threshold.threshold
    table: dict[str, Any] = {"threshold": threshold.threshold, "abortOnFail": True}
    if threshold.delayAbortEval != "0":
        table["delayAbortEval"] = threshold.delayAbortEval
    return table
