"""A variant leaves a race when another is clearly better, and the best one hardly ever leaves."""

import numpy as np
import pytest

from experiments.api.calls import compare
from experiments.studies.compare import race_of_runs
from experiments.studies.compare.racing import ERROR, Entrant, Race, looks_before_the_end

MET = frozenset()
SEATS = 3_000


def entrant(name, seats, failing=None, broken=MET):
    return Entrant(name, broken, seats, failing or [0.1] * len(seats))


def race(entrants=2, looks=1):
    return Race(entrants, looks, "buying failed", SEATS)


def test_who_sells_far_fewer_seats_leaves_and_is_told_why():
    one = entrant("slow", [100, 120, 90, 110])
    best = entrant("fast", [2_900, 2_950, 2_870, 2_930])
    left = race().leaving([one, best])
    assert list(left) == ["slow"]
    assert left["slow"]["ahead"] == "fast"
    assert left["slow"]["after"] == 4
    assert left["slow"]["difference"] == pytest.approx(2_807.5)
    assert 0 < left["slow"]["surely"] < 2_807.5


def test_with_as_many_seats_what_fails_decides():
    one = entrant("slow", [3_000] * 4, [0.40, 0.41, 0.39, 0.40])
    best = entrant("fast", [3_000] * 4, [0.01, 0.02, 0.01, 0.02])
    assert race().leaving([one, best])["slow"]["quantity"] == "buying failed"


def test_who_sells_more_stays_whatever_fails():
    one = entrant("sells", [3_000, 2_990, 3_000], [0.4, 0.4, 0.4])
    other = entrant("fails less", [1_000, 2_500, 1_700], [0.1, 0.1, 0.1])
    assert "sells" not in race().leaving([one, other])


def test_nobody_leaves_for_one_that_breaks_what_he_keeps():
    one = entrant("keeps", [100, 120, 90, 110])
    other = entrant("breaks", [2_900, 2_950, 2_870, 2_930], broken=frozenset({"p95"}))
    assert race().leaving([one, other]) == {}


def test_below_three_replications_and_without_samples_nobody_leaves():
    assert race().leaving([entrant("a", [1, 2]), entrant("b", [3_000, 3_000])]) == {}
    none = [entrant("a", [0, 0, 0], [None] * 3), entrant("b", [0, 0, 0], [None] * 3)]
    assert race().leaving(none) == {}


def test_a_difference_of_no_matter_makes_nobody_leave():
    few = entrant("few", [2_990] * 5, [0.1000, 0.1000, 0.1001, 0.1, 0.1])
    more = entrant("more", [2_995] * 5, [0.1001, 0.1001, 0.1001, 0.1001, 0.1])
    assert race().leaving([few, more]) == {}


def test_looks_double_and_end_before_the_last_replication():
    assert looks_before_the_end(20) == [3, 6, 12]
    assert looks_before_the_end(12) == [3, 6]
    assert looks_before_the_end(3) == []


def run_race(random, truths, replications, spread):
    """Names that left, and the runs that were made of one race; what is common is shared."""
    planned = looks_before_the_end(replications)
    rule = Race(len(truths), len(planned), "failed", SEATS)
    common = random.normal(0, spread, replications)
    own = random.exponential(spread, (len(truths), replications)) - spread
    seats = {name: truth + common + own[k] for k, (name, truth) in enumerate(truths.items())}
    left, runs = set(), 0
    before = 0
    for look in [*planned, replications]:
        staying = [name for name in truths if name not in left]
        runs += len(staying) * (look - before)
        before = look
        if look < replications:
            entrants = [entrant(name, list(seats[name][:look])) for name in staying]
            left |= set(rule.leaving(entrants))
    return left, runs


def test_the_best_leaves_at_most_as_often_as_stated():
    """Skewed noise, nine variants a little behind: the hardest case for a false departure."""
    random = np.random.default_rng(1)
    truths = {"best": 2_000} | {f"v{k}": 1_990 for k in range(9)}
    races = 600
    lost = sum("best" in run_race(random, truths, 24, 60)[0] for _ in range(races))
    # Binomial with the stated error: 30 expected at most, 3 standard deviations above are 46.
    assert lost <= ERROR * races + 3 * (races * ERROR * (1 - ERROR)) ** 0.5


def test_clear_losers_cost_a_part_of_their_runs():
    random = np.random.default_rng(2)
    truths = {"best": 2_900, "second": 2_880} | {f"v{k}": 100 + 20 * k for k in range(8)}
    races = [run_race(random, truths, 24, 60) for _ in range(50)]
    assert all({"best", "second"}.isdisjoint(left) for left, _ in races)
    assert np.mean([runs for _, runs in races]) < 0.55 * 24 * len(truths)


def test_a_comparison_drops_what_sells_nothing_and_resumes_with_the_same_answer(tmp_path):
    variants = {
        "one inside": {"catalogue.capacity": 1},
        "twice the pool": {"pool.connections": 20},
    }
    whole = compare("smoke", variants, scale=0.5, replications=8, workers=1)
    raced = [
        compare(
            "smoke", variants, race=True, scale=0.5, replications=8, workers=1, out=tmp_path / "o"
        )
        for _ in range(2)
    ]
    first, again = (one.data for one in raced)
    assert first["digest"] == again["digest"]
    assert [row["name"] for row in first["variants"]] == [
        row["name"] for row in whole.data["variants"]
    ]
    rows = {row["name"]: row for row in first["variants"]}
    assert rows["one inside"]["left"]["after"] == rows["one inside"]["replications"] < 8
    assert "left" not in rows["twice the pool"]
    assert rows["twice the pool"]["replications"] == 8


def test_a_race_that_goes_on_judges_each_look_by_the_runs_of_its_time(tmp_path, monkeypatch):
    seen = []
    judged = race_of_runs.failing_quantity

    def noted(verdict, criteria):
        seen.append(verdict)
        return judged(verdict, criteria)

    monkeypatch.setattr(race_of_runs, "failing_quantity", noted)
    for _ in range(2):
        compare(
            "smoke",
            {"one inside": {"catalogue.capacity": 1}},
            race=True,
            scale=0.5,
            replications=8,
            workers=1,
            out=tmp_path / "o",
        )
    first, again = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert first == again
