"""A design that is public, rewritten: its race is found, and gone when confirming takes the lock."""

from __future__ import annotations

from experiments.config.reading import load
from sim.run import simulate
from tests.app.conftest import EXAMPLES

SALE = str(EXAMPLES / "flash_sale" / "sale.toml")
SEEDS = range(1, 5)


def oversold(*more):
    runs = [simulate(load(SALE, more).world, seed) for seed in SEEDS]
    assert all(run.ended == "completed" for run in runs)
    return [run.invariants["oversold"] for run in runs]


def test_a_hold_that_is_confirmed_as_it_expires_is_sold_twice():
    assert sum(oversold()) > 0


def test_nothing_is_sold_twice_when_confirming_takes_the_lock():
    assert sum(oversold('app.env.SALE_CONFIRMS_UNDER_LOCK="1"')) == 0
