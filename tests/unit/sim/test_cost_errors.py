"""Cost tables drawn within the errors of the calibration."""

import math

import numpy as np
import pytest
from scipy import stats

from sim.kernel.random_streams import Streams
from sim.machines.interference import Interference
from sim.run import simulate
from sim.service.cost_errors import CostErrors
from sim.service.costs import Costs, CostsError
from tests.support.world_small import during, small

RUNS = 4_000


@pytest.fixture(scope="module")
def costs():
    return Costs.load()


@pytest.fixture(scope="module")
def drawn(costs):
    errors, rng = CostErrors.load(), Streams(1).stream("errors")
    return [errors.draw(costs, rng) for _ in range(RUNS)]


def logs(drawn, costs, *path):
    def value(table):
        for name in path:
            table = getattr(table, name)
        return table

    return np.log([value(one) / value(costs) for one in drawn])


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (("jvm_request_s",), 0.093),
        (("jvm_statement_s",), 0.158),
        (("exceptions", "null_s"), 0.125),
        (("warm_up", "half_requests"), 0.114),
        (("db_statement_s",), 0.132),
        (("generator", "request_s"), 0.475),
    ],
)
def test_costs_scatter_by_the_errors_of_their_fit_about_the_estimate(drawn, costs, path, error):
    found = logs(drawn, costs, *path)
    assert found.mean() == pytest.approx(0.0, abs=4 * error / math.sqrt(RUNS))
    assert found.std() == pytest.approx(error, rel=0.06)


def test_costs_that_only_their_sum_is_known_of_are_drawn_against_each_other(drawn, costs):
    statement = logs(drawn, costs, "jvm_statement_s")
    command = logs(drawn, costs, "jvm_redis_s")
    assert np.corrcoef(statement, command)[0, 1] < -0.3


def test_whole_runs_fix_the_product_of_the_busy_factor_and_the_commonest_cost(drawn, costs):
    factor = logs(drawn, costs, "busy_generator_factor")
    trace = logs(drawn, costs, "exceptions", "null_s")
    assert np.corrcoef(factor, trace)[0, 1] < -0.9
    assert (factor + trace).std() < trace.std()


def test_shares_stay_shares_and_everything_else_stays_as_it_is(drawn, costs):
    assert all(0.0 < one.warm_up.shared <= 1.0 for one in drawn)
    assert {one.request_cv for one in drawn} == {costs.request_cv}


@pytest.mark.parametrize("name", ["jvm_coffee_s", "exceptions.coffee_s", "exceptions", "a.b"])
def test_an_error_of_something_that_is_no_cost_is_refused(costs, name):
    with pytest.raises(CostsError, match=f"{name} is no cost"):
        CostErrors({}, {name: 0.1}).draw(costs, Streams(1).stream("errors"))


def test_the_speed_of_a_fresh_run_is_students_t():
    rng = Streams(1).stream("speed")
    interference = Interference.__new__(Interference)
    interference._rng = rng
    found = [interference._tail(3.0) * rng.normal() for _ in range(RUNS)]
    # One more run beside four: t with three degrees of freedom, times sqrt(1 + 1/4).
    assert stats.kstest(np.array(found) / math.sqrt(1.25), "t", args=(3,)).pvalue > 0.01


def test_costs_are_drawn_only_where_that_is_asked_for():
    def used_s(seed, **service):
        result = simulate(small(load=during(2.0, 5), service=service), seed=seed)
        return result.series["service_cpu_s"][-1]

    assert used_s(1) == used_s(1, costs_uncertain=False)
    certain = used_s(1)
    uncertain = [used_s(seed, costs_uncertain=True) for seed in range(1, 5)]
    assert len({certain, *uncertain}) == 5
