"""Borrows, statements and Redis commands per request, as measured on the real service.

`tests/data/model_counts.csv` is the hot half of the measured service times, rounded to whole
numbers (seat lists of other lengths left out: their counts are the same).
"""

import csv
from pathlib import Path

import pytest
from sqlalchemy import update

from model import schema
from model.http import Request
from model.policy import Policy
from tests.support.model_world import ModelWorld

TABLE = Path(__file__).parents[2] / "data" / "model_counts.csv"


def incident(*fixes, capacity=2):
    policy = Policy.incident()
    for fix in fixes:
        policy = policy.with_fix(fix)
    return ModelWorld(policy, capacity=capacity)


def generation(capacity):
    world = incident(capacity=capacity)
    return world, lambda: world.generate(1)


def refused_generation():
    world = incident()
    world.token(1)
    return world, lambda: world.generate(1)


def cached_dates():
    world = incident()
    token = world.token(1)
    world.dates(token)
    return world, lambda: world.dates(token)


def swept_dates():
    world, _ = cached_dates()
    token = world.token(2)
    world.raw_redis.flushall()
    return world, lambda: world.dates(token)


def expired_dates():
    world = incident()
    token = world.token(1)
    world.clock.now_s += 900
    return world, lambda: world.dates(token)


def check(token=None, fixes=(), later_s=0.0):
    world = incident(*fixes, capacity=0)
    header = world.token(1) if token is None else token
    world.clock.now_s += later_s
    return world, lambda: world.check(header)


def check_without_header():
    world = incident()
    return world, lambda: world.service.handle(Request("GET", "/v1/token/check"))


def seats():
    world = incident()
    token = world.token(1)
    return world, lambda: world.seats(token)


def booking():
    world = incident()
    token = world.token(1)
    return world, lambda: world.book(token)


def booking_of_taken_seat():
    world = incident()
    token = world.token(1)
    world.book(token)
    return world, lambda: world.book(token)


def payment(status=schema.RESERVED, path_id="1"):
    world = incident()
    token = world.token(1)
    world.book(token)
    world.execute(update(schema.booking).values(status=status))
    return world, lambda: world.pay(token, path_id)


CASES = {
    "gen_success_ACCESS": lambda: generation(2),
    "gen_success_WAIT": lambda: generation(0),
    "gen_refused_5001": refused_generation,
    "dates_cached": cached_dates,
    "dates_401_access_swept": swept_dates,
    "dates_expired_access_jwt": expired_dates,
    "check_undefined": lambda: check("undefined"),
    "check_missing_header": check_without_header,
    "check_WAIT_valid(NPE)": check,
    "check_expired_WAIT": lambda: check(fixes=("F1",), later_s=600),
    "check_valid_WAIT_with_exp": lambda: check(fixes=("F1",)),
    "seats_50": seats,
    "booking_success": booking,
    "booking_409_occupied": booking_of_taken_seat,
    "payment_undefined_400": lambda: payment(path_id="undefined"),
    "payment_success": payment,
    "payment_wrong_status_500": lambda: payment(status=schema.PAID),
}


def measured():
    with TABLE.open() as lines:
        return [pytest.param(row, id=row["case"]) for row in csv.DictReader(lines)]


@pytest.mark.parametrize("row", measured())
def test_a_request_borrows_states_and_commands_what_was_measured(row):
    world, request = CASES[row["case"]]()
    with world.counted() as counts:
        response = request()
    commands = dict(part.split(":") for part in row["redis"].split())
    assert response.status == int(row["status"])
    assert counts["borrow"] == int(row["borrows"])
    assert [counts[kind] for kind in ("select", "insert", "update")] == [
        int(row[kind]) for kind in ("select", "insert", "update")
    ]
    # Spring also rolls back, without a round trip, what read nothing.
    if counts["select"]:
        assert counts["rollback"] == int(row["rollback"])
    kinds = ("zcard", "zadd", "zscore", "zrank", "zrem", "setnx", "get", "delete", "exec")
    spelled = {"delete": "del"}
    assert {spelled.get(k, k): counts[k] for k in kinds if counts[k]} == {
        name: int(n) for name, n in commands.items()
    }


def test_every_measured_case_is_compared():
    with TABLE.open() as lines:
        assert {row["case"] for row in csv.DictReader(lines)} == set(CASES)


def test_a_repaired_check_needs_one_command_and_no_connection():
    world = ModelWorld(capacity=0)
    token = world.token(1)
    with world.counted() as counts:
        world.check(token)
    assert counts == {"zrank": 1}


def test_a_repaired_filter_needs_one_command_and_no_connection():
    world = ModelWorld()
    token = world.token(1)
    world.dates(token)
    with world.counted() as counts:
        world.dates(token)
    assert counts == {"zscore": 1}
