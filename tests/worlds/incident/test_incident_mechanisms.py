"""The incident in small, policy and customer as they were: its mechanisms, each to be seen.

The machine is weak, so that a few hundred requests a minute are as many as it can take; every
timer and timeout is the incident's own.
"""

from itertools import pairwise

import pytest

from model.policy import Policy
from sim.customers.settings import Customer
from sim.customers.shop import BOOKING, CHECK, DATES, GENERATION, PAYMENT, SEATS
from sim.load.settings import RampingVUs, Stage
from sim.world import Catalogue, Generator, Host, Service, World
from tests.support.world_small import Played, failures, logged, requests

POOL_TIMEOUT_S = 30.0


def incident(*, cores, users, duration_s, warm):
    return World(
        policy=Policy.incident(),
        customer=Customer.incident(),
        load=RampingVUs(
            stages=(Stage(200.0, users), Stage(duration_s - 200.0, users)),
            graceful_stop_s=0.0,
        ),
        catalogue=Catalogue(users=users, capacity=20, seats=200),
        service=Service(warm=warm),
        host=Host(cores=cores),
        generator=Generator(host=Host(cores=4.0)),
    )


@pytest.fixture(scope="module")
def overloaded():
    """More people than the machine can answer within the timeouts."""
    return Played(incident(cores=0.02, users=200, duration_s=960.0, warm=False))


@pytest.fixture(scope="module")
def afloat():
    """Few enough people that everyone is answered in time."""
    return Played(incident(cores=0.04, users=60, duration_s=620.0, warm=True))


def test_every_check_by_a_waiting_user_is_a_null_dereference(afloat):
    result = afloat.result
    checks = requests(result, CHECK)

    assert checks > 1_000
    assert result.outcomes[CHECK] == {"500": checks}
    # Nothing else goes wrong with them: no error body was ever kept as a token.
    assert failures(result, CHECK) == {"NullDereferenceError": checks}
    assert logged(result, "MalformedTokenError") == 0


def test_no_check_ever_succeeds_under_overload_either(overloaded):
    causes = failures(overloaded.result, CHECK)

    assert "200" not in overloaded.result.outcomes[CHECK]
    assert set(causes) == {
        "NullDereferenceError",
        "MalformedTokenError",
        "PoolTimeoutError",
        "RequestTimeout",
    }


def test_malformed_and_not_valid_come_in_pairs_from_kept_error_bodies(overloaded):
    result = overloaded.result

    assert failures(result, GENERATION)["PoolTimeoutError"] > 50
    parsed = result.exceptions[CHECK]["MalformedTokenError"]
    refused = result.exceptions[CHECK]["NotValidTokenError"]
    assert parsed > 100
    # The end of the run may come between the two.
    assert 0 <= parsed - refused <= 0.02 * parsed


def test_a_failing_borrow_waits_thirty_seconds_and_the_request_longer(overloaded):
    pool = overloaded.run.server.pool
    took_s = overloaded.durations_s(error="PoolTimeoutError")

    assert pool.timeouts > 500
    # A thread that was told of a connection just before looks when it gets a core.
    assert POOL_TIMEOUT_S <= pool.max_wait_s <= POOL_TIMEOUT_S + 1.0
    assert min(took_s) >= POOL_TIMEOUT_S
    # Time in the queue for a thread, and borrows that went well, come on top.
    assert max(took_s) > POOL_TIMEOUT_S + 5.0


def test_a_client_waits_sixty_seconds_and_no_longer(overloaded):
    timed_out_s = overloaded.durations_s(error="RequestTimeout")

    assert len(timed_out_s) > 500
    assert min(timed_out_s) == pytest.approx(60.0, abs=0.1)
    assert max(timed_out_s) == pytest.approx(60.0, abs=0.1)


def test_sweeps_start_300_s_after_the_last_one_ended(afloat, overloaded):
    for played in (afloat, overloaded):
        sweeps = played.result.sweeps
        assert len(sweeps) >= 3
        assert sweeps[0].planned_s == -20.0
        for before, after in pairwise(sweeps):
            assert after.planned_s == pytest.approx(before.ended_s + 300.0)
            assert after.started_s >= after.planned_s


def test_a_sweep_wipes_both_sets(afloat):
    wipes = [sweep for sweep in afloat.result.sweeps if sweep.started_s > 0.0]

    assert len(wipes) == 2
    assert wipes[0].passed_before == 20
    assert wipes[0].waiting_before == 40
    assert all(sweep.outcome == "ok" for sweep in wipes)
    assert all(sweep.passed_after == sweep.waiting_after == 0 for sweep in wipes)


def test_nobody_pays_when_sweeps_are_punctual(afloat):
    # A payment comes at least six minutes after its token, a sweep every five.
    assert afloat.result.tables["payment"] == 0
    assert failures(afloat.result, BOOKING)["NotAdmittedError"] > 0


def test_late_and_lost_sweeps_are_listed(overloaded):
    sweeps = overloaded.result.sweeps

    late = [sweep for sweep in sweeps if sweep.started_s > sweep.planned_s + 5.0]
    lost = [sweep for sweep in sweeps if sweep.outcome == "PoolTimeoutError"]
    assert late
    assert lost
    for sweep in lost:
        # It waited for a connection all that time, and wiped nothing.
        assert sweep.ended_s - sweep.started_s >= POOL_TIMEOUT_S
        assert sweep.passed_after > 0


def test_rows_are_the_successes_of_the_client_and_those_that_came_too_late(overloaded, afloat):
    for played in (overloaded, afloat):
        rows = played.result.tables
        for endpoint, table in (
            (GENERATION, "token_history"),
            (BOOKING, "booking"),
            (PAYMENT, "payment"),
        ):
            answered = played.result.outcomes.get(endpoint, {}).get("200", 0)
            assert played.served[endpoint, 200, True] == answered
            assert rows[table] == answered + played.served[endpoint, 200, False]

    assert overloaded.served[GENERATION, 200, False] > 5
    assert afloat.served[GENERATION, 200, False] == 0


def test_who_gave_up_on_a_token_that_was_issued_is_locked_out(overloaded):
    # Committed, and the answer came too late: asking again, "token exists" is kept as a token.
    assert overloaded.result.exceptions[GENERATION]["TokenExistsError"] > 0


def test_an_access_holder_who_failed_starts_over_with_the_same_token(overloaded):
    reads = requests(overloaded.result, DATES) + requests(overloaded.result, SEATS)
    holders = overloaded.result.tables["token_history:ACCESS"]

    assert reads > 4 * holders
