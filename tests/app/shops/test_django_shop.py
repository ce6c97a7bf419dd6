"""The Django shop of the examples: Django's own MySQL backend on simulated time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from experiments.config.reading import load
from sim.run import simulate
from tests.app.conftest import EXAMPLES

SHOP = str(EXAMPLES / "django_shop" / "shop.toml")


def test_seats_are_sold_twice_and_never_where_rows_are_locked():
    def oversold(*more):
        results = [simulate(load(SHOP, more).world, seed) for seed in (1, 2, 3)]
        assert [result.failure for result in results] == ["", "", ""]
        assert [result.invariants["transactions_left_open"] for result in results] == [0, 0, 0]
        return sum(result.invariants["oversold"] for result in results)

    assert oversold() > 0
    assert oversold('app.env.SHOP_LOCKS_SEATS="1"') == 0


def test_the_same_seed_gives_the_same_digest():
    first, second = (simulate(load(SHOP).world, 1) for _ in range(2))
    assert first.digest == second.digest


ON_POSTGRES = """
import sys
from experiments.config.reading import load
from sim.run import simulate
engine = 'app.env.DB_ENGINE="django.db.backends.postgresql"'
found = [simulate(load(sys.argv[1], [engine, *sys.argv[2:]]).world, seed) for seed in (1, 2, 3)]
assert all(result.failure == "" for result in found), [result.failure for result in found]
assert all(result.invariants["transactions_left_open"] == 0 for result in found)
sys.stderr.write(str(sum(result.invariants["oversold"] for result in found)))
"""


@pytest.mark.parametrize("locks", [False, True])
def test_the_same_on_postgresql(locks):
    # Django's settings are one per process.
    sets = ['app.env.SHOP_LOCKS_SEATS="1"'] if locks else []
    done = subprocess.run(
        [sys.executable, "-c", ON_POSTGRES, SHOP, *sets],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (int(done.stderr.splitlines()[-1]) == 0) == locks
