"""The kernel's own sockets on loopback: what `sim.local_ports` and the accept queue say of them."""

import contextlib
import errno
import select
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.network.connection import Connection
from sim.network.connector import Connector, accept_queue
from sim.world import Generator, Network, Service

TABLE = Path("/proc/net/tcp")
REUSE = Path("/proc/sys/net/ipv4/tcp_tw_reuse")
COUNTERS = Path("/proc/net/netstat")
TIME_WAIT = "06"
IP_LOCAL_PORT_RANGE = 51
pytestmark = pytest.mark.skipif(not TABLE.exists(), reason="needs Linux's /proc/net/tcp")

SERVER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0), backlog=int(sys.argv[2]))
print(server.getsockname()[1], flush=True)
if sys.argv[1] == "deaf":
    sys.stdin.read()
while True:
    client, _ = server.accept()
    if sys.argv[1] == "closes":
        client.close()
    else:
        client.recv(1)  # until the client has closed
        client.close()
"""


@contextlib.contextmanager
def server(kind, backlog=10):
    """A process that listens; yields its port."""
    command = [sys.executable, "-c", SERVER, kind, str(backlog)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def in_time_wait(server_port):
    """Which ends of connections to a port are in TIME-WAIT: "client" or "server", and how many."""
    found = Counter()
    for line in TABLE.read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if state == TIME_WAIT:
            found["client"] += int(remote.rpartition(":")[2], 16) == server_port
            found["server"] += int(local.rpartition(":")[2], 16) == server_port
    return found


def connect_from(port, server_port):
    """Connect from one local port, 0 for any; None when the kernel has no port to give."""
    client = socket.socket()
    if port:
        # Not bound to it: Linux would then take a port in TIME-WAIT whatever tcp_tw_reuse says.
        try:
            both_ends = struct.pack("=I", port << 16 | port)
            client.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, both_ends)
        except OSError:
            client.close()
            pytest.skip("needs Linux 6.3 for the range of ports of one socket")
    try:
        client.connect(("127.0.0.1", server_port))
    except OSError as error:
        client.close()
        assert error.errno == errno.EADDRNOTAVAIL  # noqa: PT017 - any other is a broken test
        return None
    return client


def closed_once(server_port, *, client_first):
    """Make a connection and end it; return the local port it had."""
    client = connect_from(0, server_port)
    port = client.getsockname()[1]
    if not client_first:
        assert client.recv(1) == b""
    client.close()
    time.sleep(0.05)
    return port


def simulated(reuse, closes_first, pause_s):
    """Whether a simulated client with one port can connect again after a pause."""
    env = Environment()
    connector = Connector(
        env,
        Service(keep_alive_requests=1, closes_first_share=float(closes_first)),
        Generator(local_ports=1, tcp_tw_reuse=reuse),
        Network(),
        Streams(1).stream("network"),
    )
    told = []

    def come():
        connection = Connection()
        connector.dial(connection)
        connector.begin_request(connection)
        connector.end_request(connection, False)
        env.sleep(pause_s)
        told.append(connector.dial(Connection()) is None)

    env.spawn("come", come)
    env.run(until=100.0)
    return told[0]


def test_time_wait_is_where_the_connection_was_closed_first():
    with server("waits") as port:
        closed_once(port, client_first=True)
        assert in_time_wait(port) == {"client": 1, "server": 0}
    with server("closes") as port:
        closed_once(port, client_first=False)
        assert in_time_wait(port) == {"client": 0, "server": 1}


@pytest.mark.parametrize("pause_s", [0.1, 2.1])
@pytest.mark.parametrize("closes_first", [False, True])
def test_when_the_port_can_be_used_again(closes_first, pause_s):
    reuse = int(REUSE.read_text())
    with server("closes" if closes_first else "waits") as server_port:
        port = closed_once(server_port, client_first=not closes_first)
        time.sleep(pause_s)
        again = connect_from(port, server_port)
        connected = again is not None
        if again is not None:
            again.close()
    assert connected == simulated(reuse, closes_first, pause_s)


def overflows():
    """How many connections the kernel has dropped since it started because a queue was full."""
    names, values = (
        line.split()[1:] for line in COUNTERS.read_text().splitlines() if line.startswith("TcpExt:")
    )
    return int(values[names.index("ListenOverflows")])


@pytest.mark.parametrize("backlog", [1, 7])
def test_the_accept_queue_holds_one_more_than_the_backlog(backlog):
    clients = []
    with server("deaf", backlog) as port:
        before = overflows()
        for _ in range(backlog + 5):
            client = socket.socket()
            client.settimeout(0.2)
            try:
                client.connect(("127.0.0.1", port))
            except TimeoutError:
                client.close()
                break
            clients.append(client)
        assert len(clients) == accept_queue(backlog)
        assert overflows() > before
    for client in clients:
        client.close()


def test_one_free_place_connects_all_clients_whose_attempts_are_repeated_together():
    waiting = 40
    with (
        socket.create_server(("127.0.0.1", 0), backlog=4) as listener,
        contextlib.ExitStack() as all_,
    ):
        address = listener.getsockname()
        for _ in range(accept_queue(4)):
            all_.enter_context(socket.create_connection(address))
        late = [all_.enter_context(socket.socket()) for _ in range(waiting)]
        for client in late:
            client.setblocking(False)
            client.connect_ex(address)
        assert not connected(late)
        all_.enter_context(listener.accept()[0])
        time.sleep(1.2)
        # The kernel has a place for one. A slot of the timers may end among them.
        assert len(connected(late)) > waiting / 4
        listener.setblocking(False)
        accepted = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                all_.enter_context(listener.accept()[0])
                accepted += 1
        assert accepted == accept_queue(4)


def connected(clients):
    """Those that believe that they are connected."""
    return select.select([], clients, [], 0.0)[1]
