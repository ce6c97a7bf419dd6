"""The document of `ticketsim explain --json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from experiments.config.unknown import Unknown
from experiments.studies.explain.attribution import Attribution
from experiments.studies.explain.calibration import Calibration
from experiments.studies.explain.cross_validation import CrossValidation, Drawn, cross_validated
from experiments.studies.explain.inference import Evidence, Particle, Population
from experiments.studies.explain.influence import InfluenceRow, influences
from experiments.studies.explain.observations import Values, Vector
from experiments.studies.explain.posterior import (
    Belief,
    Narrowing,
    Prediction,
    Weighted,
    belief,
    best_per_model,
    identifiability,
    predictions,
)
from experiments.studies.explain.predictive import Joint, joint, predictive_p
from experiments.studies.explain.worlds import Answer, Study, seed_of_world

SCHEMA: Final = 1
DRAWS: Final = 40
"""Draws from the accepted worlds that are handed on."""
_ROUNDING: Final = 1e-9
MISSED: Final = 1.0
"""Spreads from which on a number counts as not reproduced."""
Numbers = dict[str, float | None]


class ModelRow(TypedDict):
    """One hypothesis or combination. Counts at full size, durations in milliseconds.

    `error` is the Monte-Carlo standard error of `probability`, `ci95` its 95 % interval.
    `nearness` is the prior probability of a world within the tolerance. `misses` names what the
    best fit is more than its own spread away from.
    """

    model: str
    hypotheses: list[str]
    probability: float
    error: float
    ci95: tuple[float, float]
    nearness: float
    accepted: int
    runs: int
    rejected: int
    best_distance: float | None
    best_inputs: dict[str, str]
    best_numbers: Numbers
    misses: list[str]


class UnknownRow(TypedDict):
    """One unknown before and after. Of a choice `shares` has value -> (prior, posterior)."""

    unknown: str
    key: str
    hypothesis: str
    reason: str
    prior: tuple[str, str] | None
    posterior: tuple[str, str] | None
    median: str | None
    shares: dict[str, tuple[float, float]]
    narrowing: float
    worlds: int


class NarrowingRow(TypedDict):
    """How much one observation alone tells of one unknown, beside what chance would."""

    observation: str
    unknown: str
    narrowing: float
    by_chance: float


class PredictionRow(TypedDict):
    """One observation beside what accepted worlds say (95 %), and the best ones at full size."""

    observation: str
    metric: str
    bound: str
    observed: float
    low: float | None
    median: float | None
    high: float | None
    explained: bool
    p: NotRequired[float | None]
    full_size: NotRequired[tuple[float, float] | None]
    full_size_explained: NotRequired[bool]


class FullSizeRow(TypedDict):
    """One of the best worlds at full size, the nearest first; no numbers when it was rejected."""

    world: str
    seed: int
    ended: str
    requests: int
    distance: float | None
    numbers: Numbers
    inputs: dict[str, str]


class DrawRow(TypedDict):
    """One of so many equally likely draws from the accepted worlds; `seed` is that of its run.

    `set` has the dotted keys that make the config this world.
    """

    weight: float
    label: str
    distance: float
    seed: int
    set: dict[str, Any]


class Explanation(TypedDict):
    """The document of `ticketsim explain --json`."""

    schema: Literal[1]
    config: str
    seed: int
    scale: float
    budget: dict[str, float | None]
    partial: bool
    runs: int
    tolerance: float | None
    spreads: dict[str, float]
    models: list[ModelRow]
    unknowns: list[UnknownRow]
    identifiability: list[NarrowingRow]
    influence: list[InfluenceRow]
    cross_validation: NotRequired[CrossValidation]
    predictions: list[PredictionRow]
    joint: NotRequired[Joint]
    draws: NotRequired[list[DrawRow]]
    version: NotRequired[str]
    """Of the program that found the draws."""
    full_size: list[FullSizeRow]
    attribution: NotRequired[Attribution]
    attribution_at_other_scale: NotRequired[Attribution]
    attribution_of_single_defects: NotRequired[Attribution]
    calibration: NotRequired[Calibration]
    conclusion: list[str]
    would_change_it: list[str]
    warnings: list[str]
    digest: str
    wall_seconds: float


def model_rows(study: Study, answer: Answer) -> list[ModelRow]:
    """The table of hypotheses, the most probable first."""
    best = best_per_model(answer.populations)
    rows = [
        _model_row(study, population, evidence, best[population.model])
        for population, evidence in zip(answer.populations, answer.evidences, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row["probability"], row["best_distance"] or 0.0))


def _model_row(
    study: Study, population: Population, evidence: Evidence, best: Particle | None
) -> ModelRow:
    values = study.values(best) if best else None
    rejected = sum(study.seen[one.proposal.label] is None for one in population.visited)
    return {
        "model": population.model,
        "hypotheses": list(study.unknowns.models[population.model]),
        "probability": evidence.probability,
        "error": evidence.error,
        "ci95": (evidence.low, evidence.high),
        "nearness": evidence.nearness,
        "accepted": evidence.accepted,
        "runs": len(population.visited),
        "rejected": rejected,
        "best_distance": best.distance if best else None,
        "best_inputs": inputs_of(study, best) if best else {},
        "best_numbers": numbers_of(study.vector, values) if values else {},
        "misses": missed(study.vector, values) if values else [],
    }


def inputs_of(study: Study, particle: Particle) -> dict[str, str]:
    """The unknowns of a world, as they would be written."""
    at_work = study.unknowns.in_model(particle.proposal.model)
    return {
        unknown.name: unknown.show(coordinate)
        for unknown, coordinate in zip(
            study.unknowns.unknowns, particle.proposal.point, strict=True
        )
        if unknown in at_work
    }


def numbers_of(vector: Vector, values: Values) -> Numbers:
    """The simulated vector by name."""
    return {one.name: value for one, value in zip(vector.observations, values, strict=True)}


def missed(vector: Vector, values: Values) -> list[str]:
    """Observations that a world is more than their own spread away from."""
    return [
        one.name
        for one, value in zip(vector.observations, values, strict=True)
        if abs(one.difference(value, one.spread(0.0, vector.scale), vector.scale)) > MISSED
    ]


def unknown_rows(study: Study, worlds: Sequence[Weighted]) -> list[UnknownRow]:
    """Every unknown, before and after."""
    return [
        _unknown_row(unknown, found)
        for place, unknown in enumerate(study.unknowns.unknowns)
        for found in [_belief(study, worlds, place, unknown)]
    ]


def _belief(
    study: Study, worlds: Sequence[Weighted], place: int, unknown: Unknown
) -> Belief | None:
    own = [
        one
        for one in worlds
        if one.weight > 0 and unknown in study.unknowns.in_model(one.particle.proposal.model)
    ]
    return belief(unknown, own, place) if own else None


def _unknown_row(unknown: Unknown, found: Belief | None) -> UnknownRow:
    row: UnknownRow = {
        "unknown": unknown.name,
        "key": unknown.prior.key,
        "hypothesis": unknown.hypothesis,
        "reason": unknown.prior.reason,
        "prior": None,
        "posterior": None,
        "median": None,
        "shares": {},
        "narrowing": found.narrowing if found else 0.0,
        "worlds": found.worlds if found else 0,
    }
    if unknown.is_choice:
        after = found.shares if found else (0.0,) * len(unknown.shares)
        names = [unknown.show_value(value) for value in unknown.prior.values]
        row["shares"] = dict(zip(names, zip(unknown.shares, after, strict=True), strict=True))
    else:
        row["prior"] = (unknown.show(0.0), unknown.show(1.0))
        if found:
            row["posterior"] = (unknown.show(found.low), unknown.show(found.high))
            row["median"] = unknown.show(found.median)
    return row


def _from_the_prior(study: Study, answer: Answer) -> list[tuple[Particle, Values]]:
    """The worlds of the first level, which are drawn from the priors; rejected ones left out."""
    return [
        (one, values)
        for population in answer.populations
        for one in population.visited
        if "/0/" in one.proposal.label
        for values in [study.seen[one.proposal.label]]
        if values is not None
    ]


def _common(study: Study) -> list[tuple[int, Unknown]]:
    """Unknowns that matter in every model, with their places among the coordinates."""
    return [pair for pair in enumerate(study.unknowns.unknowns) if not pair[1].hypothesis]


def narrowing_rows(study: Study, answer: Answer) -> list[NarrowingRow]:
    """What each observation alone tells of each unknown, from the worlds of the priors."""
    drawn = _from_the_prior(study, answer)
    found = identifiability(_common(study), drawn, study.vector, study.seed)
    return [_narrowing_row(one) for one in found]


def influence_rows(study: Study, answer: Answer) -> list[InfluenceRow]:
    """Which unknown moves which observation, from the worlds of the priors."""
    return list(influences(_common(study), _drawn(study, answer), study.vector, study.seed))


def cross_validation(study: Study, answer: Answer) -> CrossValidation | None:
    """What is found of incidents whose truth is known; None with too few worlds."""
    common = [(place, unknown.name) for place, unknown in _common(study)]
    models = list(study.unknowns.models)
    return cross_validated(_drawn(study, answer), models, common, study.vector)


def _drawn(study: Study, answer: Answer) -> list[Drawn]:
    return [
        Drawn(one.proposal.model, one.proposal.point, values)
        for one, values in _from_the_prior(study, answer)
    ]


def _narrowing_row(one: Narrowing) -> NarrowingRow:
    return {
        "observation": one.observation,
        "unknown": one.unknown,
        "narrowing": one.value,
        "by_chance": one.by_chance,
    }


def prediction_rows(study: Study, worlds: Sequence[Weighted]) -> list[PredictionRow]:
    """Posterior-predictive intervals of the whole vector."""
    values = [study.values(one.particle) for one in worlds]
    weights = [one.weight for one in worlds]
    found = predictions(study.vector, values, weights)
    rows = [_prediction_row(study.vector, one) for one in found]
    for index, (row, one) in enumerate(zip(rows, study.vector.observations, strict=True)):
        row["p"] = predictive_p(one, [numbers[index] for numbers in values], weights)
    return rows


def joint_row(study: Study, worlds: Sequence[Weighted]) -> Joint | None:
    """What the accepted worlds say of all observations at once."""
    own = [one for one in worlds if one.weight > 0]
    if not own:
        return None
    values = [study.values(one.particle) for one in own]
    return joint(study.vector, values, [one.weight for one in own])


def draw_rows(study: Study, worlds: Sequence[Weighted], count: int = DRAWS) -> list[DrawRow]:
    """So many equally likely draws from the accepted worlds: systematic resampling.

    A world with a probability of p comes p times `count` times, rounded up or down.
    """
    own = sorted(
        (one for one in worlds if one.weight > 0),
        key=lambda one: (one.particle.distance, one.particle.proposal.label),
    )
    if not own:
        return []
    reached, chosen = 0.0, []
    places = [(index + 0.5) / count for index in range(count)]
    for one in own:
        reached += one.weight
        while places and places[0] < reached + _ROUNDING:
            chosen.append(one.particle)
            places.pop(0)
    return [
        {
            "weight": 1.0,
            "label": one.proposal.label,
            "distance": one.distance,
            "seed": seed_of_world(study.seed, one.proposal.label),
            "set": study.unknowns.settings(one.proposal.model, one.proposal.point),
        }
        for one in chosen
    ]


def _prediction_row(vector: Vector, one: Prediction) -> PredictionRow:
    observed = next(each.observed for each in vector.observations if each.name == one.observation)
    return {
        "observation": one.observation,
        "metric": observed.metric,
        "bound": observed.bound,
        "observed": one.observed,
        "low": one.low,
        "median": one.median,
        "high": one.high,
        "explained": one.explained,
    }


def add_full_size(
    rows: Sequence[PredictionRow], worlds: Sequence[FullSizeRow], vector: Vector
) -> None:
    """Put beside each prediction what the best worlds show at full size."""
    numbers = [world["numbers"] for world in worlds if world["numbers"]]
    for row, one in zip(rows, vector.observations, strict=True):
        found = [each[one.name] for each in numbers if each.get(one.name) is not None]
        values = sorted(float(value) for value in found if value is not None)
        row["full_size"] = (values[0], values[-1]) if values else None
        spread = one.spread(0.0, 1.0)
        signed = [one.difference(value, spread, 1.0) for value in values]
        row["full_size_explained"] = (
            bool(signed) and min(signed) <= MISSED and max(signed) >= -MISSED
        )


def jointly_missed(worlds: Sequence[FullSizeRow], vector: Vector) -> Iterator[tuple[str, str]]:
    """Pairs that some full-size world shows each by itself and none shows together."""
    shown = [_shown(world["numbers"], vector) for world in worlds if world["numbers"]]
    names = [one.name for one in vector.observations]
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            alone = any(one in each for each in shown) and any(other in each for each in shown)
            if alone and not any({one, other} <= each for each in shown):
                yield one, other


def _shown(numbers: Mapping[str, float | None], vector: Vector) -> set[str]:
    return {
        one.name
        for one in vector.observations
        if abs(one.difference(numbers[one.name], one.spread(0.0, 1.0), 1.0)) <= MISSED
    }
