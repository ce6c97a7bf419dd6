"""What takes connections, processors and memory for nothing: D11, D13, D14, D16."""

from statistics import mean

from sim.customers.shop import CHECK, GENERATION, SEATS
from sim.load.settings import RampingVUs, Stage
from sim.run import simulate
from sim.world import Host
from tests.support.world_small import Played, during, failures, small


def duration_ms(result, endpoint, statistic="avg"):
    return result.metrics[f"http_req_duration{{endpoint:{endpoint}}}"][statistic]


def test_the_whole_seat_list_is_the_heavy_request():
    lookers = {
        "script": "looks_at_seats",
        "catalogue": {"seats": 5_000},
        "load": during(3.0, 5),
    }
    right = Played(small(**lookers))
    wrong = Played(small(**lookers, defect="D11"))

    def bytes_per_list(played):
        log = played.run.log
        return log.received_bytes / log.requests

    assert bytes_per_list(right) < 100 * 40 + 500
    assert bytes_per_list(wrong) > 5_000 * 35
    assert duration_ms(wrong.result, SEATS) > 3 * duration_ms(right.result, SEATS)

    def cpu_per_list(played):
        used_s = played.run.server.process.used_s + played.run.server.database_process.used_s
        return used_s / played.run.log.requests

    assert cpu_per_list(wrong) > 2 * cpu_per_list(right)
    # And it is the load generator's memory, which prints whole answers.
    grown_mb = wrong.run.generator.resident_mb() - right.run.generator.resident_mb()
    assert grown_mb > 100


def test_a_check_that_opens_a_transaction_waits_for_a_connection_and_fails():
    # Two connections, and people who keep them busy with their requests for tokens.
    crowded = {
        "script": "half_polls_half_asks",
        "pool": {"connections": 2, "timeout_s": 0.25},
        "database": {"speed": 0.02},
        "catalogue": {"capacity": 1},
        "load": during(4.0, 60),
    }
    right = simulate(small(**crowded), seed=1)
    wrong = simulate(small(**crowded, defect="D13"), seed=1)

    assert failures(right, GENERATION)["PoolTimeoutError"] > 50
    assert failures(right, CHECK) == {}
    assert failures(wrong, CHECK)["PoolTimeoutError"] > 20
    assert duration_ms(wrong, CHECK) > 5 * duration_ms(right, CHECK)


def database_ms_per_token(world):
    """(tokens issued before, CPU of the database per token) of the first and the last second."""
    played = Played(world)
    tokens = dict(played.column("http_reqs"))
    used_s = dict(played.column("database_cpu_s"))

    def during_second(time_s):
        issued = tokens[time_s] - tokens[time_s - 1.0]
        return tokens[time_s - 1.0], 1e3 * (used_s[time_s] - used_s[time_s - 1.0]) / issued

    return during_second(2.0), during_second(4.0)


def test_without_an_index_every_token_issued_makes_the_next_one_dearer():
    newcomers = {
        "script": "asks_for_one_token",
        "catalogue": {"users": 600},
        "load": RampingVUs(stages=(Stage(4.0, 600),), graceful_stop_s=0.0),
    }

    def growth_ms_per_thousand(world):
        (first, cheap_ms), (last, dear_ms) = database_ms_per_token(world)
        assert last - first > 250
        return (dear_ms - cheap_ms) / (last - first) * 1_000

    # Every row of the concert is visited, and visits cost alike.
    assert growth_ms_per_thousand(small(**newcomers, defect="D14")) > 0.2
    assert abs(growth_ms_per_thousand(small(**newcomers))) < 0.05


def spinning(*, shares_host, script, **generator):
    return simulate(
        small(
            script=script,
            load=during(6.0, 40),
            host={"cores": 2.0},
            generator={"shares_host": shares_host, **generator},
        ),
        seed=1,
    )


def test_finished_users_that_spin_starve_the_service_on_a_shared_host():
    beside_idlers = spinning(shares_host=True, script="probes_beside_idlers")
    beside_spinners = spinning(shares_host=True, script="probes_beside_spinners")
    apart = spinning(shares_host=False, script="probes_beside_spinners")

    def waiting_ms(result):
        return result.metrics["http_req_waiting"]["med"]

    # Two threads of the generator and one of the service on two cores: two thirds each.
    assert 1.3 < waiting_ms(beside_spinners) / waiting_ms(beside_idlers) < 1.8
    assert waiting_ms(apart) < 1.15 * waiting_ms(beside_idlers)


def own_ms(result):
    return mean(result.metrics[name]["avg"] for name in ("http_req_sending", "http_req_receiving"))


def test_finished_users_that_spin_starve_the_load_generator_itself():
    even = {"scheduler": "even"}
    beside_idlers = spinning(shares_host=False, script="probes_beside_idlers", **even)
    beside_spinners = spinning(shares_host=False, script="probes_beside_spinners", **even)
    # Forty users on four cores: each goes at a tenth of its speed.
    assert 9 < own_ms(beside_spinners) / own_ms(beside_idlers) < 11
    assert beside_spinners.metrics["iterations"]["count"] > 100_000
    assert beside_idlers.metrics["iterations"]["count"] < 1_000


def test_on_several_processors_users_that_spin_hold_up_nobody_as_go_shares_them():
    beside_idlers = spinning(shares_host=False, script="probes_beside_idlers")
    beside_spinners = spinning(shares_host=False, script="probes_beside_spinners")
    assert own_ms(beside_spinners) < 1.5 * own_ms(beside_idlers)


def test_on_one_processor_an_answer_is_noticed_late_while_others_spin():
    one = {"host": Host(cores=1.0)}
    beside_idlers = spinning(shares_host=False, script="probes_beside_idlers", **one)
    beside_spinners = spinning(shares_host=False, script="probes_beside_spinners", **one)
    assert own_ms(beside_spinners) > own_ms(beside_idlers) + 5.0
