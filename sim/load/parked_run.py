"""The iterations of one user whose pauses park its thread, as an object instead of generators.

A generator for each layer (load, customer hooks, customer function) took a quarter of a kilobyte
each, for everybody who waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sim.kernel.environment import KernelError
from sim.load.virtual_user import IterationInterrupted

if TYPE_CHECKING:
    from sim.kernel.environment import Rests
    from sim.load.virtual_user import LoadHooks, VirtualUser


class SteppedIterations(Protocol):
    """What iterations with pauses are made of: `sim.customers.load_hooks.CustomerHooks`."""

    def steps(self, vu: VirtualUser) -> Rests:
        """Begin an iteration, and return its pauses."""
        ...

    def steps_over(self, vu: VirtualUser, begin_s: float, error: Exception | None) -> None:
        """An iteration that began then is over, in whatever way; `error`: the script raised it."""
        ...


class Iterating(Protocol):
    """What decides about iterations: `sim.load.executor.Executor`."""

    hooks: LoadHooks

    def goes_on(self, vu: VirtualUser) -> bool:
        """Whether the user begins an iteration now."""
        ...

    def begin_iteration(self, vu: VirtualUser) -> float:
        """Note that an iteration begins; return when."""
        ...

    def end_iteration(self, vu: VirtualUser, begin_s: float) -> None:
        """Count an iteration that is over."""
        ...

    def leave(self, vu: VirtualUser) -> None:
        """The user is not active any more."""
        ...


class ParkedRun:
    """The body of a user's thread (`sim.kernel.environment.Rests`): as `Executor.run_blocking`."""

    __slots__ = ("_begin_s", "_executor", "_iteration", "_steps", "_vu")

    def __init__(self, executor: Iterating, steps: SteppedIterations, vu: VirtualUser) -> None:
        self._executor = executor
        self._steps = steps
        self._vu = vu
        self._begin_s = 0.0
        self._iteration: Rests | None = None
        """The rests of the iteration under way."""

    def __next__(self) -> float:
        """Go on until the next pause."""
        self._vu.begun = True
        return self._go_on(None)

    def throw(self, error: BaseException, /) -> float:
        """Raise `error` at the pause; go on until the next pause, if the user does go on."""
        if not self._vu.begun:
            raise error
        return self._go_on(error)

    def _go_on(self, error: BaseException | None) -> float:
        executor, vu = self._executor, self._vu
        goes_on = self._iteration is not None or self._begins()
        while goes_on:
            try:
                pause_s = self._next_pause(error)
                if pause_s is not None:
                    return pause_s
            except IterationInterrupted as interrupted:
                interrupted.let_go()
                vu.cancelled = True
            except (KernelError, MemoryError):
                raise
            except Exception as failed:  # noqa: BLE001 - a script may fail in any way; the load goes on
                executor.hooks.script_failed(vu, failed)
            error = self._iteration = None
            executor.end_iteration(vu, self._begin_s)
            goes_on = self._begins()
        executor.leave(vu)
        raise StopIteration

    def _begins(self) -> bool:
        """Begin an iteration, if the user makes another one."""
        if not self._executor.goes_on(self._vu):
            return False
        self._begin_s = self._executor.begin_iteration(self._vu)
        return True

    def _next_pause(self, error: BaseException | None) -> float | None:
        """The next pause of the iteration; None when it is over."""
        vu, steps = self._vu, self._steps
        if self._iteration is None:
            self._executor.hooks.iteration_started(vu)
            self._iteration = steps.steps(vu)
        try:
            return next(self._iteration) if error is None else self._iteration.throw(error)
        except StopIteration:
            steps.steps_over(vu, self._begin_s, None)
            return None
        except BaseException as failed:
            steps.steps_over(vu, self._begin_s, failed if isinstance(failed, Exception) else None)
            raise
