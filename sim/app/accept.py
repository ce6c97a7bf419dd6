"""How gthread workers come by their requests: each in its main thread, one after the other.

A connection waits in the kernel until the main thread of some worker accepts it. A request on an
open connection waits for the main thread of the worker that has the connection. Both is Python
code: the main thread holds the interpreter's lock meanwhile, which a system call that does not wait
hardly ever loses, and passes it on after its time slice. So in a rush a worker accepts many
connections and answers few requests (gunicorn: gthread.py; CPython: ceval_gil.c).

Connections are not shared out evenly. The kernel wakes all main threads that wait for one, always
in the same order: the one that began to wait on the socket last is the first (Linux: epoll adds its
entry at the head of the socket's wait queue). So that worker has nearly all connections as long as
its main thread is free (measured: 140 of 150 that came one after the other, and 246 of 300 that
came faster than they were served, with two workers). While all cores are busy, the others run
only when it leaves its core, because it waits for the interpreter's lock: a wake-up from the
network puts all of them on the core of the waker (Linux: WF_SYNC).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sim.app.interpreter import wake_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.app.worker import Worker
    from sim.kernel.environment import Environment, Waiter
    from sim.machines.host import Host
    from sim.network.exchange import Exchange


def _number(worker: Worker) -> int:
    return worker.number


class Accepting:
    """The queue of new connections, and the workers' main threads with a queue each."""

    def __init__(
        self,
        env: Environment,
        host: Host,
        accept_s: float,
        deliver: Callable[[Exchange, Worker], None],
    ) -> None:
        self._env = env
        self._host = host
        self._accept_s = accept_s
        self._deliver = deliver
        self._new: deque[Exchange] = deque()
        self._own: dict[Worker, deque[Exchange]] = {}
        self._idle: dict[Worker, Waiter] = {}
        self._blocked: set[Worker] = set()
        """Workers whose main thread waits for the interpreter's lock."""

    @property
    def queued(self) -> int:
        """Requests that no main thread has seen."""
        return len(self._new) + sum(map(len, self._own.values()))

    def submit(self, exchange: Exchange, worker: Worker | None) -> None:
        """Queue a request: for its worker, or on a new connection.

        Of a new connection all main threads learn that wait, that of the last worker first.
        """
        if worker is None:
            self._new.append(exchange)
            first = max(self._own, key=_number, default=None)
            if first in self._idle:
                self._idle.pop(first).wake()
            if first in self._blocked or self._host.cpu.runnable < self._host.cpu.cores:
                self._wake_all()
            return
        self._own[worker].append(exchange)
        found = self._idle.pop(worker, None)
        if found is not None:
            found.wake()

    def _wake_all(self) -> None:
        idle, self._idle = self._idle, {}
        for each in sorted(idle, key=_number, reverse=True):
            idle[each].wake()

    def clear(self) -> list[Exchange]:
        """All processes have ended: empty the queues, and return what was in them."""
        self._idle.clear()
        self._blocked.clear()
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
                if worker.is_computing:
                    self._blocked.add(worker)
                    self._wake_all()
                worker.hold(lambda: self._next(worker, own))
            self._idle[worker] = waiter = self._env.waiter()
            waiter.wait()
            self._env.sleep(wake_s(self._host))

    def _next(self, worker: Worker, own: deque[Exchange]) -> float:
        """Take one request; return the processor time taken, 0 where there is none."""
        self._blocked.discard(worker)
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
