"""The runs of the service's cleanup job (its name in the service, and in results: "sweep")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.result import Cleanup

if TYPE_CHECKING:
    from model.policy import Policy
    from model.scheduler import JobRun
    from sim.measure.invariants import Watch


class CleanupLog:
    """Notes every run of the cleanup job, with the sizes of both sets before and after it.

    Args:
        watch: knows the sizes of the sets.
        policy: says when the next cleanup is due.
        load_begins_epoch_s: when the load begins, in seconds since 1970.
    """

    def __init__(self, watch: Watch, policy: Policy, load_begins_epoch_s: float) -> None:
        self._watch = watch
        self._policy = policy
        self._load_begins_epoch_s = load_begins_epoch_s
        self._cleanups: list[Cleanup] = []

    def add(self, run: JobRun) -> None:
        """A cleanup has ended; its times are in epoch seconds."""
        origin_s = self._load_begins_epoch_s
        watch = self._watch
        passed, waiting = watch.sizes_before_removal or (0, 0)
        watch.sizes_before_removal = None
        self._cleanups.append(
            Cleanup(
                planned_s=run.planned_s - origin_s,
                started_s=run.started_s - origin_s,
                ended_s=run.ended_s - origin_s,
                outcome=run.error or "ok",
                passed_before=passed,
                waiting_before=waiting,
                passed_after=watch.passed(),
                waiting_after=watch.waiting(),
            )
        )

    def until(self, end_s: float) -> list[Cleanup]:
        """All cleanups, the last one marked "not ended" if it was still under way at `end_s`."""
        return [*self._cleanups, *self._overdue(end_s)]

    def _overdue(self, end_s: float) -> list[Cleanup]:
        """The cleanup that was due before the load ended and had not ended then."""
        if not self._cleanups:
            return []
        last = self._cleanups[-1]
        policy = self._policy
        retried = policy.sweep_on_own_thread and last.outcome != "ok"
        due_s = last.ended_s + (policy.sweep_retry_s if retried else policy.sweep_interval_s)
        if due_s >= end_s:
            return []
        passed, waiting = self._watch.passed(), self._watch.waiting()
        return [Cleanup(due_s, end_s, end_s, "not ended", passed, waiting, passed, waiting)]
