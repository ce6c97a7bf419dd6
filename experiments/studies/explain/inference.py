"""Approximate Bayesian computation, sequentially, for several models on the same footing.

The unknowns are coordinates of the unit cube, on which every prior is uniform. Each model starts
with `particles` draws from its prior. A level keeps the nearest half, lowers the tolerance to the
farthest of them, replaces the other half by copies, and lets every particle make a Metropolis
step: about half of its coordinates are moved (reflected at the walls, so that steps are symmetric)
or drawn afresh, and the step is taken when the new world is no farther from the observations than
the tolerance. So all particles keep equal weights (C. Drovandi and A. Pettitt, 2011, "Estimation
of parameters for macroparasite population evolution using approximate Bayesian computation"), in
any number of dimensions, and whether they are ranges or choices.

Halving again and again makes relatives of all particles, so that intervals come out too short even
of what was never observed. Each kept one is therefore copied equally often, those kept move as
well, a step moves many coordinates, and while fewer than `_DIFFERENT` of the particles differ,
levels move them without lowering the tolerance. `calibration.py` measures what is left of it.

The share kept at each level, multiplied, is the probability under the prior of coming as near as
the last tolerance (S. Au and J. Beck, 2001, "subset simulation"): the evidence of the model.

A library (pyABC is the best kept) was weighed: its populations change with the number of
processes and are kept in a database of its own, where runs here resume by digest and are the same
for any number of processes. What is needed of it are the hundred lines below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Point = tuple[float, ...]
"""Coordinates of a world, each from 0 to 1."""

_KEPT: Final = 0.5
_DIFFERENT: Final = 0.7
"""Share of particles that must differ before the tolerance is lowered further. On a model of 15
unknowns and 10 observations (54 particles, 7 levels) 90 % intervals held the truth in 0.74 with one
half moved, few coordinates each and no such rule, 0.86 with all of these."""
_MOVED: Final = 0.5
"""Share of coordinates that a step moves."""
_FRESH: Final = 0.1
"""Share of moved coordinates that are drawn afresh."""
_NARROWEST_STEP: Final = 0.05


@dataclass(frozen=True)
class Proposal:
    """A world to be simulated: which model, and its coordinates.

    `label` tells it from all others of an inference, so that its seed can be derived from it.
    """

    model: str
    point: Point
    label: str


@dataclass(frozen=True)
class Particle:
    """A simulated world and how far it is from what was observed; infinite when rejected."""

    proposal: Proposal
    distance: float


Judge = Callable[[Sequence[Proposal]], Sequence[float | None]]
"""Simulates worlds and returns their distances; None for those that could not be run any more
(the budget is spent, or the user interrupted)."""


@dataclass
class Population:
    """What is left of one model, and how it came there."""

    model: str
    particles: list[Particle]
    tolerances: list[float] = field(default_factory=list)
    """Of each level that lowered it, falling."""
    kept: list[tuple[int, int]] = field(default_factory=list)
    """Of each of these: particles kept, and different ones among all that there were."""
    levels: int = 0
    """Levels that it went through."""
    visited: list[Particle] = field(default_factory=list)
    """Every world simulated, in order."""

    @property
    def different(self) -> int:
        """Number of different worlds among the particles."""
        return len({particle.proposal.label for particle in self.particles})

    @property
    def tolerance(self) -> float:
        """The distance that no particle exceeds."""
        return self.tolerances[-1] if self.tolerances else math.inf


@dataclass(frozen=True)
class Plan:
    """How much work an inference is: `particles` per model, and `levels` of moving all of them."""

    particles: int
    levels: int

    def runs(self, models: int) -> int:
        """Runs that it makes at most."""
        return models * self.particles * (1 + self.levels)


def infer(
    models: Sequence[str], dimensions: int, plan: Plan, judge: Judge, seed: int
) -> list[Population]:
    """Run every model down to its own tolerance.

    All models share a batch of simulations, so that processes are never idle for long. The result
    depends on the arguments only. Stops early, with what there is, when `judge` stops.
    """
    batches = [
        [Proposal(model, point, f"{model}/0/{number}") for number, point in enumerate(points)]
        for model in models
        for points in [_prior(_stream(seed, model, 0), plan.particles, dimensions)]
    ]
    populations = [Population(model, []) for model in models]
    for population, particles in zip(populations, _judged(judge, batches), strict=True):
        population.particles = [particle for particle in particles if particle is not None]
        population.visited = list(population.particles)
    for level in range(1, plan.levels + 1):
        if any(len(population.particles) < plan.particles for population in populations):
            break
        _descend(populations, judge, seed, level)
    return populations


def _descend(populations: Sequence[Population], judge: Judge, seed: int, level: int) -> None:
    """One level for every model that still can come nearer."""
    batches: list[list[Proposal]] = []
    steps: list[tuple[list[Particle], list[Particle]] | None] = []
    for population in populations:
        survivors = _survivors(population)
        if not survivors:
            steps.append(None)
            batches.append([])
            continue
        rng = _stream(seed, population.model, level)
        parents = survivors + _copies(rng, survivors, len(population.particles) - len(survivors))
        widths = _widths(survivors)
        batches.append(
            [
                Proposal(
                    population.model,
                    _moved(rng, parent.proposal.point, widths),
                    f"{population.model}/{level}/{number}",
                )
                for number, parent in enumerate(parents)
            ]
        )
        steps.append((survivors, parents))
    for population, step, judged in zip(populations, steps, _judged(judge, batches), strict=True):
        if step is not None:
            _step(population, *step, judged)


def _copies(rng: np.random.Generator, survivors: Sequence[Particle], count: int) -> list[Particle]:
    """So many copies, of each survivor as many as of any other, or one more."""
    order = rng.permutation(len(survivors))
    return [survivors[int(place)] for place in np.resize(order, count)]


def _step(
    population: Population,
    survivors: Sequence[Particle],
    parents: Sequence[Particle],
    judged: Sequence[Particle | None],
) -> None:
    """Take the steps that stay within the tolerance; a level cut short changes nothing."""
    population.visited += [particle for particle in judged if particle is not None]
    if any(particle is None for particle in judged):
        return
    population.levels += 1
    if len(survivors) < len(parents):
        population.kept.append((len(survivors), population.different))
        population.tolerances.append(survivors[-1].distance)
    population.particles = [
        step if step is not None and step.distance <= population.tolerance else parent
        for parent, step in zip(parents, judged, strict=True)
    ]


def _survivors(population: Population) -> list[Particle]:
    """What a level keeps: the nearer half, nearest first, and all that are as near as its last.

    Fewer when most were rejected outright; all while too few of them differ.
    """
    particles = population.particles
    finite = [particle for particle in particles if math.isfinite(particle.distance)]
    finite.sort(key=lambda particle: (particle.distance, particle.proposal.label))
    half = max(1, round(len(particles) * _KEPT))
    if len(finite) <= half or population.different < _DIFFERENT * len(particles):
        return finite
    last = finite[half - 1]
    return [particle for particle in finite if particle.distance <= last.distance]


def _judged(judge: Judge, batches: Sequence[Sequence[Proposal]]) -> list[list[Particle | None]]:
    """Judge all batches in one go, taking turns: if it is cut short, no model has nothing."""
    longest = max(map(len, batches), default=0)
    turns = [batch[turn] for turn in range(longest) for batch in batches if turn < len(batch)]
    distances = judge(turns) if turns else []
    found = {
        proposal.label: None if distance is None else Particle(proposal, distance)
        for proposal, distance in zip(turns, distances, strict=True)
    }
    return [[found[proposal.label] for proposal in batch] for batch in batches]


def _stream(seed: int, model: str, level: int) -> np.random.Generator:
    return np.random.default_rng([seed, level, *model.encode()])


def _prior(rng: np.random.Generator, count: int, dimensions: int) -> list[Point]:
    """Draws from the prior, spread evenly over every coordinate (a Latin hypercube)."""
    columns = [(rng.permutation(count) + rng.random(count)) / count for _ in range(dimensions)]
    return [tuple(float(column[row]) for column in columns) for row in range(count)]


def _widths(survivors: Sequence[Particle]) -> NDArray[np.float64]:
    points = np.array([particle.proposal.point for particle in survivors])
    widths: NDArray[np.float64] = np.maximum(points.std(axis=0), _NARROWEST_STEP)
    return widths


def _moved(rng: np.random.Generator, point: Point, widths: NDArray[np.float64]) -> Point:
    """A symmetric step: some coordinates, at least one if there are any."""
    dimensions = len(point)
    if not dimensions:
        return point
    chosen = rng.random(dimensions) < _MOVED
    chosen[int(rng.integers(dimensions))] = True
    fresh = rng.random(dimensions) < _FRESH
    stepped = _reflected(np.array(point) + widths * rng.standard_normal(dimensions))
    moved = np.where(fresh, rng.random(dimensions), stepped)
    return tuple(float(value) for value in np.where(chosen, moved, np.array(point)))


def _reflected(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Into the unit interval, folded at 0 and 1."""
    folded = np.mod(values, 2.0)
    result: NDArray[np.float64] = np.where(folded > 1.0, 2.0 - folded, folded)
    return result


@dataclass(frozen=True)
class Evidence:
    """How probable a model is, given that all were equally probable before.

    Args:
        nearness: prior probability of coming as near as the common tolerance.
        probability: of the model among those compared.
        error: Monte-Carlo standard error of the probability.
        low, high: where 95 % of that error lie.
        accepted: its particles within the tolerance.
    """

    model: str
    nearness: float
    probability: float
    error: float
    low: float
    high: float
    accepted: int


def common_tolerance(populations: Sequence[Population]) -> float:
    """The smallest distance that all particles of some model keep to, rejected ones apart."""
    farthest = [
        max(finite)
        for population in populations
        for finite in [[one.distance for one in population.particles if one.distance < math.inf]]
        if finite
    ]
    return min(farthest, default=math.inf)


def evidences(
    populations: Sequence[Population], tolerance: float, seed: int, samples: int = 4_000
) -> list[Evidence]:
    """Compare models at a common tolerance.

    The error comes from drawing each share that was kept from its own uncertainty (a beta
    distribution, with the number of different particles as its sample size), so that a model of
    which no particle came near enough has an upper bound and not a certain zero.
    """
    rng = np.random.default_rng([seed, len(populations)])
    drawn = np.array([_drawn(population, tolerance, rng, samples) for population in populations])
    shares = drawn / drawn.sum(axis=0)
    estimates = np.array([_nearness(population, tolerance) for population in populations])
    total = estimates.sum()
    return [
        Evidence(
            model=population.model,
            nearness=float(estimates[row]),
            probability=float(estimates[row] / total) if total else float(shares[row].mean()),
            error=float(shares[row].std()),
            low=float(np.quantile(shares[row], 0.025)),
            high=float(np.quantile(shares[row], 0.975)),
            accepted=_within(population, tolerance),
        )
        for row, population in enumerate(populations)
    ]


def _levels_above(population: Population, tolerance: float) -> int:
    """Levels to count: those whose tolerance is not yet below the common one."""
    return sum(1 for own in population.tolerances if own >= tolerance)


def _within(population: Population, tolerance: float) -> int:
    return sum(
        particle.distance <= tolerance and particle.distance < math.inf
        for particle in population.particles
    )


def _shares(population: Population, tolerance: float) -> list[tuple[float, int]]:
    """(share kept, different particles) of each level, and of the particles within."""
    count = len(population.particles)
    levels = _levels_above(population, tolerance)
    shares = [(kept / count, different) for kept, different in population.kept[:levels]]
    if levels == len(population.tolerances):
        shares.append((_within(population, tolerance) / count, population.different))
    return shares


def _nearness(population: Population, tolerance: float) -> float:
    if not population.particles:
        return 0.0
    return math.prod(share for share, _ in _shares(population, tolerance))


def _drawn(
    population: Population, tolerance: float, rng: np.random.Generator, samples: int
) -> NDArray[np.float64]:
    product = np.ones(samples)
    for share, different in _shares(population, tolerance) if population.particles else [(0.0, 1)]:
        kept = share * different
        product *= rng.beta(kept + 0.5, different - kept + 0.5, samples)
    return product
