"""Processor sharing over the cores of a host.

All runnable threads share the cores equally, none runs on more than one. A process may be limited
to a number of operating-system threads, over which its own jobs are shared in turn: a Go program
with thousands of goroutines competes with as many threads as it has cores, not with thousands.

The algorithm is the virtual-time one for generalised processor sharing (A. Parekh and R. Gallager,
1993): virtual time advances at the rate at which one job is served, a job ends when virtual time
has advanced by its work, so arrivals and departures cost O(log n) however many jobs share.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from sim.kernel import Environment, Timer, Waiter

if TYPE_CHECKING:
    from sim.kernel import Thread

_INFINITY: Final = float("inf")
# Virtual times are sums of floats: a job whose tag is this close to virtual time has ended.
_ROUNDING_S: Final = 1e-12


class _Share:
    """Jobs that advance on one virtual clock: all unlimited processes, or one limited process."""

    __slots__ = ("background", "background_s", "jobs", "limit", "rate", "virtual_s")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.jobs: list[tuple[float, int, Waiter]] = []
        self.background = 0.0
        self.background_s = 0.0
        self.virtual_s = 0.0
        self.rate = 0.0

    def threads(self) -> float:
        runnable = len(self.jobs) + self.background
        return runnable if runnable < self.limit else self.limit


class Cpu:
    """The cores of one host, `cores` of them, each doing `speed` seconds of work per second."""

    def __init__(self, env: Environment, cores: float, speed: float = 1.0) -> None:
        self._env = env
        # Less than one core is one slower core: a single thread still needs all of it.
        self.cores = cores if cores >= 1.0 else 1.0
        self._base_speed = speed if cores >= 1.0 else speed * cores
        self._speed = self._base_speed
        self._open = _Share(_INFINITY)
        self._shares: list[_Share] = [self._open]
        self._last_s = env.now
        self._order = 0
        self._timer: Timer | None = None
        self._timer_s = _INFINITY
        self.busy_core_s = 0.0
        """Core seconds used so far, up to the last change; `advance` brings it up to date."""
        self._busy_rate = 0.0

    def process(self, threads: float = _INFINITY) -> Process:
        """A process with at most `threads` runnable operating-system threads."""
        if threads == _INFINITY:
            return Process(self, self._open)
        share = _Share(threads)
        self._shares.append(share)
        return Process(self, share)

    def set_slowdown(self, factor: float) -> None:
        """Divide the speed of every core by `factor` (1 = none) from now on."""
        self.advance()
        self._speed = self._base_speed / factor
        self._changed()

    def advance(self) -> None:
        """Bring virtual times and the accounts of used time up to now."""
        now = self._env.now
        elapsed = now - self._last_s
        if elapsed <= 0.0:
            return
        self._last_s = now
        for share in self._shares:
            served = share.rate * elapsed
            if served:
                share.virtual_s += served
                if share.background:
                    share.background_s += share.background * served
        self.busy_core_s += self._busy_rate * elapsed

    def compute(self, share: _Share, work_s: float) -> None:
        """Block the current thread until `work_s` seconds of work are done in `share`."""
        env = self._env
        self.advance()
        tag = share.virtual_s + work_s
        self._order += 1
        waiter = env.waiter()
        heappush(share.jobs, (tag, self._order, waiter))
        self._changed()
        waiter.wait()

    def remove(self, share: _Share, waiter_thread: Thread) -> None:
        """Take the jobs of a thread that was interrupted off the processor."""
        self.advance()
        share.jobs = [job for job in share.jobs if job[2].thread is not waiter_thread]
        share.jobs.sort()
        self._changed()

    def set_background(self, share: _Share, weight: float) -> None:
        """Keep `weight` endless jobs running in `share` from now on."""
        self.advance()
        share.background = weight
        self._changed()

    def _changed(self) -> None:
        """The set of jobs changed: new rates, and a timer for the first job to end."""
        threads = 0.0
        for share in self._shares:
            threads += share.threads()
        per_thread = self._speed if threads <= self.cores else self._speed * self.cores / threads
        self._busy_rate = threads if threads < self.cores else self.cores
        first_s = _INFINITY
        for share in self._shares:
            jobs = share.jobs
            runnable = len(jobs) + share.background
            if not runnable:
                share.rate = 0.0
                continue
            share.rate = per_thread if runnable <= share.limit else per_thread * share.limit / runnable
            if jobs:
                ends_s = (jobs[0][0] - share.virtual_s) / share.rate
                if ends_s < first_s:
                    first_s = ends_s
        if first_s == _INFINITY:
            return
        due_s = self._env.now + (first_s if first_s > 0.0 else 0.0)
        # A timer that is too early just looks again: cheaper than cancelling it at each arrival.
        if self._timer is None or due_s < self._timer_s:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_s = due_s
            self._timer = self._env.call_at(due_s, self._end_jobs)

    def _end_jobs(self) -> None:
        self._timer = None
        self._timer_s = _INFINITY
        self.advance()
        for share in self._shares:
            jobs = share.jobs
            reached = share.virtual_s + _ROUNDING_S + share.virtual_s * 1e-15
            while jobs and jobs[0][0] <= reached:
                heappop(jobs)[2].wake()
        self._changed()


class Process:
    """A process on a host: where the threads of one program compute."""

    __slots__ = ("_cpu", "_share", "used_s")

    def __init__(self, cpu: Cpu, share: _Share) -> None:
        self._cpu = cpu
        self._share = share
        self.used_s = 0.0
        """Work asked for so far, in seconds of one core at speed 1."""

    def compute(self, work_s: float) -> None:
        """Block the current thread until `work_s` seconds of work are done."""
        if work_s <= 0.0:
            return
        self.used_s += work_s
        try:
            self._cpu.compute(self._share, work_s)
        except BaseException:
            thread = self._cpu._env.current  # noqa: SLF001 - one module, two classes
            if thread is not None:
                self._cpu.remove(self._share, thread)
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
