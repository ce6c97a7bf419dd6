"""Searches for violations: tries by the thousand, and the smallest case of what they find."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from experiments.config.reading import Config
from experiments.errors import InterruptedRunError
from experiments.runs.options import RunOptions
from experiments.runs.runner import Runner
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import identity_of
from experiments.runs.storage.whole_file import write_text
from experiments.runs.study_result import StudyResult
from experiments.runs.wanted import Wanted
from experiments.runs.workers.replications import seed_of
from experiments.statistics.summary import combined_digest
from experiments.studies.fuzz.exercised import not_exercised
from experiments.studies.fuzz.replay import replay_config, replay_name
from experiments.studies.fuzz.result import SCHEMA, Finding, FuzzResult
from experiments.studies.fuzz.shrink import Case, Shrinker
from experiments.studies.fuzz.trial import Trial, found_by, users_of, varied
from sim.measure.inspection.decisive import story_in
from sim.result import RunResult
from sim.world import World

_SHRINKING_S = 60.0


def fuzz(
    config: Config, options: RunOptions, seeds: int, *, keep_going: bool = False
) -> StudyResult[FuzzResult]:
    """Search for schedules that break an invariant.

    Args:
        config: the world to vary.
        options: how to run; its replications are schedules for each seed.
        seeds: how many seeds to try.
        keep_going: go on after a violation, up to the last seed.

    Raises:
        TicketsimError: `out` cannot be used, or nothing was tried.
    """
    return _Fuzz(config, options, seeds, keep_going=keep_going).searched()


class _Fuzz:
    """One search: the config, the tries made so far, what they broke."""

    def __init__(
        self, config: Config, options: RunOptions, seeds: int, *, keep_going: bool
    ) -> None:
        self._began_s = options.began_s
        self._config = config
        self._options = options
        self._seeds = seeds
        self._keep_going = keep_going
        self._world: World = config.world_at(options.scale)
        self._seed = options.seed_for(config)
        self._schedules = options.replications or 1
        self._journal = Journal(
            options.out, "fuzz", identity_of(config.resolved, self._seed, options.scale)
        )
        self._runner = Runner(self._journal, options)
        self._found_after_s: dict[int, float] = {}
        self._written: set[str] = set()

    def searched(self) -> StudyResult[FuzzResult]:
        """Try, and make what was found smaller."""
        self._try_all()
        results = self._results()
        if not results:
            raise InterruptedRunError("ended before anything was tried")
        broken = {number: names for number, run in results.items() if (names := self._broken(run))}
        findings = [self._finding(number, broken[number]) for number in _first_of_each(broken)]
        result = self._result(results, broken, findings)
        return StudyResult(result, self._runner.interrupted, self._journal)

    def _broken(self, run: RunResult) -> tuple[str, ...]:
        return found_by(run, self._world.search.only)

    @property
    def _tries(self) -> int:
        return self._seeds * self._schedules

    def _key(self, number: int) -> str:
        return f"{number // self._schedules}/{number % self._schedules}"

    def _results(self) -> dict[int, RunResult]:
        runs = ((number, self._journal.get(self._key(number))) for number in range(self._tries))
        return {number: run for number, run in runs if run is not None}

    def _try_all(self) -> None:
        known = self._results()
        if not self._keep_going and any(map(self._broken, known.values())):
            return
        numbers = {self._key(number): number for number in range(self._tries)}
        with self._options.display.tries(self._tries, len(known)) as tell:

            def finished(wanted: Wanted, run: RunResult) -> bool:
                broke = bool(self._broken(run))
                if broke:
                    found_after_s = time.monotonic() - self._began_s
                    self._found_after_s[numbers[wanted.key]] = found_after_s
                tell(broke)
                return broke and not self._keep_going

            self._runner.run(
                (Wanted(key, self._trial(number)) for key, number in numbers.items()), finished
            )

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
            "schedule": story_in(run.notes) or run.notes,
        }

    def _write_replay(self, case: Case, names: tuple[str, ...]) -> str:
        name = replay_name(names)
        if name in self._written:
            name = f"{name.removesuffix('.toml')}-{len(self._written) + 1}.toml"
        self._written.add(name)
        folder = self._journal.folder
        text = replay_config(case, self._config, ", ".join(names), folder or Path())
        if folder is not None:
            self._journal.write(name, text)
            return str(folder / name)
        write_text(Path(name), text)
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
            "scale": self._options.scale,
            "seeds": self._seeds,
            "tries": len(results),
            "faults": dict(sorted(faults.items())),
            "violations": dict(violations.most_common()),
            "findings": findings,
            "not_exercised": [] if broken else not_exercised(self._world, list(results.values())),
            "partial": len(results) < self._tries,
            "digest": combined_digest([run.digest for run in results.values()]),
            "wall_seconds": round(time.monotonic() - self._began_s, 3),
        }


def _first_of_each(broken: dict[int, tuple[str, ...]]) -> list[int]:
    """The first try for each set of names that was broken."""
    first: dict[tuple[str, ...], int] = {}
    for number, names in broken.items():
        first.setdefault(names, number)
    return list(first.values())
