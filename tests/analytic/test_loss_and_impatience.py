"""Lost and impatient customers against closed forms, and Little's law over a whole run."""

from dataclasses import replace
from math import exp, factorial

import pytest

from sim.kernel.environment import TIMEOUT, Environment, Waiter
from sim.kernel.random_streams import Streams
from sim.network.connection import Connection
from sim.network.connector import Connector
from sim.stations.connection_pool import ConnectionPool
from sim.stations.worker_pool import WorkerPool
from sim.world import Generator, Network, Service
from tests.analytic.test_stations import REPLICATIONS, assert_mean, erlang_c
from tests.support.world_small import Played, small

MEAN_S = 100.0
"""Service time: long beside the half second that a refused customer needs to notice."""


def lost_share(servers, room, load, seed, customers=6_000):
    """Share of Poisson arrivals that a listening socket turns away; service is exponential."""
    env = Environment()
    streams = Streams(seed)
    arrivals, service = streams.stream("arrivals"), streams.stream("service")
    connector = Connector(
        env,
        replace(
            Service(),
            max_connections=servers,
            connection_timeout_s=1e9,
        ),
        replace(Generator(), dial_timeout_s=0.5),
        Network(),
        streams.stream("network"),
    )
    connector.queue_length = room - servers

    def customer():
        connection = Connection()
        if connector.dial(connection) is not None:
            return
        waiter = env.waiter()
        if connector.begin_request(connection):
            waiter.wake()
        else:
            connection.on_accepted = waiter.wake
        waiter.wait()
        env.sleep(service.exponential(MEAN_S))
        connector.end_request(connection, True)

    def source():
        for _ in range(customers):
            env.sleep(arrivals.exponential(MEAN_S / load))
            env.spawn("customer", customer)

    env.spawn("source", source)
    # The idle timer of a socket lies far in the future.
    env.run(until=1e8)
    assert (connector.accepted, connector.backlog) == (0, 0)
    return connector.refused / customers


def blocking(servers, room, load):
    """M/M/c/K: the share of arrivals that find K customers."""
    weights = [
        load**n / (factorial(min(n, servers)) * servers ** max(0, n - servers))
        for n in range(room + 1)
    ]
    return weights[-1] / sum(weights)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.8), (5, 4.0)])
def test_without_a_queue_as_many_are_lost_as_erlang_b_says(servers, load):
    samples = [lost_share(servers, servers, load, seed) for seed in range(REPLICATIONS)]
    assert_mean(samples, blocking(servers, servers, load))


@pytest.mark.parametrize(("servers", "room", "load"), [(2, 5, 1.8), (4, 10, 4.4)])
def test_with_room_for_k_as_many_are_lost_as_in_mmck(servers, room, load):
    samples = [lost_share(servers, room, load, seed) for seed in range(REPLICATIONS)]
    assert_mean(samples, blocking(servers, room, load))


class GaveUpError(Exception):
    """A customer's patience ran out."""


def abandoned_share(servers, load, patience_s, seed, customers=6_000):
    """Share that leaves a pool's queue when an exponential patience runs out."""
    env = Environment()
    streams = Streams(seed)
    arrivals, service, patience = (streams.stream(n) for n in ("arrivals", "service", "patience"))
    pool = ConnectionPool(env, servers, 1e9)
    left = 0

    def customer():
        nonlocal left
        me, served = env.current, False

        def give_up():
            if not served:
                me.interrupt(GaveUpError())

        timer = env.call_in(patience.exponential(patience_s), give_up)
        try:
            borrowed_s = pool.acquire()
        except GaveUpError:
            left += 1
            return
        served = True
        timer.cancel()
        env.sleep(service.exponential(1.0))
        pool.release(borrowed_s)

    def source():
        for _ in range(customers):
            env.sleep(arrivals.exponential(1.0 / load))
            env.spawn("customer", customer)

    env.spawn("source", source)
    env.run()
    assert pool.idle == servers
    return left / customers


def test_several_servers_and_exponential_patience_lose_as_many_as_erlang_a_says():
    servers, load, patience_s = 4, 4.4, 2.0
    weights, weight = [1.0], 1.0
    for n in range(1, 200):
        weight *= load / (min(n, servers) + max(0, n - servers) / patience_s)
        weights.append(weight)
    waiting = sum(w * max(0, n - servers) for n, w in enumerate(weights)) / sum(weights)

    samples = [abandoned_share(servers, load, patience_s, seed) for seed in range(REPLICATIONS)]
    assert_mean(samples, waiting / patience_s / load)


def gave_up_share(servers, load, patience_s, seed, customers=6_000):
    """Share that leaves before its answer, while a pool of threads works on for all."""
    env = Environment()
    streams = Streams(seed)
    arrivals, service = streams.stream("arrivals"), streams.stream("service")
    left = served = 0

    def serve(answer):
        nonlocal served
        env.sleep(service.exponential(1.0))
        served += 1
        answer.wake("answer")

    threads: WorkerPool[Waiter] = WorkerPool(env, "thread", servers, serve)

    def customer():
        nonlocal left
        answer = env.waiter()
        timer = env.call_in(patience_s, lambda: answer.wake(TIMEOUT))
        threads.submit(answer)
        if answer.wait() is TIMEOUT:
            left += 1
        timer.cancel()

    def source():
        for _ in range(customers):
            env.sleep(arrivals.exponential(1.0 / load))
            env.spawn("customer", customer)

    env.spawn("source", source)
    env.run()
    assert served == customers
    return left / customers


@pytest.mark.parametrize(("servers", "load", "patience_s"), [(1, 0.7, 3.0), (4, 3.4, 2.0)])
def test_customers_whose_service_goes_on_give_up_as_often_as_sojourns_are_longer(
    servers, load, patience_s
):
    """M/M/c: who gives up changes nothing for the others, so P(sojourn > patience) do.

    P(T > t) = exp(-t) (1 + C (1 - exp(-(c - 1 - a) t)) / (c - 1 - a)), C by Erlang, a the load. For
    customers whose service ends with them, Erlang A (above) has fewer: they leave room.
    """
    spare = servers - 1 - load
    late = exp(-patience_s) * (
        1.0 + erlang_c(servers, load) * (1.0 - exp(-spare * patience_s)) / spare
    )
    samples = [gave_up_share(servers, load, patience_s, seed) for seed in range(REPLICATIONS)]
    assert_mean(samples, late)


def orbiting_s(load, retry_s, seed, customers=6_000):
    """Mean time from arrival to service, of those who dial again after random pauses."""
    env = Environment()
    streams = Streams(seed)
    arrivals, service, pauses = (streams.stream(n) for n in ("arrivals", "service", "pauses"))
    connector = Connector(
        env,
        replace(Service(), max_connections=1, connection_timeout_s=1e9),
        replace(Generator(), dial_timeout_s=0.05),
        Network(),
        streams.stream("network"),
    )
    connector.queue_length = 0
    waits = []

    def customer():
        connection = Connection()
        came_s = env.now
        while connector.dial(connection) is not None:
            env.sleep(pauses.exponential(retry_s))
        waits.append(env.now - came_s)
        connector.begin_request(connection)
        env.sleep(service.exponential(MEAN_S))
        connector.end_request(connection, True)

    def source():
        for _ in range(customers):
            env.sleep(arrivals.exponential(MEAN_S / load))
            env.spawn("customer", customer)

    env.spawn("source", source)
    env.run(until=1e8)
    assert len(waits) == customers
    return sum(waits[customers // 10 :]) / len(waits[customers // 10 :])


@pytest.mark.parametrize("retry_s", [0.5 * MEAN_S, 2.0 * MEAN_S])
def test_those_who_retry_wait_as_long_as_in_an_mm1_retrial_queue(retry_s):
    """Customers in orbit: load / (1 - load) (load + arrival rate / retry rate), by Little's law.

    G. Falin and J. Templeton, Retrial Queues (1997), section 1.2.
    """
    load = 0.6
    rate = load / MEAN_S
    orbit = load / (1.0 - load) * (load + rate * retry_s)
    samples = [orbiting_s(load, retry_s, seed) for seed in range(REPLICATIONS)]
    assert_mean(samples, orbit / rate)


def test_littles_law_holds_over_a_whole_run(monkeypatch):
    """L = lambda W: the service counts who is inside, the load generator times each request."""
    inside = {"now": 0, "since_s": 0.0, "area_s": 0.0}
    played = {}

    def change(env, by):
        inside["area_s"] += inside["now"] * (env.now - inside["since_s"])
        inside["since_s"] = env.now
        inside["now"] += by

    from sim.service.host import Server

    submit, serve = Server.submit, Server._serve

    def counted_submit(self, exchange):
        change(self._env, 1)
        submit(self, exchange)

    def counted_serve(self, exchange):
        serve(self, exchange)
        change(self._env, -1)
        played["wires_s"] = 2.0 * self.one_way_s

    monkeypatch.setattr(Server, "submit", counted_submit)
    monkeypatch.setattr(Server, "_serve", counted_serve)
    result = Played(small(host={"cores": 1.0})).result

    count = result.metrics["http_reqs"]["count"]
    waited_s = result.metrics["http_req_waiting"]["avg"] * 1e-3 - played["wires_s"]
    assert inside["now"] == 0
    assert count > 200
    assert inside["area_s"] == pytest.approx(count * waited_s, rel=1e-6)
