"""Runs the processes of the user's own, and says which of them failed, where and why."""

from __future__ import annotations

import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import simpy

from sim.kernel.errors import UserCodeError
from sim.processes.environment import ProcessEnvironment
from sim.processes.process_function import process_function
from sim.processes.step_watch import StepTooLongError, StepWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from sim.kernel.environment import Environment
    from sim.processes.settings import UserProcess
    from sim.processes.world_view import WorldView

MOST_STEPS_AT_ONE_INSTANT: Final = 100_000
_OURS: Final = (
    str(Path(__file__).parents[1]),
    str(Path(__file__).parents[2] / "model"),
    str(Path(simpy.__file__).parent),
)
"""Folders whose code is not the user's."""


class UserProcessError(UserCodeError):
    """A process of the user's own failed: which one, where, and why."""


class UserProcesses:
    """The processes of one run.

    Args:
        env: the run's simulated time.
        settings: which processes there are.
        view_of: makes what a process sees, from its environment, name and number.
    """

    def __init__(
        self,
        env: Environment,
        settings: Sequence[UserProcess],
        view_of: Callable[[ProcessEnvironment, str, int], WorldView],
    ) -> None:
        self._env = env
        self._settings = settings
        self._view_of = view_of
        self._watch = StepWatch()
        self._failures: list[tuple[BaseException, str]] = []
        self._steps_at_s = -1.0
        self._steps = 0

    def start(self) -> None:
        """Start every process: the load begins."""
        # One environment for all: they may wait for each other's events.
        env = ProcessEnvironment(self._env, self._watched)
        for number, process in enumerate(self._settings, start=1):
            name = process.shown_name
            steps = process_function(process)(
                env, self._view_of(env, name, number), **process.arguments
            )
            simpy.Process(env, self._watched(name, steps))  # type: ignore[arg-type]  # it has what SimPy's has

    def watched(self) -> AbstractContextManager[None]:
        """Watch for steps that do not end, as long as the run lasts."""
        return self._watch.working() if self._settings else nullcontext()

    def failure_of(self, error: BaseException) -> UserProcessError | None:
        """Which process raised `error`, and where; None if it was none of them."""
        for raised, text in self._failures:
            if raised is error:
                return UserProcessError(text)
        return None

    def _watched(
        self, name: str, steps: Generator[Any, Any, Any]
    ) -> Generator[simpy.Event, Any, Any]:
        """Do the steps of a process; note which process an error comes from."""
        value, thrown = None, None
        while True:
            self._watch.begin()
            try:
                event = steps.send(value) if thrown is None else steps.throw(thrown)
            except StopIteration as end:
                return end.value
            except StepTooLongError as error:
                raise self._noted(name, RuntimeError(str(error)), error.__traceback__) from None
            except Exception as error:
                self._noted(name, error, error.__traceback__)
                raise
            finally:
                self._watch.end()
            self._check(name, steps, event)
            value, thrown = None, None
            try:
                value = yield event
            except Exception as error:  # noqa: BLE001 - whatever it is, the process hears it
                thrown = error

    def _check(self, name: str, steps: Generator[Any, Any, Any], event: Any) -> None:
        """Refuse what is no event, and a process that goes on and on at one instant."""
        if self._env.now > self._steps_at_s:
            self._steps_at_s, self._steps = self._env.now, 0
        self._steps += 1
        problem = ""
        if not isinstance(event, simpy.Event) or not isinstance(event.env, ProcessEnvironment):
            problem = (
                f"the process yielded {_short(event)}, which is not an event of env; allowed: "
                "env.timeout(seconds), an event, a process, a request of a resource"
            )
        elif self._steps > MOST_STEPS_AT_ONE_INSTANT:
            problem = (
                f"{MOST_STEPS_AT_ONE_INSTANT:,} steps of processes while simulated time stood "
                "still; allowed: a timeout of more than 0 s in every loop"
            )
        if problem:
            frame = getattr(steps, "gi_frame", None)
            place = _place(frame.f_code.co_filename, frame.f_lineno) if frame else ""
            error = TypeError(problem)
            self._failures.append((error, f"process {name}{place}: {problem}"))
            raise error

    def _noted(self, name: str, error: Exception, trace: TracebackType | None) -> Exception:
        places = [
            _place(frame.filename, frame.lineno)
            for frame in traceback.extract_tb(trace)
            if not frame.filename.startswith(_OURS)
        ]
        place = places[-1] if places else ""
        kind = "" if type(error) in {RuntimeError, ValueError} else f"{type(error).__name__}: "
        self._failures.append((error, f"process {name}{place}: {kind}{error}"))
        return error


def _place(file: str, line: int | None) -> str:
    return f" ({Path(file).name}, line {line})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - of a line
