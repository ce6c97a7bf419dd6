"""The result of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Counts = dict[str, int]

COMPLETED: Final = "completed"
INTERRUPTED: Final = "interrupted"
FAILED: Final = "failed"
SETS_EVICTED: Final = "sets_evicted"
"""Whole sorted sets that Redis evicted to free memory."""
REDIS_KILLED: Final = "redis_killed"
"""Times that Redis was killed, by a fault or by the kernel; saved data may come back."""
INVARIANT_BROKEN: Final = "invariant_broken"
"""How an inspected run ended that was stopped where its first invariant broke."""


@dataclass(frozen=True, slots=True)
class Cleanup:
    """One run of the cleanup job ("sweep" in the service and in results).

    Times in simulated seconds since the load began.
    """

    planned_s: float
    started_s: float
    ended_s: float
    outcome: str
    """"ok", or the name of the error that lost it."""
    passed_before: int
    waiting_before: int
    """Members of both sets when the job began to remove; 0 if it never came so far."""
    passed_after: int
    waiting_after: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run. Durations in milliseconds and names as in k6, times in simulated seconds."""

    seed: int
    digest: str
    """SHA-256 of every client request in order, the final rows and the final Redis keys."""
    simulated_s: float
    ended: str
    """"completed", "interrupted" by the user, "failed" by the user's own code, or why the world
    ended early, such as "generator_out_of_memory"."""
    metrics: dict[str, dict[str, float]]
    """k6's metrics: metric -> statistic -> value; a metric without samples is absent."""
    outcomes: dict[str, Counts]
    """Endpoint -> HTTP status ("0" for none) -> requests."""
    errors: dict[str, Counts]
    """Endpoint -> primary cause -> failed requests; sums to http_req_failed.passes."""
    exceptions: dict[str, Counts]
    """Endpoint or scheduler job -> exception class -> logged events."""
    tables: Counts
    """Rows per table at the end, "booking:CANCELLED" and the like counted beside the table."""
    funnel: Counts
    """Users by the furthest state reached; every user in exactly one."""
    invariants: Counts
    """Invariant -> violations."""
    sweeps: list[Cleanup]
    notes: list[str]
    """Remarks on what the run could not show, for the summary."""
    redis_losses: Counts = field(default_factory=dict)
    """How Redis lost keys that nobody deleted: `SETS_EVICTED`, `REDIS_KILLED` -> times."""
    scenarios: dict[str, dict[str, Counts]] = field(default_factory=dict)
    """Of several loads at once: scenario -> endpoint -> status -> requests."""
    consulted: list[str] | None = None
    """Fields of the policy that the run asked for; with the others changed it is the same run.
    None: not known."""
    failure: str = ""
    """The error in the user's own code that ended the run, in one line; empty without one."""
    series: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Column -> values, all of one length; "t_s" is the end of each interval.

    Columns with a colon count since the load began: "requests:ENDPOINT", "failed:ENDPOINT",
    "error:CAUSE" and "exception:CLASS"; one is absent if it never happened."""

    lowest: Counts = field(default_factory=dict)
    """What an application counts down -> the lowest value it came to; of inspected runs only."""
    most_at_once: int | None = None
    """Most requests that an application worked on at the same time; of inspected runs only."""

    @property
    def partial(self) -> bool:
        """Whether the run was cut short by the user, or by an error in the user's own code."""
        return self.ended in {INTERRUPTED, FAILED}
