"""What holds after any commands: the books balance, and a seed decides everything."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakeredis.model import ZSet
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.redis.memory.allocator import Layout
from sim.redis.memory.sorted_set import MeteredZSet
from sim.redis.settings import POLICIES
from tests.support.redis_commands import RandomCommands
from tests.support.redis_simulated import Clock, send, simulated_redis

ROOT = Path(__file__).parents[2]


def play(policy: str, seed: int, n_commands: int, *, limit: str = "3000kb"):
    """A server after random commands over simulated time, and the digest of all its replies."""
    clock = Clock()
    server = simulated_redis(clock, seed=seed, maxmemory=limit, maxmemory_policy=policy)
    client = server.client()
    commands = RandomCommands(seed, ttl_step_ms=700, ttl_offset_ms=50)
    digest = hashlib.sha256()
    for _ in range(n_commands // 50):
        clock.now_s += 0.3
        for reply in send(client, commands.batch(50)):
            listed = sorted(reply) if isinstance(reply, set) else reply
            digest.update(repr(listed).encode())
        filler = [
            ("SET", f"filler:{n}:{clock.now_s}", "v" * 1000, "EX", 1000 - n) for n in range(20)
        ]
        send(client, filler)
        digest.update(repr(server.stats(["key:1"])).encode())
    digest.update(server.final_keys())
    return server, digest.hexdigest()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("limit", ["0", "3000kb"])
def test_the_bytes_accounted_are_those_of_the_keys_that_exist(policy, limit):
    server, _ = play(policy, seed=7, n_commands=4_000, limit=limit)
    database = server.keyspaces[0]
    total = 0
    for key, entry in database._dict.items():
        entry.measured = None
        database.measure(key, entry)
        total += entry.n_bytes
    assert server.state.data_bytes == total
    assert sorted(database.names.keys) == sorted(database._dict)
    for at, key in enumerate(database.names.keys):
        assert database._dict[key].key_at == at
    with_ttl = {key for key, entry in database._dict.items() if entry.expireat is not None}
    assert sorted(database.names_with_ttl.keys) == sorted(with_ttl)
    for at, key in enumerate(database.names_with_ttl.keys):
        assert database._dict[key].ttl_at == at


SCRIPT = """
from tests.properties.test_redis_properties import play
from sim.redis.settings import POLICIES
print([play(policy, seed=3, n_commands=1500)[1] for policy in POLICIES])
"""


def test_replies_and_memory_do_not_depend_on_the_hash_seed_or_the_process():
    outputs = set()
    for hash_seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    digests = outputs.pop()
    assert len(set(digests.strip("[]\n").split(", "))) == len(POLICIES)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "discard", "pop"]),
        st.integers(0, 400),
        st.one_of(st.integers(-(2**40), 2**40), st.floats(-100, 100)),
    ),
    max_size=600,
)


@pytest.mark.parametrize("name", ["upstream", "debian"])
@settings(max_examples=40)
@given(operations=OPERATIONS)
def test_a_metered_set_is_a_plain_one_that_knows_its_size(name, operations):
    layout = Layout.of(name)
    metered, plain = MeteredZSet(layout), ZSet()
    for operation, number, score in operations:
        member = b"member:%d" % number
        if operation == "add":
            assert metered.add(member, float(score)) == plain.add(member, float(score))
        elif operation == "discard":
            metered.discard(member)
            plain.discard(member)
        else:
            first = list(plain)[:1]
            assert metered.first(1) == first
            for popped in first:
                metered.discard(popped)
                plain.discard(popped)
        assert len(metered) == len(plain)
    assert list(metered) == list(plain)
    assert dict(metered.items()) == dict(plain.items())
    again = MeteredZSet.of(plain, layout)
    if again.is_listpack == metered.is_listpack:
        # The table may still be larger after a shrink; all else is counted alike.
        spare = 8 * (metered._buckets - again._buckets) * 3 // 2
        assert (
            again.used_bytes() <= metered.used_bytes() <= again.used_bytes() + max(spare, 0) + 4096
        )
    assert metered._member_bytes == again._member_bytes


@settings(max_examples=30)
@given(st.data())
def test_a_copy_does_not_change_with_its_original(data):
    members = data.draw(st.dictionaries(st.binary(min_size=1, max_size=70), st.integers(0, 99)))
    original = MeteredZSet(Layout.of("upstream"))
    for member, score in members.items():
        original.add(member, score)
    copy, before = original.copy(), original.used_bytes()
    original.add(b"one more", 1.0)
    assert dict(copy.items()) == members
    assert copy.used_bytes() == before
