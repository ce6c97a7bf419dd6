"""How far a run is, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Times in simulated seconds since the load began."""

    now_s: float
    end_s: float
    requests: int
    failed: int
    vus: int
    waiting: int
    top_exception: str = ""
    """The class logged most often so far; empty while there is none."""
    failing: tuple[tuple[str, float], ...] | None = None
    """Thresholds that are not met so far, each with its number; None where nobody judges."""


OnProgress = Callable[[Progress], bool | None]
"""Called once per simulated second; the run stops, marked as interrupted, if it returns true."""
