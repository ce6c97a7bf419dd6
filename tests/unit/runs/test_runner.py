"""The runner of many runs: each is made once, none after the budget, none that is known already."""

import dataclasses

import pytest

from experiments.config.reading import load
from experiments.runs.budget import Budget
from experiments.runs.options import RunOptions
from experiments.runs.runner import Runner
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import identity_of
from experiments.runs.wanted import Wanted, wanted_run
from experiments.runs.workers.worker import Task
from tests.unit.results import result

MADE = []
CONFIG = load("smoke")
OTHER_POLICY = load("smoke", ["policy.sweep_by_score=false"])


@dataclasses.dataclass(frozen=True)
class Made(Task):
    """A run that takes no time; it never reads how the cleanup works."""

    def simulate(self, hear, stopped):  # noqa: ARG002
        MADE.append(self.seed)
        return dataclasses.replace(result(self.seed), consulted=["wait_token_expires"])


@pytest.fixture(autouse=True)
def nothing_made():
    MADE.clear()


def wanted(seed, config=None):
    """A run under its seed; with a config, one that another config may share."""
    task = Made(0, CONFIG.world, seed, 1.0)
    if config is None:
        return Wanted(str(seed), task)
    return dataclasses.replace(wanted_run(config, seed, 1.0), task=task)


def runner(folder=None, **options):
    journal = Journal(folder, "compare", identity_of(CONFIG.resolved, 1, 1.0))
    return Runner(journal, RunOptions(workers=1, **options))


def test_each_run_is_made_once_however_often_it_is_wanted():
    made = runner()
    first = made.results([wanted(1), wanted(2), wanted(1)])
    assert [run.seed for run in first] == [1, 2, 1]
    made.results([wanted(2), wanted(3)])
    assert MADE == [1, 2, 3]
    assert made.used == 3


def test_what_a_folder_holds_is_not_made_again(tmp_path):
    first = runner(tmp_path)
    first.results([wanted(1)])
    del first
    runner(tmp_path).results([wanted(1), wanted(2)])
    assert MADE == [1, 2]


def test_a_budget_of_runs_is_never_exceeded_and_what_is_missing_is_said():
    made = runner(budget=Budget(runs=2))
    assert [run is not None for run in made.results([wanted(n) for n in (1, 2, 3)])] == [1, 1, 0]
    assert MADE == [1, 2]
    assert made.spent
    assert made.cut_short
    assert not made.interrupted


def test_a_run_that_never_read_what_differs_stands_for_the_other_config():
    made = runner(budget=Budget(runs=1))
    mine, other = made.results([wanted(1, CONFIG), wanted(1, OTHER_POLICY)])
    assert mine is not None
    assert other == mine
    assert MADE == [1]
    assert not made.cut_short


def test_no_further_run_begins_once_there_are_enough():
    made = runner()
    everything = made.run([wanted(n) for n in (1, 2, 3)], lambda _wanted, run: run.seed == 2)
    assert not everything
    assert MADE == [1, 2]
    assert not made.cut_short
