"""TCP connections between the load generator and the service, with the limits that refuse them.

A client is connected as soon as the server's kernel has answered: the service accepts up to
`max_connections`, the kernel queues as many more as `accept_queue` says. Beyond that connection
attempts are dropped and repeated after 1, 3, 7, 15 and 31 s (Linux: initial retransmission timeout
1 s, doubled each time; with `timer_wheel` as Linux 6.5 and later has it), until the client's dial
timeout.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from sim.network.connection import REQUEST_TIMEOUT, Connection
from sim.network.dial_retries import LOST, SynRetries
from sim.network.local_ports import LocalPorts

if TYPE_CHECKING:
    from sim.kernel.environment import Environment
    from sim.kernel.random_streams import Stream
    from sim.network.link import Link
    from sim.world import Generator, Network, Service


_JAVA_BACKLOG: Final = 50
_SOMAXCONN: Final = 4_096
# Linux: first retransmissions of a SYN-ACK (TCP_TIMEOUT_INIT) and of data on a short way
# (TCP_RTO_MIN); each further one comes after twice the time.
_SYN_ACK_AGAIN_S: Final = 1.0
_DATA_AGAIN_S: Final = 0.2
_LAST_SYN_ACK_S: Final = 16.0
# The data that would follow come after the server has forgotten the handshake.
_LAST_DATA_S: Final = 25.6


def accept_queue(accept_count: int) -> int:
    """Return how many connections wait in the kernel of a Java program's listening socket.

    Java takes a backlog below 1 for 50 (ServerSocket); Linux caps it (net.core.somaxconn, 4,096
    since 5.4) and holds one more than listen(n) says (sk_acceptq_is_full). Measured with Tomcat.
    """
    backlog = accept_count if accept_count > 0 else _JAVA_BACKLOG
    return min(backlog, _SOMAXCONN) + 1


class Connector:
    """The service's listening socket and the client's ports."""

    def __init__(
        self,
        env: Environment,
        service: Service,
        generator: Generator,
        network: Network,
        rng: Stream,
    ) -> None:
        self._env = env
        self._service = service
        self._generator = generator
        self._network = network
        self._rng = rng
        # In the order in which they became idle; a connection again each time, as it is cheap.
        self._idle: deque[Connection] = deque()
        self._idle_timer = False
        self._backlog: deque[Connection] = deque()
        self._established: dict[Connection, None] = {}
        self.ports = LocalPorts(env, generator, network)
        self.queue_length = accept_queue(service.accept_count)
        self._closes_each = generator.connections == "per_request"
        self.accepted = 0
        self.listening = True
        self.refused = 0
        self.link: Link | None = None
        self._round_trip_s = 2.0 * network.one_way_s
        # A request's time begins with its dial (k6: httpext/request.go, context.WithTimeout).
        request_first = generator.request_timeout_s < generator.dial_timeout_s
        self.dials_go_on = request_first and generator.dials_outlive_requests
        """Whether users dial through `SpareConnections`."""
        self._request_first = request_first and not self.dials_go_on
        patience_s = generator.dial_timeout_s
        if self._request_first:
            patience_s = generator.request_timeout_s
        self._half_open: dict[Connection, None] = {}
        self._retries = SynRetries(
            env, self, patience_s, self._round_trip_s, on_wheel=network.timer_wheel
        )

    @property
    def backlog(self) -> int:
        """Connections that the kernel holds and the service has not accepted."""
        return len(self._backlog)

    @property
    def ports_used(self) -> int:
        """Ports of connections that are not over, TIME-WAIT not counted."""
        return self.ports.in_use

    def dial(self, connection: Connection) -> str | None:
        """Connect, blocking the current thread; return why it failed, or None.

        Reasons: "PortsExhausted" (at once), "ConnectionRefused" (nobody listens), "DialTimeout",
        or "RequestTimeout" where a request may not take as long as a dial.
        """
        env = self._env
        port = self.ports.take()
        if port is None:
            self.refused += 1
            return "PortsExhausted"
        connection.port = port
        began_s = env.now
        try:
            env.sleep(self._round_trip_s)
            reason = self.answer(connection)
            if reason is LOST:
                # The kernel goes on by itself; the thread has nothing to do until it is done.
                reason = self._retries.wait(connection, began_s)
                if reason is LOST and self._request_first:
                    reason = REQUEST_TIMEOUT
        except BaseException:
            if not connection.open:
                self.ports.free(port)
            raise
        if reason is not None:
            self.ports.free(port)
            self.refused += 1
        return reason

    def answer(self, connection: Connection) -> str | None:
        """Answer a SYN; return None when connected, or why not."""
        if not self.listening:
            return "ConnectionRefused"
        return LOST if self._loses_syn() or not self._connect(connection) else None

    def _loses_syn(self) -> bool:
        lost = self._network.loss > 0.0 and self._rng.bernoulli(self._network.loss)
        if self.link is not None:
            lost |= self.link.loses(self._env.now)
        return lost

    def answer_in_vain(self, connection: Connection) -> str | None:
        """Connect the client only: its last ACK found the queue full and was dropped.

        Whatever it sends later completes the handshake if there is room then. Returns as `answer`.
        """
        if not self.listening:
            return "ConnectionRefused"
        if self._loses_syn():
            return LOST
        connection.open = connection.half_open = True
        connection.accepted = False
        connection.epoch += 1
        connection.requests = 0
        connection.idle_since_s = -1.0
        self._half_open[connection] = None
        self._complete_later(connection, _SYN_ACK_AGAIN_S, _LAST_SYN_ACK_S, connection.epoch)
        return None

    def _complete_later(
        self, connection: Connection, after_s: float, last_s: float, epoch: int
    ) -> None:
        """Try to complete a handshake after so long, and again after twice that, up to `last_s`."""

        def again() -> None:
            if connection.half_open and connection.epoch == epoch:
                self._complete(connection)
                self._complete_later(connection, 2.0 * after_s, last_s, epoch)

        if after_s <= last_s:
            self._env.call_in(after_s, again)

    def _complete(self, connection: Connection) -> None:
        """Take a half-open connection, if there is room; deliver the request that it carries."""
        epoch, requests = connection.epoch, connection.requests
        idle_since_s = connection.idle_since_s
        if not self.listening or not self._connect(connection):
            return
        del self._half_open[connection]
        connection.half_open = False
        connection.epoch, connection.requests = epoch, requests
        if requests:
            connection.idle_since_s = idle_since_s
        if connection.accepted and connection.on_accepted is not None:
            deliver, connection.on_accepted = connection.on_accepted, None
            deliver()

    def is_hopeless(self) -> bool:
        """Whether a SYN that arrives now is certainly lost, and nothing else comes of it."""
        return (
            self.listening
            and not self.has_room()
            and self.link is None
            and self._network.loss <= 0.0
        )

    def has_room(self) -> bool:
        """Whether another connection has a place, with the service or in the kernel's queue."""
        backlog = self._backlog
        accepts = not backlog and self.accepted < self._service.max_connections
        return accepts or len(backlog) < self.queue_length

    def _connect(self, connection: Connection) -> bool:
        if self.accepted < self._service.max_connections and not self._backlog:
            connection.accepted = True
            self.accepted += 1
        elif len(self._backlog) < self.queue_length:
            connection.accepted = False
            self._backlog.append(connection)
        else:
            return False
        connection.open = True
        self._established[connection] = None
        connection.epoch += 1
        connection.requests = 0
        self._rest(connection)
        return True

    def begin_request(self, connection: Connection) -> bool:
        """Note that a request has arrived; return whether the service can have it at once.

        If not, `on_accepted` of the connection will be called when it can.
        """
        if connection.half_open:
            self._complete(connection)
            if connection.half_open:
                self._complete_later(connection, _DATA_AGAIN_S, _LAST_DATA_S, connection.epoch)
        connection.idle_since_s = -1.0
        connection.requests += 1
        return connection.accepted

    def end_request(self, connection: Connection, closes: bool) -> None:
        """The answer was sent; it says that the connection is closed, or keeps it alive.

        Both sides close a connection at an answer that says so, and either may come first.
        """
        if not connection.open:
            # The client is gone: its kernel answers with a reset, which ends all at once.
            self._free(connection)
            self._release(connection)
        elif (
            closes or self._closes_each or connection.requests >= self._service.keep_alive_requests
        ):
            share = self._service.closes_first_share
            if share > 0.0 and self._rng.bernoulli(share):
                self._close_by_service(connection)
            else:
                self.close(connection)
        else:
            self._rest(connection)

    def abandon(self, connection: Connection) -> None:
        """The client closed it with a request under way; the service does not notice.

        The request waits, is served, and keeps its place among the connections until then; the
        client's port stays in FIN-WAIT-2 as long, but no more than a minute.
        """
        connection.open = False
        if connection.half_open:
            self._drop(connection)
        elif connection.port is not None:
            self.ports.orphan(connection.port)

    def forget(self, connection: Connection) -> None:
        """The client abandoned it before its request came; no effect if it was cut."""
        if connection in self._established:
            self._wait(connection)
            self._release(connection)

    def close(self, connection: Connection) -> None:
        """Close it from the client's side; no effect on a closed one."""
        if not connection.open:
            return
        connection.open = False
        if connection.half_open:
            self._drop(connection)
            return
        self._wait(connection)
        self._release(connection)

    def _drop(self, connection: Connection) -> None:
        """Forget a half-open connection whose client has left: the service never had it.

        The kernel may still deliver its request, if there is room soon; that is left out.
        """
        del self._half_open[connection]
        connection.half_open = False
        connection.on_accepted = None
        self._wait(connection)

    def _close_by_service(self, connection: Connection) -> None:
        """Close it from the service's side, which then has it in TIME-WAIT."""
        connection.open = False
        self._free(connection)
        self._release(connection)

    def _wait(self, connection: Connection) -> None:
        if connection.port is not None:
            self.ports.wait(connection.port)

    def _free(self, connection: Connection) -> None:
        if connection.port is not None:
            self.ports.free(connection.port)

    def _release(self, connection: Connection) -> None:
        del self._established[connection]
        if connection.accepted:
            connection.accepted = False
            self.accepted -= 1
            self._accept_next()
        else:
            self._backlog.remove(connection)
        self._retries.go_on()

    def reset(self) -> None:
        """Cut every connection, and refuse new ones until `listen`: the service is gone."""
        self.listening = False
        for connection in self._established:
            connection.open = connection.accepted = False
            connection.on_accepted = None
            self._free(connection)
        for connection in self._half_open:
            connection.open = connection.half_open = False
            connection.on_accepted = None
            self._free(connection)
        self._half_open.clear()
        self.accepted = 0
        self._established.clear()
        self._backlog.clear()
        self._retries.go_on()

    def listen(self) -> None:
        """Accept connections again."""
        self.listening = True

    def _accept_next(self) -> None:
        while self._backlog and self.accepted < self._service.max_connections:
            connection = self._backlog.popleft()
            connection.accepted = True
            self.accepted += 1
            deliver, connection.on_accepted = connection.on_accepted, None
            if deliver is not None:
                deliver()

    def _rest(self, connection: Connection) -> None:
        """The connection is idle from now on: the server closes it after its keep-alive time."""
        idle = self._idle
        # Nobody has to remember connections that are not idle any more.
        while idle and not self._is_first_idle(idle[0]):
            idle.popleft().idle_entries -= 1
        connection.idle_since_s = self._env.now
        connection.idle_entries += 1
        idle.append(connection)
        if not self._idle_timer:
            self._idle_timer = True
            self._env.call_in(self._service.connection_timeout_s, self._close_idle)

    def _close_idle(self) -> None:
        idle = self._idle
        timeout_s = self._service.connection_timeout_s
        now = self._env.now
        while idle:
            connection = idle[0]
            if self._is_first_idle(connection):
                due_s = connection.idle_since_s + timeout_s
                if due_s > now:
                    self._env.call_at(due_s, self._close_idle)
                    return
                self._close_by_service(connection)
            idle.popleft().idle_entries -= 1
        self._idle_timer = False

    @staticmethod
    def _is_first_idle(connection: Connection) -> bool:
        """Whether the first connection of the list has been idle since it came there."""
        return connection.open and connection.idle_entries == 1 and connection.idle_since_s >= 0.0
