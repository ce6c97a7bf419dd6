"""The simulated world of a measured run: one config for all, with the changes of the run.

Nothing here is fitted to what came out of a run. Only what was set before it counts: the meta file
(sizes, timers, switches), and how many requests warmed the service up, which depends on how long
the seat list of the warm-up is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from experiments.config.changes import Change, changed
from experiments.config.reading import Config, check
from experiments.config.sources import Merged
from experiments.errors import ConfigError
from experiments.statistics.intervals import mean
from experiments.studies.validate.measurements import FITTED_RUNS, Run

# Lengths of the load script's stages at F = 1, and its share of the peak at their ends.
_STAGES: Final = ((300.0, 2.0 / 3.0), (600.0, 1.0), (600.0, 1.0), (300.0, 0.0))
_THINK_S: Final = (180.0, 300.0)
# The measured service's switches -> what they set.
_SWITCHES: Final[Mapping[str, Mapping[str, Any]]] = {
    "-Dcb.fix.exp=true": {"policy.wait_token_expires": True},
    "-Dcb.fix.sweep=true": {"policy.sweep_by_score": True},
    "-Dcb.fix.promote=true": {
        "policy.promote_from_waiting": True,
        "policy.promote_by_uuid": True,
        "policy.position_by_uuid": True,
        "policy.position_is_set": True,
    },
    "-Dcb.fix.reissue=true": {
        "policy.guard_asks_queue": True,
        "policy.reissued_tokens": "not_recorded",
        "policy.release_by_uuid": True,
    },
}
# Settings of the service's program -> the key, and milliseconds in a unit of it.
_SETTINGS: Final[Mapping[str, tuple[str, float | None]]] = {
    "spring.datasource.hikari.connection-timeout": ("pool.timeout_s", 1e3),
    "spring.kafka.producer.properties.max.block.ms": ("broker.max_block_s", 1e3),
    "server.tomcat.max-connections": ("service.max_connections", None),
}
# What else was changed is a part of a run's name: time-outs as short as the users' pauses, no
# broker, users not as the script has them.
_SHORT_TIMEOUTS: Final = "iso"
_SHORT_REQUEST_TIMEOUT_S: Final = 2.0
_BROKER_DOWN: Final = "kd"
_LITERAL: Final = "literal"
_LITERAL_RAMP_S: Final = 45.0
_LISTENER_FAILS: Final = "ListenerExecutionFailedException"
_KINDS: Final = ("check", "dates", "seats")


def changes(run: Run, trios: float, generations: float) -> Iterator[Change]:
    """What a run changed, as its meta.csv says."""
    for key, value in _values(run, trios, generations):
        yield Change(key, value, f"{run.name}/meta.csv")


def _values(run: Run, trios: float, generations: float) -> Iterator[tuple[str, Any]]:
    """Key of the config -> value."""
    meta = run.meta
    factor = float(meta["F"])
    yield "catalogue.capacity", int(meta["cap"])
    yield "catalogue.seats", int(meta["seats"])
    yield "policy.access_ttl_s", float(meta["access_sec"])
    yield "policy.waiting_ttl_s", float(meta["wait_sec"])
    yield "policy.sweep_interval_s", float(meta["sweep_ms"]) / 1e3
    yield "policy.booking_expiry_s", float(meta["booking_expiry_sec"])
    yield from _load(run)
    yield "customer.think_low_s", _THINK_S[0] / factor
    yield "customer.think_high_s", _THINK_S[1] / factor
    yield "service.requests_before.generation", round(generations)
    for kind in _KINDS:
        yield f"service.requests_before.{kind}", round(trios)
    parts = run.name.split("_")
    if _SHORT_TIMEOUTS in parts:
        yield "generator.request_timeout_s", _SHORT_REQUEST_TIMEOUT_S
    if _BROKER_DOWN in parts:
        yield "broker.available", False
    for switch in meta["javaopts"].split():
        yield from _switched(run, switch)


def _load(run: Run) -> Iterator[tuple[str, Any]]:
    factor, peak = float(run.meta["F"]), int(run.meta["peak"])
    steps = [(length_s / factor, share) for length_s, share in _STAGES]
    if _LITERAL in run.name.split("_"):
        # Stopped while all users were there: what was under way then counts nowhere.
        held_s = float(run.k6_end - run.k6_start) - _LITERAL_RAMP_S
        steps = [(_LITERAL_RAMP_S, 1.0), (held_s, 1.0)]
        yield "load.graceful_stop_s", 0.0
        yield "load.graceful_ramp_down_s", 0.0
    yield (
        "load.stages",
        [
            {"duration_s": length_s, "target": float(round(peak * share))}
            for length_s, share in steps
        ],
    )


def _switched(run: Run, switch: str) -> Iterator[tuple[str, Any]]:
    if switch in _SWITCHES:
        yield from _SWITCHES[switch].items()
        return
    name, _, value = switch.removeprefix("-D").partition("=")
    if name not in _SETTINGS or not value.isdigit():
        allowed = ", ".join([*_SWITCHES, *(f"-D{name}=NUMBER" for name in _SETTINGS)])
        raise ConfigError(f"{run.name}/meta.csv", "javaopts", f"allowed: {allowed}", value=switch)
    key, per_unit = _SETTINGS[name]
    yield key, int(value) if per_unit is None else int(value) / per_unit


class Preludes:
    """How many requests warm a service up before a load, from the measured warm-ups.

    Clients ask for check, dates and seats in turn for a fixed time, so there are fewer of these
    trios the longer they take, and they take longer in proportion to the seats that are listed.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        by_seats: defaultdict[int, list[float]] = defaultdict(list)
        for run in runs:
            by_seats[int(run.meta["seats"])].append(run.prelude.trios)
        self._points = sorted((seats, 1.0 / mean(trios)) for seats, trios in by_seats.items())
        self.generations = mean([run.prelude.generations for run in runs])

    def trios(self, seats: int) -> float:
        """Requests of each of the three kinds, with this many seats."""
        (few, fast), (many, slow) = self._points[0], self._points[-1]
        if many == few:
            return 1.0 / fast
        return 1.0 / (fast + (slow - fast) * max(0, seats - few) / (many - few))


def estimates(fitted: Sequence[Run]) -> Iterator[Change]:
    """What only whole runs tell, where these are not all of those that the config was made with."""
    missing = [name for name in FITTED_RUNS if name not in {run.name for run in fitted}]
    for name in missing:
        source = f"without {name}"
        failing = sum(run.exceptions(_LISTENER_FAILS, 0.0, math.inf) > 0.0 for run in fitted)
        yield Change("service.costs_without", name, source)
        yield Change("broker.listener_fails_probability", failing / len(fitted), source)


def config_of(
    run: Run, base: Merged, preludes: Preludes, estimated: Iterable[Change] = ()
) -> Config:
    """The config of a run, with what was estimated for it from others.

    Raises `ConfigError` for a switch that is not known.
    """
    merged = base
    for change in estimated:
        merged = changed(merged, change)
    trios = preludes.trios(int(run.meta["seats"]))
    for change in changes(run, trios, preludes.generations):
        merged = changed(merged, change)
    return check(merged, run.name)
