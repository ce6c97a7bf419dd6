"""The load of a config as a k6 script: the same executors, the same customer, the same thresholds.

The shipped customers `buyer` and `visitor` are written out in JavaScript, with the switches and
times of the config. The customers of an application are Python functions, which are translated
(`k6_customer`). Other functions of the user's own cannot be run by k6.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from experiments.config.reading import Config, Threshold
from experiments.errors import ConfigError
from experiments.interop.k6_customer import translated
from experiments.statistics.thresholds import REFUSED
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    Load,
    OpeningCrowd,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
    Stage,
    length_s,
    loads_of,
    most_users,
    scenarios,
)
from sim.world import World

SCRIPTS: Final[Mapping[str, str]] = {
    "sim.customers.buyer:buyer": "buyer",
    "sim.customers.visitor:visitor": "visitor",
}
"""Import path of a shipped customer -> the function in customers.js that does the same."""
_BASE_URL: Final = "http://127.0.0.1:8080"
_OPTIONS: Final = (
    "backs_off",
    "picks_random_seat",
    "stops_when_done",
    "keeps_interval",
    "poll_interval_s",
    "retry_interval_s",
    "think_low_s",
    "think_high_s",
    "pay_probability",
)

Scenario = dict[str, Any]


def k6_script(
    world: World, thresholds: Mapping[str, Sequence[Any]], *, base_url: str, timeout_s: float
) -> str:
    """The script as text.

    Args:
        world: its load and its customer are written out.
        thresholds: of the config, each an expression or k6's long form. Metrics that k6 does not
            have are left out.
        base_url: the service under test, without a slash at the end; `BASE_URL` in k6's
            environment replaces it.
        timeout_s: the longest time that a request may take.

    Raises:
        ConfigError: the customer or the load cannot be written as a k6 script.
    """
    if world.app.path:
        scenarios, customers = _translated_scenarios(world)
        options = _options(scenarios, thresholds)
        return _application_text(world, options, customers, base_url, timeout_s)
    return _text(world, _scenarios(world), thresholds, base_url, timeout_s)


def script_of(config: Config) -> str:
    """The k6 script of a config, with the thresholds that k6 itself can judge.

    The service's address is read from `BASE_URL` in k6's environment.

    Raises:
        ConfigError: the customer or the load cannot be written as a k6 script.
    """
    thresholds: dict[str, list[Any]] = {
        metric: [_expression(held) for held in expressions]
        for metric, expressions in config.header.thresholds.items()
    }
    world = config.world
    timeout_s = world.generator.request_timeout_s
    return k6_script(world, thresholds, base_url=_BASE_URL, timeout_s=timeout_s)


def _expression(threshold: str | Threshold) -> Any:
    if isinstance(threshold, str):
        return threshold
    return dataclasses.asdict(threshold)


def calibration_script(world: World, load: Load, *, base_url: str, timeout_s: float) -> str:
    """A script whose users make one purchase after the other, without pauses, under a load.

    The customers of an application do what they always do, without pauses, and each iteration is
    another person. The other arguments are those of `k6_script`.
    """
    if world.app.path:
        text, (name,) = translated([world.customer.script])
        asked = {"load": {**scenario(load), "exec": "load"}}
        customers = f"{text}\nexport function load() {{\n  iterate({name});\n}}\n"
        world = dataclasses.replace(world, load=load)
        return _application_text(
            world, _options(asked, {}), customers, base_url, timeout_s, calibrates=True
        )
    asked = {"load": {**scenario(load), "exec": "calibration"}}
    return _text(world, asked, {}, base_url, timeout_s)


def _text(
    world: World,
    scenarios: Mapping[str, Scenario],
    thresholds: Mapping[str, Sequence[Any]],
    base_url: str,
    timeout_s: float,
) -> str:
    customer = {
        **{name: getattr(world.customer, name) for name in _OPTIONS},
        "users": world.catalogue.users,
    }
    constants = {**_constants(world, base_url, timeout_s), "CUSTOMER": customer}
    return _filled("customers.js", _options(scenarios, thresholds), constants)


def _application_text(
    world: World,
    options: Scenario,
    customers: str,
    base_url: str,
    timeout_s: float,
    *,
    calibrates: bool = False,
) -> str:
    constants = {
        **_constants(world, base_url, timeout_s),
        "PAUSES": 0.0 if calibrates else 1.0,
        "EACH_IS_NEW": calibrates,
    }
    # A person keeps cookies from one iteration to the next, as in the simulation.
    text = _filled("k6_app.js", {**options, "noCookiesReset": True}, constants)
    return text.replace("/* CUSTOMERS */", customers)


def _options(
    scenarios: Mapping[str, Scenario], thresholds: Mapping[str, Sequence[Any]]
) -> Scenario:
    return {
        "scenarios": scenarios,
        "thresholds": {name: list(held) for name, held in thresholds.items() if _of_k6(name)},
        "summaryTrendStats": ["avg", "min", "med", "max", "p(90)", "p(95)", "p(99)"],
    }


def _constants(world: World, base_url: str, timeout_s: float) -> Scenario:
    return {
        "BASE_URL": base_url,
        "TIMEOUT": f"{timeout_s:g}s",
        "LOAD_S": max(load.start_s + length_s(load) for load in loads_of(world.load)),
        "ARRIVALS": _arrivals(world),
    }


def _filled(file: str, options: Scenario, constants: Scenario) -> str:
    lines = [
        f"export const options = {json.dumps(options, indent=2)};",
        *(f"const {name} = {json.dumps(value)};" for name, value in constants.items()),
    ]
    text = (resources.files(__package__) / file).read_text("utf-8")
    return text.replace("/* OPTIONS AND CONSTANTS */", "\n".join(lines))


def _translated_scenarios(world: World) -> tuple[dict[str, Scenario], str]:
    """The scenarios of an application's load, and the JavaScript of their customers."""
    loads = loads_of(world.load)
    if len(loads) > 1 and any(isinstance(load, OpeningCrowd) for load in loads):
        raise ConfigError("", "load", "a crowd beside another load cannot be written for k6")
    names = scenarios(world.load) or ["load"]
    text, functions = translated([load.script or world.customer.script for load in loads])
    found = {}
    for number, (name, load) in enumerate(zip(names, loads, strict=True), 1):
        text += f"\nexport function load{number}() {{\n  iterate({functions[number - 1]});\n}}\n"
        found[name] = {**scenario(load), "exec": f"load{number}"}
    return found, text


def _scenarios(world: World) -> dict[str, Scenario]:
    """Name -> scenario; one load without a name is called load."""
    loads = loads_of(world.load)
    if len(loads) > 1 and any(isinstance(load, OpeningCrowd) for load in loads):
        raise ConfigError("", "load", "a crowd beside another load cannot be written for k6")
    names = scenarios(world.load) or ["load"]
    return {
        name: {**scenario(load), "exec": _function(load.script or world.customer.script)}
        for name, load in zip(names, loads, strict=True)
    }


def _function(script: str) -> str:
    found = SCRIPTS.get(script)
    if found is None:
        allowed = " or ".join(f'"{name}"' for name in SCRIPTS)
        raise ConfigError(
            "",
            "customer.script",
            f"k6 runs JavaScript, not this Python function; allowed: {allowed}",
            value=f'"{script}"',
        )
    return found


def scenario(load: Load) -> Scenario:
    """The load as one of k6's scenarios.

    People around an opening come as one virtual user each, who waits for the time of the person.
    """
    match load:
        case OpeningCrowd():
            return {
                "executor": "per-vu-iterations",
                "vus": load.people,
                "iterations": 1,
                "maxDuration": _duration(load.duration_s),
                "gracefulStop": _duration(load.graceful_stop_s),
            }
        case RampingVUs():
            own: Scenario = {
                "startVUs": load.start_vus,
                "stages": _stages(load.stages),
                "gracefulRampDown": _duration(load.graceful_ramp_down_s),
            }
        case ConstantVUs():
            own = {"vus": load.vus, "duration": _duration(load.duration_s)}
        case PerVUIterations() | SharedIterations():
            own = {
                "vus": load.vus,
                "iterations": load.iterations,
                "maxDuration": _duration(load.max_duration_s),
            }
        case ConstantArrivalRate():
            own = {"rate": load.rate, "duration": _duration(load.duration_s), **_pool(load)}
        case RampingArrivalRate():
            own = {
                "startRate": load.start_rate,
                "stages": _stages(load.stages),
                **_pool(load),
            }
    return {
        "executor": load.executor,
        **own,
        "gracefulStop": _duration(load.graceful_stop_s),
        **({"startTime": _duration(load.start_s)} if load.start_s > 0.0 else {}),
    }


def _pool(load: ConstantArrivalRate | RampingArrivalRate) -> Scenario:
    return {
        "timeUnit": _duration(load.time_unit_s),
        "preAllocatedVUs": load.pre_allocated_vus,
        "maxVUs": most_users(load),
    }


def _stages(stages: Sequence[Stage]) -> list[Scenario]:
    return [
        {"duration": _duration(stage.duration_s), "target": round(stage.target)} for stage in stages
    ]


def _duration(seconds: float) -> str:
    """A time as k6 reads it, to the millisecond."""
    return f"{round(seconds * 1000)}ms"


def _arrivals(world: World) -> dict[str, float] | None:
    load = loads_of(world.load)[0]
    if not isinstance(load, OpeningCrowd):
        return None
    return {
        "opens_s": world.catalogue.opens_after_s or 0.0,
        "early_share": load.early_share,
        "early_mean_s": load.early_mean_s,
        "late_mean_s": load.late_mean_s,
    }


def _of_k6(metric: str) -> bool:
    """Whether k6 itself measures this metric, with whatever tags but one."""
    name, _, tags = metric.partition("{")
    if any(tag.strip().startswith(f"{REFUSED}:") for tag in tags.split(",")):
        return False
    return name.startswith("http_req") or name in {"iterations", "iteration_duration", "vus"}
