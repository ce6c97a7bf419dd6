"""What no single table can say: values that contradict those of another table or of the machine."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator

from experiments.keys import nearest
from sim.load.settings import ConstantArrivalRate, RampingArrivalRate, RampingVUs
from sim.world import World


@dataclasses.dataclass(frozen=True)
class Impossible:
    """A key whose value contradicts the others, and what would be allowed."""

    key: str
    problem: str


def impossibilities(world: World) -> Iterator[Impossible]:
    """Everything about a world that cannot be, key by key."""
    yield from _load(world)
    yield from _customer(world)


def _load(world: World) -> Iterator[Impossible]:
    users = virtual_users(world)
    if users > world.catalogue.users:
        yield Impossible(
            "catalogue.users", f"allowed: at least {users}, one for each virtual user of the load"
        )


def virtual_users(world: World) -> int:
    """The largest number of virtual users that the load can have at once."""
    load = world.load
    if isinstance(load, RampingVUs):
        return int(max(load.start_vus, *(stage.target for stage in load.stages)))
    if isinstance(load, ConstantArrivalRate | RampingArrivalRate):
        return load.max_vus or load.pre_allocated_vus
    return load.vus


def _customer(world: World) -> Iterator[Impossible]:
    customer = world.customer
    if customer.think_low_s > customer.think_high_s:
        yield Impossible(
            "customer.think_low_s",
            f"allowed: at most customer.think_high_s = {customer.think_high_s:g} s",
        )
    problem = import_problem(customer.script)
    if problem:
        yield Impossible("customer.script", problem)


def import_problem(path: str) -> str:
    """Why "package.module:function" cannot be imported, or an empty string."""
    module_name, _, attribute = path.partition(":")
    if not (module_name and attribute):
        return "allowed: package.module:function"
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        return f"cannot be imported: {error}; allowed: package.module:function"
    if callable(getattr(module, attribute, None)):
        return ""
    names = [name for name, value in vars(module).items() if callable(value) and name[0] != "_"]
    close = nearest(attribute, names)
    hint = f"; did you mean {module_name}:{close}?" if close else ""
    return f"{module_name} has no function {attribute}{hint}"
