"""What disturbs one program, or the way between two: each fault and the effect to expect of it."""

from dataclasses import replace

import pytest

from sim.customers.shop import GENERATION
from sim.faults.settings import (
    ClockSkew,
    DatabaseDeadlock,
    DatabaseDiskFull,
    DatabasePause,
    DatabaseRowsLocked,
    GeneratorStarved,
    JvmPause,
    NetworkLoss,
    RedisConnectionsDropped,
    RedisLatency,
    RedisPause,
    SecondInstance,
)
from tests.support.world_small import Played, during, failures, logged, requests, small

TEN = during(20.0, 10)


def play(*faults, script="asks_for_tokens_in_turn", load=TEN, **parts):
    """Ten people who ask for a token every half second for twenty seconds, unless said else."""
    return Played(replace(small(script=script, load=load, **parts), faults=faults))


def longest_s(played):
    return max(played.run.log._duration_s.kept())


@pytest.fixture(scope="module")
def calm():
    return play()


def test_without_faults_every_request_is_quick_and_good(calm):
    assert failures(calm.result, GENERATION) == {}
    assert longest_s(calm) < 0.1


@pytest.mark.parametrize(
    "fault",
    [
        RedisPause("redis_pause", at_s=5.0, for_s=3.0),
        DatabasePause("database_pause", at_s=5.0, for_s=3.0),
        JvmPause("jvm_pause", at_s=5.0, for_s=3.0),
        NetworkLoss("network_loss", at_s=5.0, between="service-database", for_s=3.0),
        NetworkLoss("network_loss", at_s=5.0, between="service-redis", for_s=3.0),
    ],
    ids=lambda fault: f"{fault.kind} {getattr(fault, 'between', '')}",
)
def test_whoever_comes_while_a_program_stands_still_waits_and_is_served(fault):
    played = play(fault)

    assert failures(played.result, GENERATION) == {}
    # A lost message is only sent again after 0.2, 0.4, 0.8 ... s.
    assert 2.4 < longest_s(played) < 6.5
    assert dict(played.column("http_reqs"))[7.0] == dict(played.column("http_reqs"))[6.0]


def test_a_command_that_waits_too_long_for_redis_fails_and_is_not_run():
    played = play(RedisPause("redis_pause", at_s=5.0, for_s=10.0), service={"redis_timeout_s": 2.0})

    assert failures(played.result, GENERATION)["QueueStoreError"] >= 30
    assert longest_s(played) == pytest.approx(2.0, abs=0.1)
    assert played.result.invariants["connections_leaked"] == 0


def test_a_slow_way_to_redis_makes_every_command_slower(calm):
    played = play(RedisLatency("redis_latency", at_s=0.0, extra_s=0.05, for_s=30.0))

    # Entering the queue takes several commands, one after the other.
    commands = (longest_s(played) - longest_s(calm)) / 0.05
    assert 2.5 < commands < 12.5


@pytest.mark.parametrize("after_command", [False, True])
def test_cut_connections_to_redis_fail_the_commands_under_way_then_all_is_well(after_command):
    fault = RedisConnectionsDropped(
        "redis_connections_dropped", at_s=5.0, for_s=2.0, after_command=after_command
    )
    played = play(fault)

    assert set(failures(played.result, GENERATION)) == {"QueueStoreError"}
    assert failures(played.result, GENERATION)["QueueStoreError"] == pytest.approx(40, abs=5)
    assert dict(played.column("passed"))[19.0] == 10


def test_a_command_whose_answer_is_lost_has_run_all_the_same():
    def commands(after_command):
        fault = RedisConnectionsDropped(
            "redis_connections_dropped", at_s=0.0, for_s=60.0, after_command=after_command
        )
        played = play(fault, load=during(3.0, 3), policy={"sweep_interval_s": 100.0})
        assert failures(played.result, GENERATION) == {"QueueStoreError": 18}
        return played.run.redis.stats().commands

    # Each generation gets as far as its first batch: MULTI, four commands, EXEC.
    assert commands(after_command=True) - commands(after_command=False) == 18 * 6


def test_a_share_of_the_commands_is_cut_and_the_others_are_not():
    few = RedisConnectionsDropped("redis_connections_dropped", at_s=0.0, for_s=30.0, share=0.05)
    failed = failures(play(few).result, GENERATION)["QueueStoreError"]

    assert 20 < failed < 200


def test_a_deadlock_fails_as_many_transactions_as_it_says():
    played = play(DatabaseDeadlock("database_deadlock", at_s=5.0, transactions=7))

    assert failures(played.result, GENERATION) == {"DeadlockError": 7}
    assert played.result.invariants["connections_leaked"] == 0


def test_locked_rows_fail_whoever_wants_to_write_them_after_the_lock_wait_timeout():
    lock = DatabaseRowsLocked("database_rows_locked", at_s=0.5, table="concert_schedule", for_s=10)
    played = play(lock, script="books_seat_one", database={"lock_wait_timeout_s": 2.0})
    endpoint = "POST /v1/concerts/{id}/booking"

    # One holds the seat's lock and waits for the schedule; the seat is being booked for the rest.
    assert failures(played.result, endpoint) == {"LockTimeoutError": 1, "SeatTakenError": 9}
    assert played.result.tables["booking"] == 0
    assert longest_s(played) == pytest.approx(2.0, abs=0.1)


def test_a_full_disk_refuses_new_rows_and_nothing_else():
    played = play(DatabaseDiskFull("database_disk_full", at_s=5.0, for_s=5.0))

    failed = failures(played.result, GENERATION)
    assert failed == {"DatabaseError": pytest.approx(100, abs=10)}
    asked = requests(played.result, GENERATION)
    assert played.result.tables["token_history"] == asked - failed["DatabaseError"]


def test_a_starved_generator_measures_slow_requests_of_a_quick_service(calm):
    starved = GeneratorStarved("generator_starved", at_s=0.0, threads=4_000.0, for_s=30.0)
    played = play(starved)

    assert longest_s(played) > 5 * longest_s(calm)
    assert max(load for _, load in played.column("threads_busy")) <= 10
    assert requests(played.result, GENERATION) < requests(calm.result, GENERATION)


def test_lost_messages_of_the_load_generator_are_sent_again():
    lossy = NetworkLoss("network_loss", at_s=0.0, share=0.3, for_s=30.0)
    gone = NetworkLoss("network_loss", at_s=5.0, share=1.0, for_s=5.0)
    some, none = play(lossy), play(gone, generator={"request_timeout_s": 2.0})

    assert failures(some.result, GENERATION) == {}
    assert 0.2 < longest_s(some) < 7.0
    # Each of the ten waits for an answer in vain, and then once more for a connection.
    assert failures(none.result, GENERATION)["RequestTimeout"] == 20
    assert none.run.server.connector.ports_used == 0


def test_tokens_of_a_clock_that_was_ahead_are_refused_when_it_is_right_again():
    skew = ClockSkew("clock_skew", at_s=0.0, offset_s=10.0, for_s=2.0)
    played = play(skew, script="polls", load=during(16.0, 20), catalogue={"capacity": 1})

    failed = dict(played.column("http_req_failed"))
    # Whoever is let in asks for a place all the same, and is told that this is no waiting token.
    let_in = failed[15.0] - failed[13.0]
    assert failed[9.0] - failed[7.0] > 15 * let_in > 0
    assert logged(played.result, "PrematureTokenError") > 1_000


def test_a_clock_that_is_behind_keeps_the_tokens_it_has_signed_before_from_being_valid():
    skew = ClockSkew("clock_skew", at_s=5.0, offset_s=-60.0)
    played = play(skew, script="polls", load=during(8.0, 20))

    assert logged(played.result, "PrematureTokenError") > 100


def test_two_instances_sweep_both_and_share_the_requests():
    alone = play(SecondInstance("second_instance", at_s=5.0, takes_requests=False))
    both = play(SecondInstance("second_instance", at_s=5.0, takes_requests=True))
    one = play()

    assert len(alone.result.sweeps) == pytest.approx(len(one.result.sweeps) + 15, abs=2)
    assert alone.run.server.second.pool.acquired == pytest.approx(15 + 3, abs=4)
    assert both.run.server.second.pool.acquired > 300
    for played in (alone, both):
        assert failures(played.result, GENERATION) == {}
        assert set(played.result.invariants.values()) == {0}


def test_two_schedulers_let_too_many_in_only_if_one_counts_and_then_adds():
    def beyond(defect):
        schedulers = SecondInstance("second_instance", at_s=0.0, takes_requests=False)
        world = small(defect=defect, catalogue={"capacity": 3}, policy={"sweep_interval_s": 0.5})
        played = Played(replace(world, faults=(schedulers,)), 3)
        return played.result.invariants["over_capacity"]

    assert beyond("D12") > 0
    assert beyond(None) == 0


def test_random_faults_come_at_times_of_the_seed_and_on_average_as_often_as_asked():
    fault = JvmPause("jvm_pause", at_s=0.0, for_s=0.01, mean_interval_s=0.5)

    def times(seed):
        world = replace(small(script="asks_for_tokens_in_turn", load=TEN), faults=(fault,))
        played = Played(world, seed)
        return [note for note in played.result.notes if "stood still" in note]

    assert times(1) == times(1) != times(2)
    assert len(times(1)) == 12


def test_an_improbable_fault_happens_to_some_seeds_only():
    fault = DatabaseDeadlock("database_deadlock", at_s=0.2, probability=0.5)
    world = replace(small(script="asks_for_tokens_in_turn", load=during(1.0, 3)), faults=(fault,))
    happened = [bool(failures(Played(world, seed).result, GENERATION)) for seed in range(12)]

    assert 0 < sum(happened) < 12
