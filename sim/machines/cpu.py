"""Processor sharing over the cores of a host.

All runnable threads share the cores equally, none runs on more than one. A process may be limited
to a number of operating-system threads, over which its own jobs are shared in turn: a Go program
with thousands of goroutines competes with as many threads as it has cores, not with thousands.

The algorithm is the virtual-time one for generalised processor sharing (A. Parekh and R. Gallager,
1993): virtual time advances at the rate at which one job is served, a job ends when virtual time
has advanced by its work, so arrivals and departures cost O(log n) however many jobs share.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from sim.kernel.environment import KernelError, Source

if TYPE_CHECKING:
    from sim.kernel.environment import Environment, Thread

_INFINITY: Final = float("inf")
# A compiled program finds what is final without a look at the module's names.
_heappop: Final = heapq.heappop
_heappush: Final = heapq.heappush


class _Share:
    """Jobs that advance on one virtual clock: all unlimited processes, or one limited process."""

    __slots__ = (
        "active",
        "background",
        "background_s",
        "gone",
        "jobs",
        "limit",
        "rate",
        "virtual_s",
    )

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.jobs: list[tuple[float, int, Thread]] = []
        """A heap of (virtual time at which it ends, order of arrival, thread)."""
        self.gone: set[int] = set()
        """Orders of arrival of the jobs in it that were interrupted."""
        self.active = 0
        """Jobs in it that are worked on."""
        self.background = 0.0
        self.background_s = 0.0
        self.virtual_s = 0.0
        self.rate = 0.0

    @property
    def demand(self) -> float:
        """Jobs that are worked on, the endless ones included."""
        return self.active + self.background

    def forget_gone(self) -> None:
        """Make sure that the first job is one that is worked on."""
        jobs, gone = self.jobs, self.gone
        while jobs and jobs[0][1] in gone:
            gone.remove(_heappop(jobs)[1])


class Cpu(Source):
    """The cores of one host, `cores` of them, each doing `speed` seconds of work per second.

    The event loop knows when its next job ends; it works that out once per instant, at which often
    several jobs come or go.
    """

    def __init__(self, env: Environment, cores: float, speed: float = 1.0) -> None:
        super().__init__()
        self.env = env
        # Less than one core is one slower core: a single thread still needs all of it.
        self.cores = max(cores, 1.0)
        self.given_cores = cores
        """`cores`, and below one the share of a core that the slower one has."""
        self._full_speed = speed
        self._base_speed = speed if cores >= 1.0 else speed * cores
        self._slowdown = 1.0
        self._speed = self._base_speed
        self._open = _Share(_INFINITY)
        self._limited: _Share | None = None
        self._shares: list[_Share] = [self._open]
        self._last_s = env.now
        self._order = 0
        self._first: _Share = self._open
        self.busy_core_s = 0.0
        """Core seconds used so far, up to the last change; `advance` brings it up to date."""
        self._busy_rate = 0.0
        env.add_source(self)

    def process(self, threads: float = _INFINITY) -> Process:
        """A process with at most `threads` runnable operating-system threads."""
        if threads == _INFINITY:
            return Process(self, self._open)
        if self._limited is not None:
            raise KernelError("a host has room for one process with a limited number of threads")
        self._limited = _Share(threads)
        self._shares.append(self._limited)
        return Process(self, self._limited)

    @property
    def runnable(self) -> float:
        """Threads that compute or would, if there were cores enough."""
        return sum(min(share.limit, share.demand) for share in self._shares)

    def turns_s(self, slice_s: float) -> float:
        """How long a turn of every runnable thread takes: a slice, or the work that it has left."""
        self.advance()
        work_s = 0.0
        for share in self._shares:
            gone, now_s = share.gone, share.virtual_s
            own_s = share.background * slice_s + sum(
                min(slice_s, ends_s - now_s) for ends_s, order, _ in share.jobs if order not in gone
            )
            threads = share.demand
            work_s += own_s if threads <= share.limit else own_s * share.limit / threads
        return work_s / self._speed / self.cores

    def set_slowdown(self, factor: float) -> None:
        """Divide the speed of every core by `factor` (1 = none) from now on."""
        self.advance()
        self._slowdown = factor
        self._speed = self._base_speed / factor
        self.stale = True

    def set_cores(self, cores: float) -> None:
        """Have so many cores from now on; jobs under way go on with them."""
        self.advance()
        self.given_cores = cores
        self.cores = max(cores, 1.0)
        self._base_speed = self._full_speed if cores >= 1.0 else self._full_speed * cores
        self._speed = self._base_speed / self._slowdown
        self.stale = True

    def advance(self) -> None:
        """Bring virtual times and the accounts of used time up to now."""
        now = self.env.now
        elapsed = now - self._last_s
        if elapsed <= 0.0:
            return
        self._last_s = now
        share = self._open
        served = share.rate * elapsed
        share.virtual_s += served
        if share.background:
            share.background_s += share.background * served
        limited = self._limited
        if limited is not None:
            served = limited.rate * elapsed
            limited.virtual_s += served
            if limited.background:
                limited.background_s += limited.background * served
        self.busy_core_s += self._busy_rate * elapsed

    def begin(self, share: _Share, work_s: float, thread: Thread) -> int:
        """Let a job of `thread` begin in `share`; return its number."""
        if self.env.now > self._last_s:
            self.advance()
        self._order = order = self._order + 1
        _heappush(share.jobs, (share.virtual_s + work_s, order, thread))
        share.active += 1
        self.stale = True
        return order

    def give_up(self, share: _Share, order: int) -> None:
        """Work no more on a job that has begun and not ended."""
        self.advance()
        share.gone.add(order)
        share.active -= 1
        self.stale = True

    def pop(self) -> Thread | None:
        """End the job that is due now."""
        if self.env.now > self._last_s:
            self.advance()
        share = self._first
        # What rounding left over or took away is a matter of 1e-16 s: the job ends at its tag.
        share.virtual_s, _, thread = _heappop(share.jobs)
        share.active -= 1
        self.stale = True
        return thread

    def set_background(self, share: _Share, weight: float) -> None:
        """Keep `weight` endless jobs running in `share` from now on."""
        self.advance()
        share.background = weight
        self.stale = True

    def refresh(self) -> None:  # noqa: C901, PLR0912 - once per event: calls would cost more
        """The set of jobs changed: new rates, and a new first job to end."""
        self.stale = False
        share = self._open
        if share.gone:
            share.forget_gone()
        jobs = share.jobs
        threads = wide = share.active + share.background
        limited = self._limited
        narrow = 0.0
        crowded = False
        if limited is not None:
            if limited.gone:
                limited.forget_gone()
            narrow = limited.active + limited.background
            crowded = narrow > limited.limit
            threads += limited.limit if crowded else narrow
        cores = self.cores
        speed = self._speed
        if threads > cores:
            speed *= cores / threads
            self._busy_rate = cores
        else:
            self._busy_rate = threads
        soonest_s = _INFINITY
        if wide:
            share.rate = speed
            if jobs:
                soonest_s = (jobs[0][0] - share.virtual_s) / speed
                self._first = share
        else:
            share.rate = 0.0
        if narrow and limited is not None:
            if crowded:
                speed *= limited.limit / narrow
            limited.rate = speed
            if limited.jobs:
                ends_s = (limited.jobs[0][0] - limited.virtual_s) / speed
                if ends_s < soonest_s:
                    soonest_s = ends_s
                    self._first = limited
        elif limited is not None:
            limited.rate = 0.0
        now = self.env.now
        self.next_s = now + soonest_s if soonest_s > 0.0 else now


class Process:
    """A process on a host: where the threads of one program compute."""

    __slots__ = ("_cpu", "_share", "used_s")

    def __init__(self, cpu: Cpu, share: _Share) -> None:
        self._cpu = cpu
        self._share = share
        self.used_s = 0.0
        """Work asked for so far, in seconds of one core at speed 1."""

    def compute(self, work_s: float, worker: int | None = None) -> None:  # noqa: ARG002
        """Block the current thread until `work_s` seconds of work are done.

        `worker` is the program's thread that does the work for the caller, where that matters (on a
        run queue). None: the caller is a thread of this program.
        """
        if work_s <= 0.0:
            return
        self.used_s += work_s
        cpu = self._cpu
        env = cpu.env
        thread = env.current
        if thread is None:
            raise KernelError("only a thread can compute; a callback must not block")
        order = cpu.begin(self._share, work_s, thread)
        try:
            env._drive(thread)  # noqa: SLF001 - whoever blocks drives the loop
        except BaseException:
            # Interrupted: its job is not worked on any more.
            cpu.give_up(self._share, order)
            raise

    def set_background(self, weight: float) -> None:
        """Keep `weight` endless jobs running beside the others (0 = none)."""
        self._cpu.set_background(self._share, weight)

    @property
    def background_s(self) -> float:
        """Work done for the endless jobs so far, in seconds of one core at speed 1."""
        self._cpu.advance()
        return self._share.background_s


__all__ = ["Cpu", "Process"]
