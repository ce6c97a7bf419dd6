"""Errors in code of the user's own: which one, where in which file, how often."""

from __future__ import annotations

import traceback
from collections import Counter
from pathlib import Path

_MOST_NOTES = 5


def place_of(error: BaseException) -> str:
    """Where an error was raised, "line 6 of mine.py"; empty if that is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"line {frames[-1].lineno} of {Path(frames[-1].filename).name}" if frames else ""


class Crashes:
    """Exceptions that no handler of the service foresaw: each was answered with 500."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, label: str, error: BaseException) -> None:
        """Count an exception in the endpoint or job `label`."""
        place = place_of(error)
        where = f" ({place})" if place else ""
        self._counts[f"{label} raised {type(error).__name__}: {error}{where}"] += 1

    def notes(self) -> list[str]:
        """Each crash with its count, the most frequent first."""
        return [
            f"in the service, {what}: {times:,} times"
            for what, times in self._counts.most_common(_MOST_NOTES)
        ]
