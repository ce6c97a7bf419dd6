"""What changes from round to round of a calibration, and what a prediction draws from that."""

import math

import pytest

from experiments.studies.live.demand_fit import with_demands_times
from experiments.studies.live.demands import Demands
from experiments.studies.live.spread import deviations_of, drawn, mean_of, spread
from sim.kernel.random_streams import Streams
from sim.world import Application, World

ROUNDS = [
    Demands(1.0, 2.0, 3.0, 0.0),
    Demands(1.1, 2.2, 3.3, 0.0),
    Demands(0.9, 1.8, 2.7, 0.0),
    Demands(1.0, 2.0, 3.0, 0.0),
]


def draws(rounds, count):
    deviations = deviations_of(rounds)
    return [drawn(deviations, Streams(seed).stream("calibration")) for seed in range(count)]


def test_the_mean_is_geometric_and_a_program_that_did_nothing_has_none():
    assert mean_of([Demands(1.0, 2.0, 4.0, 0.0), Demands(4.0, 2.0, 1.0, 1.0)]) == pytest.approx(
        (2.0, 2.0, 2.0, 0.0)
    )


def test_a_further_round_lies_where_students_t_says():
    """Three degrees of freedom: 95 % within 3.182 scales, 50 % within 0.765."""
    scale = spread(deviations_of(ROUNDS)).service * math.sqrt(1 + 1 / 4)
    logs = [abs(math.log(factors.service)) / scale for factors in draws(ROUNDS, 4_000)]
    assert sum(each < 3.182 for each in logs) / 4_000 == pytest.approx(0.95, abs=0.015)
    assert sum(each < 0.765 for each in logs) / 4_000 == pytest.approx(0.50, abs=0.03)


def test_programs_change_together_as_they_did_in_the_rounds():
    for factors in draws(ROUNDS, 20):
        assert factors.generator == pytest.approx(factors.service) == factors.database
        assert factors.redis == 1.0


def test_programs_that_changed_apart_are_drawn_apart():
    rounds = [Demands(1.0, 1.2, 1.0, 1.0), Demands(1.2, 1.0, 1.0, 1.0), Demands(1.0, 1.0, 1.0, 1.0)]
    found = draws(rounds, 2_000)
    apart = sum((factors.generator > 1.0) != (factors.service > 1.0) for factors in found)
    # Two normal numbers with a correlation of -1/2 have different signs with a probability of 2/3.
    assert apart / 2_000 == pytest.approx(2 / 3, abs=0.04)
    assert {factors.database for factors in found} == {1.0}


def test_one_round_tells_nothing_of_the_next():
    assert drawn(deviations_of(ROUNDS[:1]), Streams(1).stream("calibration")) == (1.0,) * 4
    assert drawn((), Streams(1).stream("calibration")) == (1.0,) * 4


def test_a_factor_on_a_demand_is_a_factor_on_the_programs_work():
    world = World()
    more = with_demands_times(world, Demands(2.0, 3.0, 4.0, 5.0))
    assert more.generator.speed == world.generator.speed / 2.0
    assert more.service.factors == {"*": 3.0}
    assert more.app.factors == {}
    assert more.database.speed == world.database.speed / 4.0
    assert more.redis.command_overhead_us == world.redis.command_overhead_us * 5.0


def test_of_an_application_the_factors_of_its_own_code_change():
    world = World(app=Application(wsgi="shop.web:app", factors={"GET /seats": 2.0}))
    more = with_demands_times(world, Demands(1.0, 3.0, 1.0, 1.0))
    assert more.app.factors == {"*": 3.0, "GET /seats": 6.0}
    assert more.service.factors == {}
