"""Explains what was observed: from the unknowns to the answer in words and numbers."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, NoReturn

from experiments.config.reading import Reading
from experiments.config.sources import Merged
from experiments.errors import InterruptedRunError, OptionError
from experiments.runs.budget import Budget
from experiments.runs.options import RunOptions
from experiments.runs.runner import Runner
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import identity_of, program_version
from experiments.runs.study_result import StudyResult
from experiments.runs.wanted import wanted_run
from experiments.statistics.intervals import FEWEST_FOR_INTERVALS
from experiments.statistics.summary import combined_digest
from experiments.studies.explain.attribution import (
    Attribution,
    DefectGame,
    exact,
    groups_of,
    sampled,
    singles,
)
from experiments.studies.explain.calibration import (
    Calibration,
    as_observed,
    coverage,
    infer_back,
    ranks,
    truths,
)
from experiments.studies.explain.conclusion import best_world, conclusion, would_change_it
from experiments.studies.explain.observations import Vector, observations_of
from experiments.studies.explain.plan import THOROUGH, Work, budget_in_words, work_of
from experiments.studies.explain.results import (
    SCHEMA,
    Explanation,
    FullSizeRow,
    add_full_size,
    cross_validation,
    draw_rows,
    influence_rows,
    inputs_of,
    joint_row,
    jointly_missed,
    model_rows,
    narrowing_rows,
    numbers_of,
    prediction_rows,
    unknown_rows,
)
from experiments.studies.explain.unknowns import Unknowns
from experiments.studies.explain.worlds import (
    Answer,
    Study,
    answer,
    limits_of,
    nearest_worlds,
    seed_of_world,
    without_endpoints,
)
from experiments.studies.scale_check import warnings as scale_warnings

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATIENCE_S: Final = 19 * 60.0
_AFFORDABLE: Final = 50_000
"""Requests of the best world up to which `--full` attributes at full size."""
_OTHER_SCALE: Final = 0.5
"""Of the attribution's check: so much of its own scale."""
_CALIBRATION_SCALE: Final = 0.3
"""Of the calibration: so much of the scale of the inference."""


def explain(given: Reading, options: RunOptions, *, full: bool = False) -> StudyResult[Explanation]:
    """Explain what was observed.

    Args:
        given: the config as read, with what was observed and what is not known.
        options: how to run; its scale is that of the runs compared with the observations.
        full: add what takes hours: every defect by itself, and the calibration of the inference.

    Raises:
        TicketsimError: config, budget or `out` cannot be used, or nothing was found.
    """
    return _Explain(given, options, full=full).explained()


class _Explain:
    """One explanation: what it is about, and the runs made so far."""

    def __init__(self, given: Reading, options: RunOptions, *, full: bool) -> None:
        self._began_s = options.began_s
        self._options = options
        self._full = full
        self._source, self._merged, self._config = given.source, given.merged, given.config
        self._settings = self._config.header.explain
        self._seed = options.seed_for(self._config)
        self._observations = observations_of(self._config, self._source)
        self._unknowns = Unknowns(self._merged, self._config, self._source)
        self._players = groups_of(self._settings, self._source)
        DefectGame(self._merged, self._source, self._players)
        self._work: Work = work_of(
            options.budget,
            len(self._unknowns.models),
            2 ** len(self._players) if self._players else 0,
            options.replications,
        )
        self._digests: list[str] = []

    def explained(self) -> StudyResult[Explanation]:
        """Infer, look at full size, attribute."""
        options = self._options
        identity = identity_of(self._config.resolved, self._seed, options.scale)
        journal = Journal(options.out, "explain", identity)
        self._runs = Runner(journal, options, self._budget())
        study = self._study(self._unknowns, Vector(self._observations, options.scale), self._seed)
        found = answer(study, self._work.inference, list(self._unknowns.models))
        if not all(population.particles for population in found.populations):
            self._give_up()
        result = self._result(study, found)
        worlds = self._at_full_size(study, found)
        result["full_size"] = worlds
        full_size = Vector(self._observations, 1.0)
        if worlds:
            add_full_size(result["predictions"], worlds, full_size)
        field = self._field(found, worlds)
        self._attribute(result, field, worlds)
        if self._full:
            self._go_on(result, field.merged)
        checked = cross_validation(study, found)
        if checked is not None:
            result["cross_validation"] = checked
        together = joint_row(study, found.worlds)
        if together is not None:
            result["joint"] = together
            result["draws"] = draw_rows(study, found.worlds)
            result["version"] = program_version()
        self._close(result, list(jointly_missed(worlds, full_size)))
        return StudyResult(result, self._runs.interrupted, journal)

    def _budget(self) -> Budget:
        """When to begin no further run: as the user says, else after 19 minutes, with `full` never.

        A number of runs has decided already how much is planned.
        """
        own = self._options.budget
        if own.runs is not None or self._full:
            return Budget(duration_s=own.duration_s)
        return Budget(duration_s=own.duration_s or _PATIENCE_S)

    def _give_up(self) -> NoReturn:
        if self._runs.interrupted:
            raise InterruptedRunError("ended before anything was found")
        raise OptionError("budget", "too short for any answer; allowed: more time, or runs")

    def _study(self, unknowns: Unknowns, vector: Vector, seed: int) -> Study:
        settings = self._settings
        limits = limits_of(vector, settings.most_rows, settings.most_requests, vector.scale)
        return Study(unknowns, vector, self._runs, limits, seed)

    def _result(self, study: Study, found: Answer) -> Explanation:
        planned = self._work.inference
        complete = all(
            len(population.particles) == planned.particles for population in found.populations
        )
        self._digests += [study.digests[label] for label in sorted(study.digests)]
        return {
            "schema": SCHEMA,
            "config": self._config.name,
            "seed": self._seed,
            "scale": self._options.scale,
            "budget": dict(budget_in_words(self._options.budget)),
            "partial": not complete,
            "runs": 0,
            "tolerance": found.tolerance if math.isfinite(found.tolerance) else None,
            "spreads": {
                one.name: spread
                for one, spread in zip(study.vector.observations, study.vector.spreads, strict=True)
            },
            "models": model_rows(study, found),
            "unknowns": unknown_rows(study, found.worlds),
            "identifiability": narrowing_rows(study, found),
            "influence": influence_rows(study, found),
            "predictions": prediction_rows(study, found.worlds),
            "full_size": [],
            "conclusion": [],
            "would_change_it": [],
            "warnings": [],
            "digest": "",
            "wall_seconds": 0.0,
        }

    def _at_full_size(self, study: Study, found: Answer) -> list[FullSizeRow]:
        best = nearest_worlds(found.worlds, self._work.full_size)
        vector = Vector(self._observations, 1.0)
        settings = self._settings
        limits = limits_of(vector, settings.most_rows, settings.most_requests, 1.0)
        wanted = [
            wanted_run(
                self._unknowns.config(one.proposal.model, one.proposal.point),
                seed_of_world(self._seed, f"full size/{one.proposal.label}"),
                1.0,
                limits,
                without_endpoints,
            )
            for one in best
        ]
        rows: list[FullSizeRow] = []
        for one, asked, run in zip(best, wanted, self._runs.results(wanted), strict=True):
            if run is None:
                continue
            self._digests.append(run.digest)
            values = vector.values(run)
            rows.append(
                {
                    "world": one.proposal.label,
                    "seed": asked.task.seed,
                    "ended": run.ended,
                    "requests": int(run.metrics["http_reqs"]["count"]),
                    "distance": vector.distance(values) if values else None,
                    "numbers": numbers_of(vector, values) if values else {},
                    "inputs": inputs_of(study, one),
                }
            )
        return sorted(
            rows, key=lambda row: math.inf if row["distance"] is None else row["distance"]
        )

    def _field(self, found: Answer, worlds: Sequence[FullSizeRow]) -> DefectGame:
        """Where defects are mended: the best world, run to its end; else the config as it is."""
        best = best_world(worlds)
        label = best["world"] if best else ""
        merged = next(
            (
                self._unknowns.merged(
                    one.particle.proposal.model, one.particle.proposal.point, to_its_end=True
                )
                for one in found.worlds
                if one.particle.proposal.label == label
            ),
            self._merged,
        )
        return DefectGame(merged, self._source, self._players)

    def _attribute(
        self, result: Explanation, field: DefectGame, worlds: Sequence[FullSizeRow]
    ) -> None:
        if not self._players or not self._work.replications:
            return
        best = best_world(worlds)
        affordable = self._full and best is not None and best["requests"] <= _AFFORDABLE
        scale = 1.0 if affordable else self._options.scale
        found = exact(field, self._runs, self._work.replications, self._seed, scale)
        if found is None:
            return
        result["attribution"] = found
        if self._work.other_scale and self._work.replications >= FEWEST_FOR_INTERVALS:
            smaller = self._options.scale if affordable else scale * _OTHER_SCALE
            if smaller < scale:
                other = exact(field, self._runs, found["replications"], self._seed, smaller)
                if other is not None:
                    result["attribution_at_other_scale"] = other

    def _go_on(self, result: Explanation, merged: Merged) -> None:
        """What takes hours: single defects, and worlds whose unknowns are known."""
        single = self._single_defects(merged, result)
        if single is not None:
            result["attribution_of_single_defects"] = single
        calibration = self._calibrated()
        if calibration is not None:
            result["calibration"] = calibration

    def _single_defects(self, merged: Merged, result: Explanation) -> Attribution | None:
        players = singles(self._players)
        if not players:
            return None
        groups = result.get("attribution")
        scale = groups["scale"] if groups else self._options.scale
        field = DefectGame(merged, self._source, players)
        return sampled(field, self._runs, THOROUGH.orders, self._seed, scale)

    def _calibrated(self) -> Calibration | None:
        model = list(self._unknowns.models)[-1]
        scale = self._options.scale * _CALIBRATION_SCALE
        dimensions = len(self._unknowns.unknowns)
        blank = self._study(self._unknowns, Vector(self._observations, scale), self._seed)
        found: list[list[float]] = []
        for truth in truths(model, dimensions, THOROUGH.truths, self._seed):
            if len(found) == THOROUGH.truths or self._runs.spent:
                break
            blank.judge([truth])
            values = blank.seen.get(truth.label)
            if values is None:
                continue
            vector = Vector(as_observed(self._observations, values), scale)
            seed = seed_of_world(self._seed, truth.label)
            study = self._study(self._unknowns, vector, seed)
            points = infer_back(model, dimensions, THOROUGH.calibration, study.judge, seed)
            if points:
                found.append(ranks(truth.point, points))
        if not found:
            return None
        at_work = self._unknowns.in_model(model)
        places = [place for place, one in enumerate(self._unknowns.unknowns) if one in at_work]
        return {
            "model": model,
            "scale": scale,
            "truths": len(found),
            "particles": THOROUGH.calibration.particles,
            "levels": THOROUGH.calibration.levels,
            "coverage": coverage(
                [self._unknowns.unknowns[place].name for place in places],
                [[row[place] for place in places] for row in found],
                THOROUGH.calibration.particles,
            ),
        }

    def _close(self, result: Explanation, pairs: Sequence[tuple[str, str]]) -> None:
        result["conclusion"] = list(conclusion(result, self._settings))
        result["would_change_it"] = list(would_change_it(result, self._settings, pairs))
        result["warnings"] = self._warnings(result)
        result["runs"] = self._runs.used
        result["partial"] = result["partial"] or self._runs.interrupted
        result["digest"] = combined_digest(self._digests)
        result["wall_seconds"] = round(time.monotonic() - self._began_s, 3)

    def _warnings(self, result: Explanation) -> list[str]:
        found = scale_warnings(self._config, self._options.scale)
        if self._runs.spent and not self._runs.interrupted:
            found.append("the budget is spent: less was run than planned")
        if self._players and "attribution" not in result:
            count = 2 ** len(self._players)
            found.append(f"no attribution: it takes {count} runs for each replication")
        if not self._players:
            found.append("no attribution: the config names no explain.groups")
        if not self._unknowns.unknowns:
            found.append("nothing to infer: the config names no explain.priors")
        return found
