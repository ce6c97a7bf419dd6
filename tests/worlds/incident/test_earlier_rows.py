"""Rows that were in the tables before the load: of tries by hand, and of a stopped load."""

from dataclasses import replace

from experiments.config.reading import load
from sim.run import simulate

EARLIER = ["catalogue.earlier.tokens=5", "catalogue.earlier.bookings=4"]
SOLD = "catalogue.earlier.payments=3"


def run(*assignments, config="smoke", scale=0.2):
    return simulate(load(config, list(assignments)).world, 1, scale=scale)


def test_rows_of_tries_by_hand_are_counted_and_break_nothing():
    before = run(scale=1.0)
    after = run(*EARLIER, SOLD, scale=1.0)
    assert after.tables["token_history"] >= before.tables["token_history"]
    assert after.tables["booking:CANCELLED"] >= 1
    assert not any(after.invariants.values())


def test_a_seat_that_was_sold_before_is_not_sold_again():
    everything = ["catalogue.seats=3", "catalogue.earlier.bookings=3", SOLD]
    found = run(*everything, scale=1.0)
    assert found.tables["booking"] == 3
    assert found.tables["payment"] == 3
    assert found.funnel["paid"] == 0


def test_users_of_a_load_that_was_stopped_are_locked_out_until_their_rows_expire():
    world = load("incident-as-planned").world
    locked = replace(world.catalogue, earlier=replace(world.catalogue.earlier, load_users=30_000))
    found = simulate(replace(world, catalogue=locked), 1, scale=0.002)
    errors = found.errors["POST /v1/token/generation"]
    assert errors.get("TokenExistsError", 0) > 0
    free = simulate(world, 1, scale=0.002)
    assert found.tables["token_history:ACCESS"] >= free.tables["token_history:ACCESS"]
