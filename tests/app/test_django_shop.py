"""The Django shop of the examples: Django's own MySQL backend on simulated time."""

from __future__ import annotations

from experiments.config.reading import load
from sim.run import simulate
from tests.app.conftest import EXAMPLES

SHOP = str(EXAMPLES / "django_shop" / "shop.toml")


def test_seats_are_sold_twice_and_never_where_rows_are_locked():
    def oversold(*more):
        results = [simulate(load(SHOP, more).world, seed) for seed in (1, 2, 3)]
        assert [result.failure for result in results] == ["", "", ""]
        return sum(result.invariants["oversold"] for result in results)

    assert oversold() > 0
    assert oversold('app.env.SHOP_LOCKS_SEATS="1"') == 0


def test_the_same_seed_gives_the_same_digest():
    first, second = (simulate(load(SHOP).world, 1) for _ in range(2))
    assert first.digest == second.digest
