"""A run four times as long measures four times as much in the same memory."""

import dataclasses
import functools
import gc
import tracemalloc

import numpy as np
import pytest

from experiments.config.reading import load
from sim import wiring
from sim.kernel.environment import Environment
from sim.load.settings import ConstantVUs
from sim.measure.events import Events
from sim.measure.requests import RequestLog
from sim.measure.samples import Samples
from sim.measure.series import Series
from sim.redis.engine import Eviction
from sim.run import play

MOST = 512


def filled(log, requests):
    rng = np.random.default_rng(1)
    for number, duration_s in enumerate(rng.exponential(0.1, requests).tolist()):
        status = 500 if number % 7 == 0 else 200
        log.record(
            number * 0.01, 1, "GET /a", status, "Oops" if status == 500 else None, duration_s
        )
        if number % 4 == 0:
            log.connected(0.001, 0.0005)
        log.iteration_s.append(duration_s)
    return log


def test_a_thinned_log_counts_all_and_estimates_the_rest():
    exact, thinned = filled(RequestLog(), 20_000), filled(RequestLog(most=4_096), 20_000)
    assert thinned.digest() == exact.digest()
    assert thinned.outcomes() == exact.outcomes()
    assert thinned.errors() == exact.errors()
    expected, found = exact.metrics(200.0), thinned.metrics(200.0)
    assert found.keys() == expected.keys()
    for name in ("http_reqs", "http_req_failed", "iterations"):
        assert found[name] == expected[name]
    for name, statistics in expected.items():
        if not name.startswith("http_req_duration"):
            continue
        for statistic in ("avg", "min", "max"):
            assert found[name][statistic] == pytest.approx(statistics[statistic], rel=1e-9)
        for statistic in ("med", "p(90)", "p(95)", "p(99)"):
            assert found[name][statistic] == pytest.approx(statistics[statistic], rel=0.15)
    assert found["http_req_blocked"]["avg"] == pytest.approx(0.25, rel=0.01)


def test_samples_stay_between_half_and_all_of_their_limit_and_even():
    samples = Samples(most=100)
    for number in range(10_000):
        samples.append(float(number))
        assert min(50, number + 1) <= len(samples.kept()) <= 100
    assert samples.count == 10_000
    assert set(np.diff(samples.kept())) == {float(samples.stride)}


def test_a_series_has_as_many_points_after_any_time():
    for end_s in (1_000.0, 4_000.0, 100_000.0):
        env = Environment()
        series = Series(env, {"now": lambda env=env: env.now}, 1.0, max_points=200)
        series.start()
        env.run(until=end_s)
        assert 100 <= len(series.columns()["t_s"]) <= 200


def test_notes_and_evicted_sets_are_kept_up_to_a_limit_and_counted_beyond(monkeypatch):
    monkeypatch.setattr("sim.measure.events._MOST_KEPT", 3)
    events = Events(Environment(), 0.0)
    for _ in range(10):
        events.note("something")
        events.evicted(Eviction(key="concert:1:queue:waiting", members=5))
    assert len(events.sets_evicted) == 3

    class Redis:
        limit_bytes = 0

    told = events.notes(Redis())
    assert "whole sets evicted by Redis: concert:1:queue:waiting 10" in told[0]
    assert told[-1] == "and 7 more"


def memory_after(length_s):
    """Bytes allocated when a load of that length has ended, and how many requests it made."""
    config = load("smoke", ['policy.preset="incident"', 'customer.preset="incident"'])
    world = dataclasses.replace(
        config.world,
        load=ConstantVUs("constant-vus", length_s, 3),
        catalogue=dataclasses.replace(config.world.catalogue, users=4, seats=10, capacity=1),
        # Every port is remembered that a closed connection had.
        generator=dataclasses.replace(config.world.generator, local_ports=1_000),
    )
    gc.collect()
    tracemalloc.start()
    run = wiring.Parts(world, 1.0, 1)
    try:
        play(run)
        gc.collect()
        return tracemalloc.get_traced_memory()[0], run.log.requests
    finally:
        tracemalloc.stop()
        run.env.close()


def test_a_world_of_constant_size_needs_the_same_memory_after_four_times_the_time(monkeypatch):
    monkeypatch.setattr(wiring, "RequestLog", functools.partial(RequestLog, most=MOST))
    monkeypatch.setattr(wiring, "Series", functools.partial(Series, max_points=20))
    memory_after(2.0)
    short, few = memory_after(8.0)
    long, many = memory_after(32.0)
    assert many > 3 * few > 3 * MOST
    assert long - short < 100_000
