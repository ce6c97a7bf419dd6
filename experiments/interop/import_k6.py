"""What `k6 inspect` says about a script, as a config: its load, its thresholds, what is left over.

Durations in k6's JSON are texts such as 1m30s, or numbers of milliseconds.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from experiments.config.reading import Threshold
from experiments.config.sources import Table, show_value
from experiments.errors import ConfigError, OptionError
from experiments.statistics.thresholds import criteria

MOST_CHARS: Final = 10_000_000
_UNITS_S: Final = {
    "h": 3_600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")
_SHORTCUTS: Final = ("vus", "duration", "iterations", "stages")
_USED: Final = {*_SHORTCUTS, "scenarios", "thresholds", "totalDuration", "maxVUs", "paused"}
_HARMLESS: Final = {
    "summaryTrendStats",
    "summaryTimeUnit",
    "systemTags",
    "tags",
    "userAgent",
    "metricSamplesBufferSize",
    "setupTimeout",
    "teardownTimeout",
    "insecureSkipTLSVerify",
    "tlsVersion",
    "tlsCipherSuites",
    "ext",
}
"""Options that do not change the load."""


@dataclasses.dataclass(frozen=True)
class Imported:
    """A config as a table, and what of the options it does not say, one line each."""

    table: Table
    left_out: list[str]


@dataclasses.dataclass(frozen=True)
class _Place:
    """A table of the options, and where it stands, for messages."""

    source: str
    path: str
    table: Mapping[str, Any]

    def refuse(self, key: str, allowed: str) -> NoReturn:
        raise ConfigError(
            self.source, self.at(key), f"allowed: {allowed}", value=show_value(self.table[key])
        )

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def whole(self, key: str, default: int | None) -> int | None:
        value = self.table.get(key)
        if value is None:
            return default
        if type(value) is not int or not 0 <= value <= 2**53:
            self.refuse(key, "a whole number from 0")
        return int(value)

    def seconds(self, key: str, default: float | None) -> float | None:
        value = self.table.get(key)
        if value is None:
            return default
        found = seconds(value)
        if found is None:
            self.refuse(key, "a duration such as 1m30s, or milliseconds")
        return found

    def stages(self) -> list[Table]:
        value = self.table["stages"]
        if not isinstance(value, list) or not value:
            self.refuse("stages", "a list of stages")
        found = []
        for number, stage in enumerate(value):
            if not isinstance(stage, dict):
                self.refuse("stages", "a list of tables with duration and target")
            place = _Place(self.source, f"{self.at('stages')}[{number}]", stage)
            found.append(
                {"duration_s": place.seconds("duration", 0.0), "target": place.whole("target", 0)}
            )
        return found


def read_options(text: str, source: str) -> dict[str, Any]:
    """Parse the output of `k6 inspect`.

    Raises:
        ConfigError: no JSON, no table, or nothing that k6 would say.
    """
    if len(text) > MOST_CHARS:
        raise ConfigError(source, "", f"more than {MOST_CHARS:,} characters: no options of k6")
    try:
        options = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}"
        raise ConfigError(source, place, f"not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(source, "", f"not valid JSON: {error}") from error
    if not isinstance(options, dict) or not options.keys() & {*_SHORTCUTS, "scenarios"}:
        raise ConfigError(source, "", "not the options of a script; allowed: k6 inspect's output")
    return options


def imported(options: Mapping[str, Any], source: str, scenario: str | None = None) -> Imported:
    """Make a config of a script's options.

    Args:
        options: what `read_options` returned.
        source: the file, for messages.
        scenario: which of several to take; the first that can be simulated when not given.

    Raises:
        ConfigError: an option of the wrong type, no such scenario, or none to be simulated.
    """
    root = _Place(source, "", options)
    left_out: list[str] = []
    load = _load(root, scenario, left_out)
    table: Table = {
        "name": "imported",
        "load": load,
        "catalogue": {"users": _users(load)},
        **_world(root, left_out),
    }
    thresholds = _thresholds(root, left_out)
    if thresholds:
        table["thresholds"] = thresholds
    return Imported(table, left_out)


def seconds(value: object) -> float | None:
    """A duration of k6 in seconds; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value / 1e3 if 0 <= value < 1e15 else None  # noqa: PLR2004 - 30,000 years
    if not isinstance(value, str):
        return None
    parts = _PART.findall(value)
    if "".join(number + unit for number, unit in parts) != value or not value:
        return 0.0 if value == "0" else None
    return float(sum(float(number) * _UNITS_S[unit] for number, unit in parts))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


# The load


def _load(root: _Place, wanted: str | None, left_out: list[str]) -> Table:
    scenarios = root.table.get("scenarios")
    if scenarios is None:
        if wanted is not None:
            raise OptionError("scenario", f"{wanted}: the script has no scenarios")
        return _of_shortcuts(root)
    if not isinstance(scenarios, dict) or not scenarios:
        root.refuse("scenarios", "a table of scenarios")
    if wanted is not None and wanted not in scenarios:
        known = ", ".join(scenarios)
        raise OptionError("scenario", f"no scenario {wanted}; allowed: {known}")
    places = {
        name: _Place(root.source, f"scenarios.{name}", table)
        for name, table in scenarios.items()
        if isinstance(table, dict) or root.refuse("scenarios", "a table of tables")
    }
    possible = [name for name, at in places.items() if _executor(at) in _EXECUTORS]
    chosen = wanted or next(iter(possible), next(iter(places)))
    left_out += [f"scenarios.{name}: one scenario at a time" for name in places if name != chosen]
    place = places[chosen]
    executor = _executor(place)
    if executor not in _EXECUTORS:
        raise ConfigError(
            root.source,
            place.at("executor"),
            f"cannot be simulated; allowed: {', '.join(_EXECUTORS)}",
            value=show_value(place.table.get("executor", "")),
        )
    for key in ("startTime", "exec", "env", "tags", "options"):
        if place.table.get(key):
            left_out.append(f"{place.at(key)}: {_OF_SCENARIO[key]}")
    return _without_nones({"executor": executor, **_EXECUTORS[executor](place)})


def _executor(place: _Place) -> str:
    value = place.table.get("executor")
    return value if isinstance(value, str) else ""


_OF_SCENARIO: Final = {
    "startTime": "the load begins at once",
    "exec": "what the customer does is customer.script, not the k6 script",
    "env": "what the customer does is customer.script, not the k6 script",
    "tags": "requests are told apart by endpoint, status and method",
    "options": "no browser",
}


def _of_shortcuts(root: _Place) -> Table:
    """The scenario that k6 derives from vus, duration, iterations and stages."""
    vus = root.whole("vus", 1)
    if root.table.get("iterations") is not None:
        load: Table = {
            "executor": "shared-iterations",
            "vus": vus,
            "iterations": root.whole("iterations", 1),
            "max_duration_s": root.seconds("duration", None),
        }
    elif root.table.get("stages"):
        load = {"executor": "ramping-vus", "start_vus": vus, "stages": root.stages()}
    elif root.table.get("duration") is not None:
        duration_s = root.seconds("duration", 0.0)
        load = {"executor": "constant-vus", "vus": vus, "duration_s": duration_s}
    else:
        load = {"executor": "per-vu-iterations", "vus": vus, "iterations": 1}
    return _without_nones(load)


def _stop(place: _Place) -> Table:
    return {"graceful_stop_s": place.seconds("gracefulStop", None)}


def _constant_vus(place: _Place) -> Table:
    duration_s = place.seconds("duration", None)
    return {"vus": place.whole("vus", 1), "duration_s": duration_s, **_stop(place)}


def _ramping_vus(place: _Place) -> Table:
    return {
        "start_vus": place.whole("startVUs", 1),
        "stages": place.stages() if place.table.get("stages") is not None else None,
        "graceful_ramp_down_s": place.seconds("gracefulRampDown", None),
        **_stop(place),
    }


def _iterations(place: _Place) -> Table:
    return {
        "vus": place.whole("vus", 1),
        "iterations": place.whole("iterations", 1),
        "max_duration_s": place.seconds("maxDuration", None),
        **_stop(place),
    }


def _arrivals(place: _Place) -> Table:
    return {
        "time_unit_s": place.seconds("timeUnit", None),
        "pre_allocated_vus": place.whole("preAllocatedVUs", None),
        "max_vus": place.whole("maxVUs", None),
        **_stop(place),
    }


def _constant_rate(place: _Place) -> Table:
    rate, duration_s = place.whole("rate", None), place.seconds("duration", None)
    return {"rate": rate, "duration_s": duration_s, **_arrivals(place)}


def _ramping_rate(place: _Place) -> Table:
    stages = place.stages() if place.table.get("stages") is not None else None
    return {"start_rate": place.whole("startRate", None), "stages": stages, **_arrivals(place)}


_EXECUTORS: Final[Mapping[Any, Callable[[_Place], Table]]] = {
    "constant-vus": _constant_vus,
    "ramping-vus": _ramping_vus,
    "per-vu-iterations": _iterations,
    "shared-iterations": _iterations,
    "constant-arrival-rate": _constant_rate,
    "ramping-arrival-rate": _ramping_rate,
}


def _without_nones(table: Mapping[str, Any]) -> Table:
    return {key: value for key, value in table.items() if value is not None}


def _users(load: Table) -> int:
    """As many registered users as there can be virtual users."""
    counts: list[int] = [
        load.get(key, 0) for key in ("vus", "start_vus", "pre_allocated_vus", "max_vus")
    ]
    if load["executor"] == "ramping-vus":
        counts += [stage["target"] for stage in load.get("stages", [])]
    return max(1, *counts)


# The rest


def _world(root: _Place, left_out: list[str]) -> Table:
    """Other options that the simulation has something for; the rest is left out."""
    world: Table = {}
    for key, value in root.table.items():
        if key in _USED or not _is_set(value):
            continue
        if key in {"noConnectionReuse", "noVUConnectionReuse"} and isinstance(value, bool):
            if key == "noConnectionReuse":
                world["service"] = {"keep_alive_requests": 1}
            else:
                left_out.append(f"{key}: a user keeps its connection from iteration to iteration")
        elif key == "discardResponseBodies" and isinstance(value, bool):
            world["generator"] = {"mb_per_body_mb": 0.0}
        elif key in _HARMLESS:
            left_out.append(f"{key}: does not change the load")
        else:
            left_out.append(f"{key} = {show_value(value)}: not simulated")
    return world


def _is_set(value: object) -> bool:
    """Whether an option says anything: null, false, and tables of nulls do not."""
    if isinstance(value, dict):
        return any(_is_set(inner) for inner in value.values())
    return value is not None and value is not False


def _thresholds(root: _Place, left_out: list[str]) -> Table:
    value = root.table.get("thresholds")
    if value is None:
        return {}
    if not isinstance(value, dict):
        root.refuse("thresholds", "a table of lists")
    kept: dict[str, list[Any]] = {}
    place = _Place(root.source, "thresholds", value)
    for metric, expressions in value.items():
        if not isinstance(expressions, list):
            place.refuse(metric, "a list of thresholds")
        for expression in expressions:
            threshold = _threshold(place, metric, expression)
            try:
                criteria({metric: (threshold,)}, root.source)
            except ConfigError as error:
                reason = str(error).rpartition("; allowed")[0] or str(error)
                left_out.append(f"threshold {threshold.threshold}: {reason.rpartition(': ')[2]}")
            else:
                kept.setdefault(metric, []).append(_written(threshold))
    return kept


def _threshold(place: _Place, metric: str, expression: Any) -> Threshold:
    if isinstance(expression, str):
        return Threshold(expression)
    if not isinstance(expression, dict) or not isinstance(expression.get("threshold"), str):
        place.refuse(metric, "texts such as rate<0.01, or tables with one")
    aborts = expression.get("abortOnFail")
    delay = expression.get("delayAbortEval")
    return Threshold(
        expression["threshold"],
        abortOnFail=aborts is True,
        delayAbortEval=delay if isinstance(delay, str) else "0",
    )


def _written(threshold: Threshold) -> Any:
    if threshold.abortOnFail:
        return {"threshold": threshold.threshold, "abortOnFail": True}
    return threshold.threshold
