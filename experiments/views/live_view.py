"""The live view of `ticketsim run`: where the load is, how many fail, who waits, and of what.

Two to six lines at the foot of a terminal, drawn four times a second by a thread of its own; the
simulation only leaves its latest numbers. Nothing is shown where there is no terminal.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final

from experiments.runs.display import Display, Report
from experiments.views.progress import clock, share
from experiments.views.text.run_text import (
    duration,
    number,
    percent,
    shown_threshold,
    words,
    wrapped,
)
from sim.load.settings import Load, Loads, RampingArrivalRate, RampingVUs, length_s
from sim.run import Progress

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_PER_SECOND: Final = 4
_RECENT: Final = 10
"""Reports that rates are about: one is made for each simulated second."""
_WIDEST: Final = 120
_BAR: Final = 20
_MOST_FAILING: Final = 2


class LiveDisplay(Display):
    """The live view at the foot of a terminal."""

    shows_verdict = True

    def runs(self, count: int, load: Loads) -> AbstractContextManager[Report]:
        """See `Display.runs`."""
        return _live_view(load, count)


@contextmanager
def _live_view(load: Loads, replications: int) -> Iterator[Report]:
    """Show how the replications go while the block runs.

    Args:
        load: as simulated, for its stages.
        replications: how many there are to run.
    """
    from rich.console import Console
    from rich.live import Live

    view = View(load, replications)
    console = Console(stderr=True)
    with Live(view, console=console, refresh_per_second=_PER_SECOND, transient=True):
        yield view.report


class View:
    """What is shown; rich asks for it whenever it draws.

    Args:
        load: as simulated.
        replications: how many there are to run.
    """

    def __init__(self, load: Loads, replications: int) -> None:
        self._load = load
        self._replications = replications
        self._began = time.monotonic()
        self._latest: dict[int, Progress] = {}
        self._recent: dict[int, deque[Progress]] = {}
        self._current = 0

    def report(self, replication: int, progress: Progress) -> None:
        """Take the latest numbers of a replication: all that the simulation waits for."""
        self._latest[replication] = progress
        self._recent.setdefault(replication, deque(maxlen=_RECENT)).append(progress)
        self._current = replication

    def lines(self, width: int) -> list[str]:
        """The view as text, for a terminal of so many columns."""
        latest = dict(self._latest)
        width = max(20, min(width, _WIDEST)) - 1
        if not latest:
            return ["starting"]
        current = latest[self._current]
        return [
            *wrapped("", self._heading(latest, current), width),
            *wrapped("", self._state(current), width, " · "),
            *wrapped("", words(verdict_so_far(current)), width, " "),
        ]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw."""
        from rich.text import Text

        yield Text("\n".join(self.lines(options.max_width)), no_wrap=True, overflow="crop")

    def _heading(self, latest: Mapping[int, Progress], current: Progress) -> list[str]:
        done = sum(map(share, latest.values())) / self._replications
        filled = round(_BAR * done)
        requests = sum(progress.requests for progress in latest.values())
        failed = sum(progress.failed for progress in latest.values())
        parts = [
            "━" * filled + "─" * (_BAR - filled) + f" {100 * done:3.0f} %",
            f"{clock(current.now_s)} of {clock(current.end_s)}",
            f"{requests:,} requests, {percent(failed / requests) if requests else '-'} failed",
            f"{self._left(done)} left",
        ]
        if self._replications > 1:
            ended = sum(share(progress) >= 1 for progress in latest.values())
            parts.insert(1, f"run {min(ended + 1, self._replications)} of {self._replications}")
        return parts

    def _left(self, done: float) -> str:
        if done <= 0:
            return "-"
        seconds = (time.monotonic() - self._began) * (1 - done) / done
        return duration(1e3 * max(1, round(seconds)))

    def _state(self, current: Progress) -> list[str]:
        """The state of the replication that reported last."""
        rate, failing = recent_rates(tuple(self._recent.get(self._current, ())))
        parts = [
            stage_of(self._load, current.now_s),
            f"{number(current.vus)} users",
            f"{number(round(rate))} requests/s",
            f"{percent(failing)} failing now" if failing is not None else "",
            f"{number(current.waiting)} waiting",
            f"most logged: {current.top_exception}" if current.top_exception else "",
        ]
        return [part for part in parts if part]


def verdict_so_far(current: Progress) -> str:
    """What already fails; nothing where nobody judges."""
    if current.failing is None:
        return ""
    if not current.failing:
        return "verdict so far: nothing fails"
    told = [f"{name}: is {shown_threshold(name, value)}" for name, value in current.failing]
    more = f" (and {len(told) - _MOST_FAILING} more)" if len(told) > _MOST_FAILING else ""
    return f"verdict so far: FAILS: {'; '.join(told[:_MOST_FAILING])}{more}"


def recent_rates(recent: Sequence[Progress]) -> tuple[float, float | None]:
    """Requests per simulated second, and the share of them that failed, of late."""
    if not recent:
        return 0.0, None
    last = recent[-1]
    first_s, requests, failed = 0.0, 0, 0
    if len(recent) > 1:
        first_s, requests, failed = recent[0].now_s, recent[0].requests, recent[0].failed
    passed_s, sent = last.now_s - first_s, last.requests - requests
    share_failed = (last.failed - failed) / sent if sent else None
    return (sent / passed_s if passed_s > 0 else 0.0), share_failed


def stage_of(load: Loads, now_s: float) -> str:
    """Which stage of the load it is; nothing for a load without stages."""
    if isinstance(load, tuple):
        return ", ".join(_under_way(load, now_s)) or "load over, last iterations"
    if not isinstance(load, RampingVUs | RampingArrivalRate):
        return ""
    end_s = load.start_s
    for index, stage in enumerate(load.stages, start=1):
        end_s += stage.duration_s
        if now_s < end_s:
            return f"stage {index} of {len(load.stages)}, to {number(stage.target)}"
    return "load over, last iterations"


def _under_way(loads: Sequence[Load], now_s: float) -> Iterator[str]:
    """The names of the loads that start iterations now."""
    for position, load in enumerate(loads, start=1):
        if load.start_s <= now_s < load.start_s + length_s(load):
            yield load.scenario or f"load {position}"
