"""The flash sale of the examples: stock in Redis, orders through a queue, unpaid ones closed."""

from __future__ import annotations

import re

import pytest

from experiments.config.reading import load
from sim.run import simulate
from tests.app.conftest import EXAMPLES

# Its clock is that of the simulated time.
pytestmark = pytest.mark.filterwarnings("ignore:System time is way off")
SALE = str(EXAMPLES / "flash_sale" / "shop.toml")
RUSH = (
    "load.vus=8",
    'customer.script="flash_sale_sim:rush"',
    'app.env.SALE_STOCK="3"',
    'app.env.SALE_UNPAID_S="2"',
)
ONE_SCRIPT = 'app.env.SALE_RESERVES_ATOMICALLY="1"'
STALLS = (
    "search.inspects=true",
    "search.stall_probability=0.2",
    "search.longest_stall_s=0.5",
)
SEEDS = (1, 3, 4)
STATUS_ONCE = 'app.env.SALE_CHANGES_STATUS_ONCE="1"'


def run(*sets, seed=1):
    return simulate(load(SALE, sets).world, seed)


def test_orders_go_through_the_queue_and_the_stock_comes_back_from_who_does_not_pay():
    """Ten people, five pieces, two seconds to pay."""
    first, second = (
        run("load.vus=10", 'app.env.SALE_STOCK="5"', 'app.env.SALE_UNPAID_S="2"') for _ in range(2)
    )
    assert first.digest == second.digest
    assert first.ended == "completed"
    payments = first.outcomes["POST /orders/{id}/payment"]
    assert payments["410"] > 0
    assert first.tables["orders"] == first.outcomes["POST /items/{id}/orders"]["202"]


def test_a_look_at_every_event_changes_nothing():
    def digest(*sets):
        return run(*RUSH, 'search.only=["nothing"]', *sets, seed=1).digest

    assert digest("search.inspects=true") == digest()


@pytest.mark.parametrize(
    ("repair", "name"),
    [
        ((), "account_with_several_orders"),
        ((STATUS_ONCE,), "oversold"),
        ((ONE_SCRIPT,), "oversold"),
    ],
    ids=["as it is", "stock in two steps", "closed while it is paid"],
)
def test_each_race_is_there_without_its_repair(repair, name):
    watched = (*RUSH, *STALLS, *repair, f'search.only=["{name}"]')
    assert any(run(*watched, seed=seed).invariants[name] for seed in SEEDS)


def test_both_repairs_together_end_both_races():
    repaired = [run(*RUSH, *STALLS, ONE_SCRIPT, STATUS_ONCE, seed=seed) for seed in SEEDS]
    assert [each.ended for each in repaired] == ["completed"] * len(SEEDS)
    assert not any(number for each in repaired for number in each.invariants.values())


def test_fuzz_finds_that_a_piece_paid_late_is_sold_again_and_shrinks_it(
    tmp_path, monkeypatch, capsys
):
    from experiments.cli.main import main

    monkeypatch.chdir(tmp_path)
    few = (*RUSH, "load.vus=4", ONE_SCRIPT, 'app.env.SALE_STOCK="1"', 'search.only=["oversold"]')
    sets = [word for each in few for word in ("--set", each)]
    assert main(["fuzz", SALE, "--seeds", "20", "--workers", "1", *sets]) == 1
    (replay,) = tmp_path.glob("replay-*.toml")
    replayed = load(str(replay))
    assert 2 <= replayed.world.load.vus < 4
    told = capsys.readouterr().out
    story = told[told.index("again: ") : told.index("digest ")].splitlines()[1:-1]
    assert re.match(r" +\d+ of \d+ events: those of the requests that took part", story[0])
    assert len(story) <= 42
    assert any("update orders row" in line for line in story)
    assert not any("GET " in line or "processor times" in line for line in story)
    assert simulate(replayed.world, replayed.header.seed).invariants["oversold"] == 1
    capsys.readouterr()
