"""The executors against recordings of a real k6 (see tests/data/k6/record.py)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    Load,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
    Stage,
)
from tests.unit.load.load_recorder import Recorder

RECORDINGS = sorted((Path(__file__).parents[1] / "data" / "k6" / "recordings").glob("*.json"))
EXECUTORS = {
    "ramping-vus": RampingVUs,
    "constant-vus": ConstantVUs,
    "per-vu-iterations": PerVUIterations,
    "shared-iterations": SharedIterations,
    "constant-arrival-rate": ConstantArrivalRate,
    "ramping-arrival-rate": RampingArrivalRate,
}
# k6's timers, its gauge once a second and its own clock readings are this exact on a busy machine.
CLOCK_S = 0.06


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def snake(name: str) -> str:
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().replace("vu_s", "vus")


def load_of(options: dict[str, Any]) -> Load:
    """The settings for one scenario of k6's options."""
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key == "stages":
            values["stages"] = tuple(Stage(seconds(s["duration"]), s["target"]) for s in value)
        elif key in {"startVUs", "preAllocatedVUs", "maxVUs"}:
            values[{"startVUs": "start_vus", "maxVUs": "max_vus"}.get(key, "pre_allocated_vus")] = (
                value
            )
        elif isinstance(value, str) and key != "executor":
            values[snake(key) + "_s"] = seconds(value)
        elif key != "env":
            values[snake(key)] = value
    return EXECUTORS[options["executor"]](**values)


class Case:
    def __init__(self, path: Path) -> None:
        recording = json.loads(path.read_text())
        options = recording["options"]["scenarios"]["load"]
        self.runs = recording["runs"]
        self.load = load_of(options)
        self.sleep_s = float(options["env"].get("SLEEP_S", 0))
        self.per_vu_s = float(options["env"].get("SLEEP_PER_VU_S", 0))
        self.throws = "THROWS" in options["env"]
        own = [
            end - begin - self.sleep_of(vu)
            for run in self.runs
            for vu, _, begin, end in run["iterations"]
            if end is not None and end - begin >= self.sleep_of(vu)
        ]
        self.simulated = Recorder(self.load, self.script, overhead_s=median(own)).run()

    def sleep_of(self, vu: int) -> float:
        return self.sleep_s + self.per_vu_s * vu

    def script(self, recorder, vu):
        recorder.env.sleep(self.sleep_of(vu.id))
        if self.throws:
            raise RuntimeError

    def runs_by_user(self) -> list[dict[tuple[int, int], float]]:
        """When each iteration of each user began, run by run."""
        return [
            {(vu, number): begin_s for vu, number, begin_s, _ in run["iterations"]}
            for run in self.runs
        ]

    def repeats(self) -> bool:
        """Whether every real run gave the same iterations to the same users."""
        first, *others = self.runs_by_user()
        return all(
            other.keys() == first.keys()
            and all(abs(other[key] - first[key]) < CLOCK_S for key in first)
            for other in others
        )

    def recorded(self, key: str) -> list[int]:
        return [run[key] for run in self.runs]


@pytest.fixture(scope="module", params=RECORDINGS, ids=lambda path: path.stem)
def case(request):
    return Case(request.param)


def test_every_executor_was_recorded():
    used = {
        json.loads(path.read_text())["options"]["scenarios"]["load"]["executor"]
        for path in RECORDINGS
    }
    assert used == set(EXECUTORS)


@pytest.mark.parametrize(
    ("counter", "key"),
    [
        ("iterations", "complete"),
        ("interrupted_iterations", "interrupted"),
        ("dropped_iterations", "dropped"),
    ],
)
def test_counts_are_those_of_k6(case, counter, key):
    simulated = getattr(case.simulated.executor, counter)
    assert min(case.recorded(key)) <= simulated <= max(case.recorded(key))


def test_active_users_are_those_of_k6_at_every_second(case):
    for run in case.runs:
        for at_s, vus, _ in run["gauges"]:
            possible = case.simulated.active_between(at_s - CLOCK_S, at_s + CLOCK_S)
            assert min(possible) <= vus <= max(possible), at_s


def test_k6_initialises_as_many_users(case):
    for run in case.runs:
        assert run["gauges"][-1][2] == case.simulated.executor.allocated_vus


def test_iterations_begin_when_those_of_k6_do(case):
    simulated = sorted(begin_s for begin_s, _, _ in case.simulated.begins)
    real = [sorted(begin_s for *_, begin_s, _ in run["iterations"]) for run in case.runs]
    for begins in zip(simulated, *real, strict=False):
        assert min(begins[1:]) - CLOCK_S <= begins[0] <= max(begins[1:]) + CLOCK_S


def test_iterations_are_made_by_the_same_users_where_k6_repeats_itself():
    repeating = [case for case in map(Case, RECORDINGS) if case.repeats()]
    for case in repeating:
        simulated = {(vu, number): begin_s for begin_s, vu, number in case.simulated.begins}
        for key, begin_s in case.runs_by_user()[0].items():
            assert begin_s == pytest.approx(simulated.pop(key), abs=CLOCK_S), (case.load, key)
        assert not simulated
    assert len(repeating) == 15
