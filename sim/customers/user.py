"""The user that a customer function gets: sends requests, sleeps, draws random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from model.http import Request, Response
from sim.customers.parking import Parking
from sim.kernel.environment import TIMEOUT, KernelError
from sim.kernel.errors import IdleScriptError
from sim.load.virtual_user import IterationInterrupted
from sim.measure.answers import Answers
from sim.measure.funnel import Step
from sim.measure.pauses import LEAST_PAUSE_S, MOST_IN_A_ROW, Pauses
from sim.network.connection import REQUEST_TIMEOUT, Connection
from sim.network.exchange import Exchange
from sim.network.spare_connections import SpareConnections
from sim.service.ports import SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sim.customers.settings import Customer
    from sim.kernel.environment import Environment, Rests, Thread, Timer, Waiter
    from sim.kernel.random_streams import Stream, Streams
    from sim.load.executors import VirtualUser
    from sim.load.generator import Generator
    from sim.measure.funnel import Funnel
    from sim.measure.requests import RequestLog
    from sim.measure.waiting_room import WaitingRoom
    from sim.service.hosted import HostedService

NO_ANSWER = 0
_MOST_IDLE_ITERATIONS = 1_000
CANCELLED = "RequestCancelled"
"""Error of a request that the user gave up before k6's own timeout."""
_LOWEST_OK = 200
_LOWEST_FAILED = 400


class Answer(NamedTuple):
    """The answer to a request: status 0 and body None when none came."""

    status: int
    body: Any
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether k6 counts the request as not failed: status 200 to 399."""
        return _LOWEST_OK <= self.status < _LOWEST_FAILED


class _RequestTimedOut(BaseException):
    """The time for a request ran out while its answer was being read."""


class _Patience:
    """The request timeout: ends the wait for an answer, or the reading of it."""

    __slots__ = ("_sleeper", "_waiter", "done", "reason")

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter
        self._sleeper = waiter.thread
        self.done = False
        self.reason = REQUEST_TIMEOUT

    def wake(self, value: Any = None, /) -> bool:
        """Run out."""
        if self.done:
            return False
        self.done = True
        return self._waiter.wake(value) or self._sleeper.interrupt(_RequestTimedOut())

    def cancel(self) -> None:
        """Expire because the user has given up waiting for the answer."""
        if not self.done:
            self.reason = CANCELLED
            self.wake(TIMEOUT)


class Site:
    """The objects that all users share: the service, the load generator, the measurements."""

    def __init__(
        self,
        env: Environment,
        server: HostedService,
        generator: Generator,
        log: RequestLog,
        funnel: Funnel,
        room: WaitingRoom,
        streams: Streams,
        options: Customer,
    ) -> None:
        self.env = env
        self.server = server
        self.generator = generator
        self.log = log
        self.room = room
        self.answers = Answers(funnel, room)
        self.pauses = Pauses()
        self.streams = streams
        self.options = options
        self.start_s = env.now
        # Not the service's, which may be wrong.
        self.clock = SimulatedClock(env, server.world.catalogue.opening_epoch_s)


class User:
    """One virtual user of the load: its connection, its memory, its random numbers.

    `id` counts from 1 and is the user's id in the service. `memory` keeps the customer function's
    data between iterations; None at first.
    """

    __slots__ = (
        "_arrived",
        "_blocked_s",
        "_body_bytes",
        "_closed",
        "_connection",
        "_debt_s",
        "_ended_s",
        "_idle_error",
        "_idle_iterations",
        "_idle_until_s",
        "_in_a_row",
        "_noise",
        "_part",
        "_report_s",
        "_rng",
        "_row_began_s",
        "_site",
        "_spare",
        "_tab",
        "_tabs",
        "id",
        "memory",
        "vu",
    )

    def __init__(
        self, site: Site, vu: VirtualUser, tab: int = 0, part: RequestLog | None = None
    ) -> None:
        self._site = site
        self._part = part
        self._tab = tab
        self._tabs: list[_Tab] | None = None
        """Other tabs; hardly anybody has any."""
        self._closed = False
        self._arrived = False
        self._in_a_row = 0
        self._row_began_s = 0.0
        self._ended_s = -1.0
        self.vu = vu
        self.id = vu.id
        self.memory: Any = None
        self._connection = Connection()
        self._spare: SpareConnections | None = None
        self._debt_s = 0.0
        self._blocked_s = 0.0
        self._idle_until_s = -1.0
        self._idle_iterations = 0
        self._idle_error = ""
        self._body_bytes = 0.0
        self._report_s = 0.0
        self._rng: Stream | None = None
        self._noise = site.streams.stream(_in_tab("service work", tab), vu.id)

    @property
    def options(self) -> Customer:
        """The customer's options from the config."""
        return self._site.options

    @property
    def now_s(self) -> float:
        """Simulated seconds since the load began."""
        return self._site.env.now - self._site.start_s

    @property
    def opens_s(self) -> float:
        """When the sale opens, in seconds since the load began; 0 if it has always been open."""
        return self._site.server.world.catalogue.opens_after_s or 0.0

    @property
    def booking_expiry_s(self) -> float:
        """After how many seconds the service cancels a booking that is not paid."""
        return self._site.server.world.policy.booking_expiry_s

    @property
    def clock_s(self) -> float:
        """The user's clock: seconds since 1970."""
        return self._site.clock.now()

    @property
    def rng(self) -> Stream:
        """This user's own random numbers."""
        if self._rng is None:
            self._rng = self._site.streams.stream(_in_tab("customer", self._tab), self.id)
        return self._rng

    def iterate(self, customer: Callable[[User], None]) -> None:
        """Run one iteration; even an empty iteration costs processor time."""
        began_s = self.begin_iteration()
        try:
            customer(self)
        except Exception as error:
            self.script_failed(error)
            raise
        finally:
            self.end_iteration(began_s)

    def begin_iteration(self) -> float:
        """Begin an iteration that somebody else runs; return when, for `end_iteration`."""
        began_s = self._site.env.now
        costs = self._site.generator.costs
        if began_s > self._ended_s:
            self._in_a_row = 0
        self._debt_s = costs.spin_iteration_s + self._report_s
        if self.vu.iteration == 0:
            self._debt_s += costs.vu_start_s
        self._report_s = 0.0
        self._watch_idling(began_s)
        return began_s

    def script_failed(self, error: Exception) -> None:
        """The script failed: the generator reports that before the next iteration."""
        self._report_s = self._site.generator.costs.script_error_s
        if self._idle_iterations == _MOST_IDLE_ITERATIONS - 1:
            self._idle_error = f"; it ended with {type(error).__name__}: {error}"

    def end_iteration(self, began_s: float) -> None:
        """End the iteration that began then, in whatever way."""
        env = self._site.env
        tabs, self._tabs = self._tabs, None
        for tab in tabs or ():
            tab.close()
        if self._site.generator.settings.connections == "per_iteration":
            self.leave()
        if env.now == began_s:
            self._site.generator.compute(self._debt_s)
            self._idle_until_s = env.now
        self._ended_s = env.now

    def _watch_idling(self, began_s: float) -> None:
        """Refuse a script that only keeps the generator busy: the run would hardly ever end."""
        idle = began_s == self._idle_until_s
        self._idle_iterations = self._idle_iterations + 1 if idle else 0
        if self._idle_iterations >= _MOST_IDLE_ITERATIONS:
            raise IdleScriptError(
                f"virtual user {self.id} made {_MOST_IDLE_ITERATIONS:,} iterations in a row "
                f"without a request or a pause, the last at {self.now_s:.6g} s{self._idle_error}: "
                "let the customer function call user.sleep, or user.finish(spin=False) when it is "
                "done"
            )

    def sleep(self, duration_s: float) -> None:
        """Pause for this time."""
        self._site.env.sleep(self.pausing(duration_s))

    def pausing(self, duration_s: float) -> float:
        """Begin a pause, and return it for the generator of a `Parking` customer to yield."""
        self._check_open()
        if duration_s >= LEAST_PAUSE_S:
            self._in_a_row = 0
        return duration_s

    def wait(self, pause_s: float) -> None:
        """Block for a pause that has begun."""
        self._site.env.sleep(pause_s)

    def close_tab(self) -> None:
        """Let this tab do nothing more: its next request or pause ends its work."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise IterationInterrupted

    def open_tab(self, work: Callable[[User], None]) -> None:
        """Let the same person do `work` at the same time in another tab.

        The `User` given to it has the same id, but a connection and random numbers of its own.
        All tabs are closed when the iteration ends.
        """
        if self._tabs is None:
            self._tabs = []
        number = len(self._tabs) + 1
        self._tabs.append(_Tab(self._site.env, self._in_tab(number), number, work))

    def _in_tab(self, number: int) -> User:
        return User(self._site, self.vu, number, self._part)

    def wait_for_tabs(self) -> None:
        """Block until the work in every other tab is over; raise the first error in one of them."""
        for tab in self._tabs or ():
            tab.join()

    def may_leave(self, *, bot: bool) -> None:
        """Note that this user may lose patience, or is a program."""
        room = self._site.room
        room.may_leave = True
        if bot:
            room.bots.add(self.id)

    def reached(self, step: Step) -> None:
        """Note how far this user came.

        A script need not note tokens, admission, seats, bookings and payments: the simulator reads
        these steps from the ticket service's answers. A script's notes of these steps count only
        with a service whose answers do not show them.
        """
        self._site.answers.told(self.id, step, self.now_s)

    def told_position(self, position: int) -> None:
        """Note the place in the queue that a service other than the ticket service told this user.

        The places that the ticket service tells are read from its answers.
        """
        self._site.answers.told_position(self.id, position)

    def finish(self, *, spin: bool) -> None:
        """Finish for good: spin until the load ends, or stop."""
        if spin:
            self.vu.spinning = True
        else:
            self.vu.stop()

    def leave(self) -> None:
        """The user's program ends: its connection is closed."""
        self._site.server.connector.close(self._connection)
        if self._spare is not None:
            self._spare.close()

    def get(
        self,
        endpoint: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        *,
        patience_s: float | None = None,
    ) -> Answer:
        """Send a GET request and wait for the answer.

        After `patience_s` the user gives up: the request is cancelled and its connection closed,
        but the service still does its work. (A request that is still connecting is not cancelled.)
        """
        return self._send(endpoint, Request("GET", path, headers, query or {}, None), patience_s)

    def post(
        self,
        endpoint: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        *,
        patience_s: float | None = None,
    ) -> Answer:
        """Send a POST request and wait for the answer; `patience_s` as in `get`."""
        return self._send(endpoint, Request("POST", path, headers, {}, body), patience_s)

    def _send(self, endpoint: str, request: Request, patience_s: float | None) -> Answer:
        self._check_open()
        if self._in_a_row == 0:
            self._row_began_s = self._site.env.now
        self._in_a_row += 1
        answer = self._request(endpoint, request, patience_s)
        if self._in_a_row > MOST_IN_A_ROW:
            lasted_s = self._site.env.now - self._row_began_s
            self._site.pauses.in_a_row(self.id, self._in_a_row, lasted_s)
        return answer

    def _request(self, endpoint: str, request: Request, patience_s: float | None) -> Answer:
        site = self._site
        if not self._arrived:
            self._arrived = True
            site.answers.told(self.id, Step.ARRIVED, self.now_s)
        env = site.env
        site.generator.await_turn()
        if not self._connection.open:
            began_s = env.now
            refused = self._connect()
            if refused is None:
                site.generator.receive(0.0)
            waited_s = self._blocked_s = env.now - began_s
            site.log.connected(waited_s, waited_s)
            if self._part is not None:
                self._part.connected(waited_s, waited_s)
            if refused is not None:
                # Reporting the failure costs the generator what reading an answer costs.
                site.generator.compute(site.generator.costs.request_s)
                return self._ended(endpoint, None, refused, 0.0, 0.0, 0.0)
        answer = self._exchange(endpoint, request, patience_s)
        site.generator.report()
        # Parsing and printing the body is the script's work, not the request's.
        site.generator.compute(self._body_bytes * site.generator.costs.body_byte_s)
        if answer.ok:
            site.answers.came(self.id, self._tab, request.path, answer.body, self.now_s)
        return answer

    def _connect(self) -> str | None:
        """Get an open connection; return why there is none, or None."""
        site = self._site
        connector = site.server.connector
        if not connector.dials_go_on:
            return connector.dial(self._connection)
        if self._spare is None:
            patience_s = site.generator.settings.request_timeout_s
            self._spare = SpareConnections(site.env, connector, patience_s)
        found = self._spare.connect()
        if isinstance(found, str):
            return found
        self._connection = found
        return None

    def _exchange(self, endpoint: str, request: Request, patience_s: float | None) -> Answer:
        site = self._site
        env = site.env
        server = site.server
        generator = site.generator
        # From here on the server does not close it for being idle. (Should it close one just as a
        # request is on its way, k6's transport sends the request again on a new one.)
        self._connection.idle_since_s = -1.0
        sending_work_s = generator.sending_s
        work_s = self._debt_s + generator.script_s + sending_work_s
        self._debt_s = 0.0
        self._body_bytes = 0.0
        prepared_s = env.now
        generator.send(work_s)
        # The request's duration does not include the script's share of the work.
        sent_s = env.now
        sending_s = (sent_s - prepared_s) * sending_work_s / work_s
        began_s = sent_s - sending_s
        env.sleep(server.one_way_s)
        waiter = env.waiter()
        noise = server.costs.draw_noise(self._noise)
        exchange = Exchange(endpoint, request, self._connection, waiter, noise)
        server.submit(exchange)
        patience = _Patience(waiter)
        timers = self._limit(patience, patience_s)
        receiving_s = 0.0
        response: Response | None = None
        try:
            outcome = waiter.wait()
            if outcome is not TIMEOUT and outcome is not None:
                env.sleep(server.one_way_s)
                receiving_s = self._receive(exchange.body_bytes)
                response = exchange.response
        except _RequestTimedOut:
            outcome = TIMEOUT
        except BaseException:
            # The iteration was interrupted: the program closes the connection and ends.
            self._abandon()
            raise
        finally:
            patience.done = True
            for timer in timers:
                timer.cancel()
        if response is None:
            self._abandon()
            if outcome is TIMEOUT:
                # Noticing it costs the generator what reading an answer costs.
                generator.compute(generator.receiving_s)
        duration_s = env.now - began_s
        if response is None:
            reason = patience.reason if outcome is TIMEOUT else "ConnectionReset"
            return self._ended(endpoint, None, reason, duration_s, sending_s, 0.0)
        return self._ended(endpoint, response, response.error, duration_s, sending_s, receiving_s)

    def _limit(self, patience: _Patience, patience_s: float | None) -> list[Timer]:
        """End the wait for an answer in time; return the timers to cancel when it came."""
        site = self._site
        timers = []
        if self._blocked_s > 0.0:
            # The time of a request begins with its dial.
            left_s = site.generator.settings.request_timeout_s - self._blocked_s
            timers.append(site.env.call_in(max(0.0, left_s), lambda: patience.wake(TIMEOUT)))
        else:
            site.server.client_deadlines.add(patience)
        if patience_s is not None:
            timers.append(site.env.call_in(patience_s, patience.cancel))
        return timers

    def _receive(self, received: float) -> float:
        """Read an answer of `received` bytes; return how long the reading took."""
        site = self._site
        generator = site.generator
        costs = generator.costs
        began_s = site.env.now
        generator.receive(generator.receiving_s)
        self._body_bytes = received
        generator.body_bytes += received
        site.log.transferred(costs.request_bytes, received + costs.response_header_bytes)
        if self._part is not None:
            self._part.transferred(costs.request_bytes, received + costs.response_header_bytes)
        return site.env.now - began_s

    def _abandon(self) -> None:
        """Give up on the request under way: its connection is lost with it."""
        connector = self._site.server.connector
        if self._connection.idle_since_s < 0.0:
            connector.abandon(self._connection)
        else:
            connector.close(self._connection)
        self._connection = Connection()

    def _ended(
        self,
        endpoint: str,
        response: Response | None,
        error: str | None,
        duration_s: float,
        sending_s: float,
        receiving_s: float,
    ) -> Answer:
        blocked_s, self._blocked_s = self._blocked_s, 0.0
        site = self._site
        status, body = (NO_ANSWER, None) if response is None else (response.status, response.body)
        for log in (site.log,) if self._part is None else (site.log, self._part):
            log.record(
                site.env.now - site.start_s,
                self.id,
                endpoint,
                status,
                error,
                duration_s,
                sending_s,
                receiving_s,
                blocked_s,
            )
        return Answer(status, body, error)


def _in_tab(purpose: str, tab: int) -> str:
    """The name of a stream of random numbers: every tab of a user has its own."""
    return f"{purpose} in tab {tab}" if tab else purpose


class _Tab:
    """Another tab of a user, and the thread that its work runs in."""

    __slots__ = ("_begun", "_closed", "_error", "_rests", "_user", "_work", "_worker")

    def __init__(
        self, env: Environment, user: User, number: int, work: Callable[[User], None]
    ) -> None:
        self._user = user
        self._work = work
        self._begun = False
        self._closed = False
        self._error: Exception | None = None
        self._rests: Rests | None = None
        name = f"vu-{user.id}-tab-{number}"
        self._worker: Thread = (
            env.spawn_steps(name, self) if isinstance(work, Parking) else env.spawn(name, self._run)
        )

    def _run(self) -> None:
        self._begun = True
        if self._closed:
            return
        try:
            self._work(self._user)
        except IterationInterrupted:
            pass
        except (KernelError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - a script may fail in any way; `join` raises it
            self._error = error
        finally:
            self._user.leave()

    # A tab whose pauses park its thread is the body of that thread: `Rests`.

    # Not `-> float`: a compiled class would answer Python's own calls with a bare number.
    def __next__(self) -> Any:
        """Go on until the next pause, in seconds, as `_run`."""
        if self._rests is None:
            self._begun = True
            if self._closed:
                raise StopIteration
            assert isinstance(self._work, Parking)  # noqa: S101 - else the thread runs `_run`
            self._rests = self._work.steps(self._user)
        return self._next_pause(self._rests, None)

    def throw(self, error: BaseException, /) -> float:
        """Raise `error` at the pause."""
        if self._rests is None:
            raise error
        return self._next_pause(self._rests, error)

    def _next_pause(self, rests: Rests, error: BaseException | None) -> float:
        over = True
        try:
            pause_s = next(rests) if error is None else rests.throw(error)
            over = False
        except StopIteration:
            pass
        except IterationInterrupted as interrupted:
            interrupted.let_go()
        except (KernelError, MemoryError):
            raise
        except Exception as failed:  # noqa: BLE001 - as in `_run`
            self._error = failed
        finally:
            if over:
                self._user.leave()
        if over:
            raise StopIteration
        return pause_s

    def join(self) -> None:
        """Block until the work is over; raise the error that it failed with."""
        self._worker.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the work at once."""
        self._closed = True
        self._user.close_tab()
        if self._begun:
            self._worker.interrupt(IterationInterrupted())
