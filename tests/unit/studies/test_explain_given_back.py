"""Simulated incidents given back, and which unknown moves which number: answers are known."""

import numpy as np
import pytest

from experiments.config.explain_settings import Prior
from experiments.config.reading import Observed
from experiments.config.unknown import Unknown
from experiments.studies.explain.calibration import coverage
from experiments.studies.explain.cross_validation import Drawn, cross_validated
from experiments.studies.explain.influence import influences
from experiments.studies.explain.observations import Observation, Vector


def observation(name, value, bound="equal", spread=0.05):
    return Observation(name, Observed("http_req_failed.rate", value, spread, bound))


def drawn(count, models, made):
    rng = np.random.default_rng(1)
    worlds = []
    for number in range(count):
        model = models[number % len(models)]
        point = tuple(float(value) for value in rng.random(2))
        worlds.append(Drawn(model, point, made(model, point, rng)))
    return worlds


def test_hypotheses_that_leave_different_numbers_are_told_apart():
    vector = Vector([observation("failed", 0.5)], 1.0)
    worlds = drawn(120, ["low", "high"], lambda model, *_: (0.2 if model == "low" else 0.8,))
    found = cross_validated(worlds, ["low", "high"], [], vector)
    assert [row["right"] for row in found["models"]] == pytest.approx([1.0, 1.0])
    assert found["prior"] == 0.5


def test_hypotheses_that_leave_the_same_numbers_are_not():
    vector = Vector([observation("failed", 0.5)], 1.0)
    worlds = drawn(300, ["a", "b"], lambda _model, _point, rng: (float(rng.random()),))
    found = cross_validated(worlds, ["a", "b"], [], vector)
    for row in found["models"]:
        assert row["probability"] == pytest.approx(0.5, abs=0.1)
        assert sum(row["first"].values()) == pytest.approx(1.0)


def test_what_lies_beyond_an_observed_limit_tells_nothing():
    # Both hypotheses keep to the limit; how far beyond it they are was not observed.
    vector = Vector([observation("failed", 0.5, "at_least")], 1.0)
    worlds = drawn(100, ["low", "high"], lambda model, *_: (0.6 if model == "low" else 0.9,))
    found = cross_validated(worlds, ["low", "high"], [], vector)
    # All worlds are equally near: the same ones answer for every truth.
    assert found["models"][0]["probability"] + found["models"][1]["probability"] == pytest.approx(
        1.0, abs=0.02
    )


def test_a_missing_number_is_far_from_any_number_and_near_to_none():
    vector = Vector([observation("failed", 0.5)], 1.0)
    worlds = drawn(100, ["none", "some"], lambda model, *_: (None if model == "none" else 0.5,))
    found = cross_validated(worlds, ["none", "some"], [], vector)
    assert [row["right"] for row in found["models"]] == pytest.approx([1.0, 1.0])


def test_intervals_of_what_is_not_observed_hold_as_often_as_they_say():
    vector = Vector([observation("failed", 0.5)], 1.0)
    worlds = drawn(400, ["only"], lambda _model, point, _rng: (point[0],))
    found = cross_validated(worlds, ["only"], [(0, "seen"), (1, "unseen")], vector)
    seen, unseen = found["coverage"]
    for nominal, share, error in zip(
        *(unseen[key] for key in ("nominal", "found", "error")), strict=True
    ):
        assert share == pytest.approx(nominal, abs=4 * error)
    # Without noise the nearest worlds lie on both sides of the truth: intervals err to be wide.
    assert seen["found"][1] > 0.9


def test_too_few_worlds_say_nothing():
    vector = Vector([observation("failed", 0.5)], 1.0)
    worlds = drawn(39, ["only"], lambda _model, point, _rng: (point[0],))
    assert cross_validated(worlds, ["only"], [], vector) is None


def test_the_unknown_that_makes_a_number_has_its_variance_and_the_other_none():
    a_range = Unknown("range", Prior(key="host.speed", low=1.0, high=2.0, reason="made up"))
    a_choice = Unknown(
        "choice",
        Prior(
            key="host.cores", distribution="choice", values=[1.0, 2.0, 3.0, 4.0], reason="made up"
        ),
    )
    vector = Vector([observation("failed", 0.5), observation("still", 0.5)], 1.0)
    worlds = drawn(200, ["only"], lambda _model, point, _rng: (float(int(4 * point[1])), 0.5))
    rows = {
        (row["unknown"], row["observation"]): row
        for row in influences([(0, a_range), (1, a_choice)], worlds, vector, seed=1)
    }
    assert rows["choice", "failed"]["share"] == pytest.approx(1.0)
    assert rows["range", "failed"]["share"] < 0.1
    assert rows["choice", "failed"]["by_chance"] < 0.1
    # A number that is the same in all worlds is moved by nothing.
    assert {observation for _, observation in rows} == {"failed"}


def test_intervals_among_few_worlds_are_held_against_what_few_worlds_can_give():
    # Among eight worlds a truth has nine ranks; seven of them lie within the 90 % interval.
    (row,) = coverage(["x"], [[0.5], [1.0]], 8)
    assert row["nominal"] == pytest.approx([5 / 9, 7 / 9])
    assert row["found"] == [0.5, 0.5]
