"""Dials that go on after their request has timed out, and the connections they leave behind."""

from dataclasses import replace

import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.network.connection import REQUEST_TIMEOUT, Connection
from sim.network.connector import Connector
from sim.network.spare_connections import SpareConnections
from sim.world import Generator, Network, Service

PATIENCE_S = 2.0


class Client:
    """One client of a service that has room for `room` connections."""

    def __init__(self, room: int, **generator: object) -> None:
        self.env = Environment()
        self.room = room
        service = Service(max_connections=room, accept_count=1, connection_timeout_s=100.0)
        settings = replace(Generator(), request_timeout_s=PATIENCE_S, **generator)
        self.connector = Connector(
            self.env, service, settings, Network(), Streams(1).stream("network")
        )
        self.spare = SpareConnections(self.env, self.connector, PATIENCE_S)

    def run(self, until_s, script):
        self.env.spawn("client", script)
        self.env.run(until_s)

    def fill(self):
        """Take all room; return the connections that have it."""
        others = [Connection() for _ in range(self.room + self.connector.queue_length)]
        for other in others:
            assert self.connector.dial(other) is None
        return others


def test_a_connection_that_comes_too_late_is_kept_for_the_next_request():
    client = Client(room=1)
    seen = []

    def script():
        others = client.fill()
        began_s = client.env.now
        seen.append(client.spare.connect())
        seen.append(client.env.now - began_s)
        for other in others:
            client.connector.close(other)
        client.env.sleep(10.0)
        began_s = client.env.now
        seen.append(client.spare.connect().open)
        seen.append(client.env.now - began_s)

    client.run(60.0, script)
    assert seen == [REQUEST_TIMEOUT, PATIENCE_S, True, 0.0]


def test_a_request_is_given_the_connection_of_an_earlier_one():
    """The first dial's SYN goes out again after one and three seconds: it answers the second."""
    client = Client(room=1)
    seen = []

    def script():
        others = client.fill()
        began_s = client.env.now
        seen.append(client.spare.connect())
        # The second request's own SYNs come at 2, 3 and 5 s; at 3 s all room is still taken.
        client.env.call_at(began_s + 2.9, lambda: client.connector.close(others[0]))
        seen.append(client.spare.connect().open)
        seen.append(client.env.now - began_s)

    client.run(60.0, script)
    assert seen == [REQUEST_TIMEOUT, True, pytest.approx(3.0, abs=0.01)]


def test_each_request_that_times_out_leaves_a_dial_and_at_most_six_connections_are_kept():
    client = Client(room=50)
    counts = []

    def script():
        others = client.fill()
        for _ in range(10):
            client.spare.connect()
        counts.append(client.connector.ports_used - len(others))
        for other in others:
            client.connector.close(other)
        client.env.sleep(31.0)
        counts.append(client.connector.ports_used)

    client.run(120.0, script)
    under_way, kept = counts
    assert under_way > 6
    assert kept == 6


def test_a_dial_ends_with_its_request_where_that_is_switched_off_or_dials_are_shorter():
    assert Client(room=1).connector.dials_go_on
    assert not Client(room=1, dials_outlive_requests=False).connector.dials_go_on
    assert not Client(room=1, dial_timeout_s=1.0).connector.dials_go_on


def test_closing_gives_the_idle_ones_back():
    client = Client(room=1)

    def script():
        others = client.fill()
        client.spare.connect()
        for other in others:
            client.connector.close(other)
        client.env.sleep(10.0)
        client.spare.close()

    client.run(60.0, script)
    assert client.connector.ports_used == 0
