"""Synthetic experiments whose truth is known: correlated request streams, replicated.

A replication is a stream of requests. Request t fails when a stationary Gaussian AR(1) process
exceeds a quantile, so that neighbouring requests fail together while the failure rate is known
exactly. Base and alternative share part of the process, as common random numbers do.
"""

import math

from scipy import signal, stats

REQUESTS = 300
CORRELATION = 0.9


class Experiment:
    """Failure rates of replications of a base and an alternative, drawn when asked for."""

    def __init__(self, rng, base, alternative, shared=0.8, requests=REQUESTS):
        self._rng = rng
        self._limits = stats.norm.isf([base, alternative])
        self._shared = shared
        self._requests = requests
        self.base = []
        self.alternative = []

    def extend(self, replications):
        missing = replications - len(self.base)
        if missing > 0:
            common = self._process(missing)
            # Nothing of their own to draw when all is shared.
            own = [self._process(missing) if self._shared < 1 else 0.0 for _ in range(2)]
            rates = [
                (math.sqrt(self._shared) * common + math.sqrt(1 - self._shared) * one > limit)
                .mean(axis=1)
                .tolist()
                for one, limit in zip(own, self._limits, strict=True)
            ]
            self.base += rates[0]
            self.alternative += rates[1]

    def differences(self):
        return [after - before for before, after in zip(self.base, self.alternative, strict=True)]

    def _process(self, replications):
        """Return rows of a stationary AR(1) process with unit variance."""
        noise = self._rng.standard_normal((replications, self._requests))
        noise[:, 1:] *= math.sqrt(1 - CORRELATION**2)
        return signal.lfilter([1.0], [1.0, -CORRELATION], noise, axis=1)
