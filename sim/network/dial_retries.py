"""Connection attempts that found a full listener: SYNs are sent again until an answer or timeout.

While the listener is full a SYN has no effect, and in an overload nearly all SYNs come then. So no
event is scheduled for a SYN while the listener is full; such SYNs are counted as lost afterwards.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sim.kernel.environment import Environment, Thread, Waiter
    from sim.network.connection import Connection

LOST: Final = "DialTimeout"
"""The result of a SYN without an answer, and of a dial that timed out."""
_RETRIES_S: Final[tuple[float, ...]] = (1.0, 3.0, 7.0, 15.0, 31.0)
_ATTEMPTS_END_S: Final = 63.0
# Linux 6.5 and later: four further timers of one second (tcp_syn_linear_timeouts), then the same.
_WHEEL_S: Final[tuple[float, ...]] = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0, 16.0)
_WHEEL_ENDS_S: Final = 67.0
_INFINITY: Final = float("inf")
# Linux's timer wheel with 250 Hz (kernel/time/timer.c): timers of 64 to 511 ticks have slots of 8,
# those of 512 to 4,095 ticks slots of 64.
_SLOT_S: Final = 8 * 0.004
_COARSE_SLOT_S: Final = 64 * 0.004
_FINE_S: Final = 2.0
"""The longest timer of less than 512 ticks."""


class Listener(Protocol):
    """The listening socket that answers SYNs."""

    def answer(self, connection: Connection) -> str | None:
        """Answer a SYN; return None when connected, or why not."""
        ...

    def is_hopeless(self) -> bool:
        """Whether `answer` would be `LOST` and nothing else would happen."""
        ...

    def has_room(self) -> bool:
        """Whether another connection has a place."""
        ...

    def answer_in_vain(self, connection: Connection) -> str | None:
        """Answer a SYN whose handshake will not be completed: only the client is connected."""
        ...


class _Dial:
    """One dial after its first SYN was lost."""

    __slots__ = ("answers_s", "connection", "ends_s", "waiter")

    def __init__(self, connection: Connection, waiter: Waiter) -> None:
        self.connection = connection
        self.waiter = waiter
        self.answers_s: list[float] = []
        """When each further SYN is answered, if it is."""
        self.ends_s: float

    def plan(
        self,
        began_s: float,
        now_s: float,
        timeout_s: float,
        round_trip_s: float,
        *,
        on_wheel: bool,
    ) -> None:
        """Work out all times of a dial that began at `began_s`."""
        give_up_s = began_s + min(timeout_s, _WHEEL_ENDS_S if on_wheel else _ATTEMPTS_END_S)
        for sends_s in _on_wheel(began_s) if on_wheel else (began_s + r for r in _RETRIES_S):
            if sends_s >= give_up_s:
                break
            # Those of one slot have the very same time.
            now_s = max(now_s, sends_s) if on_wheel else now_s + max(0.0, sends_s - now_s)
            now_s += round_trip_s
            self.answers_s.append(now_s)
        self.ends_s = now_s + max(0.0, give_up_s - now_s)


def _on_wheel(began_s: float) -> Iterator[float]:
    """When SYNs are sent again: each timer starts when the one before it ran, in its slot."""
    ran_s = began_s
    for timer_s in _WHEEL_S:
        slot_s = _SLOT_S if timer_s <= _FINE_S else _COARSE_SLOT_S
        ran_s = (math.floor((ran_s + timer_s) / slot_s) + 1.0) * slot_s
        yield ran_s


class SynRetries:
    """All dials of one listener that wait, each `timeout_s` at most."""

    def __init__(
        self,
        env: Environment,
        listener: Listener,
        timeout_s: float,
        round_trip_s: float,
        *,
        on_wheel: bool = False,
    ) -> None:
        self._env = env
        self._listener = listener
        self._timeout_s = timeout_s
        self._round_trip_s = round_trip_s
        # By how many SYNs were sent again; all wait for the same times, so in order of those.
        retries = _WHEEL_S if on_wheel else _RETRIES_S
        self._lanes: tuple[deque[_Dial], ...] = tuple(deque() for _ in retries)
        self._planned: dict[float, int] = {}
        """Time -> number of looks that are scheduled for that time."""
        self._ends: deque[_Dial] = deque()
        self._waiting = 0
        self._on_wheel = on_wheel
        self._had_room_s = -1.0
        """When a SYN was answered last."""

    def wait(self, connection: Connection, began_s: float) -> str | None:
        """Block the current thread until its dial is over; return why it failed, or None."""
        env = self._env
        waiter = env.waiter()
        dial = _Dial(connection, waiter)
        dial.plan(began_s, env.now, self._timeout_s, self._round_trip_s, on_wheel=self._on_wheel)
        self._ends.append(dial)
        if len(self._ends) == 1:
            env.call_at(dial.ends_s, self._end)
        if dial.answers_s:
            self._add(dial)
        self._waiting += 1
        try:
            reason: str | None = waiter.wait()
        except BaseException:
            waiter.done = True
            raise
        finally:
            self._waiting -= 1
        return reason

    def go_on(self) -> None:
        """The listener has changed: the next SYN may be answered."""
        if self._waiting and not self._listener.is_hopeless():
            self._catch_up()
            self._plan_look()

    def _add(self, dial: _Dial) -> None:
        lane = self._lanes[0]
        # Dials that are over need no answer.
        while lane and lane[0].waiter.done:
            lane.popleft()
        lane.append(dial)
        if not self._listener.is_hopeless():
            self._plan_look()

    def _catch_up(self) -> None:
        """Move on those whose SYNs were lost meanwhile; this moment's came before the change."""
        now_s = self._env.now
        for number, lane in enumerate(self._lanes):
            while lane and (lane[0].waiter.done or lane[0].answers_s[number] <= now_s):
                self._lose(lane.popleft(), number)

    def _lose(self, dial: _Dial, number: int) -> None:
        number += 1
        if number < len(dial.answers_s) and not dial.waiter.done:
            self._lanes[number].append(dial)

    def _first(self) -> tuple[float, int]:
        """When the next SYN is answered, and its lane; infinity when there is none.

        At equal times, that of the dial that began first.
        """
        first_s, first = _INFINITY, 0
        for number in range(len(self._lanes) - 1, -1, -1):
            lane = self._lanes[number]
            while lane and lane[0].waiter.done:
                lane.popleft()
            if lane and lane[0].answers_s[number] < first_s:
                first_s, first = lane[0].answers_s[number], number
        return first_s, first

    def _plan_look(self) -> None:
        """Come back for the next SYN, once for each that is answered at that time."""
        next_s, _ = self._first()
        if next_s < _INFINITY:
            planned = self._planned.get(next_s, 0)
            for _ in range(self._answered_at(next_s) - planned):
                self._env.call_at(max(next_s, self._env.now), lambda: self._look(next_s))
                planned += 1
            self._planned[next_s] = planned

    def _answered_at(self, time_s: float) -> int:
        count = 0
        for number, lane in enumerate(self._lanes):
            for dial in lane:
                if dial.answers_s[number] != time_s:
                    break
                count += not dial.waiter.done
        return count

    def _look(self, planned_s: float) -> Thread | None:
        """Answer a SYN that is due, if the listener has room."""
        self._planned[planned_s] -= 1
        if not self._planned[planned_s]:
            del self._planned[planned_s]
        now_s = self._env.now
        # The SYNs of a slot are answered before the first of their handshakes is completed.
        in_vain = self._had_room_s == now_s and not self._listener.has_room()
        if not in_vain and self._listener.is_hopeless():
            return None
        thread = None
        due_s, number = self._first()
        if due_s <= now_s:
            dial = self._lanes[number].popleft()
            if in_vain:
                reason = self._listener.answer_in_vain(dial.connection)
            else:
                reason = self._listener.answer(dial.connection)
                if reason is None and self._on_wheel:
                    self._had_room_s = now_s
            if reason is LOST:
                self._lose(dial, number)
            else:
                thread = dial.waiter.resume(reason)
        if not self._listener.is_hopeless():
            self._plan_look()
        return thread

    def _end(self) -> Thread | None:
        """The first dial has timed out."""
        ends = self._ends
        dial = ends.popleft()
        while ends and ends[0].waiter.done:
            ends.popleft()
        if ends:
            self._env.call_at(max(ends[0].ends_s, self._env.now), self._end)
        return dial.waiter.resume(LOST)
