"""Clearing and promoting, as they were and repaired; each switch alone."""

import pytest
from sqlalchemy import update

from model import schema
from model.errors import MalformedTokenError
from model.policy import Policy
from tests.support.model_world import ModelWorld, uuid_of


def filled(policy, capacity=1, users=3):
    world = ModelWorld(policy, capacity=capacity)
    return world, [world.token(n) for n in range(1, users + 1)]


def leave(world, user):
    world.raw_redis.zrem("concert:1:queue:passed", uuid_of(user))


@pytest.mark.parametrize("policy", [Policy.incident(), Policy().with_defect("D3")])
def test_a_sweep_by_rank_wipes_both_sets_every_time(policy):
    world, _ = filled(policy)
    world.service.sweep()
    assert world.waiting() == world.passed() == []


def test_a_sweep_by_score_drops_access_at_its_ttl():
    world, _ = filled(Policy.incident().with_fix("F3"), users=1)
    world.execute(update(schema.concert).values(capacity=0))
    world.clock.now_s += 899.9
    world.service.sweep()
    assert world.passed() == [1]
    world.clock.now_s += 0.2
    world.service.sweep()
    assert world.passed() == []


def test_a_sweep_by_score_drops_the_waiting_at_theirs_if_the_guard_asks_the_history():
    world, _ = filled(Policy().with_defect("D7"), capacity=0)
    world.clock.now_s += 599.9
    world.service.sweep()
    assert world.waiting() == [1, 2, 3]
    world.clock.now_s += 0.2
    world.service.sweep()
    assert world.waiting() == []


def test_who_renewed_the_token_keeps_the_place_and_who_did_not_loses_it():
    world, _ = filled(Policy(), capacity=0)
    world.clock.now_s += 400
    world.token(2)
    world.clock.now_s += 300
    world.service.sweep()
    assert world.waiting() == [2]
    world.token(1)
    assert world.waiting() == [2, 1]


def test_more_places_than_one_batch_are_given_up():
    world = ModelWorld(capacity=0)
    room = world.service._waiting_room
    for n in range(250):
        room.enter(1, uuid_of(n), 0, world.clock.now() + n / 1000)
    world.clock.now_s += 600.1
    world.service.sweep()
    assert world.waiting() == list(range(101, 250))
    world.clock.now_s += 1
    world.service.sweep()
    assert world.waiting() == []
    assert world.raw_redis.keys("concert:*") == []


def test_freed_slots_go_to_the_head_in_order():
    world, _ = filled(Policy(), capacity=2, users=6)
    leave(world, 1)
    leave(world, 2)
    world.service.sweep()
    assert (world.passed(), world.waiting()) == ([3, 4], [5, 6])


def test_more_slots_than_one_batch_are_given():
    world = ModelWorld(capacity=0)
    room = world.service._waiting_room
    for n in range(250):
        room.enter(1, uuid_of(n), 0, world.clock.now() + n / 1000)
    world.execute(update(schema.concert).values(capacity=240))
    world.service.sweep()
    assert len(world.passed()) == 240
    assert world.waiting() == list(range(240, 250))


def test_with_only_the_sweep_mended_nobody_waiting_is_ever_let_in():
    world, _ = filled(Policy.incident().with_fix("F3"))
    leave(world, 1)
    world.service.sweep()
    assert (world.passed(), world.waiting()) == ([], [2, 3])


def test_popping_the_passed_set_lets_nobody_in():
    world, _ = filled(Policy().with_defect("D4"), capacity=2, users=5)
    leave(world, 1)
    world.service.sweep()
    assert (world.passed(), world.waiting()) == ([2], [3, 4, 5])
    world.token(6)
    world.token(3)
    assert (world.passed(), world.waiting()) == ([2], [3, 4, 5, 6])


def test_whoever_enters_between_wipe_and_promotion_ends_the_run_and_is_lost():
    world, _ = filled(Policy.incident(), capacity=2, users=1)
    with pytest.raises(MalformedTokenError):
        world.service._waiting_room.promote(1, 2)
    assert world.passed() == []


def test_parsing_members_as_tokens_promotes_nobody():
    world, _ = filled(Policy().with_defect("D5"))
    leave(world, 1)
    with pytest.raises(MalformedTokenError):
        world.service.sweep()
    assert (world.passed(), world.waiting()) == ([], [2, 3])


def test_an_entry_promoted_as_a_token_is_refused_at_the_filter():
    world, tokens = filled(Policy().with_defect("D5"))
    leave(world, 1)
    world.raw_redis.delete("concert:1:queue:waiting")
    world.raw_redis.zadd("concert:1:queue:waiting", {tokens[1]: 1.0})
    world.service.sweep()
    assert world.raw_redis.zrange("concert:1:queue:passed", 0, -1) == [tokens[1].encode()]
    assert world.dates(tokens[1]).error == "NotAdmittedError"


def test_popping_then_parsing_loses_the_popped():
    policy = Policy().with_defect("D5").with_defect("D12")
    world, _ = filled(policy)
    leave(world, 1)
    with pytest.raises(MalformedTokenError):
        world.service.sweep()
    assert (world.passed(), world.waiting()) == ([], [3])


def test_counting_promotes_too():
    world, _ = filled(Policy().with_defect("D12"), capacity=2, users=5)
    leave(world, 1)
    world.service.sweep()
    assert (world.passed(), world.waiting()) == ([2, 3], [4, 5])


def test_a_member_in_both_sets_is_taken_out_of_the_line():
    world, _ = filled(Policy())
    world.raw_redis.zadd("concert:1:queue:waiting", {uuid_of(1): 1.0})
    world.execute(update(schema.concert).values(capacity=2))
    world.service.sweep()
    assert (sorted(world.passed()), world.waiting()) == ([1, 2], [3])
