"""Checks over several tables: values that contradict another table or the machine."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator
from typing import Final

from experiments.config.keys import numbers_in
from model.service import ENDPOINTS
from model.setting import Setting
from sim.app.errors import ApplicationError
from sim.app.modules import roots_of
from sim.app.versions import check_versions
from sim.customers.customer_function import customer_function
from sim.load.settings import Load, loads_of, most_users, scenarios
from sim.processes.process_function import process_function
from sim.service.service_class import service_class
from sim.world import OTHER_ENDPOINTS, Service, World

_APP_LIBRARIES: Final = ("lupa", "sqlglot", "time_machine")
_FAR: Final = 1e6
"""Times the upper end of a plausible range."""
_LEAST: Final = 1e-9
"""A nanosecond, a byte of a gigabyte: nothing smaller is ever meant."""


@dataclasses.dataclass(frozen=True)
class Impossible:
    """A key whose value contradicts the others, and what would be allowed."""

    key: str
    problem: str


def impossibilities(world: World) -> Iterator[Impossible]:
    """Everything about a world that cannot be, key by key."""
    yield from _absurd(world)
    yield from _load(world)
    yield from _customer(world)
    yield from _service(world)
    yield from _run_queue(world)
    yield from _processes(world)
    yield from _application(world)


def _absurd(world: World) -> Iterator[Impossible]:
    """Numbers so far beyond what is plausible that clocks stand still and quotients overflow."""
    for path, value, setting in numbers_in(world):
        most = _FAR * max(1.0, abs(setting.high or 0.0))
        if abs(value) > most:
            yield Impossible(path, f"allowed: up to {most:g}{_unit(setting)}")
        elif 0 < abs(value) < _LEAST:
            yield Impossible(path, f"allowed: 0, or from {_LEAST:g}{_unit(setting)}")


def _unit(setting: Setting) -> str:
    return f" {setting.unit}" if setting.unit else ""


def _load(world: World) -> Iterator[Impossible]:
    users = virtual_users(world)
    if users > world.catalogue.users and not world.app.path:
        yield Impossible(
            "catalogue.users", f"allowed: at least {users}, one for each virtual user of the load"
        )
    if isinstance(world.load, tuple):
        yield from _loads(world.load)
    for load, key in _places(world):
        if load.script is not None:
            yield from _script(load.script, f"{key}.script")


def _loads(loads: tuple[Load, ...]) -> Iterator[Impossible]:
    if not loads:
        yield Impossible("load", "allowed: one load, or a list of at least one")
    names = scenarios(loads)
    for position, name in enumerate(names):
        if name in names[:position]:
            problem = "allowed: a name that no other load has; its position, from 1, if none given"
            yield Impossible(f"load.{position}.scenario", problem)


def _places(world: World) -> Iterator[tuple[Load, str]]:
    """Each load, and its key in the config."""
    if isinstance(world.load, tuple):
        yield from ((load, f"load.{number}") for number, load in enumerate(world.load))
    else:
        yield world.load, "load"


def virtual_users(world: World) -> int:
    """The largest number of virtual users that the load can have at once."""
    return sum(most_users(load) for load in loads_of(world.load))


def _customer(world: World) -> Iterator[Impossible]:
    customer, human = world.customer, world.customer.human
    if customer.think_low_s > customer.think_high_s:
        yield Impossible(
            "customer.think_low_s",
            f"allowed: at most customer.think_high_s = {customer.think_high_s:g} s",
        )
    pay_low_s = customer.think_low_s if human.pay_low_s is None else human.pay_low_s
    pay_high_s = customer.think_high_s if human.pay_high_s is None else human.pay_high_s
    if pay_low_s > pay_high_s:
        key = "pay_high_s" if human.pay_low_s is None else "pay_low_s"
        yield Impossible(
            f"customer.human.{key}",
            f"allowed: pay_low_s = {pay_low_s:g} s at most pay_high_s = {pay_high_s:g} s (unset: "
            "customer.think_low_s and think_high_s)",
        )
    yield from _script(customer.script, "customer.script")


def _script(path: str, key: str) -> Iterator[Impossible]:
    try:
        customer_function(path)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything when it is imported
        told = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        yield Impossible(key, told)


def _run_queue(world: World) -> Iterator[Impossible]:
    """A run queue is one core's, and knows no program with a limited number of threads."""
    for key, host in (("host", world.host), ("generator.host", world.generator.host)):
        if host.run_queue and host.cores > 1.0:
            yield Impossible(f"{key}.cores", f"allowed: up to 1 with {key}.run_queue")
    if world.generator.host.run_queue:
        yield Impossible("generator.host.run_queue", "allowed: false; it has generator.scheduler")
    if world.host.run_queue and world.generator.shares_host:
        yield Impossible("generator.shares_host", "allowed: false with host.run_queue")
    if world.host.run_queue and world.app.path:
        yield Impossible("host.run_queue", "allowed: false for an application")


def _application(world: World) -> Iterator[Impossible]:
    """An application of the user's own: its libraries, and where its code is."""
    settings = world.app
    if settings.wsgi and settings.asgi:
        yield Impossible("app.asgi", "allowed: either app.wsgi or app.asgi, not both")
    if not settings.path:
        return
    missing = [name for name in _APP_LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        yield Impossible(
            settings.key,
            f"simulating an application needs {', '.join(missing)}: pip install 'ticketsim[app]'",
        )
        return
    try:
        roots_of(settings.path, settings.key)
        check_versions()
    except ApplicationError as error:
        yield Impossible(settings.key, str(error))
        return
    named = {"prepare": settings.prepare, "invariants": settings.invariants}
    named |= {f"background.{at}.run": each.run for at, each in enumerate(settings.background)}
    for key, path in named.items():
        module = path.partition(":")[0]
        if path and (not path.partition(":")[2] or not _is_there(module)):
            yield Impossible(f"app.{key}", "allowed: package.module:function of a module there is")


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _service(world: World) -> Iterator[Impossible]:
    try:
        service_class(world.service.code)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything when it is imported
        told = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        yield Impossible("service.code", told)
    # A subclass may have further endpoints.
    if world.service.code == Service().code:
        unknown = sorted(set(world.service.factors) - {*ENDPOINTS, OTHER_ENDPOINTS})
        if unknown:
            allowed = ", ".join([*ENDPOINTS, OTHER_ENDPOINTS])
            yield Impossible("service.factors", f"no endpoint {unknown[0]!r}; allowed: {allowed}")


def _processes(world: World) -> Iterator[Impossible]:
    for index, process in enumerate(world.processes):
        try:
            process_function(process)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything when it is imported
            told = (
                str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            )
            yield Impossible(f"processes.{index}.code", told)
