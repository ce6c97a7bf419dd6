"""Finished users that spin: one continuous load, held against a loop event by event, and against
the iterations that the real load generator made in the measured runs."""

import json
from dataclasses import replace
from importlib import resources

import pytest

from model.policy import Policy
from sim.customers.settings import Customer
from sim.load.settings import RampingVUs, Stage
from sim.run import simulate
from sim.world import Catalogue, Generator, Host, World
from tests.support.world_small import during, small

ITERATIONS_TOLERANCE = 0.02
LATENCY_TOLERANCE = 0.05


def beside(script, *, shares_host, users):
    """One user who asks for its place, beside others that do nothing but iterate."""
    return simulate(
        small(
            script=script,
            # Half a second: event by event, each of 50,000 iterations is an event.
            load=during(0.5, users),
            host={"cores": 2.0},
            generator={"shares_host": shares_host, "host": Host(cores=1.0), "scheduler": "even"},
            customer={"poll_interval_s": 0.5},
        ),
        seed=1,
    )


@pytest.mark.parametrize("shares_host", [True, False], ids=["shared host", "its own host"])
@pytest.mark.parametrize("users", [2, 13])
def test_spinning_as_one_load_is_as_spinning_event_by_event(shares_host, users, monkeypatch):
    # A script that loops like this is refused in earnest, for it hardly ever ends.
    monkeypatch.setattr("sim.customers.user._MOST_IDLE_ITERATIONS", 10_000_000)
    continuous = beside("probes_beside_spinners", shares_host=shares_host, users=users)
    one_by_one = beside("probes_beside_loopers", shares_host=shares_host, users=users)
    idle = beside("probes_beside_idlers", shares_host=shares_host, users=users)

    def iterations(result):
        return result.metrics["iterations"]["count"]

    def duration_ms(result, metric="http_req_duration"):
        return result.metrics[metric]["avg"]

    assert iterations(one_by_one) > 10_000
    assert iterations(continuous) == pytest.approx(iterations(one_by_one), rel=ITERATIONS_TOLERANCE)
    assert duration_ms(continuous) == pytest.approx(duration_ms(one_by_one), rel=LATENCY_TOLERANCE)
    assert duration_ms(continuous, "http_req_waiting") == pytest.approx(
        duration_ms(one_by_one, "http_req_waiting"), rel=LATENCY_TOLERANCE
    )
    if users > 2:
        assert duration_ms(continuous) > 1.2 * duration_ms(idle)


def measured_world(*, seats, capacity):
    """The world of the measured runs: the incident twelve times as fast, on two cores."""
    return World(
        policy=replace(
            Policy.incident(),
            access_ttl_s=75.0,
            waiting_ttl_s=50.0,
            sweep_interval_s=25.0,
            booking_expiry_s=25.0,
        ),
        customer=replace(Customer.incident(), think_low_s=15.0, think_high_s=25.0),
        load=RampingVUs(
            stages=(Stage(25.0, 667), Stage(50.0, 1_000), Stage(50.0, 1_000), Stage(25.0, 0))
        ),
        catalogue=Catalogue(users=1_001, capacity=capacity, seats=seats),
        host=Host(cores=1.0),
        generator=Generator(host=Host(cores=1.0, memory_mb=24_576.0)),
    )


STOPGAPS = {"wait_token_expires": True, "access_ttl_s": 35.0, "waiting_ttl_s": 25.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "capacity", "changes"),
    [
        ("C_cap50_1000", 50, {}),
        ("D_cap50_fix12", 50, STOPGAPS),
        ("C_cap20000_1000", 20_000, {}),
    ],
)
def test_iterations_are_as_many_as_the_real_load_generator_made(run, capacity, changes):
    world = measured_world(seats=capacity, capacity=capacity)
    world = replace(world, policy=replace(world.policy, **changes))
    simulated = simulate(world, seed=1).metrics["iterations"]["count"]

    path = resources.files("sim") / "data" / "measured" / "runs" / run / "k6_summary.json"
    measured = json.loads(path.read_text("utf-8"))["metrics"]["iterations"]["count"]
    assert simulated == pytest.approx(measured, rel=0.25)
