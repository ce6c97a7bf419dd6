"""Makes a config of what `k6 inspect` prints: load, thresholds, and a list of what is left out.

`OPTIONS` says of every option of k6 what becomes of it; docs/reference/k6-options.md is the same
for people.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from experiments.config.keys import nearest
from experiments.errors import ConfigError
from experiments.interop.k6_load import SHORTCUTS, Table, loads
from experiments.interop.k6_load import names as scenario_names
from experiments.interop.k6_place import Notes, Place
from experiments.interop.k6_thresholds import Names, Selection, thresholds
from experiments.statistics.go_numbers import parse_duration_s

MOST_CHARS: Final = 10_000_000
NO_NAMES: Final = Names()
_LOAD: Final = "the load"
_SAME_LOAD: Final = "does not change the load"
_SCRIPT: Final = "what the script does is not imported"
_NO_TLS: Final = "connections have no TLS"
_NETWORK: Final = "one service is simulated, at one address"


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of k6: what becomes of it, and the values that mean nothing."""

    becomes: str
    default: object = None
    is_carried_over: bool = False


OPTIONS: Final[Mapping[str, Option]] = {
    "vus": Option(_LOAD, is_carried_over=True),
    "duration": Option(_LOAD, is_carried_over=True),
    "iterations": Option(_LOAD, is_carried_over=True),
    "stages": Option(_LOAD, is_carried_over=True),
    "scenarios": Option(_LOAD, is_carried_over=True),
    "executionSegment": Option("the load: its share of it", is_carried_over=True),
    "executionSegmentSequence": Option(
        "the load: how users are dealt out to segments", is_carried_over=True
    ),
    "thresholds": Option("[thresholds]", is_carried_over=True),
    "rps": Option("generator.max_rps", 0, is_carried_over=True),
    "minIterationDuration": Option("generator.min_iteration_s", 0, is_carried_over=True),
    "noConnectionReuse": Option('generator.connections = "per_request"', is_carried_over=True),
    "noVUConnectionReuse": Option('generator.connections = "per_iteration"', is_carried_over=True),
    "discardResponseBodies": Option("generator.mb_per_body_mb = 0", is_carried_over=True),
    "tags": Option("understood in thresholds; every request has them", is_carried_over=True),
    "paused": Option("the load begins at once"),
    "noSetup": Option(_SCRIPT),
    "setupTimeout": Option(_SCRIPT, 60.0),
    "noTeardown": Option(_SCRIPT),
    "teardownTimeout": Option(_SCRIPT, 60.0),
    "dns": Option(_NETWORK),
    "hosts": Option(_NETWORK),
    "blacklistIPs": Option(_NETWORK),
    "blockHostnames": Option(_NETWORK),
    "localIPs": Option("all users share generator.local_ports"),
    "maxRedirects": Option("the service redirects nobody", 10),
    "batch": Option("users send one request at a time", 20),
    "batchPerHost": Option("users send one request at a time", 6),
    "throw": Option("a customer sees the answer and decides itself"),
    "noCookiesReset": Option("there are no cookies"),
    "insecureSkipTLSVerify": Option(_NO_TLS),
    "tlsCipherSuites": Option(_NO_TLS),
    "tlsVersion": Option(_NO_TLS),
    "tlsAuth": Option(_NO_TLS),
    "userAgent": Option(_SAME_LOAD),
    "httpDebug": Option(_SAME_LOAD),
    "consoleOutput": Option(_SAME_LOAD),
    "summaryTrendStats": Option(_SAME_LOAD),
    "summaryTimeUnit": Option(_SAME_LOAD),
    "systemTags": Option(_SAME_LOAD),
    "metricSamplesBufferSize": Option(_SAME_LOAD),
    "cloud": Option(_SAME_LOAD),
    "ext": Option(_SAME_LOAD),
    "totalDuration": Option(
        "k6 inspect's own sum of the load, which the simulation works out itself",
        is_carried_over=True,
    ),
    "maxVUs": Option(
        "k6 inspect's own sum of the load, which the simulation works out itself",
        is_carried_over=True,
    ),
}
"""Every option of k6's lib/options.go, and what `k6 inspect --execution-requirements` adds."""
_ZERO_IS_NONE: Final = frozenset({"batch", "batchPerHost", "rps", "minIterationDuration"})


@dataclasses.dataclass(frozen=True)
class Imported:
    """A config as a table, and what of the options it does not say, one line each."""

    table: Table
    left_out: list[str]


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
    if not isinstance(options, dict) or not options.keys() & {"vus", "scenarios", *SHORTCUTS}:
        raise ConfigError(source, "", "not the options of a script; allowed: k6 inspect's output")
    return options


def imported(
    options: Mapping[str, Any],
    source: str,
    scenario: str | None = None,
    names: Names = NO_NAMES,
) -> Imported:
    """Make a config of a script's options.

    Args:
        options: what `read_options` returned.
        source: the file, for messages.
        scenario: which of several to take; all of them, at once, when not given.
        names: whose names in the script belong to which of ours.

    Raises:
        ConfigError: what k6 would refuse too, or cannot be simulated: all of it at once.
    """
    root = Place(Notes(source), "", options)
    found = loads(root, scenario, names.scripts)
    table: Table = {"name": "imported", "load": found if len(found) > 1 else (found or [{}])[0]}
    users = sum(_users(load) for load in found)
    table["catalogue"] = {"users": max(1, users)}
    generator = _generator(root)
    if generator:
        table["generator"] = generator
    kept = thresholds(root, names, _selection(root, scenario))
    if kept:
        table["thresholds"] = kept
    _list_the_rest(root)
    root.notes.raise_faults()
    return Imported(table, root.notes.left_out)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _users(load: Table) -> int:
    """As many registered users as there can be virtual users."""
    counts: list[int] = [
        load.get(key, 0) for key in ("vus", "start_vus", "pre_allocated_vus", "max_vus")
    ]
    if load["executor"] == "ramping-vus":
        counts += [stage["target"] for stage in load.get("stages", [])]
    return max(counts)


def _selection(root: Place, wanted: str | None) -> Selection:
    """The scenarios that are imported, with the tags of all their requests."""
    own = root.table.get("tags")
    common = own if isinstance(own, dict) else {}
    tables = root.table.get("scenarios")
    tags = {}
    for name in scenario_names(root, wanted):
        table = tables.get(name) if isinstance(tables, dict) else None
        more = table.get("tags") if isinstance(table, dict) else None
        tags[name] = {**common, **(more if isinstance(more, dict) else {})}
    return Selection(tags)


def _generator(root: Place) -> Table:
    """Options of the load generator that a config has keys for."""
    found: Table = {}
    per_request, per_iteration = (
        root.switch("noConnectionReuse"),
        root.switch("noVUConnectionReuse"),
    )
    if per_request or per_iteration:
        found["connections"] = "per_request" if per_request else "per_iteration"
    if root.switch("discardResponseBodies"):
        found["mb_per_body_mb"] = 0.0
    rps = root.whole("rps", 0)
    if rps:
        found["max_rps"] = rps
    shortest_s = root.seconds("minIterationDuration", 0.0)
    if shortest_s:
        found["min_iteration_s"] = shortest_s
    return found


def _list_the_rest(root: Place) -> None:
    """Note every option that is set and not carried over, once."""
    for key, value in root.table.items():
        option = OPTIONS.get(key)
        if option is None:
            near = nearest(key, OPTIONS)
            hint = f"; did you mean {near}?" if near else ""
            if _is_set(value):
                root.notes.leave_out(f"{root.written(key)}: no option of k6{hint}")
        elif not option.is_carried_over and _is_set(value) and not _is_default(key, value, option):
            root.notes.leave_out(f"{root.written(key)}: {option.becomes}")


def _is_set(value: object) -> bool:
    """Whether an option says anything: null, false, nothing, and tables of these do not."""
    if isinstance(value, dict):
        return any(_is_set(inner) for inner in value.values())
    if isinstance(value, list):
        return bool(value)
    return value is not None and value is not False and value != ""


def _is_default(key: str, value: Any, option: Option) -> bool:
    if key == "dns":
        return all(_DNS[name](inner) for name, inner in value.items() if name in _DNS)
    if key in _ZERO_IS_NONE and value == 0:
        return True
    if isinstance(option.default, float):
        return parse_duration_s(value) == option.default
    return option.default is not None and value == option.default


_DNS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "ttl": lambda value: value in {None, "5m", "5m0s"},
    "select": lambda value: value in {None, "random"},
    "policy": lambda value: value in {None, "preferIPv4"},
}
