"""The loads of a run: each has an executor, its customers and its own counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.customers.load_hooks import CustomerHooks
from sim.load.executors import Executor, make_executor
from sim.load.parallel import ParallelLoads, Scheduled
from sim.load.settings import loads_of, most_users
from sim.measure.requests import RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sim.customers.user import Site, User
    from sim.kernel.random_streams import Streams
    from sim.load.settings import Load
    from sim.world import World


class RunLoads:
    """Every load of a run.

    Args:
        world: the world whose loads are made.
        site: where their users go.
        customer: finds the customer function that a config names.
        streams: random numbers.
        percentiles: percentiles to measure for each load, besides the usual percentiles.

    Attributes:
        executor: the executor of the only load, or all executors as one.
        hooks: what the users of each load do in the world.
        logs: name of a load -> its requests; empty for one load without a name.
    """

    def __init__(
        self,
        world: World,
        site: Site,
        customer: Callable[[str], Callable[[User], None]],
        streams: Streams,
        percentiles: Sequence[float],
    ) -> None:
        self._world = world
        self._site = site
        self._customer = customer
        self._streams = streams
        self._percentiles = percentiles
        self.hooks: list[CustomerHooks] = []
        self.logs: dict[str, RequestLog] = {}
        self._executors: dict[str, Executor] = {}
        self._users = 0
        loads = loads_of(world.load)
        parts = [self._made(load, number, len(loads)) for number, load in enumerate(loads, 1)]
        alone = len(parts) == 1 and parts[0].after_s == 0.0
        self.executor: Executor | ParallelLoads = (
            parts[0].executor if alone else ParallelLoads(site.env, parts)
        )

    def _made(self, load: Load, number: int, count: int) -> Scheduled:
        world, site = self._world, self._site
        name = load.scenario or str(number)
        log: RequestLog | None = None
        if load.scenario or count > 1:
            log = self.logs[name] = RequestLog(percentiles=self._percentiles)
        customer = self._customer(load.script or world.customer.script)
        hooks = CustomerHooks(site, customer, site.generator, site.log, log)
        self.hooks.append(hooks)
        executor = make_executor(
            site.env,
            load,
            hooks.iterate,
            hooks,
            opens_s=world.catalogue.opens_after_s or 0.0,
            rng=self._streams.stream("arrivals" if number == 1 else f"arrivals {number}"),
            first_id=self._users,
        )
        if hooks.parks:
            executor.steps = hooks
        executor.min_iteration_s = world.generator.min_iteration_s
        self._users += most_users(load)
        self._executors[name] = executor
        return Scheduled(load.start_s, executor)

    @property
    def script_errors(self) -> int:
        """Iterations that ended because the customer function raised."""
        return sum(hooks.script_errors for hooks in self.hooks)

    @property
    def first_script_error(self) -> str:
        """Class, text and line of the first such error, in the first load that has errors."""
        return next((one.first_script_error for one in self.hooks if one.script_errors), "")

    @property
    def failing_script(self) -> str:
        """The error of the user's own script, if every iteration ends in an error; else empty."""
        for number, hooks in enumerate(self.hooks):
            executor = list(self._executors.values())[number]
            if hooks.own_script_fails and hooks.script_errors >= max(1, executor.iterations):
                return (
                    f"all of {hooks.script_errors:,} iterations ended in an error of the script, "
                    f"the first: {hooks.first_script_error}"
                )
        return ""

    def dropped_iterations(self) -> dict[str | None, int]:
        """Iterations that could not be started: of all loads (None), and of each named load."""
        found: dict[str | None, int] = {None: self.executor.dropped_iterations}
        found |= {name: self._executors[name].dropped_iterations for name in self.logs}
        return {name: count for name, count in found.items() if count}
