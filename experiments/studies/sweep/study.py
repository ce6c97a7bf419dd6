"""Tries values of config keys: at the points of a design, or by bisection to the knee."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from experiments.config.changes import changed
from experiments.config.reading import Reading, check
from experiments.errors import ConfigError, InterruptedRunError
from experiments.runs.campaign import Campaign, Cell
from experiments.runs.journal import Journal
from experiments.runs.options import RunOptions
from experiments.runs.store import identity_of
from experiments.runs.study_result import StudyResult
from experiments.statistics.intervals import FEWEST_FOR_INTERVALS
from experiments.statistics.stopping import looks
from experiments.statistics.summary import combined_digest
from experiments.statistics.thresholds import criteria
from experiments.studies.gate.checks import ERROR, Outcome, judge, overall
from experiments.studies.scale_check import warnings as scale_warnings
from experiments.studies.sweep.designs import (
    Parameter,
    Point,
    grid,
    latin_hypercube,
    morris_points,
    sobol_points,
)
from experiments.studies.sweep.knee import find_knee, most_tries
from experiments.studies.sweep.points import (
    SCHEMA,
    Knee,
    PointResult,
    SweepResult,
    main_error,
    morris_sensitivities,
    point_result,
    sobol_sensitivities,
)
from sim.result import RunResult

_FIRST_LOOK = 5
_MOST_TIMES_FIRST = 4
Design = Literal["grid", "latin", "sobol", "morris", "knee"]


def sweep(
    given: Reading,
    options: RunOptions,
    parameters: Sequence[Parameter],
    design: Design = "grid",
    samples: int = 0,
) -> StudyResult[SweepResult]:
    """Try values of config keys.

    Args:
        given: the config as read.
        options: how to run; its replications are those at each point, of a knee those of the
            first look at each value.
        parameters: the keys with their values or ranges.
        design: which points to try.
        samples: of the designs latin, sobol and morris; without meaning for the others.

    Raises:
        TicketsimError: parameters or `out` cannot be used, or nothing was measured.
    """
    return _Sweep(given, options, parameters, design, samples).measured()


class _Sweep:
    """One sweep: the config, its parameters and the runs made so far."""

    def __init__(
        self,
        given: Reading,
        options: RunOptions,
        parameters: Sequence[Parameter],
        design: Design,
        samples: int,
    ) -> None:
        self._began = time.perf_counter()
        self._given = given
        self._config = given.config
        self._options = options
        self._parameters = parameters
        self._design = design
        self._samples = samples
        header = self._config.header
        self._seed = options.seed_for(self._config)
        self._replications = options.replications or header.replications
        self._criteria = criteria(header.thresholds, given.source)

    def measured(self) -> StudyResult[SweepResult]:
        """Plan and run."""
        knee = self._design == "knee"
        points = self._knee_ends() if knee else self._points()
        cells = {_name(point): (point, self._cell(point)) for point in points}
        journal = self._journal()
        self._campaign = Campaign(journal, self._options, self._seed)
        if knee:
            result = self._find_knee()
        else:
            self._campaign.run(
                (cell, number) for number in range(self._replications) for _, cell in cells.values()
            )
            result = self._result(self._point_results(list(cells.values())))
        return StudyResult(result, self._campaign.interrupted, journal)

    def _journal(self) -> Journal:
        identity = identity_of(self._config.resolved, self._seed, self._options.scale)
        return Journal(self._options.out, "sweep", identity)

    def _points(self) -> list[Point]:
        samples, seed = self._samples, self._seed % 2**32
        match self._design:
            case "latin":
                return latin_hypercube(self._parameters, samples, seed)
            case "sobol":
                return sobol_points(self._parameters, samples, seed)
            case "morris":
                return morris_points(self._parameters, samples, seed)
            case _:
                return grid(self._parameters)

    def _knee_ends(self) -> list[Point]:
        if len(self._parameters) != 1 or not self._parameters[0].is_range:
            source = self._parameters[0].source
            raise ConfigError(source, "", "--knee needs one range, key=low..high")
        if not self._criteria:
            raise ConfigError(self._given.source, "thresholds", "--knee needs some; there is none")
        return [(self._parameters[0].at(0.0),), (self._parameters[0].at(1.0),)]

    def _cell(self, point: Point) -> Cell:
        """The config with the point's values. Raises ConfigError if they are not allowed."""
        merged = self._given.merged
        for parameter, value in zip(self._parameters, point, strict=True):
            merged = changed(merged, parameter.change(value))
        return Cell(_name(point), check(merged, self._given.source))

    def _point_results(self, cells: Sequence[tuple[Point, Cell]]) -> list[PointResult]:
        found = []
        for point, cell in cells:
            runs = self._campaign.results(cell)[: self._replications]
            if runs:
                found.append(point_result(self._parameters, point, runs))
        return found

    def _find_knee(self) -> SweepResult:
        (parameter,) = self._parameters
        tried: dict[Point, tuple[PointResult, Sequence[RunResult]]] = {}

        def outcome(value: float) -> Outcome | None:
            cell = self._cell((value,))
            runs = self._judged(cell, most_tries(parameter))
            if runs is None:
                return None
            found, made = runs
            point = point_result(self._parameters, (value,), made)
            point["outcome"] = found
            tried[value,] = (point, made)
            return found

        bracket = find_knee(parameter, outcome)
        result = self._result([tried[point][0] for point in sorted(tried)])
        broken = tried.get((bracket.does_not,))
        knee: Knee = {
            "parameter": parameter.key,
            "meets": bracket.meets,
            "does_not": bracket.does_not,
            "first_cause": main_error(broken[1]) if broken else "",
        }
        result["knee"] = knee
        return result

    def _judged(self, cell: Cell, tries: int) -> tuple[Outcome, Sequence[RunResult]] | None:
        """What the gate says of a value, its error shared with all the other tries."""
        first = max(FEWEST_FOR_INTERVALS, self._options.replications or _FIRST_LOOK)
        made: list[RunResult] = []

        def runs(number: int) -> Sequence[RunResult]:
            self._campaign.run((cell, replication) for replication in range(number))
            made[:] = self._campaign.results(cell)[:number]
            return made

        planned = looks(first, _MOST_TIMES_FIRST * first)
        checks = judge(self._criteria, planned, runs, error=ERROR / tries)
        return (overall(checks), made) if len(made) >= first else None

    def _result(self, points: list[PointResult]) -> SweepResult:
        if not points:
            raise InterruptedRunError("ended before anything was measured")
        planned = None if self._design == "knee" else self._points()
        missing = 0 if planned is None else len({_name(point) for point in planned}) - len(points)
        result: SweepResult = {
            "schema": SCHEMA,
            "config": self._config.name,
            "seed": self._seed,
            "scale": self._options.scale,
            "design": self._design,
            "replications": self._replications,
            "partial": missing > 0 or self._campaign.interrupted,
            "points": points,
            "warnings": [
                *scale_warnings(self._options.scale),
                *([f"{missing} points have no finished run"] if missing else []),
            ],
            "digest": combined_digest([point["digest"] for point in points]),
            "wall_seconds": round(time.perf_counter() - self._began, 3),
        }
        if self._criteria:
            result["thresholds"] = self._thresholds()
        if not missing and self._design == "sobol":
            result["sensitivities"] = sobol_sensitivities(
                self._parameters, self._in_order(points), self._seed % 2**32
            )
        if not missing and self._design == "morris":
            result["sensitivities"] = morris_sensitivities(
                self._parameters, self._in_order(points), self._samples, self._seed % 2**32
            )
        return result

    def _thresholds(self) -> dict[str, list[str]]:
        """Metric -> its thresholds, as the config has them."""
        found: dict[str, list[str]] = {}
        for criterion in self._criteria:
            found.setdefault(criterion.measure.name, []).append(criterion.text)
        return found

    def _in_order(self, points: list[PointResult]) -> list[PointResult]:
        """The points as the design lists them: one that comes twice was run once."""
        by_values = {_name(tuple(point["values"].values())): point for point in points}
        return [by_values[_name(point)] for point in self._points()]


def _name(point: Point) -> str:
    """The point as text, by which it is told apart: values may be lists and tables."""
    return str(point)
