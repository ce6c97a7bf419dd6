"""Judges a config by its thresholds: adds replications until each is decided."""

from __future__ import annotations

import time
from collections.abc import Sequence

from experiments.config.reading import Config, Reading
from experiments.errors import ConfigError, InterruptedRunError
from experiments.runs.campaign import Campaign, Cell
from experiments.runs.options import RunOptions
from experiments.runs.pace import nothing_measured
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import identity_of
from experiments.runs.study_result import StudyResult
from experiments.statistics.stopping import first_stage, looks
from experiments.statistics.summary import combined_digest, replication_of
from experiments.statistics.verdict import Terms, Verdict
from experiments.studies.drawn_worlds import remarks
from experiments.studies.gate.baseline import read_baseline
from experiments.studies.gate.decision import (
    ERROR,
    SCHEMA,
    Check,
    GateResult,
    met_in_worlds,
    overall,
)
from experiments.studies.gate.verdict_checks import judged, refuse_untold
from experiments.studies.scale_check import rounded_keys
from experiments.studies.terms import terms_of
from sim.result import RunResult

_MOST_TIMES_FIRST = 8


def gate(
    given: Reading, options: RunOptions, baseline: str | None = None
) -> StudyResult[GateResult]:
    """Judge a config by its thresholds.

    Args:
        given: the config as read.
        options: how to run; its replications are those of the first look.
        baseline: a file with a result to compare with; see `read_baseline`.

    Raises:
        TicketsimError: thresholds, baseline or `out` cannot be used, or nothing was measured.
    """
    return _Gate(given, options, baseline).judged()


class _Gate:
    """One gate: the config, its thresholds, and what they are compared with."""

    def __init__(self, given: Reading, options: RunOptions, baseline: str | None) -> None:
        self._began_s = options.began_s
        self._options = options
        self._config = given.config
        self._terms = terms_of(given.config, options.scale, of_gate=True)
        _check_thresholds(self._terms, given.source)
        self._baseline_path = baseline
        self._baseline = None
        if baseline is not None:
            self._baseline = read_baseline(baseline, self._config.name, options.scale)
        self._seed = options.seed_for(self._config)
        self._looks = planned_looks(self._config, options)

    def judged(self) -> StudyResult[GateResult]:
        """Run as long as a decision needs, and judge."""
        options = self._options
        identity = identity_of(self._config.resolved, self._seed, options.scale)
        journal = Journal(options.out, "gate", identity)
        campaign = Campaign(journal, options, self._seed)
        checks, made, verdict = self._checks(campaign)
        if verdict is None:
            raise InterruptedRunError(nothing_measured(campaign.so_far))
        cell = Cell(self._config.name, self._config)
        campaign.run_again([cell], len(made))
        result = self._result(checks, made, verdict, partial=campaign.interrupted)
        uncertainty = campaign.uncertainty(cell, made)
        if uncertainty is not None:
            result["uncertainty"] = uncertainty
            result["met_in_worlds"] = met_in_worlds(self._terms.criteria, made, self._terms.scale)
        rounded = rounded_keys(self._config, options.scale)
        if rounded:
            result["rounded"] = rounded
        warnings = list(remarks(self._config))
        if warnings:
            result["warnings"] = warnings
        return StudyResult(result, campaign.interrupted, journal)

    def _checks(self, campaign: Campaign) -> tuple[list[Check], list[RunResult], Verdict | None]:
        """The checks, the replications that they rest on, and the verdict on these."""
        cell = Cell(self._config.name, self._config)
        made: list[RunResult] = []

        def runs(number: int) -> Sequence[RunResult]:
            campaign.run((cell, replication) for replication in range(number))
            made[:] = campaign.results(cell)[:number]
            return made

        alone = self._config.header.thresholds_check_model
        checks, verdict = judged(
            self._terms, self._looks, runs, self._baseline, thresholds_alone=alone
        )
        return checks, made, verdict

    def _result(
        self, checks: list[Check], made: list[RunResult], verdict: Verdict, *, partial: bool
    ) -> GateResult:
        result: GateResult = {
            "schema": SCHEMA,
            "config": self._config.name,
            "seed": self._seed,
            "scale": self._options.scale,
            "outcome": overall(checks),
            "false_alarm_rate": ERROR,
            "replications": len(made),
            "looks": self._looks,
            "partial": partial,
            "verdict": verdict,
            "checks": checks,
            "digest": combined_digest([run.digest for run in made]),
            "wall_seconds": round(time.monotonic() - self._began_s, 3),
            "runs": [replication_of(number, run) for number, run in enumerate(made)],
        }
        if self._baseline_path is not None:
            result["baseline"] = self._baseline_path
        return result


def _check_thresholds(terms: Terms, source: str) -> None:
    if not terms.criteria:
        raise ConfigError(
            source,
            "thresholds",
            'no threshold; allowed: a table such as [thresholds] http_req_failed = ["rate<0.01"]',
        )
    refuse_untold(terms, source)


def planned_looks(config: Config, options: RunOptions) -> list[int]:
    """Numbers of replications at which to decide: the first one, and then doubled."""
    first = first_stage(config.header.replications, options.replications)
    if options.budget.runs is None:
        return looks(first, _MOST_TIMES_FIRST * first)
    return looks(min(first, options.budget.runs), options.budget.runs)
