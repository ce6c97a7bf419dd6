"""Gives simulated incidents back to the inference: is the right hypothesis found, and the truth?

Each world that was drawn from the prior is taken for the incident in turn. The nearest of the
others stand for the answer: the share of each hypothesis among them is its probability, and the
intervals of the unknowns are theirs (leave-one-out cross-validation of approximate Bayesian
computation; K. Csillery, O. Francois, M. Blum, 2012, "abc: an R package for approximate Bayesian
computation"). It needs no further run. The inference itself goes nearer than this in several
levels, so it may tell apart hypotheses that are not told apart here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import TypedDict

from experiments.studies.explain.calibration import Coverage, coverage, ranks
from experiments.studies.explain.inference import Point
from experiments.studies.explain.observations import MOST, Observation, Values, Vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEAREST: Final = 0.1
"""Share of the worlds that answer for the one that is given back."""
_FEWEST_NEAREST: Final = 8
_FEWEST_WORLDS: Final = 40
"""Below that the nearest worlds are not near."""


@dataclass(frozen=True)
class Drawn:
    """A world that was drawn from the prior and not rejected."""

    model: str
    point: Point
    values: Values


class ModelChoiceRow(TypedDict):
    """Incidents that one hypothesis made: which hypothesis comes first, in shares.

    `first` says how often each hypothesis is the likeliest; `probability` is the mean probability
    that the right one gets; `right` is its entry in `first`.
    """

    model: str
    truths: int
    first: dict[str, float]
    right: float
    probability: float


class CrossValidation(TypedDict):
    """What the inference finds in incidents whose truth is known.

    `prior` is the probability that a guess is right; `nearest` the number of worlds that answer.
    """

    worlds: int
    nearest: int
    prior: float
    models: list[ModelChoiceRow]
    coverage: list[Coverage]


def cross_validated(
    drawn: Sequence[Drawn],
    models: Sequence[str],
    unknowns: Sequence[tuple[int, str]],
    vector: Vector,
) -> CrossValidation | None:
    """Give every world back; None when there are too few.

    Args:
        drawn: from the priors of all models, the same number of each; rejected worlds left out.
        models: that are compared.
        unknowns: places among the coordinates, and names, of those that matter in every model.
        vector: the observations; of a limit only the part up to the limit is compared.
    """
    if len(drawn) < _FEWEST_WORLDS:
        return None
    count = max(_FEWEST_NEAREST, round(_NEAREST * len(drawn)))
    distances = _distances(drawn, vector)
    np.fill_diagonal(distances, np.inf)
    chosen = [list(np.argsort(row, kind="stable")[:count]) for row in distances]
    answers = [[drawn[index] for index in row] for row in chosen]
    places = [place for place, _ in unknowns]
    ranked = [
        ranks(one.point, [each.point for each in answer])
        for one, answer in zip(drawn, answers, strict=True)
    ]
    found = [[own[place] for place in places] for own in ranked]
    return {
        "worlds": len(drawn),
        "nearest": count,
        "prior": 1.0 / len(models),
        "models": [_row(model, drawn, answers, models) for model in models],
        "coverage": coverage([name for _, name in unknowns], found, count) if unknowns else [],
    }


def _row(
    model: str,
    drawn: Sequence[Drawn],
    answers: Sequence[Sequence[Drawn]],
    models: Sequence[str],
) -> ModelChoiceRow:
    own = [answer for one, answer in zip(drawn, answers, strict=True) if one.model == model]
    shares = [
        {name: sum(each.model == name for each in answer) / len(answer) for name in models}
        for answer in own
    ]
    first = dict.fromkeys(models, 0.0)
    for share in shares:
        likeliest = _likeliest(share)
        for name in likeliest:
            first[name] += 1.0 / len(likeliest) / len(shares)
    return {
        "model": model,
        "truths": len(own),
        "first": first,
        "right": first[model],
        "probability": sum(share[model] for share in shares) / len(shares) if shares else 0.0,
    }


def _likeliest(shares: Mapping[str, float]) -> list[str]:
    """The hypotheses with the highest share; several are a tie, each a part of the first."""
    highest = max(shares.values())
    return [name for name, share in shares.items() if share == highest]


def _distances(drawn: Sequence[Drawn], vector: Vector) -> NDArray[np.float64]:
    """Between all pairs of worlds, as the inference measures them from what was observed."""
    total = np.zeros((len(drawn), len(drawn)))
    for index, (one, spread) in enumerate(zip(vector.observations, vector.spreads, strict=True)):
        column = np.array([_compared(one, world.values[index], vector.scale) for world in drawn])
        apart = np.abs(column[:, None] - column[None, :]) / spread
        missing = np.isnan(column)
        apart[missing[:, None] != missing[None, :]] = MOST
        apart[missing[:, None] & missing[None, :]] = 0.0
        total += np.minimum(apart, MOST)
    return total / max(1, len(vector.observations))


def _compared(one: Observation, value: float | None, scale: float) -> float:
    """A number on the scale of comparison, cut off at the limit that was observed."""
    if value is None:
        return np.nan
    found = one.compared(value, scale)
    limit = one.compared(one.observed.value, scale)
    match one.observed.bound:
        case "at_least":
            return min(found, limit)
        case "at_most":
            return max(found, limit)
        case "equal":
            return found
