"""Asking for a token, as it was and repaired."""

import jwt
import pytest

from model.policy import Policy
from model.schema import token_history
from tests.support.model_world import KEY, START_S, ModelWorld, uuid_of


def incident(capacity=2, *fixes):
    policy = Policy.incident()
    for fix in fixes:
        policy = policy.with_fix(fix)
    return ModelWorld(policy, capacity=capacity)


def claims(token):
    options = {"verify_signature": True, "verify_exp": False, "verify_iat": False}
    return jwt.decode(token, KEY, algorithms=["HS256"], options=options)


def test_below_capacity_an_access_token_above_a_waiting_token():
    world = incident(capacity=2)
    assert [world.generate(n).body["type"] for n in (1, 2, 3)] == ["ACCESS", "ACCESS", "WAIT"]
    assert (world.passed(), world.waiting()) == ([1, 2], [3])


def test_members_are_uuids_scored_by_the_millisecond_and_no_key_has_a_ttl():
    world = incident(capacity=1)
    world.token(1)
    world.token(2)
    for key, user in (("passed", 1), ("waiting", 2)):
        name = f"concert:1:queue:{key}"
        assert world.raw_redis.zrange(name, 0, -1, withscores=True) == [
            (uuid_of(user).encode(), START_S * 1000)
        ]
        assert world.raw_redis.ttl(name) == -1


def test_only_access_tokens_expire_as_it_was():
    world = incident(capacity=1)
    access, waiting = claims(world.token(1)), claims(world.token(2))
    assert access["exp"] == int(START_S) + 900
    assert "exp" not in waiting
    assert set(waiting) == {"jti", "iss", "iat", "concertId", "uuid", "type"}
    assert waiting["jti"] == waiting["uuid"] == uuid_of(2)


def test_the_first_stopgap_lets_waiting_tokens_expire_too():
    assert claims(incident(0, "F1").token(1))["exp"] == int(START_S) + 600


def test_the_history_keeps_type_and_expiry():
    world = incident(capacity=1)
    world.token(1)
    world.token(2)
    rows = world.rows(token_history)
    assert [(row.uuid, row.type) for row in rows] == [
        (uuid_of(1), "ACCESS"),
        (uuid_of(2), "WAIT"),
    ]
    assert [row.expires_at - row.issued_at for row in rows] == [900_000, 600_000]


def test_an_unknown_user_and_an_unknown_concert():
    world = incident()
    assert (world.generate(99).status, world.generate(99).body["code"]) == (404, 1001)
    assert (world.generate(1, 9).status, world.generate(1, 9).body["code"]) == (404, 2001)


@pytest.mark.parametrize(("capacity", "ttl_s"), [(1, 900), (0, 600)])
def test_a_wiped_queue_locks_users_out_until_their_history_expires(capacity, ttl_s):
    world = incident(capacity)
    world.token(1)
    world.service.sweep()
    assert world.passed() == world.waiting() == []
    with world.logged() as entries:
        refused = world.generate(1)
    assert (refused.status, refused.body["code"]) == (500, 5001)
    assert refused.error == "TokenExistsError"
    assert entries == [("ApiControllerAdvice", "TokenExistsError")]
    world.clock.now_s += ttl_s
    assert world.generate(1).status == 200


def test_a_pool_timeout_is_a_500_with_its_own_name():
    world = incident()
    world.database.exhausted = True
    with world.logged() as entries:
        response = world.generate(1)
    assert (response.status, response.error) == (500, "PoolTimeoutError")
    assert entries == [("ApiControllerAdvice", "PoolTimeoutError")]


def test_asking_again_keeps_the_place_and_gives_a_new_token():
    world = ModelWorld(capacity=1)
    world.token(1)
    first = world.token(2)
    world.token(3)
    world.clock.now_s += 500
    again = world.token(2)
    assert again != first
    assert world.waiting() == [2, 3]
    assert world.position(again) == 1


def test_asking_again_when_let_in_gives_an_access_token_with_a_new_life():
    world = ModelWorld(capacity=1)
    world.token(1)
    world.clock.now_s += 899
    response = world.generate(1)
    assert response.body["type"] == "ACCESS"
    assert world.passed() == [1]
    world.clock.now_s += 899
    world.service.sweep()
    assert world.passed() == [1]
    assert world.dates(response.body["jwt"]).status == 200


def test_asking_again_after_promotion_gives_an_access_token():
    world = ModelWorld(capacity=1)
    world.token(1)
    world.token(2)
    world.raw_redis.zrem("concert:1:queue:passed", uuid_of(1))
    world.service.sweep()
    assert world.generate(2).body["type"] == "ACCESS"


def test_the_newest_history_row_is_the_only_unexpired_one():
    world = ModelWorld(capacity=0)
    world.token(1)
    world.clock.now_s += 10
    world.token(1)
    now_ms = world.clock.now_s * 1000
    assert [row.expires_at > now_ms for row in world.rows(token_history)] == [False, True]


def test_nobody_new_overtakes_those_who_wait():
    world = ModelWorld(Policy().with_defect("D5"), capacity=1)
    world.token(1)
    world.token(2)
    world.raw_redis.zrem("concert:1:queue:passed", uuid_of(1))
    assert world.generate(3).body["type"] == "WAIT"
    assert world.waiting() == [2, 3]


def test_a_free_slot_goes_to_the_head_even_if_somebody_new_asks_first():
    world = ModelWorld(capacity=1)
    world.token(1)
    world.token(2)
    world.raw_redis.zrem("concert:1:queue:passed", uuid_of(1))
    assert world.generate(3).body["type"] == "WAIT"
    assert (world.passed(), world.waiting()) == ([2], [3])


def test_counting_ignores_those_who_wait():
    world = ModelWorld(Policy().with_defect("D12"), capacity=1)
    world.token(1)
    world.token(2)
    world.raw_redis.zrem("concert:1:queue:passed", uuid_of(1))
    assert world.generate(3).body["type"] == "ACCESS"


def test_counting_keeps_the_place_of_who_asks_again():
    world = ModelWorld(Policy().with_defect("D12"), capacity=1)
    assert [world.generate(n).body["type"] for n in (1, 2, 3, 2, 1)] == [
        "ACCESS", "WAIT", "WAIT", "WAIT", "ACCESS",
    ]  # fmt: skip
    assert (world.passed(), world.waiting()) == ([1], [2, 3])


def test_a_failed_commit_leaves_no_history_and_the_user_may_ask_again():
    world = ModelWorld(capacity=1)
    world.database.fail_commit = RuntimeError("disk full")
    assert world.generate(1).status == 500
    world.database.fail_commit = None
    assert world.row_count(token_history) == 0
    assert world.generate(1).body["type"] == "ACCESS"
