"""Redis settings that Redis would refuse, or would not be meant, on the command line."""

import pytest

from experiments.cli.main import main
from sim.redis.settings import POLICIES

FEW = (
    "--set",
    "load.stages=[{duration_s = 2.0, target = 5}]",
    "--set",
    "load.graceful_stop_s=0.0",
)


@pytest.mark.parametrize("policy", ["allkeys-first", "LRU", ""])
def test_a_policy_that_does_not_exist_is_refused_with_those_that_do(capsys, policy):
    setting = f'redis.maxmemory_policy="{policy}"'
    assert main(["run", "memory-pressure", "--set", setting]) == 104

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "redis.maxmemory_policy" in told
    for allowed in POLICIES:
        assert allowed in told


@pytest.mark.parametrize("limit", ['"1t"', '"1.5gb"', '"10 mb"', '"-1"', '"mb"', '""', "-1"])
def test_a_unit_that_redis_would_refuse_is_refused_in_its_words(capsys, limit):
    assert main(["run", "memory-pressure", "--set", f"redis.maxmemory={limit}"]) == 104

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    value = limit.strip('"')
    assert f"maxmemory = '{value}': argument must be a memory value" in told
    assert "argument must be a memory value" in told
    assert "b, k, kb, m, mb, g, gb" in told


def test_a_limit_below_an_empty_server_is_a_warning_and_every_write_is_refused(capsys):
    limit = 'redis.maxmemory="100kb"'
    assert main(["run", "memory-pressure", "--set", limit, *FEW, "--workers=1", "--verbose"]) == 0

    captured = capsys.readouterr()
    told, shown = captured.err, captured.out
    warning = "warning: redis.maxmemory 100kb: less than the 865864 bytes of an empty server"
    assert warning in told
    assert "QueueStoreError" in shown
    assert "token_history 0" in " ".join(shown.split())


def test_no_warning_without_a_reason(capsys):
    assert main(["run", "memory-pressure", *FEW, "--workers", "1"]) == 0
    assert "warning" not in capsys.readouterr().err
