"""SYNs that are sent again: as if each of them were looked at, also those that find no room."""

from dataclasses import replace

import pytest

from sim.kernel.environment import Environment, ThreadKilled
from sim.kernel.random_streams import Streams
from sim.network.connection import Connection
from sim.network.connector import Connector
from sim.world import Generator, Network, Service

ROOM = replace(Service(), max_connections=1, accept_count=1, connection_timeout_s=1e9)


class Asked(Connector):
    """Looks at every SYN."""

    def is_hopeless(self):
        return False


def ends(kind, seed, *, timeout_s=30.0, restart_s=None, kills=0):
    """When each of 60 customers was told what, of a service with room for three."""
    env = Environment()
    rng = Streams(seed).stream("customers")
    told = {}
    connector = kind(
        env,
        ROOM,
        replace(Generator(), dial_timeout_s=timeout_s),
        Network(),
        Streams(seed).stream("network"),
    )

    def customer(number, holds_s):
        connection = Connection()
        try:
            reason = connector.dial(connection)
            told[number] = (env.now, reason)
            if reason is None:
                env.sleep(holds_s)
        finally:
            connector.close(connection)

    def come():
        threads = []
        for number in range(60):
            # Many at the same time, so that SYNs meet that were sent again after different times.
            env.sleep(float(rng.index(3)))
            holds_s = rng.exponential(3.0)
            threads.append(env.spawn(f"{number}", lambda n=number, h=holds_s: customer(n, h)))
        env.sleep(0.37)
        for _ in range(kills):
            threads[rng.index(len(threads))].interrupt(ThreadKilled())

    env.spawn("come", come)
    if restart_s is not None:
        env.call_in(restart_s, connector.reset)
        env.call_in(restart_s + 5.0, connector.listen)
    env.run(until=1e4)
    assert connector.ports_used == 0
    return told


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "more", [{}, {"timeout_s": 100.0}, {"timeout_s": 2.5}, {"restart_s": 20.0}, {"kills": 20}]
)
def test_who_is_connected_when(seed, more):
    found = ends(Connector, seed, **more)
    assert found == ends(Asked, seed, **more)
    assert None in {reason for _, reason in found.values()}


def test_a_dial_that_finds_no_room_ends_with_its_patience():
    env = Environment()
    connector = Connector(
        env,
        ROOM,
        replace(Generator(), dial_timeout_s=100.0, request_timeout_s=100.0),
        replace(Network(), loss=1.0),
        Streams(1).stream("network"),
    )
    told = []
    env.spawn("one", lambda: told.append((connector.dial(Connection()), env.now)))
    env.run(until=1e3)
    # Linux gives up after six retransmissions.
    assert told == [("DialTimeout", pytest.approx(63.0, abs=0.01))]
