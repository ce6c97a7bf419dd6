"""The progress bar of a search for violations: tries, violations so far, time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from experiments.runs.display import Display, Tell


class TriesDisplay(Display):
    """A progress bar at the foot of a terminal."""

    def tries(self, count: int, made: int) -> AbstractContextManager[Tell]:
        """See `Display.tries`."""
        return _tries_bar(count, made)


@contextmanager
def _tries_bar(count: int, made: int) -> Iterator[Tell]:
    """Show how far the search is while the block runs."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("tries"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[violations]:,} violations  left"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("tries", total=count, completed=made, violations=0)
    violations = 0

    def tell(broke: bool) -> None:
        nonlocal violations
        violations += broke
        bar.update(task, advance=1, violations=violations)

    with bar:
        yield tell
