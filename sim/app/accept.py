"""How gthread workers come by their requests: each in its main thread, one after the other.

A connection waits in the kernel until the main thread of some worker accepts it. A request on an
open connection waits for the main thread of the worker that has the connection. Both is Python
code: the main thread holds the interpreter's lock meanwhile, which a system call that does not wait
hardly ever loses, and passes it on after its time slice. So in a rush a worker accepts many
connections and answers few requests (gunicorn: gthread.py; CPython: ceval_gil.c).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.app.worker import Worker
    from sim.kernel.environment import Environment, Waiter
    from sim.network.exchange import Exchange


class Accepting:
    """The queue of new connections, and the workers' main threads with a queue each."""

    def __init__(
        self, env: Environment, accept_s: float, deliver: Callable[[Exchange, Worker], None]
    ) -> None:
        self._env = env
        self._accept_s = accept_s
        self._deliver = deliver
        self._new: deque[Exchange] = deque()
        self._own: dict[Worker, deque[Exchange]] = {}
        self._idle: dict[Worker, Waiter] = {}

    @property
    def queued(self) -> int:
        """Requests that no main thread has seen."""
        return len(self._new) + sum(map(len, self._own.values()))

    def submit(self, exchange: Exchange, worker: Worker | None) -> None:
        """Queue a request: for its worker, or on a new connection.

        Of a new connection all main threads learn that wait, the one that waits longest first.
        """
        if worker is None:
            self._new.append(exchange)
            idle, self._idle = self._idle, {}
            for waiter in idle.values():
                waiter.wake()
            return
        self._own[worker].append(exchange)
        found = self._idle.pop(worker, None)
        if found is not None:
            found.wake()

    def clear(self) -> list[Exchange]:
        """All processes have ended: empty the queues, and return what was in them."""
        self._idle.clear()
        queues = (self._new, *self._own.values())
        lost = [exchange for queue in queues for exchange in queue]
        for queue in queues:
            queue.clear()
        return lost

    def run(self, worker: Worker) -> None:
        """Be the main thread of `worker` until the process ends."""
        thread = self._env.current
        own = self._own.setdefault(worker, deque())
        while worker.up and worker.main is thread:
            while (own or self._new) and worker.up:
                worker.hold(lambda: self._next(worker, own))
            self._idle[worker] = waiter = self._env.waiter()
            waiter.wait()

    def _next(self, worker: Worker, own: deque[Exchange]) -> float:
        """Take one request; return the processor time taken, 0 where there is none."""
        queue = own or self._new
        if not queue:
            return 0.0
        exchange = queue.popleft()
        try:
            worker.process.compute(self._accept_s)
        except BaseException:
            # The process was killed: the connection is lost with it.
            exchange.waiter.wake(None)
            raise
        self._deliver(exchange, worker)
        return self._accept_s
