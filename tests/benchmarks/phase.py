"""The part of a run in which everyone polls: from two seconds after the first user on."""

import time

BEGINS_S = 2.0


class Phase:
    """What happened in it, from what a run reports as its progress."""

    def __init__(self):
        self._marks = []

    def note(self, progress, visits=0):
        """Take down how far the run is; `visits` are those of threads to stations so far."""
        if progress.now_s >= BEGINS_S:
            self._marks.append((progress.requests, time.process_time(), visits))

    @property
    def request_us(self):
        """Processor time per request."""
        requests, cpu_s, _ = self._sums()
        return cpu_s / requests * 1e6

    @property
    def visits(self):
        """How often a thread computed, slept or waited, per request."""
        requests, _, visits = self._sums()
        return visits / requests

    def _sums(self):
        began, ended = self._marks[0], self._marks[-1]
        return [after - before for before, after in zip(began, ended, strict=True)]
