"""What is sampled for the report's pictures, and that the pictures say it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from experiments.views import plots
from experiments.views.plots.funnel import at_full_size as at_full_size_people
from experiments.views.plots.redis_keys import redis_key_names, wiped_s
from experiments.views.plots.timeline import mark_opening
from experiments.views.report.drawing import inline
from experiments.views.report.full_size import at_full_size
from model.service import PAYMENT
from sim.run import simulate
from sim.scale import scaled
from tests.support.world_small import SMALL

WAITING = "concert:1:queue:waiting (zset)"


@pytest.fixture(scope="module")
def run():
    return simulate(SMALL, 1)


def test_every_key_of_redis_is_sampled_with_members_bytes_and_time_to_live(run):
    members = run.series[f"redis_members:{WAITING}"]
    assert np.array_equal(members, run.series["waiting"])
    size = run.series[f"redis_bytes:{WAITING}"]
    assert np.array_equal(size > 0, members > 0)
    assert set(np.unique(run.series[f"redis_ttl_s:{WAITING}"])) <= {-1.0, 0.0}
    assert WAITING in redis_key_names([run])
    assert all(name.endswith(("(zset)", "(string)", "(hash)")) for name in redis_key_names([run]))


def test_durations_over_time_are_those_of_the_requests_of_each_second(run):
    median, p95 = run.series["duration_median_ms"], run.series["duration_p95_ms"]
    asked = np.diff(run.series["http_reqs"], prepend=0.0) > 0
    assert np.array_equal(np.isnan(median), ~asked)
    assert (p95[asked] >= median[asked]).all()
    whole = run.metrics["http_req_duration"]
    assert whole["min"] <= median[asked].min()
    assert p95[asked].max() <= whole["max"]


def test_sales_end_at_what_was_sold(run):
    paid = run.tables["payment"]
    assert f"and {paid} payments of 200 seats" in plots.sales([run], seats=200).get_label()
    assert run.series[f"requests:{PAYMENT}"][-1] == paid


def test_a_wipe_is_seen_and_a_queue_that_empties_is_none(run):
    times = np.arange(6.0)
    wiped = replace(
        run,
        series={
            "t_s": times,
            "redis_members:wiped": np.array([0, 50, 60, 0, 0, 30.0]),
            "redis_members:emptied": np.array([60, 45, 30, 15, 5, 0.0]),
        },
    )
    assert wiped_s(wiped, "wiped") == [3.0]
    assert wiped_s(wiped, "emptied") == []


def test_the_lines_of_a_figure_are_in_the_page_for_its_script(run):
    figure = plots.latency_over_time([run], limit_ms=500.0)
    mark_opening(figure, 5.0, None)
    page = str(inline(figure, "f1", "wide"))
    data = page.partition('data-lines="')[2].partition('"')[0].replace("&#34;", '"')
    (panel,) = json.loads(data)
    assert [line["name"] for line in panel["lines"]] == ["95 % took at most", "half took at most"]
    assert all(len(line["y"]) == len(panel["x"]) for line in panel["lines"])
    assert 0 <= panel["left"] < panel["right"] <= 1
    assert "opens" in page


def test_a_clock_is_shown_where_the_config_has_one(run):
    figure = plots.sales([run])
    mark_opening(figure, 5.0, 36_000.0)
    axes = figure.axes[0]
    assert axes.get_xlabel() == "time of day (UTC)"
    assert axes.xaxis.get_major_formatter()(90.0, 0) == "11:30"


def test_limits_and_people_of_a_smaller_run_are_shown_at_full_size(run):
    world = replace(SMALL, pool=replace(SMALL.pool, connections=30))
    (shown,) = at_full_size([run], world, 0.1)
    assert np.allclose(shown.series["waiting"], 10 * run.series["waiting"])
    factor = 30 / scaled(world, 0.1).pool.connections
    assert np.allclose(shown.series["pool_active"], factor * run.series["pool_active"])
    assert np.array_equal(shown.series["t_s"], run.series["t_s"])
    assert at_full_size([run], world, 1.0) == [run]


def test_redis_shows_refusals_and_the_life_of_keys_that_expire(run):
    times = np.arange(6.0)
    made = replace(
        run,
        series={
            "t_s": times,
            "redis_bytes:token (string)": np.full(6, 100.0),
            "redis_members:token (string)": np.array([1.0, 1, 1, 1, 0, 0]),
            "redis_ttl_s:token (string)": np.array([40.0, 30, 20, 10, 0, 0]),
            "redis_refused_commands": np.array([0.0, 0, 3, 3, 7, 7]),
            # Redis was started again: its own count begins anew.
            "redis_evicted_keys": np.array([0.0, 2, 5, 0, 0, 1]),
        },
    )
    figure = plots.redis_keys([made])
    told = figure.get_label()
    assert "7 commands refused at the memory limit" in told
    assert "6 keys evicted" in told
    assert "token (string) had 10s to live at least" in told
    *_, lives = figure.axes
    assert list(lives.lines[0].get_ydata()) == [40.0, 30.0, 20.0, 10.0]
    forever = {**made.series, "redis_ttl_s:token (string)": np.full(6, -1.0)}
    assert len(plots.redis_keys([replace(made, series=forever)]).axes) == 2


def test_commands_that_a_full_redis_refuses_are_counted():
    redis = replace(SMALL.redis, maxmemory="1mb", maxmemory_policy="noeviction")
    full = simulate(replace(SMALL, redis=redis), 1)
    refused = full.series["redis_refused_commands"]
    assert refused[-1] > 0
    assert (np.diff(refused) >= 0).all()
    # The remark counts commands before the load and after the last sample too.
    assert any("commands refused by Redis" in note for note in full.notes)


def test_the_funnel_at_full_size_adds_up():
    counts = {"waited": 1 / 3, "booked": 10 / 3, "paid": 7.0}
    shown = at_full_size_people(counts, 0.03)
    assert sum(shown.values()) == round(sum(counts.values()) / 0.03)
    assert all(value == int(value) for value in shown.values())
    assert "Of 356 people" in plots.funnel(counts, scale=0.03).get_label()
    assert at_full_size_people(counts, 1.0) == counts
