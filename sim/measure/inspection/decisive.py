"""Chooses the events that led to a broken invariant: those of the requests that took part in it.

The request whose event broke the invariant took part, and every request that shares with it, or
with another one that took part, a row or a key that one of both wrote. The nearest come first, then
those that wrote what the invariant looks at. A request that wrote nothing changed nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sim.measure.inspection.trace import Event, Thing

MOST_TOLD: Final = 40
_QUIET: Final = frozenset({"begin", "client", "hello", "ping", "script load"})
"""Steps that tell nothing of an order."""
_ENDS: Final = frozenset({"commit", "rollback"})
_HEADING: Final = re.compile(r"\d[\d,]* of \d[\d,]* events: ")


@dataclass(eq=False)
class _Work:
    """A request, or one turn of a job that never ends, with what it did."""

    events: list[Event] = field(default_factory=list)
    reads: set[Thing] = field(default_factory=set)
    writes: set[Thing] = field(default_factory=set)
    tables: set[Thing] = field(default_factory=set)
    """The tables of the rows that it wrote."""

    def add(self, event: Event) -> None:
        """Its next event."""
        self.events.append(event)
        self.reads.update(event.reads())
        self.writes.update(event.writes())
        if event.kind and event.kind != "select":
            if event.rows is None:
                self.tables.add(("table", event.table))
            else:
                self.tables.update(("table", table) for table, _ in event.rows)

    @property
    def is_idle(self) -> bool:
        """Whether it only waited for something to do."""
        return all(event.is_pop for event in self.events)

    def shares_with(self, other: _Work) -> bool:
        """Whether there is something that both touched and one of them wrote."""
        mine, others = self.writes | self.tables, other.writes | other.tables
        return bool(self.writes & other.writes or mine & other.reads or self.reads & others)

    def told(self) -> list[tuple[Event, str]]:
        """Its events with their lines; the same event several times in a row in one line."""
        wrote_rows = bool(self.tables)
        found: list[tuple[Event, str]] = []
        times = 0
        for event in self.events:
            if event.text in _QUIET or (event.text == "rollback" and not wrote_rows):
                continue
            times = times + 1 if found and found[-1][0].told() == event.told() else 1
            if times > 1:
                found[-1] = (found[-1][0], f"{found[-1][0].line()} ({times} times)")
            else:
                found.append((event, event.line()))
        return found


def decisive(
    events: Iterable[Event], judged: Collection[Thing], most: int = MOST_TOLD
) -> list[str]:
    """A heading and the lines of the events that matter, at most `most` of them, by time.

    Args:
        events: all that were noted, the one that broke an invariant last.
        judged: tables and keys that the invariants look at; empty where that is not known.
        most: how many lines there may be.
    """
    works = _works(events)
    total = sum(len(work.events) for work in works)
    if not works:
        return [f"0 of {total} events: nothing touched a row or a key"]
    order = _nearest_first(works, judged)
    chosen: list[tuple[Event, str]] = []
    left_out = 0
    for number, work in enumerate(order):
        told = work.told()
        if number == 0:
            chosen = told[-most:]
        elif not left_out and len(chosen) + len(told) <= most:
            chosen += told
        else:
            left_out += 1
    chosen.sort(key=lambda pair: pair[0].number)
    more = f"; {left_out:,} of these requests left out" if left_out else ""
    heading = f"{len(chosen):,} of {total:,} events: those of the requests that took part{more}"
    return [heading, *(line for _, line in chosen)]


def story_in(notes: Sequence[str]) -> list[str]:
    """The part of a run's remarks that `decisive` made, to their end; empty without one."""
    for number, note in enumerate(notes):
        if _HEADING.match(note):
            return list(notes[number:])
    return []


def _works(events: Iterable[Event]) -> list[_Work]:
    """Divide the events by the request that they belong to, in order of their last event."""
    works: dict[tuple[int, str], _Work] = {}
    done: list[_Work] = []
    for event in events:
        key = (id(event.task), event.thread)
        work = works.get(key)
        if work is not None and _begins_anew(work.events[-1], event):
            done.append(work)
            work = None
        if work is None:
            work = works[key] = _Work()
        work.add(event)
    return sorted([*done, *works.values()], key=lambda work: work.events[-1].number)


def _begins_anew(last: Event, event: Event) -> bool:
    """Whether a job that never ends, such as a worker of a queue, begins its next turn."""
    if event.task is not None and not event.label.startswith("background"):
        return False
    return (event.is_pop and not last.is_pop) or (event.text == "begin" and last.text in _ENDS)


def _nearest_first(works: Sequence[_Work], judged: Collection[Thing]) -> list[_Work]:
    """The last one, those that share something with it, and so on; the latest first."""
    last, *others = [work for work in reversed(works) if not work.is_idle] or [works[-1]]
    others = [work for work in others if work.writes]
    order, near = [last], [last]
    while near:
        found = [work for work in others if any(work.shares_with(one) for one in near)]
        others = [work for work in others if work not in found]
        order += found
        near = found
    wanted = set(judged)
    return [*order, *(work for work in others if wanted & (work.writes | work.tables))]
