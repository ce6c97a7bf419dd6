"""The actions in the world when the load's virtual users come, iterate and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.customers.buyer import ScriptError
from sim.customers.parking import Parking
from sim.customers.user import User
from sim.measure.crashes import place_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.customers.user import Site
    from sim.kernel.environment import Rests
    from sim.load.executors import VirtualUser
    from sim.load.generator import Generator
    from sim.measure.requests import RequestLog


class CustomerHooks:
    """`sim.load.virtual_user.LoadHooks`: each virtual user is a customer of the site.

    Args:
        site: where the customers go.
        customer: the customer function, called once per iteration.
        generator: the program that the users are part of.
        log: counts the iterations of all loads.
        part: counts the requests and iterations of this load alone; None for a single load.
    """

    def __init__(
        self,
        site: Site,
        customer: Callable[[User], None],
        generator: Generator,
        log: RequestLog,
        part: RequestLog | None = None,
    ) -> None:
        self._site = site
        self._customer = customer
        self._generator = generator
        self._log = log
        self._part = part
        self.script_errors = 0
        """Iterations that ended because the customer function raised."""
        self.first_script_error = ""
        """Class, text and line of the first of these errors; empty if there was none."""
        self.own_script_fails = False
        """Whether the error is a bug of the script, and not k6's reaction to a wrong answer."""

    def iterate(self, vu: VirtualUser) -> None:
        """Run one iteration in the user's thread; may block, may raise what the script raises."""
        self._user_of(vu).iterate(self._customer)

    def steps(self, vu: VirtualUser) -> Rests:
        """Begin an iteration of a customer whose pauses park its thread; return its pauses."""
        assert isinstance(self._customer, Parking)  # noqa: S101 - `parks` was asked before
        user = self._user_of(vu)
        user.begin_iteration()
        return self._customer.steps(user)

    def steps_over(self, vu: VirtualUser, begin_s: float, error: Exception | None) -> None:
        """End an iteration that `steps` began at `begin_s`."""
        user = self._user_of(vu)
        if error is not None:
            user.script_failed(error)
        user.end_iteration(begin_s)

    @property
    def parks(self) -> bool:
        """Whether iterations can be run as `steps`."""
        return isinstance(self._customer, Parking)

    def _user_of(self, vu: VirtualUser) -> User:
        if vu.state is None:
            vu.state = User(self._site, vu, part=self._part)
        user: User = vu.state
        return user

    def vu_started(self, vu: VirtualUser) -> None:
        """A user begins to iterate."""

    def vu_stopped(self, vu: VirtualUser) -> None:
        """A user is ramped down, or the load is over."""
        if vu.state is not None:
            vu.state.leave()

    def iteration_started(self, vu: VirtualUser) -> None:
        """An iteration begins; `User.iterate` charges for it."""

    def iteration_ended(self, vu: VirtualUser, duration_s: float, *, interrupted: bool) -> None:  # noqa: ARG002
        """Count a complete iteration."""
        if not interrupted:
            self._log.iteration_s.append(duration_s)
            if self._part is not None:
                self._part.iteration_s.append(duration_s)

    def script_failed(self, vu: VirtualUser, error: Exception) -> None:  # noqa: ARG002
        """Count a script error, and keep the first; a broken script repeats the same error."""
        self.script_errors += 1
        if not self.first_script_error:
            where = place_of(error)
            place = f" ({where})" if where else ""
            self.first_script_error = f"{type(error).__name__}: {error}{place}"
            self.own_script_fails = not isinstance(error, ScriptError)

    def spin(self, vu: VirtualUser) -> None:  # noqa: ARG002
        """Let a finished user spin until the executor ends it."""
        self._generator.spin()

    def initialise(self, vu: VirtualUser) -> None:  # noqa: ARG002
        """Initialise one more user during the run."""
        self._generator.start_vu()

    def dropped(self, count: int) -> None:
        """Iterations could not be started; the executor counts them."""
