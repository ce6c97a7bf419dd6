"""`ticketsim fuzz`: tries by the thousand, the smallest case of what they find, a config of it."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.config.reading import Config, load
from experiments.errors import InterruptedRunError, OutputError, ViolationError
from experiments.runs.campaign import CommonOptions
from experiments.runs.envelope import as_json, show
from experiments.runs.journal import Journal
from experiments.runs.replications import seed_of, stream_replications
from experiments.runs.store import identity_of
from experiments.statistics.summary import combined_digest
from experiments.studies.fuzz.replay import replay_config
from experiments.studies.fuzz.result import SCHEMA, Finding, FuzzResult
from experiments.studies.fuzz.shrink import Case, Shrinker
from experiments.studies.fuzz.trial import Trial, found_by, users_of, varied
from experiments.views.fuzz_text import render
from sim.result import RunResult
from sim.world import World

_OK, _INTERRUPTED = 0, 130
_SHRINKING_S = 60.0
Tell = Callable[[bool], None]
"""Told of each try whether it broke something."""
_TRIES_AT_ONCE = 1_000
"""Handed to the workers together: looking after very many at once takes longer than they do."""


@dataclasses.dataclass(frozen=True)
class FuzzOptions:
    """The options of the command line."""

    common: CommonOptions
    seeds: int
    keep_going: bool = False
    """Whether the search goes on after a violation, up to the last seed."""


def fuzz(options: FuzzOptions) -> int:
    """Search for violations and report them.

    Returns:
        0 when there are none, 130 when the user interrupted it before there were any.

    Raises:
        ViolationError: there are some; everything is written and printed before.
        TicketsimError: the config or `--out` cannot be used, or nothing was tried.
    """
    return _Fuzz(options).run()


class _Fuzz:
    """One search: the config, the tries made so far, what they broke."""

    def __init__(self, options: FuzzOptions) -> None:
        self._began_s = time.monotonic()
        self._options = options
        common = options.common
        self._config: Config = load(common.config, common.assignments)
        self._world: World = self._config.world_at(common.scale)
        self._seed = common.seed_for(self._config)
        self._schedules = common.replications or 1
        self._purse = common.budget.started()
        self._journal = Journal(
            common.out, "fuzz", identity_of(self._config.resolved, self._seed, common.scale)
        )
        self._interrupted = False
        self._found_after_s: dict[int, float] = {}

    def run(self) -> int:
        """Try, shrink, report."""
        self._try_all()
        results = self._results()
        if not results:
            raise InterruptedRunError("ended before anything was tried")
        broken = {number: names for number, run in results.items() if (names := self._broken(run))}
        findings = [self._finding(number, broken[number]) for number in _first_of_each(broken)]
        result = self._result(results, broken, findings)
        self._report(result)
        if findings:
            raise ViolationError(_summary(findings))
        return _INTERRUPTED if self._interrupted else _OK

    def _broken(self, run: RunResult) -> tuple[str, ...]:
        return found_by(run, self._world.search.only)

    @property
    def _tries(self) -> int:
        return self._options.seeds * self._schedules

    def _key(self, number: int) -> str:
        return f"{number // self._schedules}/{number % self._schedules}"

    def _results(self) -> dict[int, RunResult]:
        runs = ((number, self._journal.get(self._key(number))) for number in range(self._tries))
        return {number: run for number, run in runs if run is not None}

    def _try_all(self) -> None:
        known = self._results()
        missing = [number for number in range(self._tries) if number not in known]
        stop = not self._options.keep_going and any(map(self._broken, known.values()))
        with _bar(self._tries, len(known), quiet=self._options.common.quiet) as tell:
            while missing and not stop and not self._interrupted and not self._purse.empty:
                left = self._purse.runs_left
                size = _TRIES_AT_ONCE if left is None else min(_TRIES_AT_ONCE, left)
                batch, missing = missing[:size], missing[size:]
                stop = self._try_batch(batch, tell)

    def _try_batch(self, numbers: list[int], tell: Tell) -> bool:
        """Run some tries; return whether the search is to end here."""
        broken = False

        def finished(number: int, run: RunResult) -> bool:
            nonlocal broken
            self._purse.spent_runs += 1
            self._journal.add(self._key(number), run)
            found = bool(self._broken(run))
            if found:
                self._found_after_s[number] = time.monotonic() - self._began_s
            broken |= found
            tell(found)
            return (found and not self._options.keep_going) or self._purse.seconds_left <= 0.0

        tasks = [self._trial(number) for number in numbers]
        heard = stream_replications(tasks, self._options.common.workers, _silent, finished)
        self._interrupted |= heard
        return broken and not self._options.keep_going

    def _trial(self, number: int) -> Trial:
        variation = seed_of(self._seed, number // self._schedules)
        seed = seed_of(variation, number % self._schedules)
        return Trial(number, self._world, seed, 1.0, variation=variation)

    def _finding(self, number: int, names: tuple[str, ...]) -> Finding:
        trial = self._trial(number)
        limit_s = time.monotonic() + _SHRINKING_S
        shrinker = Shrinker(
            Case(varied(self._world, trial.variation), trial.seed),
            names,
            self._world,
            lambda: time.monotonic() < limit_s,
        )
        run = shrinker.shrink()
        world = shrinker.case.world
        return {
            "broken": list(self._broken(run)),
            "seed": trial.seed,
            "found_after_tries": number + 1,
            "found_after_seconds": round(self._found_after_s.get(number, 0.0), 1),
            "replay": self._write_replay(shrinker.case, names),
            "users": users_of(world),
            "faults": [fault.kind for fault in world.faults],
            "stalls": len(world.search.stalls),
            "shrinking_runs": shrinker.runs,
            "smallest": shrinker.finished,
            "schedule": run.notes,
        }

    def _write_replay(self, case: Case, names: tuple[str, ...]) -> str:
        text = replay_config(case, self._config, ", ".join(names))
        name = f"replay-{'-'.join(names)}".replace(": ", "-") + ".toml"
        folder = self._journal.folder
        if folder is not None:
            self._journal.write(name, text)
            return str(folder / name)
        try:
            Path(name).write_text(text, "utf-8")
        except OSError as error:
            raise OutputError(f"{name}: cannot be written: {error.strerror}") from error
        return name

    def _result(
        self,
        results: dict[int, RunResult],
        broken: dict[int, tuple[str, ...]],
        findings: list[Finding],
    ) -> FuzzResult:
        faults = Counter(
            fault.kind
            for number in results
            for fault in varied(self._world, self._trial(number).variation).faults
        )
        violations = Counter(", ".join(names) for names in broken.values())
        return {
            "schema": SCHEMA,
            "config": self._config.name,
            "seed": self._seed,
            "scale": self._options.common.scale,
            "seeds": self._options.seeds,
            "tries": len(results),
            "faults": dict(sorted(faults.items())),
            "violations": dict(violations.most_common()),
            "findings": findings,
            "partial": len(results) < self._tries,
            "digest": combined_digest([run.digest for run in results.values()]),
            "wall_seconds": round(time.monotonic() - self._began_s, 3),
        }

    def _report(self, result: FuzzResult) -> None:
        self._journal.write("fuzz.json", as_json(result))
        show(self._options.common, result, render)


def _first_of_each(broken: dict[int, tuple[str, ...]]) -> list[int]:
    """The first try for each set of names that was broken."""
    first: dict[tuple[str, ...], int] = {}
    for number, names in broken.items():
        first.setdefault(names, number)
    return list(first.values())


def _summary(findings: list[Finding]) -> str:
    told = "; ".join(
        f"{', '.join(finding['broken'])} (seed {finding['seed']}, {finding['replay']})"
        for finding in findings
    )
    return f"broken: {told}"


def _silent(_number: int, _progress: object) -> None:
    pass


@contextmanager
def _bar(tries: int, made: int, *, quiet: bool) -> Iterator[Tell]:
    """Show how far the search is, when standard error is a terminal and not `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield lambda _found: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("tries"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[violations]:,} violations  left"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("tries", total=tries, completed=made, violations=0)
    violations = 0

    def tell(found: bool) -> None:
        nonlocal violations
        violations += found
        bar.update(task, advance=1, violations=violations)

    with bar:
        yield tell
