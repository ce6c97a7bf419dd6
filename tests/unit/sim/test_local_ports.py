"""Local ports and the accept queue of a simulated socket: who closes first has the TIME-WAIT."""

from dataclasses import replace

import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.load.settings import ConstantArrivalRate
from sim.network.connection import Connection
from sim.network.connector import Connector, accept_queue
from sim.run import simulate
from sim.world import Generator, Network, Service
from tests.support.world_small import small

PORTS = 100


def failures(per_s, for_s, *, service=None, generator=None, network=None, ends="request"):
    """When each of some dials failed: one connection after the other, each closed at once."""
    env = Environment()
    connector = Connector(
        env,
        replace(Service(), **(service or {})),
        replace(Generator(), **{"local_ports": PORTS, **(generator or {})}),
        replace(Network(), **(network or {})),
        Streams(1).stream("network"),
    )
    failed = []

    def come():
        for _ in range(round(per_s * for_s)):
            connection = Connection()
            if connector.dial(connection) is not None:
                failed.append(env.now)
            elif ends == "request":
                connector.begin_request(connection)
                connector.end_request(connection, False)
            env.sleep(1.0 / per_s)

    env.spawn("come", come)
    env.run(until=for_s + 1.0)
    return failed


ELSEWHERE = {"one_way_s": 0.0005}
ONE_EACH = {"keep_alive_requests": 1}


def test_to_another_machine_ports_run_out_and_come_back_after_a_minute():
    failed = failures(10.0, 120.0, service=ONE_EACH, network=ELSEWHERE)
    # 100 ports at 10 a second last 10 s; one a time is free from a minute after its connection.
    assert failed[0] == pytest.approx(10.0, abs=0.2)
    assert not [at for at in failed if 60.5 < at < 69.5]
    assert len(failed) == pytest.approx(500 + 500, abs=20)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"network": {}}, id="loopback, where Linux uses a port again after a second"),
        pytest.param({"generator": {"tcp_tw_reuse": 1}}, id="tcp_tw_reuse 1"),
        pytest.param({"generator": {"time_wait_s": 0.0}}, id="no TIME-WAIT"),
        pytest.param(
            {"service": {**ONE_EACH, "closes_first_share": 1.0}}, id="the service closes first"
        ),
        pytest.param({"service": {}}, id="the connection is kept"),
    ],
)
def test_ports_last(changed):
    options = {"service": ONE_EACH, "network": ELSEWHERE} | changed
    if options["service"] == {}:
        options["ends"] = "request"
        options["service"] = {"connection_timeout_s": 0.001}  # the service closes idle ones
    assert failures(10.0, 60.0, **options) == []


@pytest.mark.parametrize("reuse", [0, 1, 2])
def test_on_loopback_a_port_waits_a_second_or_a_minute(reuse):
    failed = failures(150.0, 4.0, service=ONE_EACH, generator={"tcp_tw_reuse": reuse})
    # 150 new ports a second, of which 100 are free; those of the second before come back.
    assert failed[0] == pytest.approx(100 / 150, abs=0.02)
    came_back = 600 - len(failed)
    assert came_back == pytest.approx(100 if reuse == 0 else 400, abs=10)


def test_an_orphan_keeps_its_port_until_the_service_answers_or_a_minute_has_passed():
    env = Environment()
    connector = Connector(
        env,
        Service(),
        replace(Generator(), local_ports=1),
        Network(one_way_s=0.001),
        Streams(1).stream("network"),
    )
    told = []

    def come():
        connection = Connection()
        connector.dial(connection)
        connector.begin_request(connection)
        connector.abandon(connection)
        env.sleep(59.0)
        told.append(connector.dial(Connection()))
        env.sleep(1.5)
        told.append(connector.dial(Connection()))

    env.spawn("come", come)
    env.run(until=100.0)
    assert told == ["PortsExhausted", None]


def test_the_kernel_holds_one_connection_more_than_the_backlog():
    assert [accept_queue(n) for n in (1, 5, 100)] == [2, 6, 101]
    assert accept_queue(0) == 51  # Java: below 1 is 50
    assert accept_queue(10_000) == 4_097  # Linux: net.core.somaxconn


def held(accept_count):
    """How many of 200 clients at once are connected to a service that serves three."""
    env = Environment()
    connector = Connector(
        env,
        replace(Service(), max_connections=3, accept_count=accept_count),
        replace(Generator(), dial_timeout_s=0.5),
        Network(),
        Streams(1).stream("network"),
    )
    told = []
    for number in range(200):
        env.spawn(f"{number}", lambda: told.append(connector.dial(Connection())))
    env.run(until=2.0)
    return told.count(None)


def test_connected_are_those_served_and_the_queue():
    assert (held(5), held(0)) == (3 + 6, 3 + 51)


@pytest.mark.parametrize(
    ("connections", "opened"), [("kept", 5), ("per_iteration", 20), ("per_request", 40)]
)
def test_connections_per_user_per_iteration_or_per_request(connections, opened):
    world = small(
        script="two_requests",
        load=ConstantArrivalRate(
            "constant-arrival-rate", duration_s=1.95, rate=10.0, pre_allocated_vus=5
        ),
        generator={"connections": connections, "local_ports": 1_000},
        network={"one_way_s": 0.0001},
    )
    run = simulate(world, seed=1)
    assert run.metrics["http_reqs"]["count"] == 40
    blocked = run.metrics["http_req_connecting"]
    # Requests on a new connection wait for its round trip, the others for nothing.
    assert blocked["avg"] * 40 == pytest.approx(opened * blocked["max"], rel=0.2)
