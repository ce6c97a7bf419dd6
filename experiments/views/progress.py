"""The progress bar of many runs: simulated time, requests, failure rate so far, time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from experiments.runs.display import LineDisplay, Report
from sim.load.settings import Loads
from sim.run import Progress


class ProgressDisplay(LineDisplay):
    """A progress bar at the foot of a terminal."""

    def runs(self, count: int, load: Loads) -> AbstractContextManager[Report]:  # noqa: ARG002
        """See `Display.runs`."""
        return _progress_bar(count)


@contextmanager
def _progress_bar(count: int) -> Iterator[Report]:
    """Show how far so many runs are while the block runs."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[counts]}  left"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("starting", total=float(count), counts="")
    latest: dict[int, Progress] = {}

    def report(replication: int, progress: Progress) -> None:
        latest[replication] = progress
        done = sum(share(part) for part in latest.values())
        bar.update(task, completed=done, description=_time(progress), counts=_counts(latest))

    with bar:
        yield report


def share(progress: Progress) -> float:
    """How much of a run's simulated time has passed, 0 to 1."""
    return min(1.0, progress.now_s / progress.end_s) if progress.end_s > 0 else 1.0


def _time(progress: Progress) -> str:
    return f"{clock(progress.now_s)} of {clock(progress.end_s)}"


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:d}:{rest:02d}"


def _counts(latest: dict[int, Progress]) -> str:
    requests = sum(progress.requests for progress in latest.values())
    failed = sum(progress.failed for progress in latest.values())
    rate = f"{failed / requests:.1%}" if requests else "-"
    return f"{requests:,} requests, {rate} failed"
