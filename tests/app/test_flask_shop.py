"""The Flask shop of the examples, unmodified: its races are found, and gone once repaired."""

from __future__ import annotations

from experiments.config.reading import load
from sim.run import simulate
from tests.app.conftest import EXAMPLES

RUSH = (
    "load.vus=40",
    'customer.script="shop_sim:rush"',
    "search.stall_probability=0.2",
    "search.longest_stall_s=0.05",
)
ONLY = 'search.only=["too_many_inside"]'
SHOP = str(EXAMPLES / "flask_shop" / "shop.toml")


def run(*sets, seed=1):
    return simulate(load(SHOP, ["load.vus=30", *sets]).world, seed)


def test_the_same_seed_gives_the_same_digest_and_another_one_another():
    first, second, other = run(), run(), run(seed=2)
    assert first.digest == second.digest != other.digest
    assert first.ended == "completed"
    assert first.tables["bookings"] == first.outcomes["POST /seats/{id}/book"]["201"]


def test_seats_are_sold_twice_and_never_where_rows_are_locked():
    def oversold(*more):
        return [run(*RUSH, *more, seed=seed).invariants["oversold"] for seed in (1, 2, 3)]

    assert sum(oversold()) > 0
    assert oversold('app.env.SHOP_LOCKS_SEATS="1"') == [0, 0, 0]


def test_more_people_are_inside_than_may_and_never_where_admission_is_one_script():
    few = (*RUSH, 'app.env.SHOP_INSIDE="5"', "search.inspects=true", ONLY)

    def most(*more):
        return max(run(*few, *more, seed=n).invariants["too_many_inside"] for n in range(1, 7))

    assert most() > 0
    assert most('app.env.SHOP_ADMITS_ATOMICALLY="1"') == 0
