"""Checking one's place, as it was and repaired."""

import pytest

from model.http import Request
from model.policy import Policy
from tests.support.model_world import ModelWorld

NULL = [("ApiControllerAdvice", "NullDereferenceError")]


def incident(*fixes):
    policy = Policy.incident()
    for fix in fixes:
        policy = policy.with_fix(fix)
    return ModelWorld(policy, capacity=1)


def waiting_token(world):
    world.token(1)
    return world.token(2)


@pytest.mark.parametrize("fixes", [(), ("F1",), ("F1b",), ("F1", "F2")])
def test_every_waiting_user_gets_a_null_dereference_with_or_without_the_stopgaps(fixes):
    world = incident(*fixes)
    token = waiting_token(world)
    with world.logged() as entries:
        response = world.check(token)
    assert (response.status, response.error) == (500, "NullDereferenceError")
    assert entries == NULL


@pytest.mark.parametrize("defect", ["D1a", "D1b"])
def test_either_cause_alone_is_enough(defect):
    world = ModelWorld(Policy().with_defect(defect), capacity=1)
    token = waiting_token(world)
    assert world.check(token).error == "NullDereferenceError"


def test_a_position_by_token_is_0_for_everyone():
    for world in (incident("F1", "F1b"), ModelWorld(Policy().with_defect("D6"), capacity=1)):
        assert world.check(waiting_token(world)).body == {"position": 0}


def test_the_repaired_position_counts_from_1_and_is_0_once_let_in():
    world = ModelWorld(capacity=1)
    tokens = [world.token(n) for n in (1, 2, 3)]
    assert [world.position(token) for token in tokens[1:]] == [1, 2]
    world.raw_redis.delete("concert:1:queue:passed")
    world.service.sweep()
    assert [world.position(token) for token in tokens[1:]] == [0, 1]


@pytest.mark.parametrize("policy", [Policy(), Policy.incident()])
def test_an_error_body_kept_as_a_token_logs_two_exceptions(policy):
    world = ModelWorld(policy)
    with world.logged() as entries:
        response = world.check("undefined")
    assert (response.status, response.body["code"]) == (401, 5005)
    assert response.error == "MalformedTokenError"
    assert entries == [
        ("TokenProvider", "MalformedTokenError"),
        ("ApiControllerAdvice", "NotValidTokenError"),
    ]


def test_an_expired_waiting_token_is_named_by_its_own_cause():
    world = incident("F1")
    token = waiting_token(world)
    world.clock.now_s += 600
    with world.logged() as entries:
        response = world.check(token)
    assert (response.status, response.body["code"]) == (401, 5005)
    assert response.error == "ExpiredTokenError"
    assert entries[0] == ("TokenProvider", "ExpiredTokenError")


def test_an_access_token_is_no_waiting_token():
    world = ModelWorld()
    response = world.check(world.token(1))
    assert (response.status, response.error) == (404, "NotWaitingTokenError")


def test_a_missing_header_is_a_400_before_anything_is_borrowed():
    world = incident()
    with world.counted() as counts, world.logged() as entries:
        response = world.service.handle(Request("GET", "/v1/token/check"))
    assert (response.status, response.error) == (400, "MissingHeaderError")
    assert not counts
    assert not entries


def test_an_exhausted_pool_fails_checks_only_where_they_open_a_transaction():
    for policy, status in ((Policy(), 200), (Policy().with_defect("D13"), 500)):
        world = ModelWorld(policy, capacity=1)
        token = waiting_token(world)
        world.database.exhausted = True
        assert world.check(token).status == status
