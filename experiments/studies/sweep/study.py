"""Tries values of config keys: at the points of a design, or by bisection to the knee."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from experiments.config.changes import changed
from experiments.config.reading import Reading, check
from experiments.errors import ConfigError, InterruptedRunError
from experiments.runs.campaign import Campaign, Cell
from experiments.runs.options import RunOptions
from experiments.runs.pace import nothing_measured
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import identity_of
from experiments.runs.study_result import StudyResult
from experiments.statistics.intervals import FEWEST_FOR_INTERVALS
from experiments.statistics.stopping import FIRST_STAGE, looks
from experiments.statistics.summary import combined_digest
from experiments.statistics.verdict import Terms
from experiments.studies.drawn_worlds import remarks
from experiments.studies.gate.decision import ERROR, Check, Outcome, overall
from experiments.studies.gate.verdict_checks import judged, refuse_untold
from experiments.studies.scale_check import warnings as scale_warnings
from experiments.studies.sweep.designs import (
    Parameter,
    Point,
    grid,
    latin_hypercube,
    morris_points,
    sobol_points,
)
from experiments.studies.sweep.knee import add_reasons, find_region, knee_of, most_tries
from experiments.studies.sweep.points import (
    SCHEMA,
    PointResult,
    SweepResult,
    morris_sensitivities,
    point_result,
    sobol_sensitivities,
)
from experiments.studies.terms import terms_of
from sim.result import RunResult

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
        self._began_s = options.began_s
        self._given = given
        self._config = given.config
        self._options = options
        self._parameters = parameters
        self._design = design
        self._samples = samples
        header = self._config.header
        self._seed = options.seed_for(self._config)
        self._replications = options.replications or header.replications
        self._terms = terms_of(self._config, options.scale)
        if design == "knee":
            refuse_untold(self._terms, given.source)

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
            self._campaign.run_again([cell for _, cell in cells.values()], self._replications)
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
        if not self._terms.criteria:
            raise ConfigError(
                self._given.source, "thresholds", "--knee needs thresholds, and the config has none"
            )
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
                found.append(self._point(point, cell, runs))
        return found

    def _point(self, point: Point, cell: Cell, runs: Sequence[RunResult]) -> PointResult:
        found = point_result(self._parameters, point, runs, self._terms_at(cell))
        uncertainty = self._campaign.uncertainty(cell, runs)
        if uncertainty is not None:
            found["uncertainty"] = uncertainty
        return found

    def _find_knee(self) -> SweepResult:
        (parameter,) = self._parameters
        tried: dict[float, PointResult] = {}
        checks: dict[float, list[Check]] = {}

        def outcome(value: float) -> Outcome | None:
            cell = self._cell((value,))
            found = self._judged(cell, most_tries(parameter))
            if found is None:
                return None
            checks[value], made = found
            self._campaign.run_again([cell], len(made))
            point = self._point((value,), cell, made)
            point["outcome"] = overall(checks[value])
            tried[value] = point
            return point["outcome"]

        region = find_region(parameter, outcome)
        result = self._result([tried[value] for value in sorted(tried)])
        result["knee"] = knee_of(
            parameter.key, region, checks, lambda value: tried[value]["main_error"]
        )
        verdicts = {value: point["verdict"] for value, point in tried.items()}
        add_reasons(result["knee"], verdicts)
        return result

    def _terms_at(self, cell: Cell) -> Terms:
        """The terms at a point: its values may be those of the opening."""
        return terms_of(cell.config, self._options.scale)

    def _judged(self, cell: Cell, tries: int) -> tuple[list[Check], Sequence[RunResult]] | None:
        """The checks of a value, its error shared with all the other tries."""
        planned = knee_looks(self._options.replications)
        made: list[RunResult] = []

        def runs(number: int) -> Sequence[RunResult]:
            self._campaign.run((cell, replication) for replication in range(number))
            made[:] = self._campaign.results(cell)[:number]
            return made

        checks, _ = judged(self._terms_at(cell), planned, runs, error=ERROR / tries)
        return (checks, made) if len(made) >= planned[0] else None

    def _result(self, points: list[PointResult]) -> SweepResult:
        if not points:
            raise InterruptedRunError(nothing_measured(self._campaign.so_far))
        planned = None if self._design == "knee" else self._points()
        missing = 0 if planned is None else len({_name(point) for point in planned}) - len(points)
        result: SweepResult = {
            "schema": SCHEMA,
            "config": self._config.name,
            "seed": self._seed,
            "scale": self._options.scale,
            "design": self._design,
            "replications": self._replications,
            "partial": self._ended_early(points, missing),
            "points": points,
            "warnings": [
                *scale_warnings(self._config, self._options.scale),
                *remarks(self._config),
                *self._missing(points, missing),
            ],
            "digest": combined_digest([point["digest"] for point in points]),
            "wall_seconds": round(time.monotonic() - self._began_s, 3),
        }
        if self._terms.criteria:
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

    def _ended_early(self, points: Sequence[PointResult], missing: int) -> bool:
        """Whether the user or the budget ended it before every run was made."""
        if self._design == "knee":
            return self._campaign.interrupted or self._campaign.cut_short
        fewer = any(point["replications"] < self._replications for point in points)
        return missing > 0 or fewer or self._campaign.interrupted

    def _missing(self, points: Sequence[PointResult], missing: int) -> list[str]:
        """How many runs are done and missing, where it ended early."""
        if not self._ended_early(points, missing):
            return []
        if self._design == "knee":
            return ["the search ended early: the edges may lie further out than it says"]
        done = sum(point["replications"] for point in points)
        wanted = (len(points) + missing) * self._replications
        none = f", {missing} points have no finished run" if missing else ""
        return [f"{done} of {wanted} runs are done{none}; the same command with --out goes on"]

    def _thresholds(self) -> dict[str, list[str]]:
        """Metric -> its thresholds, as the config has them."""
        found: dict[str, list[str]] = {}
        for criterion in self._terms.criteria:
            found.setdefault(criterion.measure.name, []).append(criterion.text)
        return found

    def _in_order(self, points: list[PointResult]) -> list[PointResult]:
        """The points as the design lists them: one that comes twice was run once."""
        by_values = {_name(tuple(point["values"].values())): point for point in points}
        return [by_values[_name(point)] for point in self._points()]


def knee_looks(replications: int | None) -> list[int]:
    """Numbers of replications after which a search judges each value.

    Args:
        replications: those asked for at first; None where nothing says so.
    """
    first = max(FEWEST_FOR_INTERVALS, replications or FIRST_STAGE)
    return looks(first, _MOST_TIMES_FIRST * first)


def _name(point: Point) -> str:
    """The point as text, by which it is told apart: values may be lists and tables."""
    return str(point)
