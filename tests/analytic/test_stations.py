"""Each station against its closed form; tolerances are the confidence intervals of replications."""

from math import exp, factorial, sqrt

import numpy as np
import pytest
from scipy import stats

from model.errors import PoolTimeoutError
from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.machines.cpu import Cpu
from sim.stations.connection_pool import ConnectionPool
from sim.stations.single_server import SingleServer
from sim.stations.worker_pool import WorkerPool

REPLICATIONS = 20
CONFIDENCE = 0.999


def assert_mean(samples, expected):
    """The closed form lies in the confidence interval of independent replications."""
    mean, half = (
        np.mean(samples),
        stats.t.ppf((1 + CONFIDENCE) / 2, len(samples) - 1)
        * (np.std(samples, ddof=1) / sqrt(len(samples))),
    )
    assert abs(mean - expected) <= half, f"{mean:.4f} +- {half:.4f}, expected {expected:.4f}"
    assert half <= 0.15 * expected, f"too few samples to tell: {mean:.4f} +- {half:.4f}"


def sojourns(serve, rate, customers, seed, warm_up=0.1):
    """Mean time in a station of Poisson arrivals; `serve(env)` returns the blocking service."""
    env = Environment()
    arrivals = Streams(seed).stream("arrivals")
    station = serve(env, Streams(seed).stream("service"))
    times = []

    def customer():
        began_s = env.now
        station()
        times.append(env.now - began_s)

    def source():
        for _ in range(customers):
            env.sleep(arrivals.exponential(1.0 / rate))
            env.spawn("customer", customer)

    env.spawn("source", source)
    env.run()
    assert len(times) == customers
    return float(np.mean(times[int(warm_up * customers) :]))


def fifo(env, draw, servers=1):
    pool = WorkerPool(env, "server", servers, lambda job: (env.sleep(job[0]), job[1].wake()))

    def serve():
        waiter = env.waiter()
        pool.submit((draw(), waiter))
        waiter.wait()

    return serve


def erlang_c(servers, load):
    top = load**servers / factorial(servers) * servers / (servers - load)
    return top / (sum(load**k / factorial(k) for k in range(servers)) + top)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_mm1(load):
    samples = [
        sojourns(lambda env, rng: fifo(env, lambda: rng.exponential(1.0)), load, 8_000, seed)
        for seed in range(REPLICATIONS)
    ]
    assert_mean(samples, 1.0 / (1.0 - load))


@pytest.mark.parametrize(("servers", "load"), [(2, 1.4), (10, 8.0)])
def test_mmc_waits_as_erlang_c_says(servers, load):
    samples = [
        sojourns(
            lambda env, rng: fifo(env, lambda: rng.exponential(1.0), servers), load, 8_000, seed
        )
        for seed in range(REPLICATIONS)
    ]
    assert_mean(samples, 1.0 + erlang_c(servers, load) / (servers - load))


def test_md1_waits_half_as_long_as_mm1():
    samples = [
        sojourns(lambda env, _rng: fifo(env, lambda: 1.0), 0.7, 8_000, seed)
        for seed in range(REPLICATIONS)
    ]
    assert_mean(samples, 1.0 + 0.7 / (2.0 * 0.3))


def test_mg1_follows_pollaczek_and_khinchine():
    # Hyperexponential: 0.2 with probability 0.8, 4.2 with 0.2; mean 1, second moment 7.12.
    def draw(rng):
        return rng.exponential(0.2 if rng.bernoulli(0.8) else 4.2)

    second = 2 * (0.8 * 0.2**2 + 0.2 * 4.2**2)
    samples = [
        sojourns(lambda env, rng: fifo(env, lambda: draw(rng)), 0.5, 30_000, seed)
        for seed in range(REPLICATIONS)
    ]
    assert_mean(samples, 1.0 + 0.5 * second / (2.0 * 0.5))


def shared(env, draw, cores=1.0):
    process = Cpu(env, cores).process()
    return lambda: process.compute(draw())


@pytest.mark.parametrize("shape", ["exponential", "constant", "hyperexponential"])
def test_mg1_processor_sharing_is_insensitive_to_the_service_distribution(shape):
    def draw(rng):
        if shape == "exponential":
            return rng.exponential(1.0)
        if shape == "constant":
            return 1.0
        return rng.exponential(0.2 if rng.bernoulli(0.8) else 4.2)

    samples = [
        sojourns(lambda env, rng: shared(env, lambda: draw(rng)), 0.6, 10_000, seed)
        for seed in range(REPLICATIONS)
    ]
    assert_mean(samples, 1.0 / 0.4)


def test_processor_sharing_over_several_cores_has_the_sojourn_of_mmc():
    # With exponential work the number present is that of M/M/c, so by Little's law the mean too.
    samples = [
        sojourns(
            lambda env, rng: shared(env, lambda: rng.exponential(1.0), cores=4.0), 3.2, 8_000, seed
        )
        for seed in range(REPLICATIONS)
    ]
    assert_mean(samples, 1.0 + erlang_c(4, 3.2) / (4 - 3.2))


def test_a_single_server_is_mm1():
    def serve(env, rng):
        server = SingleServer(env)

        def station():
            server.enter()
            env.sleep(rng.exponential(1.0))
            server.leave()

        return station

    samples = [sojourns(serve, 0.6, 8_000, seed) for seed in range(REPLICATIONS)]
    assert_mean(samples, 1.0 / 0.4)


def test_a_pool_with_constant_patience_loses_as_many_as_m_m_1_with_impatience():
    """M/M/1 with constant patience T (Barrer, 1957): share that gives up."""
    load, patience = 1.2, 3.0

    def lost_share(seed):
        env = Environment()
        streams = Streams(seed)
        arrivals, service = streams.stream("arrivals"), streams.stream("service")
        pool = ConnectionPool(env, 1, patience)
        customers = 10_000

        def customer():
            try:
                borrowed_s = pool.acquire()
            except PoolTimeoutError:
                return
            env.sleep(service.exponential(1.0))
            pool.release(borrowed_s)

        def source():
            for _ in range(customers):
                env.sleep(arrivals.exponential(1.0 / load))
                env.spawn("customer", customer)

        env.spawn("source", source)
        env.run()
        assert pool.idle == 1
        return pool.timeouts / customers

    grown = load * exp(patience * (load - 1.0))
    expected = (1.0 - load) / (1.0 - load * grown) * grown
    assert_mean([lost_share(seed) for seed in range(REPLICATIONS)], expected)


def test_machine_repairman():
    """Closed loop: 10 users think for 5 s on average, one server of 1 s (exponential)."""
    users, think_s = 10, 5.0
    weights = [
        factorial(users) / factorial(users - n) * (1.0 / think_s) ** n for n in range(users + 1)
    ]
    throughput = 1.0 - weights[0] / sum(weights)

    def measured(seed):
        env = Environment()
        rng = Streams(seed).stream("all")
        process = Cpu(env, 1.0).process()
        served = []

        def user():
            while env.now < 4_000.0:
                env.sleep(rng.exponential(think_s))
                process.compute(rng.exponential(1.0))
                served.append(env.now)

        for _ in range(users):
            env.spawn("user", user)
        env.run()
        return sum(200.0 <= time_s < 4_000.0 for time_s in served) / 3_800.0

    assert_mean([measured(seed) for seed in range(REPLICATIONS)], throughput)


def test_littles_law_holds_exactly_for_the_work_on_a_processor():
    env = Environment()
    rng = Streams(3).stream("all")
    cpu = Cpu(env, 3.0)
    process = cpu.process()
    work = []

    def job():
        work.append(rng.exponential(1.0))
        process.compute(work[-1])

    def source():
        for _ in range(2_000):
            env.sleep(rng.exponential(0.4))
            env.spawn("job", job)

    env.spawn("source", source)
    env.run()
    cpu.advance()
    assert cpu.busy_core_s == pytest.approx(sum(work), rel=1e-9)
    assert process.used_s == pytest.approx(sum(work), rel=1e-12)


def test_a_limited_process_competes_with_as_many_threads_as_it_has():
    """100 jobs in a process of one thread against one job of another, on one core: half each."""
    env = Environment()
    cpu = Cpu(env, 1.0)
    limited, free = cpu.process(threads=1.0), cpu.process()
    ended = {}

    def job(name, process, work_s):
        process.compute(work_s)
        ended.setdefault(name, env.now)

    for _ in range(100):
        env.spawn("many", lambda: job("many", limited, 1.0))
    env.spawn("one", lambda: job("one", free, 5.0))
    env.run()
    assert ended["one"] == pytest.approx(10.0)
    assert ended["many"] == pytest.approx(105.0)


def test_background_load_takes_its_share_and_is_accounted():
    env = Environment()
    cpu = Cpu(env, 2.0)
    process = cpu.process(threads=2.0)
    process.set_background(3.0)
    times = []

    def job():
        process.compute(1.0)
        times.append(env.now)

    env.spawn("job", job)
    env.run(until=10.0)
    # Four jobs share two cores: the job runs at half speed, and then the background has both.
    assert times == [pytest.approx(2.0)]
    assert process.background_s == pytest.approx(1.5 * 2.0 + 2.0 * 8.0)


def test_a_slower_machine_takes_longer_for_the_same_work():
    env = Environment()
    cpu = Cpu(env, 1.0)
    process = cpu.process()
    times = []

    def job():
        process.compute(2.0)
        times.append(env.now)

    env.spawn("job", job)
    env.call_at(1.0, lambda: cpu.set_slowdown(4.0))
    env.run()
    assert times == [pytest.approx(5.0)]
