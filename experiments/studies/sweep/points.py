"""The document of `ticketsim sweep --json`: results at each point, and sensitivities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from experiments.statistics.intervals import Interval, ci95, mean
from experiments.statistics.quantities import QUANTITIES, SWEPT
from experiments.statistics.steps import causes_at
from experiments.statistics.summary import combined_digest
from experiments.statistics.uncertainty import Uncertainty
from experiments.statistics.verdict import Terms, Verdict, verdict_on
from experiments.studies.gate.decision import Outcome
from experiments.studies.sweep.designs import Parameter, Point, morris_shares, unit_problem
from experiments.studies.sweep.knee import Knee
from sim.result import RunResult

SCHEMA: Final = 1


class MeanAndInterval(TypedDict):
    """One quantity at one point."""

    mean: float | None
    ci95: Interval


class PointResult(TypedDict):
    """One point: mean over its replications; durations in milliseconds, counts as simulated."""

    values: dict[str, Any]
    replications: int
    quantities: dict[str, MeanAndInterval]
    main_error: str
    outcome: NotRequired[Outcome]
    """What a gate says, with --knee."""
    limit: NotRequired[str]
    """Config key of the limit behind the first failure that has one; "" where none is known."""
    verdict: NotRequired[Verdict]
    uncertainty: NotRequired[Uncertainty]
    digest: str


class Sensitivity(TypedDict):
    """How much a parameter matters to a quantity.

    Sobol: share of the variance owed to it by itself (`first`) and with its interactions
    (`total`). Morris: mean size of its elementary effects over the whole range (`mu_star`) and
    their deviation (`sigma`), which is large where it interacts or acts unevenly.
    """

    quantity: str
    parameter: str
    first: NotRequired[float]
    total: NotRequired[float]
    total_ci95: NotRequired[float]
    mu_star: NotRequired[float]
    mu_star_ci95: NotRequired[float]
    sigma: NotRequired[float]


class SweepResult(TypedDict):
    """What `ticketsim sweep --json` prints."""

    schema: Literal[1]
    config: str
    seed: int
    scale: float
    design: str
    replications: int
    partial: bool
    points: list[PointResult]
    sensitivities: NotRequired[list[Sensitivity]]
    knee: NotRequired[Knee]
    thresholds: NotRequired[dict[str, list[str]]]
    warnings: list[str]
    digest: str
    wall_seconds: float


def point_result(
    parameters: Sequence[Parameter], point: Point, runs: Sequence[RunResult], terms: Terms
) -> PointResult:
    """What the replications of a point say; at least one."""
    quantities: dict[str, MeanAndInterval] = {}
    for quantity in SWEPT:
        values = [value for value in map(quantity.of, runs) if value is not None]
        quantities[quantity.name] = {
            "mean": mean(values) if values else None,
            "ci95": ci95(values),
        }
    verdict = verdict_on(runs, terms)
    return {
        "values": {
            parameter.key: value for parameter, value in zip(parameters, point, strict=True)
        },
        "replications": len(runs),
        "quantities": quantities,
        "main_error": main_error(runs),
        "verdict": verdict,
        "limit": next((one["resource"] for one in verdict["failures"] if one["resource"]), ""),
        "digest": combined_digest([run.digest for run in runs]),
    }


def main_error(runs: Sequence[RunResult]) -> str:
    """The commonest primary cause of failed requests with its endpoint, or nothing.

    What the service refuses as business, such as a lost race for a seat, is no failure.
    """
    causes: Counter[str] = Counter()
    for endpoint in dict.fromkeys(endpoint for run in runs for endpoint in run.errors):
        for name, count in causes_at(runs, endpoint).items():
            causes[f"{name} at {endpoint}"] += count
    return causes.most_common(1)[0][0] if causes else ""


def cause_and_endpoint(main_error: str) -> tuple[str, str]:
    """The two parts of what `main_error` returned; both empty without failures."""
    cause, _, endpoint = main_error.partition(" at ")
    return cause, endpoint


def sobol_sensitivities(
    parameters: Sequence[Parameter], points: Sequence[PointResult], seed: int
) -> list[Sensitivity]:
    """First and total indices of every quantity that varies."""
    from SALib.analyze import sobol

    found: list[Sensitivity] = []
    for quantity, values in _varying(points):
        indices = sobol.analyze(
            unit_problem(parameters), values, calc_second_order=False, seed=seed
        )
        found += [
            {
                "quantity": quantity,
                "parameter": parameter.key,
                "first": float(indices["S1"][index]),
                "total": float(indices["ST"][index]),
                "total_ci95": float(indices["ST_conf"][index]),
            }
            for index, parameter in enumerate(parameters)
        ]
    return found


def morris_sensitivities(
    parameters: Sequence[Parameter], points: Sequence[PointResult], samples: int, seed: int
) -> list[Sensitivity]:
    """Elementary effects of every quantity that varies."""
    from SALib.analyze import morris

    shares = morris_shares(parameters, samples, seed)
    found: list[Sensitivity] = []
    for quantity, values in _varying(points):
        effects = morris.analyze(unit_problem(parameters), shares, values, seed=seed)
        found += [
            {
                "quantity": quantity,
                "parameter": parameter.key,
                "mu_star": float(effects["mu_star"][index]),
                "mu_star_ci95": float(effects["mu_star_conf"][index]),
                "sigma": float(effects["sigma"][index]),
            }
            for index, parameter in enumerate(parameters)
        ]
    return found


def _varying(points: Sequence[PointResult]) -> list[tuple[str, Any]]:
    """Quantity -> its means at all points, of those that have samples everywhere and vary."""
    import numpy as np

    found = []
    for quantity in QUANTITIES:
        means = [point["quantities"][quantity.name]["mean"] for point in points]
        values = [value for value in means if value is not None]
        if len(values) == len(points) and max(values) > min(values):
            found.append((quantity.name, np.array(values, dtype=float)))
    return found
