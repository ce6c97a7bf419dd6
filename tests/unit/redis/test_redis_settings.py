"""Settings are spelled as in redis.conf, and refused in Redis's words."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from model.setting import Setting
from sim.redis.errors import RedisSettingError
from sim.redis.settings import POLICIES, RedisSettings, parse_memory, parse_save

MEMORY = {
    "0": 0,
    "100": 100,
    "7b": 7,
    "1k": 1000,
    "1KB": 1024,
    "10m": 10**7,
    "10Mb": 10 * 2**20,
    "1g": 10**9,
    "2gb": 2**31,
}


@pytest.mark.parametrize(("text", "n_bytes"), MEMORY.items())
def test_memory_is_read_as_redis_reads_it(text, n_bytes):
    assert parse_memory(text) == n_bytes


@pytest.mark.parametrize("text", ["1t", "1.5gb", "-1", "abc", "1 gb", "0x10", "", "mb", "¹mb"])
def test_memory_that_redis_refuses_is_refused_with_what_is_allowed(text):
    with pytest.raises(RedisSettingError, match=r"argument must be a memory value.*kb, m, mb"):
        RedisSettings(maxmemory=text)


def test_a_policy_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match="must be one of the following") as caught:
        RedisSettings(maxmemory_policy="allkeys-first")
    assert all(policy in str(caught.value) for policy in POLICIES)


def test_save_points_come_in_pairs():
    assert parse_save("3600 1 300 100") == ((3600, 1), (300, 100))
    assert parse_save("") == ()
    for wrong in ("60", "0 1", "x 1"):
        with pytest.raises(RedisSettingError, match="Invalid save parameters"):
            parse_save(wrong)


def test_a_limit_below_the_empty_server_is_allowed_with_a_warning():
    assert RedisSettings(maxmemory="100kb").warnings()
    assert not RedisSettings(maxmemory="10mb").warnings()
    assert not RedisSettings().warnings()


def test_every_setting_is_documented_and_its_default_plausible():
    hints = typing.get_type_hints(RedisSettings, include_extras=True)
    for field in dataclasses.fields(RedisSettings):
        setting = next(note for note in hints[field.name].__metadata__ if isinstance(note, Setting))
        assert setting.doc, field.name
        assert setting.source, field.name
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert setting.low <= field.default <= setting.high, field.name
