"""The service closes a connection a fixed time after its last answer, however many there were."""

import random
from dataclasses import replace

import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.network.connection import Connection
from sim.network.connector import Connector
from sim.world import Generator, Network, Service

TIMEOUT_S = 5.0
MOST_BETWEEN_S = 4.0
LOOK_S = 0.05


@pytest.mark.parametrize("seed", range(5))
def test_each_is_closed_when_it_has_been_idle_for_the_time(seed):
    rng = random.Random(seed)
    env = Environment()
    service = replace(Service(), connection_timeout_s=TIMEOUT_S, max_connections=100)
    connector = Connector(
        env, service, replace(Generator(), local_ports=1_000), Network(), Streams(1).stream("x")
    )
    last_s, closed_s = {}, {}

    def asks(number):
        connection = Connection()
        for _ in range(2):
            # The second time it is opened again, after it was closed.
            env.sleep(rng.uniform(0.0, 3.0))
            assert connector.dial(connection) is None
            for _ in range(rng.randrange(1, 5)):
                env.sleep(rng.uniform(0.0, MOST_BETWEEN_S))
                connector.begin_request(connection)
                env.sleep(rng.uniform(0.0, 2.0 * TIMEOUT_S))
                assert connection.open
                connector.end_request(connection, closes=False)
            last_s[number] = env.now
            while connection.open:
                env.sleep(LOOK_S)
            idle_s = env.now - last_s[number]
            assert TIMEOUT_S <= idle_s <= TIMEOUT_S + LOOK_S + 1e-9
            closed_s[number] = env.now

    for number in range(30):
        env.spawn(str(number), lambda number=number: asks(number))
    env.run()
    assert len(closed_s) == 30
    assert connector.accepted == 0
    assert not connector._idle
