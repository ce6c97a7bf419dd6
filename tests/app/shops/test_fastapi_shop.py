"""The FastAPI shop of the examples, unmodified: its races are found, and gone once repaired."""

from __future__ import annotations

import pytest

from experiments.config.reading import load
from sim.run import simulate
from tests.app.conftest import EXAMPLES

RUSH = (
    "load.vus=40",
    'customer.script="fashop_sim:rush"',
    "search.stall_probability=0.2",
    "search.longest_stall_s=0.05",
)
SHOP = str(EXAMPLES / "fastapi_shop" / "shop.toml")


def run(*sets, seed=1):
    return simulate(load(SHOP, ["load.vus=20", *sets]).world, seed)


def test_the_same_seed_gives_the_same_digest_and_another_one_another():
    first, second, other = run(), run(), run(seed=2)
    assert first.digest == second.digest != other.digest
    assert first.ended == "completed"
    assert first.tables["bookings"] == first.outcomes["POST /seats/{id}/book"]["201"]
    assert not any("blocks the event loop" in note for note in first.notes)


def test_seats_are_sold_twice_and_never_where_rows_are_locked():
    def oversold(*more):
        return [run(*RUSH, *more, seed=seed).invariants["oversold"] for seed in (1, 2, 3)]

    assert sum(oversold()) > 0
    assert oversold('app.env.SHOP_LOCKS_SEATS="1"') == [0, 0, 0]


def test_more_people_are_inside_than_may_and_never_where_admission_is_one_script():
    few = (*RUSH, 'app.env.SHOP_INSIDE="5"', "search.inspects=true")
    few = (*few, 'search.only=["too_many_inside"]')

    def most(*more):
        return max(run(*few, *more, seed=n).invariants["too_many_inside"] for n in range(1, 5))

    assert most() > 0
    assert most('app.env.SHOP_ADMITS_ATOMICALLY="1"') == 0


def test_the_bank_is_a_stub_and_its_failures_are_the_applications_errors():
    bank = 'app.env.SHOP_BANK_URL="https://bank.example"'
    asked = run(bank)
    assert asked.outcomes["POST /bookings/{id}/pay"] == {"200": 20}
    median_ms = asked.metrics["http_req_duration{endpoint:POST /bookings/{id}/pay}"]["med"]
    assert 50 < median_ms < 160
    failed = run(bank, 'app.http={"bank.example"={fails=1.0}}')
    assert set(failed.errors["POST /bookings/{id}/pay"]) == {"HTTPStatusError"}


@pytest.mark.parametrize("url", ["mysql+aiomysql://u@h/shop", "mariadb+asyncmy://u@h/shop"])
def test_other_databases_serve_the_same_shop(url):
    result = run(f'app.env.DATABASE_URL="{url}"')
    assert result.ended == "completed"
    assert result.outcomes["POST /bookings/{id}/pay"] == {"200": 20}


def test_the_servers_limits_and_workers_that_end_and_begin_again():
    limited = run("app.limit_concurrency=1", "app.workers=1", 'customer.script="fashop_sim:rush"')
    assert limited.outcomes["POST /token"]["503"] > 0
    again = run("app.max_requests=10", "app.boot_s=0.5")
    assert again.ended == "completed"
    assert again.outcomes["POST /token"] == {"201": 20}


def test_processes_that_are_killed_lose_their_requests_and_serve_again():
    from sim.app.parts import ApplicationParts
    from sim.make_result import make_result
    from sim.run import play

    parts = ApplicationParts(load(SHOP, ["load.vus=40", RUSH[1]]).world, 1.0, 1)
    with parts.alive():
        parts.env.call_in(5.3, parts.server.kill)
        parts.env.call_in(7.0, parts.server.restart)
        play(parts)
        result = make_result(parts)
    parts.close()
    assert result.ended == "completed"
    lost = {name for row in result.errors.values() for name in row}
    assert {"ConnectionReset", "ConnectionRefused"} & lost
    assert result.invariants["transactions_left_open"] == 0


def test_faults_are_the_applications_own_errors():
    lost = run('faults=[{kind="redis_connections_dropped", at_s=5.0, for_s=10.0}]')
    assert lost.exceptions
    second = run('faults=[{kind="second_instance", at_s=1.0}]')
    assert any("second instance" in note for note in second.notes)


def test_a_slow_database_runs_into_the_applications_own_pool_timeout():
    slow = run("database.speed=0.0003", *RUSH[:2], "app.workers=1")
    assert slow.exceptions["POST /token"]["TimeoutError"] > 0


def test_calibrate_measures_the_segments_that_a_run_then_charges(tmp_path, capsys):
    from experiments.cli.main import main

    out = tmp_path / "segments.toml"
    assert main(["calibrate", "--app", SHOP, "--out", str(out)]) == 0
    assert '"GET /seats | thread ends | select seats"' in out.read_text()
    assert "segments of 5 endpoints" in capsys.readouterr().err
    slower = run('app.factors={"*"=5.0}')
    assert (
        slower.metrics["http_req_duration{endpoint:GET /seats}"]["med"]
        > 2 * run().metrics["http_req_duration{endpoint:GET /seats}"]["med"]
    )


def test_fuzz_finds_the_race_and_shrinks_it(tmp_path, monkeypatch, capsys):
    from experiments.cli.main import main

    monkeypatch.chdir(tmp_path)
    wanted = ["--set", "load.vus=8", "--set", 'customer.script="fashop_sim:rush"']
    assert main(["fuzz", SHOP, "--seeds", "20", "--quiet", *wanted]) == 1
    replays = list(tmp_path.glob("replay-*.toml"))
    assert len(replays) == 1
    replayed = load(str(replays[0]))
    assert simulate(replayed.world, replayed.header.seed).invariants["oversold"] > 0
    assert replayed.world.load.vus < 8
    capsys.readouterr()
