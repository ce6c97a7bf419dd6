"""The access filter before every other call, as it was and repaired."""

import pytest

from model.http import AUTHORIZATION, Request
from model.policy import Policy
from tests.support.model_world import ModelWorld

BOTH = pytest.mark.parametrize("policy", [Policy(), Policy.incident()])


@BOTH
@pytest.mark.parametrize("headers", [{}, {AUTHORIZATION: ""}, {AUTHORIZATION: "Basic x"}])
def test_without_a_bearer_token_access_is_denied_at_no_cost(policy, headers):
    world = ModelWorld(policy)
    with world.counted() as counts, world.logged() as entries:
        response = world.service.handle(Request("GET", "/v1/concerts/1/available-dates", headers))
    assert (response.status, response.error) == (403, "MissingTokenError")
    assert not counts
    assert not entries


@BOTH
def test_a_failed_verification_is_logged_by_the_parser_and_again_by_the_container(policy):
    world = ModelWorld(policy)
    token = world.token(1)
    world.clock.now_s += 900
    with world.logged() as entries:
        response = world.dates(token)
    assert (response.status, response.body["code"]) == (401, 5004)
    assert response.error == "ExpiredTokenError"
    assert entries == [
        ("TokenProvider", "ExpiredTokenError"),
        ("dispatcherServlet", "NotValidTokenError"),
    ]


@BOTH
def test_a_swept_token_is_refused_without_a_logged_exception(policy):
    world = ModelWorld(policy)
    token = world.token(1)
    world.raw_redis.flushall()
    with world.logged() as entries:
        response = world.dates(token)
    assert (response.status, response.body["code"]) == (401, 5004)
    assert response.error == "NotAdmittedError"
    assert not entries


@BOTH
def test_the_wrong_concert_in_the_path_is_denied(policy):
    world = ModelWorld(policy)
    response = world.dates(world.token(1), concert=2)
    assert (response.status, response.error) == (403, "WrongConcertError")


def test_a_waiting_token_does_not_pass():
    world = ModelWorld(capacity=0)
    assert world.dates(world.token(1)).error == "NotAdmittedError"


def test_an_exhausted_pool_fails_the_filter_in_the_container():
    world = ModelWorld(Policy.incident())
    token = world.token(1)
    world.database.exhausted = True
    with world.logged() as entries:
        response = world.dates(token)
    # The error page is behind the filter, too.
    assert (response.status, response.error) == (401, "PoolTimeoutError")
    assert entries == [("dispatcherServlet", "PoolTimeoutError")]


def test_without_transactions_an_exhausted_pool_does_not_matter_to_the_filter():
    world = ModelWorld()
    token = world.token(1)
    world.dates(token)
    world.database.exhausted = True
    assert world.dates(token).status == 200


def test_a_store_that_does_not_answer_is_a_500():
    world = ModelWorld()
    token = world.token(1)
    world.redis_server.connected = False
    with world.logged() as entries:
        response = world.dates(token)
    assert (response.status, response.error) == (500, "QueueStoreError")
    assert entries == [("dispatcherServlet", "QueueStoreError")]
