"""`ticketsim gate`: the thresholds of a config, from reading them to the exit code."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from experiments.config.reading import Config, Reading, read
from experiments.errors import ConfigError, InterruptedRunError, OutputError
from experiments.runs.campaign import Campaign, Cell, CommonOptions
from experiments.runs.envelope import as_json
from experiments.runs.journal import Journal
from experiments.runs.store import identity_of
from experiments.statistics.intervals import FEWEST_FOR_INTERVALS
from experiments.statistics.stopping import looks
from experiments.statistics.summary import combined_digest, replication_of
from experiments.statistics.thresholds import Criterion, criteria
from experiments.studies.baseline import read_baseline
from experiments.studies.gate import ERROR, SCHEMA, Check, GateResult, Outcome, judge, overall
from experiments.studies.scale_check import warnings as scale_warnings
from experiments.views.gate_text import junit, markdown, render, workflow_commands
from sim.result import RunResult

_EXIT: Final[Mapping[Outcome, int]] = {"pass": 0, "fail": 99, "inconclusive": 98}
_INTERRUPTED = 130
_FIRST_LOOK = 5
_MOST_TIMES_FIRST = 8


@dataclasses.dataclass(frozen=True)
class GateOptions:
    """The options of the command line."""

    common: CommonOptions
    baseline: str | None = None
    junit: str | None = None


def gate(options: GateOptions) -> int:
    """Judge a config by its thresholds and report it.

    Returns:
        0 pass, 99 fail, 98 inconclusive, 130 interrupted.

    Raises:
        TicketsimError: config, thresholds, baseline or an output cannot be used.
    """
    return _Gate(options).run()


class _Gate:
    """One gate: the config, its thresholds, and what they are compared with."""

    def __init__(self, options: GateOptions) -> None:
        self._began = time.perf_counter()
        self._options = options
        common = options.common
        given = read(common.config, common.assignments)
        self._config = given.config
        self._criteria = _criteria(given)
        self._baseline = None
        if options.baseline is not None:
            self._baseline = read_baseline(options.baseline, self._config.name, common.scale)
        if options.junit is not None:
            _check_writable(options.junit)
        self._seed = common.seed_for(self._config)
        self._looks = _looks(self._config, common)

    def run(self) -> int:
        """Run as long as a decision needs, judge, report."""
        common = self._options.common
        identity = identity_of(self._config.resolved, self._seed, common.scale)
        journal = Journal(common.out, "gate", identity)
        campaign = Campaign(journal, common, self._seed)
        if not common.quiet:
            sys.stderr.writelines(f"warning: {line}\n" for line in scale_warnings(common.scale))
        checks, made = self._judged(campaign)
        if not made:
            raise InterruptedRunError("ended before anything was measured")
        result = self._result(checks, made, partial=campaign.interrupted)
        _report(result, self._options, journal)
        return _INTERRUPTED if campaign.interrupted else _EXIT[result["outcome"]]

    def _judged(self, campaign: Campaign) -> tuple[list[Check], list[RunResult]]:
        """The checks, and the replications that they rest on."""
        common = self._options.common
        cell = Cell(self._config.name, self._config)
        made: list[RunResult] = []

        def runs(number: int) -> Sequence[RunResult]:
            campaign.run((cell, replication) for replication in range(number))
            made[:] = campaign.results(cell)[:number]
            return made

        return judge(self._criteria, self._looks, runs, self._baseline, scale=common.scale), made

    def _result(self, checks: list[Check], made: list[RunResult], *, partial: bool) -> GateResult:
        result: GateResult = {
            "schema": SCHEMA,
            "config": self._config.name,
            "seed": self._seed,
            "scale": self._options.common.scale,
            "outcome": overall(checks),
            "false_alarm_rate": ERROR,
            "replications": len(made),
            "looks": self._looks,
            "partial": partial,
            "checks": checks,
            "digest": combined_digest([run.digest for run in made]),
            "wall_seconds": round(time.perf_counter() - self._began, 3),
            "runs": [replication_of(number, run) for number, run in enumerate(made)],
        }
        if self._options.baseline is not None:
            result["baseline"] = self._options.baseline
        return result


def _criteria(given: Reading) -> list[Criterion]:
    found = criteria(given.config.header.thresholds, given.source)
    if not found:
        raise ConfigError(
            given.source,
            "thresholds",
            'there is none; allowed: a table such as [thresholds] http_req_failed = ["rate<0.01"]',
        )
    return found


def _looks(config: Config, common: CommonOptions) -> list[int]:
    """Numbers of replications at which to decide: the first one, and then doubled."""
    own = config.header.replications
    first = common.replications or (own if own >= FEWEST_FOR_INTERVALS else _FIRST_LOOK)
    if common.budget.runs is None:
        return looks(first, _MOST_TIMES_FIRST * first)
    return looks(min(first, common.budget.runs), common.budget.runs)


def _check_writable(path: str) -> None:
    folder = Path(path).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"--junit {path}: cannot be written: no such folder")


def _report(result: GateResult, options: GateOptions, journal: Journal) -> None:
    common = options.common
    journal.write("gate.json", as_json(result))
    journal.write("gate.md", markdown(result))
    journal.write("junit.xml", junit(result))
    if options.junit is not None:
        try:
            Path(options.junit).write_text(junit(result), "utf-8")
        except OSError as error:
            raise OutputError(
                f"--junit {options.junit}: cannot be written: {error.strerror}"
            ) from error
    if not common.quiet:
        sys.stderr.write(render(result))
    _tell_pull_request(result, common.config)
    if common.json:
        sys.stdout.write(as_json(result))


def _tell_pull_request(result: GateResult, path: str) -> None:
    """Annotations and a job summary where the build server asks for them by its variables."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(result, path):
            sys.stderr.write(line + "\n")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown(result))
