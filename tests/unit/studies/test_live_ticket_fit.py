"""A calibration of the ticket service finds what each endpoint costs, and the delay."""

from dataclasses import replace

import pytest

from experiments.config.reading import load as load_config
from experiments.studies.live.demand_fit import SINGLE, simulated_demands, with_measured_demands
from experiments.studies.live.ticket_fit import shared_out
from model.service import BOOKING, CHECK, DATES, GENERATION, PAYMENT, SEATS
from sim.run import simulate
from sim.world import OTHER_ENDPOINTS

HIDDEN = {GENERATION: 2.0, DATES: 3.0, SEATS: 0.8, BOOKING: 1.5, PAYMENT: 0.6}
DELAY_S = 0.0004
ROOMY = [
    "catalogue.capacity=20000",
    "catalogue.opens_after_s=0.0",
    "service.warm=true",
    "generator.console_lines=false",
    "generator.shares_host=true",
    "host.cores=2.0",
]


@pytest.fixture(scope="module")
def world():
    return load_config("incident-fixed", ROOMY).world


def single(world):
    customer = replace(world.customer, script="sim.customers.in_turn:in_turn")
    return replace(world, load=replace(SINGLE, duration_s=5.0), customer=customer)


def with_factors(world, factors):
    return replace(world, service=replace(world.service, factors=factors))


def test_hidden_factors_and_the_delay_are_found(world):
    network = replace(world.network, one_way_s=DELAY_S)
    real = replace(with_factors(world, HIDDEN), network=network)
    times = {}
    run = simulate(
        single(real),
        7,
        sampler=lambda sample: times.setdefault(sample.endpoint, []).append(sample.duration_s),
    )
    assert set(times) == set(HIDDEN)
    asked = with_measured_demands(
        with_factors(world, {OTHER_ENDPOINTS: 1.0}),
        [simulated_demands(run)],
        lambda world: simulate(single(replace(world, network=network)), 1),
    )
    found, remarks = shared_out(asked, times, single)
    assert not remarks
    for endpoint, factor in HIDDEN.items():
        assert found.service.factors[endpoint] == pytest.approx(factor, rel=0.15)
    assert found.network.one_way_s == pytest.approx(DELAY_S, abs=1e-4)
    assert CHECK not in found.service.factors
    assert min(HIDDEN.values()) < found.service.factors[OTHER_ENDPOINTS] < max(HIDDEN.values())


def test_latencies_below_the_simulated_work_are_remarked(world):
    asked = with_factors(world, {OTHER_ENDPOINTS: 5.0})
    found, remarks = shared_out(asked, {DATES: [0.001] * 30}, single)
    assert found.network.one_way_s == 0.0
    assert remarks
    assert "less than is simulated" in remarks[0]


def test_too_few_requests_fit_nothing(world):
    asked = with_factors(world, {OTHER_ENDPOINTS: 5.0})
    found, remarks = shared_out(asked, {}, single)
    assert found.service.factors == {OTHER_ENDPOINTS: 5.0}
    assert remarks
