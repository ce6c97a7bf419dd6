"""M/M/c in each library's own way: `customers` customers, exponential times, mean service 1 s.

Each function takes (servers, arrivals per second, customers, seed) and returns the mean time that
a customer was there, in seconds.
"""

import importlib.util
import random
from collections.abc import Callable

import simpy

from sim.kernel.environment import Environment
from sim.stations.connection_pool import ConnectionPool
from sim.stations.worker_pool import WorkerPool

Model = Callable[[int, float, int, int], float]


def worker_threads(servers, rate, customers, seed):
    """Ours: every server is a thread, customers are jobs in the queue before them."""
    env, rng = Environment(), random.Random(seed)
    times = []

    def serve(arrived_s):
        env.sleep(rng.expovariate(1.0))
        times.append(env.now - arrived_s)

    pool = WorkerPool(env, "server", servers, serve)

    def arrive():
        for _ in range(customers):
            env.sleep(rng.expovariate(rate))
            pool.submit(env.now)

    env.spawn("arrivals", arrive)
    env.run()
    env.close()
    return _mean(times, customers)


def customer_threads(servers, rate, customers, seed):
    """Ours: every customer is a thread of its own that borrows a server."""
    env, rng = Environment(), random.Random(seed)
    times = []
    pool = ConnectionPool(env, servers, timeout_s=float("inf"))

    def customer():
        arrived_s = env.now
        borrowed_s = pool.acquire()
        env.sleep(rng.expovariate(1.0))
        pool.release(borrowed_s)
        times.append(env.now - arrived_s)

    def arrive():
        for _ in range(customers):
            env.sleep(rng.expovariate(rate))
            env.spawn("customer", customer)

    env.spawn("arrivals", arrive)
    env.run()
    env.close()
    return _mean(times, customers)


def simpy_processes(servers, rate, customers, seed):
    """SimPy: every customer is a process that requests a resource, as in its bank example."""
    env, rng = simpy.Environment(), random.Random(seed)
    times = []
    counter = simpy.Resource(env, capacity=servers)

    def customer():
        arrived_s = env.now
        with counter.request() as turn:
            yield turn
            yield env.timeout(rng.expovariate(1.0))
        times.append(env.now - arrived_s)

    def arrive():
        for _ in range(customers):
            yield env.timeout(rng.expovariate(rate))
            env.process(customer())

    env.process(arrive())
    env.run()
    return _mean(times, customers)


def queueing_tool(servers, rate, customers, seed):
    """queueing-tool: one `QueueServer`, its data collected."""
    import numpy as np

    # It asks for a name that NumPy 2 no longer has.
    vars(np)["infty"] = np.inf
    import queueing_tool as qt

    rng = np.random.RandomState(seed)
    queue = qt.QueueServer(
        num_servers=servers,
        arrival_f=lambda t: t + rng.exponential(1.0 / rate),
        service_f=lambda t: t + rng.exponential(1.0),
        active_cap=customers,
        collect_data=True,
        seed=seed,
    )
    queue.set_active()
    queue.simulate(nD=customers)
    data = queue.fetch_data()
    done = data[data[:, 2] > 0.0]
    return _mean(list(done[:, 2] - done[:, 0])[:customers], customers)


def ciw(servers, rate, customers, seed):
    """Ciw: a network of one node, until so many have left."""
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=rate)],
        service_distributions=[ciw.dists.Exponential(rate=1.0)],
        number_of_servers=[servers],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(customers, method="Finish")
    records = simulation.get_all_records()
    return _mean([record.exit_date - record.arrival_date for record in records], customers)


def salabim(servers, rate, customers, seed):
    """Salabim: every customer is a component, made by a generator; processes that yield."""
    import salabim as sal

    sal.yieldless(False)
    env = sal.Environment(random_seed=seed, trace=False)
    counter = sal.Resource("counter", capacity=servers)
    service = sal.Exponential(1.0)
    times = []

    class Customer(sal.Component):
        def process(self):
            arrived_s = self.env.now()
            yield self.request(counter)
            yield self.hold(service.sample())
            self.release(counter)
            times.append(self.env.now() - arrived_s)

    sal.ComponentGenerator(Customer, iat=sal.Exponential(1.0 / rate), number=customers)
    env.run()
    return _mean(times, customers)


def happysim(servers, rate, customers, seed):
    """happysim: a Poisson source, a server with so many slots, a sink."""
    from happysimulator import Instant, Server, Simulation, Sink, Source
    from happysimulator.distributions import ExponentialLatency

    random.seed(seed)
    sink = Sink()
    service = ExponentialLatency(1.0)
    server = Server("server", service_time=service, downstream=sink, concurrency=servers)
    # It stops at a time, so the number of customers is right on average only.
    last_s = customers / rate
    source = Source.poisson(rate=rate, target=server, stop_after=last_s)
    end = Instant.from_seconds(last_s + 1_000.0)
    Simulation(sources=[source], entities=[server, sink], end_time=end).run()
    return sink.average_latency()


def _mean(times, customers):
    assert len(times) == customers, f"{len(times)} of {customers} customers"
    return sum(times) / customers


STOCK = "stock SimPy"
THREADS = "worker threads"
CUSTOMERS = "a thread per customer"
OWN: dict[str, Model] = {THREADS: worker_threads, CUSTOMERS: customer_threads}
PEERS: dict[str, tuple[str, Model]] = {
    "queueing-tool": ("queueing_tool", queueing_tool),
    "Ciw": ("ciw", ciw),
    "salabim": ("salabim", salabim),
    "happysim": ("happysimulator", happysim),
}


def installed_peers():
    """Name -> model of each peer that is here."""
    return {
        name: model
        for name, (module, model) in PEERS.items()
        if importlib.util.find_spec(module) is not None
    }
