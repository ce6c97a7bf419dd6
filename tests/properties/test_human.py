"""People of `human` in random worlds: every pause takes time, everyone ends, nobody is lost."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from model.policy import Policy
from sim.customers.human_settings import Human
from sim.customers.user import User
from sim.load.settings import OpeningCrowd
from sim.run import simulate
from tests.support.world_small import SMALL

PEOPLE = 15
LONG_S = 200.0
"""Long enough for the most patient of people to come, wait, choose and pay."""

times_s = st.sampled_from([0.2, 1.0, 5.0])
people = st.builds(
    Human,
    patience_mean_s=st.sampled_from([0.5, 3.0, 10.0]),
    patience_shape=st.sampled_from([1.0, 3.0]),
    slow_answer_s=st.sampled_from([0.02, 1.0, 10.0]),
    reload_mean_s=st.sampled_from([0.01, 2.0, 1e4]),
    extra_tabs_mean=st.sampled_from([0.0, 1.0]),
    bots_share=st.sampled_from([0.0, 0.3]),
    bot_interval_s=times_s,
    bot_think_s=st.sampled_from([0.0, 1.0]),
    pay_low_s=st.sampled_from([0.0, 0.5]),
    pay_high_s=st.sampled_from([0.5, 3.0, 20.0]),
    pay_within_s=st.sampled_from([None, 1.0, 10.0]),
)
policies = st.builds(
    Policy,
    access_ttl_s=st.sampled_from([1.0, 6.0, 60.0]),
    waiting_ttl_s=st.sampled_from([0.5, 30.0]),
    booking_expiry_s=st.sampled_from([1.0, 30.0]),
    sweep_interval_s=st.sampled_from([0.5, 2.0]),
    seats_paged=st.booleans(),
)
worlds = st.builds(
    lambda human, policy, seats, capacity, cores, opens_s, slow: replace(
        SMALL,
        policy=policy,
        customer=replace(
            SMALL.customer,
            script="sim.customers.human:human",
            human=human,
            poll_interval_s=slow,
            retry_interval_s=slow,
        ),
        catalogue=replace(SMALL.catalogue, seats=seats, capacity=capacity, opens_after_s=opens_s),
        host=replace(SMALL.host, cores=cores),
        load=OpeningCrowd(
            "opening-crowd",
            people=PEOPLE,
            duration_s=LONG_S,
            early_mean_s=5.0,
            late_mean_s=2.0,
            graceful_stop_s=0.0,
        ),
    ),
    people,
    policies,
    st.integers(1, 2 * PEOPLE),
    st.integers(1, PEOPLE),
    st.sampled_from([0.02, 4.0]),
    st.sampled_from([None, 10.0]),
    st.sampled_from([0.2, 2.0]),
)


@settings(max_examples=10, deadline=None)
@given(worlds, st.integers(0, 2**32))
def test_every_pause_takes_time_and_everyone_ends(world, seed):
    pauses_s = []
    sleep = User.sleep

    def recorded(user, duration_s):
        pauses_s.append(duration_s)
        sleep(user, duration_s)

    User.sleep = recorded
    try:
        result = simulate(world, seed)
    finally:
        User.sleep = sleep

    assert min(pauses_s, default=1.0) > 0.0
    assert sum(result.funnel.values()) == PEOPLE
    metrics = result.metrics
    ended = metrics["iterations"]["count"] + metrics["interrupted_iterations"]["count"]
    assert ended == PEOPLE
    assert metrics["interrupted_iterations"]["count"] <= metrics["bots"]["count"]
    assert metrics["script_errors"]["count"] == 0
    # Whoever is done has paid, found nothing, or left; every payment is of a booking that stands.
    assert result.tables["payment"] == result.tables.get("booking:PAID", 0)
    assert result.tables["payment"] >= result.funnel["paid"]
    assert not any(result.invariants.values())
