"""One verdict: what holds, what failed, in which step and why."""

import dataclasses

import pytest

from experiments.config.reading import load
from experiments.statistics.ranking import Entry, failing_quantity, ranked, recommended
from experiments.statistics.saturation import rounded_limits
from experiments.statistics.steps import STEP_LIMIT, shares_of, step_counts
from experiments.statistics.thresholds import criteria
from experiments.statistics.verdict import Terms, default_criteria, verdict_on
from experiments.views.report.advice import advice_lines
from experiments.views.text.verdict_text import advice_on_refusals, failure_sentence
from model.service import BOOKING, CHECK, DATES, GENERATION, PAYMENT, SEATS
from sim.result import RunResult
from sim.scale import scaled


def sale(seed=1, *, failed=0, races=0, paid=60, cancelled=5, seats=100, polls_failed=0, **changes):
    """An on-sale that holds, unless told otherwise: `failed` bookings of 200 got no answer."""
    outcomes = {
        GENERATION: {"200": 300},
        CHECK: {"200": 10_000 - polls_failed, "0": polls_failed},
        DATES: {"200": 200},
        SEATS: {"200": 200},
        BOOKING: {"200": 200 - failed - races, "0": failed, "409": races},
        PAYMENT: {"200": paid},
    }
    errors = {
        BOOKING: {"DialTimeout": failed, "SeatTakenError": races},
        CHECK: {"RequestTimeout": polls_failed},
    }
    run = RunResult(
        seed=seed,
        digest=f"{seed:064x}",
        simulated_s=600.0,
        ended="completed",
        metrics={
            "http_reqs": {"count": 10_960, "rate": 18.0},
            "http_req_failed": {"rate": (failed + races + polls_failed) / 10_960},
            "http_req_duration": {"p(95)": 100.0},
            "admissions": {"count": 250, "rate": 1.0},
            "goodput": {"value": 6.0},
            "time_to_sell_out": {"value": 400_000.0},
        },
        outcomes={name: {k: n for k, n in row.items() if n} for name, row in outcomes.items()},
        errors={name: {k: n for k, n in row.items() if n} for name, row in errors.items()},
        exceptions={},
        tables={
            "seat": seats,
            "booking": paid + cancelled,
            "booking:PAID": paid,
            "booking:CANCELLED": cancelled,
        },
        funnel={"never_arrived": 0, "waited": 40, "paid": paid, "booked": 200 - paid},
        invariants={"oversold": 0},
        sweeps=[],
        notes=[],
    )
    return dataclasses.replace(run, **changes)


def terms(scale=1.0, **thresholds):
    return Terms(tuple(criteria(thresholds, "mine.toml")), scale, opens_after_s=100.0)


def test_what_holds_has_four_numbers_of_seats_and_when_they_were_sold():
    verdict = verdict_on([sale()], terms())
    assert verdict["outcome"] == "holds"
    assert not verdict["failures"]
    assert verdict["seats"] == {
        "on_sale": 100,
        "held": 65,
        "standing": 60,
        "paid": 60,
        "cancelled": 5,
        "sold_out_runs": 1,
        "sold_out_after_s": 300.0,
    }


def test_bookings_without_an_answer_fail_though_all_requests_together_look_well():
    """Polls outnumber bookings by fifty: 29 % of the bookings are 0.5 % of the requests."""
    verdict = verdict_on([sale(failed=58)], terms(http_req_failed=["rate<0.01"]))
    assert verdict["thresholds"][0]["met"]
    assert verdict["outcome"] == "fails"
    (failure,) = verdict["failures"]
    assert (failure["kind"], failure["step"]) == ("step", "booking")
    assert failure["value"] == pytest.approx(0.29)
    assert (failure["cause"], failure["resource"]) == ("DialTimeout", "service.max_connections")


def test_lost_races_are_business_and_polls_are_apart():
    verdict = verdict_on([sale(races=100, polls_failed=400)], terms())
    assert verdict["outcome"] == "holds"
    booking = verdict["steps"]["booking"]
    assert (booking["answered"], booking["refused"], booking["failed"]) == (100, 100, 0)
    assert not booking["causes"]


def test_a_limit_of_the_config_replaces_the_stated_default():
    thresholds = {"step_failed{step:booking}": ["rate<=0.3"]}
    asked = terms(**thresholds)
    assert verdict_on([sale(failed=58)], asked)["outcome"] == "holds"
    assert verdict_on([sale(failed=64)], asked)["outcome"] == "fails"
    names = [one.name for one in default_criteria(asked.criteria)]
    assert f"step_failed{{step:token}}: rate<={STEP_LIMIT:g}" in names
    assert not any("booking" in name for name in names)


def test_nobody_let_in_fails_without_a_failed_request():
    metrics = {k: v for k, v in sale().metrics.items() if k != "admissions"}
    verdict = verdict_on([sale(metrics=metrics, funnel={"waited": 300})], terms())
    assert [failure["kind"] for failure in verdict["failures"]] == ["sale"]


def test_what_must_never_happen_fails():
    verdict = verdict_on([sale(), sale(2, invariants={"oversold": 2})], terms())
    assert verdict["outcome"] == "fails"
    assert verdict["invariants"] == {"oversold": 1}


@pytest.mark.parametrize(
    ("run", "asked"),
    [
        (sale(outcomes={}), terms()),
        (sale(ended="interrupted"), terms()),
        (sale(), terms(**{"http_req_duration{endpoint:" + PAYMENT + "}": ["p(95)<1"]})),
        (sale(), terms(0.1, order_inversions=["count<5"])),
    ],
    ids=["nothing-asked", "interrupted", "no-samples", "not-at-this-scale"],
)
def test_what_cannot_be_decided_is_open_and_says_why(run, asked):
    verdict = verdict_on([run], asked)
    assert verdict["outcome"] == "open"
    assert verdict["open"]


@pytest.mark.parametrize(
    ("metric", "expression", "met"),
    [
        ("goodput", "value>50", True),
        ("goodput", "value>61", False),
        ("http_reqs", "count<109000", False),
        ("http_req_duration", "p(95)<101", True),
        ("http_req_failed", "rate<0.001", True),
    ],
)
def test_what_grows_with_size_is_compared_at_full_size(metric, expression, met):
    """At a tenth of the size: goodput 6 a minute is 60, requests are ten times as many."""
    row = verdict_on([sale()], terms(0.1, **{metric: [expression]}))["thresholds"][0]
    assert row["met"] is met
    assert row["at_full_size"] is (metric in {"goodput", "http_reqs"})


def test_step_counts_add_up_over_runs():
    counts = step_counts([sale(failed=10, races=20), sale(2)])["booking"]
    assert counts["requests"] == counts["answered"] + counts["refused"] + counts["failed"] == 200
    assert counts["causes"] == {"DialTimeout": 5}


def entry(name, asked, runs):
    return Entry(name, verdict_on(runs, asked), runs)


def test_the_fix_that_sells_and_holds_ranks_before_the_one_with_fewer_failed_requests():
    asked = terms(http_req_failed=["rate<0.01"])
    base = entry("base", asked, [sale(n, failed=50 + n) for n in range(3)])
    few = entry("fewer-failures", asked, [sale(n, failed=10 + n, paid=50) for n in range(3)])
    good = entry("sells", asked, [sale(n, failed=n % 2, races=90, paid=90) for n in range(3)])
    entries = [base, few, good]
    quantity = failing_quantity(base.verdict, asked.criteria)
    assert quantity.name == "booking failed"
    ranks = ranked(entries, quantity)
    assert [rank.name for rank in ranks] == ["sells", "base", "fewer-failures"]
    verdicts = {one.name: one.verdict for one in entries}
    assert recommended(ranks, verdicts, "base") == ["sells"]


def test_a_fix_that_breaks_a_threshold_is_not_recommended_however_much_it_sells():
    asked = terms(http_req_duration=["p(95)<500"])
    slow = {**sale().metrics, "http_req_duration": {"p(95)": 900.0}}
    base = entry("base", asked, [sale(n) for n in range(3)])
    more = entry("more", asked, [sale(n, paid=100, metrics=slow) for n in range(3)])
    ranks = ranked([more, base], failing_quantity(base.verdict, asked.criteria))
    assert [rank.name for rank in ranks] == ["base", "more"]
    assert recommended(ranks, {"base": base.verdict, "more": more.verdict}, "base") == []


def test_what_the_runs_cannot_tell_apart_is_a_tie():
    asked = terms()
    base = entry("base", asked, [sale(n, paid=60 + n) for n in range(3)])
    same = entry("same", asked, [sale(n, paid=62 - n) for n in range(3)])
    ranks = ranked([base, same], failing_quantity(base.verdict, asked.criteria))
    assert [rank.rank for rank in ranks] == [1, 1]
    assert ranks[0].tied_with == ("same",)
    assert recommended(ranks, {"base": base.verdict, "same": same.verdict}, "base") == []


def test_a_threshold_that_is_not_about_failures_has_no_cause_among_them():
    runs = [sale(races=50)]
    (failure,) = verdict_on(runs, terms(goodput=["value>100"]))["failures"]
    assert (failure["cause"], failure["resource"]) == ("", "")
    (failure,) = verdict_on([sale(failed=58)], terms(http_req_failed=["rate<0.001"]))["failures"][
        :1
    ]
    assert failure["cause"] == "DialTimeout"


def test_a_limit_of_a_few_units_at_a_scale_is_not_blamed():
    """8,192 connections at a thousandth are 8: the rounding may be what failed."""
    failed = [sale(failed=58)]
    asked = dataclasses.replace(terms(0.001), rounded=frozenset({"service.max_connections"}))
    (failure,) = verdict_on(failed, asked)["failures"]
    assert failure["rounded"]
    assert "the limit is" not in failure_sentence(failure)
    (failure,) = verdict_on(failed, terms(0.1))["failures"]
    assert failure_sentence(failure).endswith("the limit is service.max_connections")


def test_limits_too_small_to_blame_are_those_that_the_scale_made_small():
    world = load("incident-as-planned").world
    assert not rounded_limits(world, world)
    found = rounded_limits(world, scaled(world, 0.001))
    assert {"service.max_connections", "service.threads", "pool.connections"} <= found
    # 28,232 ports at a thousandth are 28.
    assert "generator.local_ports" not in found


def test_a_goodput_that_sold_every_seat_has_nothing_else_to_blame():
    asked = terms(goodput=["value>1000"])
    (failure,) = verdict_on([sale(paid=100, cancelled=0)], asked)["failures"]
    assert "every seat was sold and paid for" in failure_sentence(failure)
    (failure,) = verdict_on([sale(paid=99, cancelled=0)], asked)["failures"]
    assert "every seat" not in failure_sentence(failure)


def test_shares_of_a_step_add_up_over_runs_of_different_size():
    small = sale(2, outcomes={BOOKING: {"200": 1, "0": 9}}, errors={BOOKING: {"DialTimeout": 9}})
    counts = step_counts([sale(failed=10, races=20), small])["booking"]
    assert sum(shares_of(counts)) == pytest.approx(1.0)
    assert counts["failed_share"] == pytest.approx((10 / 200 + 9 / 10) / 2)


def test_what_is_extrapolated_says_so_where_it_stands():
    (failure,) = verdict_on([sale()], terms(0.1, goodput=["value>61"]))["failures"]
    assert failure_sentence(failure).startswith("goodput: value>61: is 60 at full size")


def test_a_named_limit_comes_with_its_value_its_price_and_what_to_try():
    failure = {
        "kind": "step",
        "name": "token",
        "step": "token",
        "value": 0.2,
        "limit": 0.01,
        "cause": "DialTimeout",
        "cause_share": 1.0,
        "resource": "service.max_connections",
        "setting": 8192,
        "rounded": False,
    }
    (told,) = advice_lines([failure])
    assert "service.max_connections = 8,192 now" in told
    assert "--set service.max_connections=16384" in told
    assert "price" in told
    (small,) = advice_lines([{**failure, "rounded": True}])
    assert "larger --scale" in small
    assert list(advice_lines([{**failure, "resource": ""}])) == []


def test_of_several_runs_an_invariant_tells_the_worst_run_and_the_mean():
    runs = [sale(invariants={"overbooked": count}) for count in (0, 1, 2)]
    (failure,) = verdict_on(runs, terms())["failures"]
    assert failure_sentence(failure) == (
        "must never happen: 2 overbooked, in the worst run (it broke in 2 runs; mean of all 1)"
    )
    (alone,) = verdict_on(runs[2:], terms())["failures"]
    assert failure_sentence(alone) == "must never happen: 2 overbooked"


def test_a_repair_that_fails_more_thresholds_ranks_before_what_breaks_an_invariant():
    asked = terms(http_req_failed=["rate<0.01"], http_req_duration=["p(95)<50"])
    fast = {"http_req_failed": {"rate": 0.0}, "http_req_duration": {"p(95)": 10.0}}
    slow = {"http_req_failed": {"rate": 0.3}, "http_req_duration": {"p(95)": 90.0}}
    broken = [sale(n, invariants={"overbooked": 1}, metrics=fast) for n in range(3)]
    base = entry("base", asked, broken)
    repaired = entry("repaired", asked, [sale(n, metrics=slow) for n in range(3)])
    assert (len(base.verdict["failures"]), len(repaired.verdict["failures"])) == (1, 2)
    ranks = ranked([base, repaired], failing_quantity(base.verdict, asked.criteria))
    assert [rank.name for rank in ranks] == ["repaired", "base"]


def advice(*runs, expression="rate<0.02"):
    return list(advice_on_refusals(verdict_on(runs, terms(http_req_failed=[expression]))))


def test_refusals_alone_fail_a_threshold_of_all_requests_polls_among_them():
    # 150 refusals of 10,960 requests; of the other 10,810 the 100 failed polls failed.
    (text,) = advice(sale(races=150, polls_failed=100))
    assert "1.37 % of the requests were refused" in text
    assert "of the others 0.93 % failed" in text


def test_failed_polls_fail_it_also_without_the_refusals():
    assert not advice(sale(races=150, polls_failed=400))


def test_a_refusal_with_status_500_is_not_left_out_by_the_tag():
    refused = sale(races=10)
    outcomes = {**refused.outcomes, BOOKING: {"500": 190, "409": 10}}
    errors = {BOOKING: {"SeatLockedError": 190, "SeatTakenError": 10}}
    rate = {**refused.metrics, "http_req_failed": {"rate": 200 / 10_960}}
    run = dataclasses.replace(refused, outcomes=outcomes, errors=errors, metrics=rate)
    assert not advice(run, expression="rate<0.01")


def test_a_threshold_that_wants_failures_has_no_refusals_to_leave_out():
    assert not advice(sale(races=150), expression="rate>0.5")
