"""What users see while a study runs: warnings and progress."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

from sim.load.settings import Loads
from sim.run import Progress

Report = Callable[[int, Progress], None]
"""Called with the number of a run and how far it is, about once per simulated second."""


Tell = Callable[[bool], None]
"""Called after each try of a search: whether it broke an invariant."""


def silent(_run: int, _progress: Progress) -> None:
    """Show nothing."""


def silent_tries(_broke: bool) -> None:
    """Show nothing."""


class Display:
    """Warns on standard error and shows no progress: in notebooks, and with `--quiet`."""

    shows_verdict: ClassVar[bool] = False
    """Whether it wants to know what runs under way already fail in."""

    plan: str = ""
    """What is to be run, told once before the first run; empty where nobody wants to know."""

    def begin(self) -> None:
        """Tell the plan, the first time."""
        if self.plan:
            sys.stderr.write(f"{self.plan}\n")
            self.plan = ""

    def tell(self, line: str) -> None:
        """Say how long runs take; nobody asks for it in notebooks and with `--quiet`."""

    def warn(self, warning: str) -> None:
        """Say one thing that the reader of the results has to know."""
        sys.stderr.write(f"warning: {warning}\n")

    def runs(self, count: int, load: Loads) -> AbstractContextManager[Report]:  # noqa: ARG002
        """Show how far runs are while the block runs.

        Args:
            count: how many runs there are.
            load: as simulated in the first of them.
        """
        return nullcontext(silent)

    def tries(self, count: int, made: int) -> AbstractContextManager[Tell]:  # noqa: ARG002
        """Show how far a search is while the block runs.

        Args:
            count: how many tries there are.
            made: how many of them an earlier call made.
        """
        return nullcontext(silent_tries)


class LineDisplay(Display):
    """Shows a line now and then on standard error: how long the runs take."""

    def tell(self, line: str) -> None:
        """See `Display.tell`."""
        sys.stderr.write(f"{line}\n")
