"""Lost connection attempts that are repeated in one slot of the timers, and room for one."""

from dataclasses import replace

import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.network.connection import Connection
from sim.network.connector import Connector, accept_queue
from sim.world import Generator, Network, Service

QUEUE = 2
PLACES = 1 + accept_queue(QUEUE)
LATE = 6


class Listener:
    """A full listener, and clients that dial at 0.1 s."""

    def __init__(self, *, timer_wheel=True, loss=0.0):
        self.env = Environment()
        service = replace(Service(), max_connections=1, accept_count=QUEUE)
        self.connector = Connector(
            self.env,
            service,
            Generator(),
            Network(timer_wheel=timer_wheel, loss=loss),
            Streams(1).stream("network"),
        )
        self.first = [Connection() for _ in range(PLACES)]
        self.late = [Connection() for _ in range(LATE)]
        for connection in self.first:
            self.dial(connection, 0.0)
        for connection in self.late:
            self.dial(connection, 0.1)
        self.delivered = []

    def dial(self, connection, at_s):
        def dial():
            self.env.sleep(at_s)
            self.connector.dial(connection)

        self.env.spawn("client", dial)

    def close_first(self, at_s, count=1):
        for connection in self.first[:count]:
            self.env.call_at(at_s, lambda connection=connection: self.connector.close(connection))

    def request(self, connection, at_s):
        def ask():
            if self.connector.begin_request(connection):
                self.deliver(connection)
            else:
                connection.on_accepted = lambda: self.deliver(connection)

        self.env.call_at(at_s, ask)

    def deliver(self, connection):
        self.delivered.append((self.late.index(connection), round(self.env.now, 3)))

    def open(self):
        return sum(connection.open for connection in self.late)


def test_one_free_place_connects_all_of_a_batch_and_one_for_good():
    listener = Listener()
    listener.close_first(0.5)
    listener.env.run(until=1.2)
    assert listener.open() == LATE
    assert sum(connection.half_open for connection in listener.late) == LATE - 1
    assert listener.connector.backlog == accept_queue(QUEUE)


def test_without_the_wheel_one_free_place_connects_one():
    listener = Listener(timer_wheel=False)
    listener.close_first(0.5)
    listener.env.run(until=1.2)
    assert listener.open() == 1


def test_a_network_that_may_lose_an_attempt_changes_nothing_for_the_others():
    listener = Listener(loss=1e-12)
    listener.close_first(0.5)
    listener.env.run(until=1.2)
    assert listener.open() == LATE


def test_a_batch_stays_together():
    # A second timer of one second is no multiple of a slot; it starts when the first one ran.
    listener = Listener()
    listener.close_first(1.5)
    listener.env.run(until=2.3)
    assert listener.open() == LATE


def test_without_a_free_place_nobody_is_connected():
    listener = Listener()
    listener.env.run(until=1.2)
    assert listener.open() == 0


def test_what_a_client_sends_takes_a_place_as_soon_as_there_is_one():
    listener = Listener()
    listener.close_first(0.5)
    # Whoever was first of the batch waits in the queue; this one is only half connected.
    listener.request(listener.late[3], 1.3)
    # It is repeated 0.2 s later, and again after twice that. All others leave in between.
    listener.env.call_at(1.6, lambda: [listener.connector.close(c) for c in listener.first[1:]])
    listener.env.call_at(1.6, lambda: listener.connector.close(listener.late[0]))
    listener.env.run(until=3.0)
    assert listener.delivered == [(3, 1.9)]


def test_a_half_open_client_may_leave_at_any_time():
    listener = Listener()
    listener.close_first(0.5)
    listener.request(listener.late[2], 1.3)
    listener.env.call_at(1.4, lambda: listener.connector.abandon(listener.late[2]))
    listener.env.call_at(1.4, lambda: listener.connector.close(listener.late[3]))
    listener.env.call_at(1.5, lambda: [listener.connector.close(c) for c in listener.first[1:]])
    listener.env.run(until=10.0)
    assert listener.delivered == []
    assert not listener.late[2].half_open
    # All that were left have a place, or one in the queue, by their second SYN-ACK.
    assert listener.connector.accepted + listener.connector.backlog == min(PLACES, LATE - 2)


def test_a_service_that_dies_cuts_half_open_clients():
    listener = Listener()
    listener.close_first(0.5)
    listener.env.call_at(1.4, listener.connector.reset)
    listener.env.run(until=5.0)
    assert listener.open() == 0
    assert not any(connection.half_open for connection in listener.late)


@pytest.mark.parametrize("timer_wheel", [False, True])
def test_ports_come_back(timer_wheel):
    listener = Listener(timer_wheel=timer_wheel)
    listener.close_first(0.5)
    listener.env.call_at(
        2.5,
        lambda: [listener.connector.close(c) for c in (*listener.first, *listener.late)],
    )
    listener.env.run(until=120.0)
    assert listener.connector.ports_used == 0
