"""A run is a function of its world and seed, and of nothing else."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sim.run import simulate
from sim.service.costs import Costs
from tests.support.world_digest import BUSY, digest
from tests.support.world_small import SMALL

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def reference():
    return simulate(BUSY, seed=7)


def test_the_reference_is_worth_comparing(reference):
    assert reference.metrics["http_reqs"]["count"] > 300
    assert reference.tables["booking"] > 0
    assert reference.tables["token_history:WAIT"] > 0
    causes = {cause for row in reference.errors.values() for cause in row}
    assert causes >= {"PoolTimeoutError", "NullDereferenceError", "MalformedTokenError"}


def test_the_same_world_and_seed_give_the_same_run_again(reference):
    again = simulate(BUSY, seed=7)

    assert again.digest == reference.digest
    for field in ("metrics", "outcomes", "errors", "exceptions", "tables", "funnel", "sweeps"):
        assert getattr(again, field) == getattr(reference, field)


def test_another_run_in_between_changes_nothing(reference):
    simulate(SMALL, seed=3)

    assert digest(7) == reference.digest


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_another_process_and_hash_seed_give_the_same_run(reference, hash_seed):
    other = subprocess.run(
        [sys.executable, "-m", "tests.support.world_digest", "7"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout == reference.digest


def test_watching_the_progress_changes_nothing(reference):
    seen = []
    watched = simulate(BUSY, seed=7, progress=seen.append)

    assert watched.digest == reference.digest
    assert len(seen) >= 6
    assert seen[-1].requests <= watched.metrics["http_reqs"]["count"]


def test_another_seed_gives_another_run(reference):
    assert digest(8) != reference.digest


@pytest.mark.parametrize(
    "part",
    [
        {"host": replace(BUSY.host, speed=1.001)},
        {"database": replace(BUSY.database, speed=1.001)},
        {"network": replace(BUSY.network, one_way_s=1e-6)},
        {"pool": replace(BUSY.pool, timeout_s=0.101)},
        {"customer": replace(BUSY.customer, think_low_s=0.501)},
    ],
    ids=lambda part: next(iter(part)),
)
def test_a_slightly_different_world_gives_another_run(reference, part):
    assert simulate(replace(BUSY, **part), seed=7).digest != reference.digest


@pytest.mark.parametrize("cost", ["jvm_request_s", "db_statement_s", "redis_wait_s"])
def test_a_slightly_different_cost_gives_another_run(reference, cost, monkeypatch):
    costs = Costs.load()
    changed = replace(costs, **{cost: getattr(costs, cost) * 1.001})
    monkeypatch.setattr("sim.wiring.Costs.load", lambda **_: changed)

    assert digest(7) != reference.digest
