"""The inference on simulated worlds: what is run, and what it shows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from experiments.runs.limits import Limits
from experiments.runs.runner import Runner
from experiments.runs.wanted import Wanted, wanted_run
from experiments.studies.explain.inference import (
    Evidence,
    Particle,
    Plan,
    Population,
    Proposal,
    common_tolerance,
    evidences,
    infer,
)
from experiments.studies.explain.observations import Values, Vector
from experiments.studies.explain.posterior import Weighted, mixture
from experiments.studies.explain.unknowns import Unknowns
from sim.result import RunResult

TOKENS = "tables.token_history"


def without_endpoints(run: RunResult) -> RunResult:
    """A result as an inference needs it: metrics by endpoint and series would fill the journal."""
    metrics = {name: values for name, values in run.metrics.items() if "{" not in name}
    return replace(run, metrics=metrics, series={})


def seed_of_world(seed: int, label: str) -> int:
    """The seed of a simulated world: its own, the same however the runs are shared out."""
    digest = hashlib.sha256(f"{seed}/explain/{label}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def limits_of(vector: Vector, most_rows: float, most_requests: float, scale: float) -> Limits:
    """From when on a run at a scale is hopeless."""
    rows = [one.observed.value for one in vector.observations if one.observed.metric == TOKENS]
    tokens = max(1.0, most_rows * rows[0] * scale) if rows else math.inf
    return Limits(tokens, most_requests * scale)


@dataclass
class Study:
    """Simulates proposals and judges them against the vector; remembers what it saw."""

    unknowns: Unknowns
    vector: Vector
    runs: Runner
    limits: Limits
    seed: int
    seen: dict[str, Values | None] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def judge(self, proposals: Sequence[Proposal]) -> list[float | None]:
        """Distances, in the order of the proposals. The first call settles the spreads."""
        first = not self.seen
        results = self.runs.results([self._wanted(one) for one in proposals])
        for proposal, run in zip(proposals, results, strict=True):
            if run is not None:
                self.seen[proposal.label] = self.vector.values(run)
                self.digests[proposal.label] = run.digest
        if first:
            self.vector.adapt([values for values in self.seen.values() if values is not None])
        return [
            None if run is None else self.vector.distance(self.seen[proposal.label])
            for proposal, run in zip(proposals, results, strict=True)
        ]

    def _wanted(self, proposal: Proposal) -> Wanted:
        return wanted_run(
            self.unknowns.config(proposal.model, proposal.point),
            seed_of_world(self.seed, proposal.label),
            self.vector.scale,
            self.limits,
            without_endpoints,
        )

    def values(self, particle: Particle) -> Values:
        """The vector of an accepted world."""
        found = self.seen[particle.proposal.label]
        if found is None:
            raise ValueError(f"{particle.proposal.label}: was rejected")
        return found


@dataclass(frozen=True)
class Answer:
    """What an inference found."""

    populations: list[Population]
    evidences: list[Evidence]
    tolerance: float
    worlds: list[Weighted]


def answer(study: Study, plan: Plan, models: Sequence[str]) -> Answer:
    """Infer, and compare the models at the tolerance that the best of them reached."""
    populations = infer(models, len(study.unknowns.unknowns), plan, study.judge, study.seed)
    tolerance = common_tolerance(populations)
    compared = evidences(populations, tolerance, study.seed)
    return Answer(populations, compared, tolerance, mixture(populations, compared, tolerance))


def nearest_worlds(worlds: Sequence[Weighted], count: int) -> list[Particle]:
    """The accepted worlds nearest to the observations, each once."""
    different = {one.particle.proposal.label: one.particle for one in worlds if one.weight > 0}
    return sorted(different.values(), key=lambda one: (one.distance, one.proposal.label))[:count]
