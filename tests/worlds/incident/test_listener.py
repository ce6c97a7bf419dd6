"""The service's own listener to its events, when it fails on all of them."""

from sim.run import simulate
from sim.service.event_consumer import LISTENER
from tests.support.world_small import Played, during, small


def test_a_listener_that_fails_tries_every_event_ten_times():
    failing = small(broker={"listener_fails_probability": 1.0})
    right = Played(small())
    wrong = Played(failing)

    sent = wrong.run.server.broker.sent
    assert sent > 20
    assert wrong.result.exceptions[LISTENER] == {
        "EventRetriedError": 9 * sent,
        "EventGivenUpError": sent,
    }
    assert LISTENER not in right.result.exceptions
    # Its traces are work for the service.
    assert wrong.run.server.process.used_s > right.run.server.process.used_s


def test_it_fails_in_its_share_of_the_runs():
    world = small(
        broker={"listener_fails_probability": 0.5},
        customer={"think_low_s": 0.1, "think_high_s": 0.1},
        load=during(2.0, 5),
    )
    failed = [LISTENER in simulate(world, seed=seed).exceptions for seed in range(20)]

    assert 4 <= sum(failed) <= 16


def test_a_new_process_of_the_service_has_a_listener_of_its_own():
    world = small(broker={"listener_fails_probability": 1.0})
    sent = []

    def replace_service(run):
        sent.append(run.server.broker.sent)
        run.server.kill()
        run.server.restart()

    played = Played(world, events=[(6.0, replace_service)])

    given_up = played.result.exceptions[LISTENER]["EventGivenUpError"]
    # What the old process had not got to is lost with it.
    assert 0 < sent[0] < given_up <= played.run.server.broker.sent
