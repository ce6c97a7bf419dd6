"""People at an on-sale: how long they wait, what they reload, and that one person buys once."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest, weibull_min

from sim.customers.human import extra_tabs, patience_s
from sim.customers.human_settings import Human
from sim.customers.shop import PAYMENT
from sim.kernel.random_streams import Streams
from sim.load.settings import OpeningCrowd
from sim.measure.waiting_room import overtaken
from sim.run import simulate
from tests.support.world_small import SMALL, Played, failures

SCRIPT = "sim.customers.human:human"
NOBODY_SPECIAL = Human(
    patience_mean_s=1e6, reload_mean_s=1e6, extra_tabs_mean=0.0, bots_share=0.0, slow_answer_s=60.0
)


def on_sale(*, people=40, duration_s=40.0, opens_after_s=None, human=None, **parts):
    """People who come within some seconds; ten are let in at a time, seats for all."""
    world = replace(
        SMALL,
        customer=replace(
            SMALL.customer, script=SCRIPT, human=replace(NOBODY_SPECIAL, **(human or {}))
        ),
        load=OpeningCrowd(
            "opening-crowd",
            people=people,
            duration_s=duration_s,
            early_mean_s=30.0,
            late_mean_s=3.0,
            graceful_stop_s=0.0,
        ),
        catalogue=replace(SMALL.catalogue, opens_after_s=opens_after_s),
    )
    for part, changes in parts.items():
        world = replace(world, **{part: replace(getattr(world, part), **changes)})
    return world


NEVER_PAID = {"think_low_s": 500.0, "think_high_s": 500.0}
"""Ten people get in and think for ever: the others wait."""


# What people are like


@pytest.mark.parametrize("shape", [0.7, 1.0, 3.0])
def test_patience_is_weibull_with_the_mean_asked_for(shape):
    settings = replace(Human(), patience_mean_s=600.0, patience_shape=shape)
    rng = Streams(1).stream("patience")
    drawn = np.array([patience_s(settings, rng) for _ in range(5_000)])

    unit = weibull_min(shape)
    assert kstest(drawn, weibull_min(shape, scale=600.0 / unit.mean()).cdf).pvalue > 0.001
    assert abs(drawn.mean() - 600.0) < 4 * drawn.std() / 5_000**0.5


@pytest.mark.parametrize("mean", [0.0, 0.5, 2.0])
def test_tabs_are_geometric_with_the_mean_asked_for(mean):
    rng = Streams(1).stream("tabs")
    drawn = np.array(
        [extra_tabs(replace(Human(), extra_tabs_mean=mean), rng) for _ in range(5_000)]
    )

    deviation = (mean * (1.0 + mean)) ** 0.5
    assert abs(drawn.mean() - mean) <= 4 * deviation / 5_000**0.5
    assert abs((drawn == 0).mean() - 1.0 / (1.0 + mean)) < 0.03


# Visits


def test_with_patience_and_seats_for_all_everyone_pays_once():
    result = simulate(on_sale(), seed=1)

    assert result.funnel["paid"] == result.tables["payment"] == 40
    assert sum(result.funnel.values()) == 40
    assert "abandoned" not in result.funnel
    assert result.metrics["abandoned"]["count"] == 0
    assert result.metrics["iterations"]["count"] == 40


def test_who_loses_patience_leaves_and_is_counted():
    human = {"patience_mean_s": 6.0}
    result = simulate(on_sale(people=150, duration_s=60.0, human=human, customer=NEVER_PAID), 1)

    assert result.funnel["saw_seats"] == 10
    assert result.funnel["abandoned"] == 140
    assert sum(result.funnel.values()) == 150
    stayed = result.metrics["abandoned_after"]
    assert stayed["avg"] == pytest.approx(6_000.0, rel=0.3)
    # Who has left asks no more.
    assert result.series["http_reqs"][-1] == result.series["http_reqs"][-5]


def test_patience_begins_at_the_opening():
    human = {"patience_mean_s": 2.0, "patience_shape": 10.0}
    world = on_sale(opens_after_s=20.0, human=human, customer=NEVER_PAID)
    early = Played(replace(world, load=replace(world.load, early_share=1.0)))

    assert dict(early.column("passed"))[19.0] == 0
    assert early.result.funnel["abandoned"] == 30
    came_early_s = early.result.metrics["abandoned_after"]["max"] / 1e3
    assert came_early_s > 5.0


def test_bots_never_lose_patience_and_all_of_them_buy():
    human = {"patience_mean_s": 2.0, "bots_share": 0.3, "bot_interval_s": 0.5, "bot_think_s": 0.2}
    # Who left and is let in all the same does not hold the place for long.
    policy = {"absence_s": 1.0, "access_ttl_s": 5.0}
    result = simulate(on_sale(people=120, human=human, policy=policy), 1)

    bots = result.metrics["bots"]["count"]
    assert 20 < bots < 55
    assert result.metrics["bots_paid"]["count"] == bots
    assert result.funnel["abandoned"] > 20
    assert result.funnel["paid"] + result.metrics["abandoned"]["count"] == 120


# Tokens that are lost, bookings that are lost


def test_a_person_who_lost_the_token_after_seeing_seats_pauses_and_leaves_in_the_end():
    """The fault of a person who was let in, lost the token, and polled without any pause."""
    human = {"patience_mean_s": 10.0, "patience_shape": 5.0}
    slow_buyers = {"think_low_s": 4.0, "think_high_s": 8.0}
    policy = {"access_ttl_s": 3.0, "waiting_ttl_s": 600.0}
    world = on_sale(people=60, duration_s=90.0, human=human, customer=slow_buyers, policy=policy)
    played = Played(world)

    assert played.result.funnel["saw_seats"] > 5
    assert played.result.funnel["paid"] == 0
    # Seen seats or not, everyone has left for want of patience, and asks no more.
    assert played.result.metrics["abandoned"]["count"] == 60
    assert played.result.metrics["interrupted_iterations"]["count"] == 0
    assert "requests_without_pause" not in played.result.metrics
    requests = np.diff([value for _, value in played.column("http_reqs")])
    assert requests.max() < 200
    assert requests[-20:].max() == 0


def test_choosing_and_paying_take_times_of_their_own():
    human = {"pay_low_s": 6.0, "pay_high_s": 7.0}
    played = Played(
        on_sale(people=10, human=human, customer={"think_low_s": 0.1, "think_high_s": 0.2})
    )

    paid = failures(played.result, PAYMENT)
    assert not paid
    assert played.result.funnel["paid"] == 10
    stays_s = played.result.metrics["iteration_duration"]["min"] / 1e3
    assert 6.0 < stays_s < 8.0


def test_a_person_too_late_to_pay_chooses_again():
    human = {"pay_low_s": 5.0, "pay_high_s": 5.0, "pay_within_s": 2.0}
    human |= {"patience_mean_s": 20.0, "patience_shape": 10.0}
    result = simulate(on_sale(people=5, duration_s=90.0, human=human), 1)

    assert result.funnel["booked"] == 5
    assert PAYMENT not in result.outcomes
    assert result.tables["booking"] > 10
    assert result.metrics["interrupted_iterations"]["count"] == 0


def test_a_payment_without_an_answer_is_tried_again_until_the_deadline():
    human = {"pay_low_s": 0.5, "pay_high_s": 1.0, "pay_within_s": 25.0}
    world = on_sale(people=8, duration_s=60.0, human=human)

    def fails(run, *, fail):
        pay = type(run.server.service)._pay
        run.server.service._behind_filter[PAYMENT] = (
            (lambda _call: 1 / 0) if fail else (lambda call: pay(run.server.service, call))
        )

    played = Played(
        world,
        events=[
            (0.0, lambda run: fails(run, fail=True)),
            (15.0, lambda run: fails(run, fail=False)),
        ],
    )
    assert failures(played.result, PAYMENT)["ZeroDivisionError"] > 20
    assert played.result.funnel["paid"] == 8
    # None of them booked another seat meanwhile.
    assert played.result.tables["booking"] == 8
    assert any("line" in note and "ZeroDivisionError" in note for note in played.result.notes)


# One person, several tabs


def test_tabs_ask_more_and_get_no_more():
    tabs = {"extra_tabs_mean": 3.0}
    one = Played(on_sale(people=60))
    several = Played(on_sale(people=60, human=tabs))

    assert one.result.funnel["paid"] == several.result.funnel["paid"] == 60
    assert several.result.tables["booking"] == several.result.tables["booked_seats"] == 60
    line = dict(several.column("waiting"))
    assert 20 < max(line.values()) <= 60
    requests = [run.result.metrics["http_reqs"]["count"] for run in (one, several)]
    assert requests[1] > 1.5 * requests[0]
    assert sum(several.result.funnel.values()) == 60
    assert several.result.metrics["iterations"]["count"] == 60


def test_all_tabs_end_with_the_load():
    world = on_sale(people=60, duration_s=6.0, human={"extra_tabs_mean": 3.0}, customer=NEVER_PAID)
    played = Played(world)

    assert played.result.metrics["interrupted_iterations"]["count"] == 60
    assert not any("tab" in thread.name for thread in played.run.env.threads)
    assert not any(played.result.invariants.values())


def breaks_in_a_tab(user):
    """Every person but the first meets a script error in another tab."""

    def breaks(_tab):
        raise KeyError("no such button")

    user.finish(spin=False)
    if user.id > 1:
        user.open_tab(breaks)
        user.wait_for_tabs()


def test_a_script_error_in_a_tab_is_one_of_the_visit():
    world = on_sale(people=3)
    script = f"{__name__}:{breaks_in_a_tab.__name__}"
    played = Played(replace(world, customer=replace(world.customer, script=script)))
    assert played.result.metrics["script_errors"]["count"] == 2
    assert "no such button" in played.result.notes[0]


# Reloads


def test_a_slow_answer_is_not_waited_for_but_the_service_works_for_it():
    slow = {"host": {"cores": 0.05}, "generator": {"request_timeout_s": 60.0}}
    played = Played(on_sale(human={"slow_answer_s": 0.5}, **slow))

    cancelled = sum(
        failures(played.result, endpoint).get("RequestCancelled", 0)
        for endpoint in played.result.errors
    )
    assert cancelled > 40
    unheard = sum(n for (_, _, in_time), n in played.served.items() if not in_time)
    assert unheard > 0.2 * cancelled


def test_people_reload_the_waiting_page_although_it_works():
    asked = {}
    for mean_s in (1.0, 1e6):
        world = on_sale(human={"reload_mean_s": mean_s}, customer=NEVER_PAID, people=20)
        result = simulate(world, 1)
        assert result.funnel["waited"] == 10
        asked[mean_s] = result.tables["token_history"]
    assert asked[1.0] > 5 * asked[1e6]


def test_the_same_seed_gives_the_same_crowd():
    human = {"extra_tabs_mean": 1.0, "reload_mean_s": 5.0, "bots_share": 0.2, "slow_answer_s": 0.02}
    world = on_sale(opens_after_s=10.0, human=human)
    assert simulate(world, 5).digest == simulate(world, 5).digest
    assert simulate(world, 5).digest != simulate(world, 6).digest


# Policies of the waiting room, with customers


def test_intervals_told_by_the_service_bound_the_requests_for_places():
    waiting = {"customer": {**NEVER_PAID, "poll_interval_s": 0.5}, "people": 160}
    per_s = {}
    for checks_per_s in (None, 20.0):
        world = on_sale(**waiting, policy={"checks_per_s": checks_per_s, "waiting_ttl_s": 600.0})
        per_s[checks_per_s] = np.diff(Played(world).result.series["http_reqs"])[20:]
    assert per_s[None].mean() > 200
    # The second in which a request is counted is that of its answer.
    assert per_s[20.0].mean() <= 21
    assert per_s[20.0].max() <= 30


def test_who_ignores_the_intervals_asks_as_before():
    world = on_sale(
        people=60,
        customer={**NEVER_PAID, "poll_interval_s": 0.5, "keeps_interval": False},
        policy={"checks_per_s": 1.0, "waiting_ttl_s": 600.0},
    )
    assert np.diff(Played(world).result.series["http_reqs"])[20:].max() > 50


def test_those_who_left_hold_no_place_when_absence_is_noticed():
    human = {"patience_mean_s": 5.0}
    held = {}
    for absence_s in (None, 2.0):
        policy = {"absence_s": absence_s, "waiting_ttl_s": 600.0}
        world = on_sale(people=100, human=human, customer=NEVER_PAID, policy=policy)
        held[absence_s] = Played(world).column("waiting")[-1][1]
    assert held[None] == 90
    assert held[2.0] <= 2


def test_a_fixed_rate_holds_in_every_minute_of_a_run():
    policy = {"admissions_per_min": 12, "waiting_ttl_s": 600.0}
    world = on_sale(people=60, duration_s=200.0, policy=policy)
    result = simulate(world, 1)
    assert 36 <= result.metrics["admissions"]["count"] <= 12 * 4
    assert result.metrics["admissions_per_minute"]["max"] <= 12


def early_and_other_inversions(order, seed):
    """(Early people, inversions among them, all other inversions) of 80 who are all let in."""
    policy = {"order": order, "waiting_ttl_s": 600.0}
    world = on_sale(people=80, duration_s=60.0, opens_after_s=20.0, policy=policy)
    played = Played(world, seed)
    assert played.result.funnel["paid"] == 80
    steps = played.run.room._steps
    in_order = steps.in_order()
    got_in_s = [steps.got_in_s[user] for user in in_order]
    early = sum(steps.came_s[user] < 20.0 for user in in_order)
    inverted = int(overtaken(got_in_s[:early]).sum())
    return early, inverted, int(overtaken(got_in_s).sum()) - inverted


def test_a_draw_at_the_opening_mixes_the_early_and_keeps_them_before_the_late():
    """Inversions of m in random order: mean m (m - 1) / 4, variance m (m - 1)(2 m + 5) / 72.

    Who is let in learns of it with the next poll, whoever it is, so that does not change the mean.
    """
    deviations = []
    for seed in range(1, 5):
        m, inverted, others = early_and_other_inversions("random_at_opening", seed)
        pairs = m * (m - 1)
        deviations.append((inverted - pairs / 4) / (pairs * (2 * m + 5) / 72) ** 0.5)
        # Were the late mixed with the early, half of these pairs would be inverted.
        assert others < 0.1 * m * (80 - m)
    assert abs(sum(deviations)) / len(deviations) ** 0.5 < 3.0

    m, inverted, _ = early_and_other_inversions("arrival", 1)
    pairs = m * (m - 1)
    assert inverted < pairs / 4 - 5 * (pairs * (2 * m + 5) / 72) ** 0.5
