"""How gthread workers accept connections: each in its main thread, one after the other.

A connection waits in the kernel until the main thread of some worker takes it. Accepting is Python
code: the main thread holds the interpreter's lock meanwhile, which a system call that does not wait
hardly ever loses, and passes it on after its time slice. So in a rush of new connections a worker
accepts many and answers few (gunicorn: gthread.py; CPython: ceval_gil.c).
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
    """The queue of connections that came with a request, and the workers' main threads."""

    def __init__(
        self, env: Environment, accept_s: float, deliver: Callable[[Exchange, Worker], None]
    ) -> None:
        self._env = env
        self._accept_s = accept_s
        self._deliver = deliver
        self._queue: deque[Exchange] = deque()
        self._idle: list[Waiter] = []

    @property
    def queued(self) -> int:
        """Requests whose connection no worker has accepted."""
        return len(self._queue)

    def submit(self, exchange: Exchange) -> None:
        """Queue a request on a new connection. All main threads that wait are woken."""
        self._queue.append(exchange)
        idle, self._idle = self._idle, []
        for waiter in idle:
            waiter.wake()

    def clear(self) -> list[Exchange]:
        """Empty the queue; return what was in it."""
        lost = list(self._queue)
        self._queue.clear()
        return lost

    def run(self, worker: Worker) -> None:
        """Be the main thread of `worker` until the process ends."""
        own = self._env.current
        while worker.up and worker.main is own:
            while self._queue and worker.up:
                worker.hold(lambda: self._next(worker))
            waiter = self._env.waiter()
            self._idle.append(waiter)
            waiter.wait()

    def _next(self, worker: Worker) -> float:
        """Accept one connection; return the processor time taken, 0 where there is none."""
        if not self._queue:
            return 0.0
        exchange = self._queue.popleft()
        try:
            worker.process.compute(self._accept_s)
        except BaseException:
            # The process was killed: the connection is lost with it.
            exchange.waiter.wake(None)
            raise
        self._deliver(exchange, worker)
        return self._accept_s
