"""What the defects of tokens do (D1a, D1b, D6), and what they do to the client (D2)."""

import pytest

from sim.customers.shop import BOOKING, CHECK, GENERATION
from sim.run import simulate
from tests.support.world_small import during, failures, logged, requests, small


@pytest.fixture(scope="module")
def right():
    return simulate(small(), seed=1)


def test_with_nothing_wrong_everyone_pays_and_nothing_fails_but_seat_races(right):
    assert right.funnel["paid"] == 30
    # Two may choose the same seat, and one of them chooses again.
    assert set(right.errors) <= {BOOKING}
    assert set(failures(right, BOOKING)) <= {"SeatTakenError"}
    # They did have to wait for it.
    assert right.tables["token_history:WAIT"] >= 20
    assert requests(right, CHECK) > 20


@pytest.mark.parametrize("defect", ["D1a", "D1b"])
def test_every_check_by_a_waiting_user_is_a_null_dereference(defect, right):
    result = simulate(small(defect=defect), seed=1)

    checks = requests(result, CHECK)
    assert checks > 100
    assert result.outcomes[CHECK] == {"500": checks}
    assert failures(result, CHECK) == {"NullDereferenceError": checks}
    assert logged(result, "NullDereferenceError") == checks
    # Those let in at once notice nothing; nobody who waits learns that it is their turn.
    assert result.funnel["paid"] == 10
    assert result.funnel["waited"] == 20
    assert right.outcomes[CHECK] == {"200": requests(right, CHECK)}


def test_who_is_always_first_in_line_asks_for_token_after_token():
    load = during(1.0, 15)
    right = simulate(small(load=load), seed=1)
    wrong = simulate(small(defect="D6", load=load), seed=1)

    # Position 0 means: drop your token and ask again. With D6 every check says so.
    assert failures(wrong, CHECK) == {}
    assert requests(wrong, GENERATION) > requests(wrong, CHECK) > 5 * requests(right, CHECK)
    assert wrong.tables["token_history"] > 100
    assert right.tables["token_history"] == 15


STORM = {
    "load": during(4.0, 40),
    "pool": {"connections": 1, "timeout_s": 0.25},
    "database": {"speed": 0.1},
    "host": {"cores": 1.0},
}
"""A pool too small for all to ask at once: generations time out."""


def test_a_client_that_keeps_an_error_as_its_token_is_refused_for_ever():
    result = simulate(small(**STORM, customer={"backs_off": False}), seed=1)

    timed_out = failures(result, GENERATION)["PoolTimeoutError"]
    assert timed_out >= 5
    # The header reads `undefined`: two logged exceptions for one refusal.
    refused = failures(result, CHECK)["MalformedTokenError"]
    assert refused > 10 * timed_out
    assert result.outcomes[CHECK]["401"] == refused
    pairs = result.exceptions[CHECK]["MalformedTokenError"]
    assert result.exceptions[CHECK]["NotValidTokenError"] == pairs
    # Some were cut off by the end before their answer came.
    assert refused <= pairs <= refused + 40
    # Each of them asked once and never again.
    assert requests(result, GENERATION) < 2 * 40
    assert result.funnel["arrived"] == timed_out


def test_a_client_that_backs_off_gets_over_failed_generations():
    result = simulate(small(**STORM), seed=1)

    assert failures(result, GENERATION)["PoolTimeoutError"] >= 5
    assert "MalformedTokenError" not in failures(result, CHECK)
    assert logged(result, "NotValidTokenError") == 0
    assert result.funnel["arrived"] == 0


def test_a_client_that_backs_off_pauses_however_short_its_token_lives():
    # The pause between two questions is as long as a waiting token's life.
    policy = {"waiting_ttl_s": 1.0}
    patient = {"poll_interval_s": 1.0}
    result = simulate(small(policy=policy, customer=patient, load=during(5.0, 30)), seed=1)

    assert requests(result, CHECK) > 30
    # A token and a question per second and user at most, and a token for being let in.
    assert requests(result, GENERATION) <= 2 * 30 * 6
