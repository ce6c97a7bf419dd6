"""Clients that give up: what their time covers, and what the service does for them all the same."""

from sim.run import simulate
from sim.service.costs import Costs
from tests.support.world_small import Played, during, small

LONG_LISTS = {"users": 200, "capacity": 100, "seats": 20_000}


def crowd(*, script, request_timeout_s, **parts):
    return simulate(
        small(
            script=script,
            load=during(12.0, 60),
            catalogue=LONG_LISTS,
            generator={"request_timeout_s": request_timeout_s},
            **parts,
        ),
        seed=1,
    )


def test_the_time_of_a_request_begins_with_its_dial():
    """Where nobody is accepted a request of two seconds fails after two, not with the dial."""
    full = {"max_connections": 1, "accept_count": 1}
    short = crowd(script="asks_for_one_token", request_timeout_s=2.0, service=full)
    patient = crowd(script="asks_for_one_token", request_timeout_s=60.0, service=full)
    (errors,) = short.errors.values()
    assert errors == {"RequestTimeout": 59}
    assert not patient.errors
    # Duration does not count the dial: those that never got through took none.
    assert short.metrics["http_req_duration"]["med"] == 0.0
    assert short.metrics["http_req_blocked"]["max"] <= 2_000.0 + 1e-6


def test_a_time_out_costs_the_generator_what_an_answer_costs():
    """A request of two seconds has failed when the generator has come to that."""
    played = Played(
        small(
            script="looks_at_seats",
            load=during(12.0, 60),
            catalogue=LONG_LISTS,
            policy={"seats_paged": False},
            host={"cores": 1.0, "speed": 0.1},
            generator={"request_timeout_s": 2.0},
        )
    )
    costs = Costs.load().generator
    taken_s = played.durations_s(error="RequestTimeout")
    assert min(taken_s) >= 2.0 + costs.request_s * costs.receiving_share - 1e-9


def test_a_long_answer_for_a_client_that_has_left_is_logged():
    def gone(result):
        return sum(counts.get("ClientGoneError", 0) for counts in result.exceptions.values())

    slow = {"cores": 1.0, "speed": 0.1}
    lists = {"script": "looks_at_seats", "host": slow, "policy": {"seats_paged": False}}
    logged = crowd(request_timeout_s=2.0, **lists)
    silent = crowd(request_timeout_s=2.0, service={"logs_gone_clients": False}, **lists)
    patient = crowd(request_timeout_s=60.0, **lists)
    # Those whom the end of the load cut off are gone as well.
    assert gone(logged) > gone(patient)
    assert gone(silent) == 0


def overcrowded(*, dials_outlive_requests):
    """A slow service with few places for connections, and people who ask again at once."""
    return simulate(
        small(
            load=during(20.0, 80),
            customer={
                "script": "sim.customers.persistent:persistent",
                "think_low_s": 1.0,
                "think_high_s": 2.0,
            },
            catalogue={"users": 200, "capacity": 200},
            generator={
                "request_timeout_s": 2.0,
                "dials_outlive_requests": dials_outlive_requests,
            },
            host={"cores": 1.0, "speed": 0.05},
            service={"max_connections": 20, "accept_count": 10, "keep_alive_requests": 1},
        ),
        seed=1,
    )


def test_connections_of_dials_that_went_on_take_places_and_are_idle():
    """A user has one connection; with dials that go on, others beside it that nobody uses."""
    on = overcrowded(dials_outlive_requests=True)
    off = overcrowded(dials_outlive_requests=False)
    # All places are taken either way, and work is done in fewer of them.
    end = slice(10, 20)
    assert on.series["connections"][end].min() == off.series["connections"][end].min() == 20
    assert off.series["threads_busy"][end].min() == 20
    assert on.series["threads_busy"][end].max() < 20
