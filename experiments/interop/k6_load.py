"""k6's scenarios, and the shortcuts for one, as loads of a config.

Rules and defaults are those of k6's lib/executor; what k6 refuses is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from experiments.errors import OptionError
from experiments.interop.k6_place import Place
from experiments.interop.k6_segment import WHOLE, Share, share_of

Table = dict[str, Any]
SHORTCUTS: Final = ("iterations", "duration", "stages")
"""Each stands for a scenario, in the order in which k6 looks at them."""
_BASE: Final = ("executor", "startTime", "gracefulStop", "env", "exec", "tags", "options")
_VUS_AND_ITERATIONS: Final = ("vus", "iterations", "maxDuration")
_POOL: Final = ("timeUnit", "preAllocatedVUs", "maxVUs")
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "constant-vus": ("vus", "duration"),
    "ramping-vus": ("startVUs", "stages", "gracefulRampDown"),
    "per-vu-iterations": _VUS_AND_ITERATIONS,
    "shared-iterations": _VUS_AND_ITERATIONS,
    "constant-arrival-rate": ("rate", "duration", *_POOL),
    "ramping-arrival-rate": ("startRate", "stages", *_POOL),
    "externally-controlled": ("vus", "duration", "maxVUs"),
}
"""Executor -> the options of its own."""
_NAME: Final = re.compile(r"[0-9a-zA-Z_-]+", re.ASCII)
_MOST_ITERATIONS: Final = 1_000_000_000


def loads(root: Place, wanted: str | None, scripts: Mapping[str, str]) -> list[Table]:
    """The loads of a script: one without a name, or several with those of their scenarios.

    Args:
        root: all options.
        wanted: the scenario to take; all of them when not given.
        scripts: name of a function of the script -> the customer that does the same.

    Raises:
        OptionError: there is no scenario of this name.
    """
    _refuse_conflicts(root)
    share = _share(root)
    if not root.table.get("scenarios"):
        if wanted is not None:
            raise OptionError("scenario", f"{wanted}: the script has no scenarios")
        return [_scaled(_of_shortcuts(root), share)]
    if root.has("vus") and "totalDuration" not in root.table:
        root.notes.leave_out(f"{root.written('vus')}: the scenarios say how many users there are")
    places = dict(root.tables("scenarios"))
    if wanted is not None and wanted not in places:
        raise OptionError("scenario", f"no scenario {wanted}; allowed: {', '.join(places)}")
    found = {}
    for name, place in places.items():
        if wanted not in {None, name}:
            root.notes.leave_out(f"scenarios.{name}: not the scenario that was asked for")
        elif _can_be_simulated(name, place, alone=wanted is not None or len(places) == 1):
            found[name] = _scenario(place, scripts)
    made = [_scaled(load, share) for load in found.values()]
    if len(made) > 1:
        for name, load in zip(found, made, strict=True):
            load["scenario"] = name
    return made


def names(root: Place, wanted: str | None) -> list[str]:
    """The names of the scenarios that `loads` takes."""
    table = root.table.get("scenarios")
    if not isinstance(table, dict) or not table:
        return ["default"]
    return [
        name
        for name, one in table.items()
        if wanted in {None, name} and isinstance(one, dict) and _executor(one) in _EXECUTORS
    ]


def _executor(table: Mapping[str, Any]) -> str:
    value = table.get("executor")
    return value if isinstance(value, str) else ""


def _refuse_conflicts(root: Place) -> None:
    """Note shortcuts that stand beside one another or beside scenarios, as k6 does."""
    given = [key for key in (*SHORTCUTS, "scenarios") if root.table.get(key)]
    if "totalDuration" in root.table:
        return  # k6 inspect --execution-requirements: k6 has accepted and worked out all of it
    for first, other in ((given[0], other) for other in given[1:]):
        if (first, other) == ("iterations", "duration"):
            continue  # the longest time that the iterations may take
        root.notes.faults.append(
            f"{root.written(first)} and {other} together: k6 refuses that, as each of them says "
            f"what the whole load is; allowed: {first} alone, which k6 looks at first, or {other} "
            "alone"
        )


def _can_be_simulated(name: str, place: Place, *, alone: bool) -> bool:
    executor = _executor(place.table)
    if not _NAME.fullmatch(name):
        place.notes.faults.append(
            f"scenarios.{name}: allowed: names of digits, Latin letters, underscores and dashes"
        )
    if executor in _EXECUTORS:
        return True
    if executor in KEYS and not alone:
        place.notes.leave_out(
            f"{place.written('executor')}: cannot be simulated, so its load is missing"
        )
    elif executor in KEYS:
        place.notes.faults.append(
            f"{place.written('executor')}: cannot be simulated; allowed: {', '.join(_EXECUTORS)}"
        )
    else:
        place.fault("executor", ", ".join(KEYS))
    return False


def _scenario(place: Place, scripts: Mapping[str, str]) -> Table:
    executor = _executor(place.table)
    place.refuse_others((*_BASE, *KEYS[executor]))
    load = {
        "executor": executor,
        **_EXECUTORS[executor](place),
        "graceful_stop_s": place.seconds("gracefulStop", None),
        "start_s": place.seconds("startTime", None) or None,
    }
    function = place.table.get("exec") or "default"
    if function in scripts:
        load["script"] = scripts[function]
    elif place.table.get("exec"):
        place.notes.leave_out(
            f"{place.written('exec')}: this function of the script is not translated; --names can "
            "say which customer does the same"
        )
    for key, why in _NOT_OF_THE_LOAD.items():
        if place.table.get(key):
            place.notes.leave_out(f"{place.written(key)}: {why}")
    return _given(load)


_NOT_OF_THE_LOAD: Final = {
    "env": "the customer is Python and does not see it",
    "tags": "requests have them not, though thresholds on them are understood",
    "options": "there is no browser",
}


def _of_shortcuts(root: Place) -> Table:
    """The scenario that k6 derives from vus, duration, iterations and stages."""
    vus = root.whole("vus", 1, least=0)
    if root.table.get("iterations") is not None:
        load: Table = {
            "executor": "shared-iterations",
            "vus": vus,
            "iterations": root.whole("iterations", None, least=1, most=_MOST_ITERATIONS),
            "max_duration_s": root.seconds("duration", None, positive=True),
        }
        _check_shared(root, load)
    elif root.table.get("duration") is not None:
        duration_s = root.seconds("duration", None, positive=True)
        load = {"executor": "constant-vus", "vus": vus, "duration_s": duration_s}
    elif root.table.get("stages"):
        stages = root.stages()
        load = {"executor": "ramping-vus", "start_vus": vus, "stages": stages}
        _check_stages(root, vus, stages, "vus")
        return _given(load)
    else:
        load = {"executor": "per-vu-iterations", "vus": 1, "iterations": 1}
        if vus not in {None, 1}:
            root.notes.leave_out(
                f"{root.written('vus')}: k6 ignores it without iterations, duration or stages"
            )
        return load
    if vus == 0:
        root.fault("vus", "a whole number from 1")
    return _given(load)


def _constant_vus(place: Place) -> Table:
    duration_s = place.seconds("duration", None, positive=True, required=True)
    return {"vus": place.whole("vus", 1, least=1), "duration_s": duration_s}


def _ramping_vus(place: Place) -> Table:
    start_vus, stages = place.whole("startVUs", 1), place.stages()
    _check_stages(place, start_vus, stages, "startVUs")
    return {
        "start_vus": start_vus,
        "stages": stages,
        "graceful_ramp_down_s": place.seconds("gracefulRampDown", None),
    }


def _check_stages(place: Place, start: int | None, stages: list[Table], name: str) -> None:
    if not stages:
        return
    if start == 0 and not any(stage["target"] for stage in stages):
        place.fault("stages", f"{name} or a target of more than 0")
    if not any(stage["duration_s"] for stage in stages):
        place.fault("stages", "stages of more than 0 s in all")


def _iterations(place: Place) -> Table:
    load = {
        "vus": place.whole("vus", 1, least=1),
        "iterations": place.whole("iterations", 1, least=1, most=_MOST_ITERATIONS),
        "max_duration_s": place.seconds("maxDuration", None, positive=True),
    }
    if place.table.get("executor") == "shared-iterations":
        _check_shared(place, load)
    return load


def _check_shared(place: Place, load: Table) -> None:
    vus, iterations = load["vus"], load["iterations"]
    if vus is not None and iterations is not None and iterations < vus:
        place.fault("iterations", f"at least as many as vus = {vus}")


def _pool(place: Place) -> Table:
    allocated = place.whole("preAllocatedVUs", None)
    most = place.whole("maxVUs", allocated or 0)
    if allocated is not None and most is not None and most < allocated:
        place.fault("maxVUs", f"at least preAllocatedVUs = {allocated}")
    return {
        "time_unit_s": place.seconds("timeUnit", None, positive=True),
        "pre_allocated_vus": allocated,
        "max_vus": most if place.has("maxVUs") else None,
    }


def _constant_rate(place: Place) -> Table:
    duration_s = place.seconds("duration", None, positive=True, required=True)
    return {"rate": place.whole("rate", None, least=1), "duration_s": duration_s, **_pool(place)}


def _ramping_rate(place: Place) -> Table:
    start_rate, stages = place.whole("startRate", 0), place.stages()
    _check_stages(place, start_rate, stages, "startRate")
    return {"start_rate": start_rate, "stages": stages, **_pool(place)}


_EXECUTORS: Final[Mapping[str, Callable[[Place], Table]]] = {
    "constant-vus": _constant_vus,
    "ramping-vus": _ramping_vus,
    "per-vu-iterations": _iterations,
    "shared-iterations": _iterations,
    "constant-arrival-rate": _constant_rate,
    "ramping-arrival-rate": _ramping_rate,
}


def _given(table: Mapping[str, Any]) -> Table:
    return {key: value for key, value in table.items() if value is not None}


# The share of the load that this instance of several has


def _share(root: Place) -> Share:
    """executionSegment; all of the load when not set."""
    table = root.table
    found = share_of(table.get("executionSegment"), table.get("executionSegmentSequence"))
    if found is None:
        root.fault("executionSegment", "a part of 0:1, such as 0:1/4, that is in the sequence")
        return WHOLE
    return found


def _scaled(load: Table, share: Share) -> Table:
    """The share of a load: users and iterations as whole numbers, rates as they come."""
    if share.part == 1.0:
        return load
    found = dict(load)
    for key in ("vus", "start_vus", "iterations", "pre_allocated_vus", "max_vus"):
        if key in found and not (key == "iterations" and load["executor"] == "per-vu-iterations"):
            found[key] = share.of(found[key])
    for key in ("rate", "start_rate"):
        if key in found:
            found[key] = found[key] * share.part
    if "stages" in found:
        users = load["executor"] == "ramping-vus"
        found["stages"] = [
            {**one, "target": share.of(one["target"]) if users else one["target"] * share.part}
            for one in found["stages"]
        ]
    return found
