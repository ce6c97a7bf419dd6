"""A search that found nothing says what it could not have found."""

from dataclasses import replace

import pytest

from experiments.studies.fuzz.exercised import not_exercised
from sim.load.settings import PerVUIterations
from sim.world import Application, World
from tests.unit.results import result

WORLD = replace(
    World(),
    app=Application(wsgi="shop:app", prepare="shop_sim:seed", invariants="shop_sim:check"),
    load=PerVUIterations("per-vu-iterations", vus=8, iterations=1, max_duration_s=60.0),
)
RUN = replace(
    result(),
    outcomes={"POST /orders": {"201": 7}},
    errors={},
    invariants={"oversold": 0, "overtaken": 0},
    most_at_once=3,
)


def remark(*runs, world=WORLD):
    found = not_exercised(world, runs)
    assert len(found) <= 1
    return found[0] if found else ""


def test_nobody_was_refused():
    text = remark(RUN, RUN)
    assert "nobody was ever refused: no answer 402, 403, 409 or 410 (answers: 201 14)" in text
    assert "shop_sim:seed" in text
    assert "load.vus, 8 now" in text


def test_a_search_that_was_stopped_before_its_first_result_has_nothing_to_remark():
    assert not_exercised(WORLD, []) == []


def test_somebody_was_refused_in_one_of_the_tries():
    assert not remark(RUN, replace(RUN, outcomes={"POST /orders": {"201": 6, "409": 1}}))


@pytest.mark.parametrize("answers", [{"201": 7}, {"201": 6, "409": 1}])
def test_stock_that_never_ran_out_is_named_with_the_lowest_of_all_tries(answers):
    runs = [
        replace(RUN, outcomes={"POST /orders": answers}, lowest={"stock:{id}": left})
        for left in (92, 95)
    ]
    assert "never ran out (lowest: stock:{id} 92)" in remark(*runs)


def test_stock_that_ran_out_is_enough_also_where_a_page_says_so_with_200():
    one = replace(RUN, outcomes={"GET /items": {"200": 9}}, lowest={"stock:{id}": 0, "balance": 50})
    assert not remark(one)


def test_requests_that_never_met():
    refused = {"POST /orders": {"201": 6, "409": 1}}
    assert "at the same time" in remark(replace(RUN, outcomes=refused, most_at_once=1))


def test_no_invariant_of_its_own():
    refused = replace(RUN, outcomes={"POST /orders": {"409": 1, "201": 1}})
    text = remark(replace(refused, invariants={"overtaken": 0}))
    assert "shop_sim:check returned none" in text


def test_every_request_failed():
    assert "every request failed (answers: 500 7)" in remark(
        replace(RUN, outcomes={"POST /orders": {"500": 7}})
    )


def test_the_ticket_service_is_told_of_its_own_keys():
    one = replace(RUN, outcomes={"POST /v1/token/generation": {"200": 7}}, most_at_once=None)
    assert "fewer catalogue.seats" in remark(one, world=replace(WORLD, app=Application()))
