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


def test_calibrate_measures_the_segments_that_a_run_then_charges(tmp_path, capsys):
    from experiments.cli.main import main

    out = tmp_path / "segments.toml"
    assert main(["calibrate", "--app", SHOP, "--out", str(out)]) == 0
    assert '"GET /seats | begin | select seats"' in out.read_text()
    assert "segments of 5 endpoints" in capsys.readouterr().err
    slower = run('app.factors={"*"=5.0}')
    assert (
        slower.metrics["http_req_duration{endpoint:GET /seats}"]["med"]
        > 2 * run().metrics["http_req_duration{endpoint:GET /seats}"]["med"]
    )
    assert any("were measured by calibrate" in note for note in slower.notes)


def test_gunicorns_limits_workers_that_end_and_begin_again():
    result = run("load.vus=40", "app.max_requests=20", "app.boot_s=0.5")
    assert result.ended == "completed"
    assert result.outcomes["POST /token"] == {"201": 40}
    killed = run("app.threads=1", "app.timeout_s=0.04", "load.vus=10")
    assert killed.errors["POST /bookings/{id}/pay"]["ConnectionReset"] > 0


def test_faults_are_the_applications_own_errors():
    lost = run('faults=[{kind="redis_connections_dropped", at_s=5.0, for_s=10.0}]')
    assert lost.exceptions
    second = run('faults=[{kind="second_instance", at_s=1.0}]')
    assert any("second instance" in note for note in second.notes)


def test_fuzz_finds_the_race_shrinks_it_and_writes_a_replay_that_runs_anywhere(
    tmp_path, monkeypatch, capsys
):
    from experiments.cli.main import main

    monkeypatch.chdir(tmp_path)
    wanted = ["--set", "load.vus=20", "--set", 'customer.script="shop_sim:rush"']
    assert main(["fuzz", SHOP, "--seeds", "20", "--quiet", *wanted]) == 1
    replays = list(tmp_path.glob("replay-*.toml"))
    assert len(replays) == 1
    replayed = load(str(replays[0]))
    result = simulate(replayed.world, replayed.header.seed)
    assert result.invariants["oversold"] > 0
    assert replayed.world.load.vus < 20
    capsys.readouterr()


def test_the_verdict_demands_nothing_of_a_waiting_room(tmp_path, monkeypatch, capsys):
    from experiments.cli.main import main

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["run", SHOP, "--set", "load.vus=10"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("flask-shop: HOLDS")
    assert "\nseats " not in told
    assert "processor times" in told
