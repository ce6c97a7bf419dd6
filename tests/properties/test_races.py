"""Races of the service under interleavings that many seeds produce."""

from dataclasses import replace

import pytest

from model.policy import Policy
from sim.customers.settings import Customer
from sim.load.settings import PerVUIterations
from sim.run import simulate
from sim.world import Catalogue, Generator, Host, Service, World

SEEDS = 1_000


def world(policy, script, users, capacity):
    return World(
        policy=policy,
        customer=Customer(script=f"tests.support.race_customers:{script}"),
        load=PerVUIterations("per-vu-iterations", vus=users, iterations=1, max_duration_s=10.0),
        catalogue=Catalogue(users=users, capacity=capacity, seats=2),
        service=Service(started_before_s=0.5, warm=True),
        host=Host(cores=4.0),
        generator=Generator(host=Host(cores=4.0)),
    )


def is_violated(policy, script, invariant, *, users, capacity):
    """Whether any seed violates an invariant: looks no further once one does."""
    scene = world(policy, script, users, capacity)
    return any(simulate(scene, seed).invariants[invariant] > 0 for seed in range(SEEDS))


# The sweep must not clear the sets while the race is on.
CALM = replace(Policy(), sweep_interval_s=100.0)


@pytest.mark.parametrize(
    ("policy", "races"),
    [(CALM.with_defect("D12"), True), (CALM, False)],
    ids=["count, then add", "atomic"],
)
def test_admission_lets_too_many_in_only_if_it_counts_and_then_adds(policy, races):
    violated = is_violated(policy, "ask_for_a_token", "over_capacity", users=8, capacity=3)
    assert violated is races


@pytest.mark.parametrize(
    ("policy", "races"),
    [(CALM.with_defect("D10"), True), (CALM, False)],
    ids=["lock deleted before the commit", "owned lock"],
)
def test_a_seat_is_sold_twice_only_if_the_lock_goes_before_the_commit(policy, races):
    violated = is_violated(policy, "book_the_first_seat", "oversold", users=5, capacity=10)
    assert violated is races
