"""The inference on models whose answer is known."""

import math

import numpy as np
import pytest

from experiments.studies.explain.calibration import coverage, infer_back, ranks, truths
from experiments.studies.explain.inference import (
    Evidence,
    Particle,
    Plan,
    Population,
    Proposal,
    common_tolerance,
    evidences,
    infer,
)
from experiments.studies.explain.posterior import mixture, quantile


def judging(distance):
    return lambda proposals: [distance(one.model, one.point) for one in proposals]


def coordinates(populations, place):
    return [one.proposal.point[place] for each in populations for one in each.particles]


def test_particles_are_a_sample_of_the_prior_within_the_tolerance():
    # Near means: the first coordinate near 0.3, or near 0.8 (two regions), the second anything.
    def distance(_model, point):
        return min(abs(point[0] - 0.3), abs(point[0] - 0.8))

    found = infer(["one"], 2, Plan(600, 4), judging(distance), 1)
    tolerance = found[0].tolerance
    first = np.array(coordinates(found, 0))
    halvings = len(found[0].tolerances)
    assert found[0].levels == 4
    assert halvings >= 3
    assert tolerance == pytest.approx(0.5**halvings / 4, rel=0.25)  # both regions, both sides
    assert np.mean(first < 0.55) == pytest.approx(0.5, abs=0.12)
    second = np.array(coordinates(found, 1))
    assert [np.quantile(second, share) for share in (0.25, 0.75)] == pytest.approx(
        [0.25, 0.75], abs=0.1
    )


def test_a_choice_among_few_values_is_found():
    # Only the third of four values comes near.
    def distance(_model, point):
        return abs(math.floor(4 * point[0]) - 2) + 0.1 * abs(point[1] - 0.5)

    found = infer(["one"], 2, Plan(200, 5), judging(distance), 3)
    assert {math.floor(4 * value) for value in coordinates(found, 0)} == {2}


def test_the_evidence_of_models_is_the_prior_probability_of_coming_near():
    # |x - 0.3| <= t has probability 2 t, |x^2 - 0.3| <= t about t / sqrt(0.3) (= 1.83 t);
    # |y - 2| <= t has none.
    shapes = {
        "plain": lambda x: abs(x - 0.3),
        "square": lambda x: abs(x**2 - 0.3),
        "far": lambda x: abs(x - 2.0),
    }
    found = infer(
        list(shapes), 1, Plan(400, 5), judging(lambda model, point: shapes[model](point[0])), 7
    )
    tolerance = common_tolerance(found)
    plain, square, far = evidences(found, tolerance, 7)
    assert plain.nearness == pytest.approx(2 * tolerance, rel=0.4)
    assert plain.probability / square.probability == pytest.approx(
        2 * math.sqrt(0.3), abs=4 * (plain.error + square.error)
    )
    assert far.probability == 0.0
    assert 0.0 < far.high < 0.05
    assert plain.low < plain.probability < plain.high


def test_what_is_rejected_outright_counts_as_far():
    # Nine in ten worlds are rejected; the rest is no nearer or farther.
    def distance(_model, point):
        return 1.0 if point[0] < 0.1 else math.inf

    found = infer(["one"], 1, Plan(100, 3), judging(distance), 5)
    (only,) = evidences(found, common_tolerance(found), 5)
    assert only.nearness == pytest.approx(0.1, abs=0.01)
    assert all(value < 0.1 for value in coordinates(found, 0))


def test_nothing_near_at_all_is_an_answer():
    found = infer(["one", "two"], 1, Plan(20, 2), judging(lambda *_: math.inf), 5)
    both = evidences(found, common_tolerance(found), 5)
    assert [one.accepted for one in both] == [0, 0]
    assert common_tolerance(found) == math.inf


def test_it_is_the_same_again_and_another_seed_is_another_sample():
    def run(seed):
        found = infer(
            ["one"], 2, Plan(40, 3), judging(lambda _model, point: abs(point[0] - 0.5)), seed
        )
        return [one.proposal.point for one in found[0].particles]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_level_cut_short_changes_nothing():
    asked = []

    def judge(proposals):
        asked.extend(proposals)
        room = 50 - (len(asked) - len(proposals))
        return [one.point[0] if place < room else None for place, one in enumerate(proposals)]

    (found,) = infer(["one"], 1, Plan(40, 4), judge, 1)
    assert len(found.particles) == 40
    assert found.tolerances == []
    assert len(found.visited) == 50


def test_worlds_weigh_what_their_model_is_worth():
    def population(name, distances):
        particles = [
            Particle(Proposal(name, (0.5,), f"{name}/0/{number}"), distance)
            for number, distance in enumerate(distances)
        ]
        return Population(name, particles)

    def evidence(name, probability):
        return Evidence(name, 0.1, probability, 0.0, 0.0, 1.0, 1)

    found = mixture(
        [population("one", [0.1, 0.2, 0.9]), population("two", [0.1])],
        [evidence("one", 0.6), evidence("two", 0.4)],
        0.5,
    )
    assert [one.weight for one in found] == pytest.approx([0.3, 0.3, 0.4])


def test_quantiles_follow_the_weights():
    assert quantile([3.0, 1.0, 2.0], [1.0, 1.0, 8.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], [1.0, 1.0, 8.0], 0.05) == 1.0


def test_intervals_of_a_noisy_model_hold_the_truth_as_often_as_they_say():
    # x is observed with noise, y not at all; a finite tolerance makes intervals wider.
    found = []
    for truth in truths("one", 2, 60, seed=4):
        if len(found) == 60:
            break
        noise = np.random.default_rng(len(found))
        observed = truth.point[0] + 0.1 * noise.standard_normal()

        def judge(proposals, noise=noise, observed=observed):
            return [
                abs(one.point[0] + 0.1 * noise.standard_normal() - observed) for one in proposals
            ]

        points = infer_back("one", 2, Plan(40, 3), judge, len(found))
        found.append(ranks(truth.point, points))
    x, y = coverage(["x", "y"], found, 40)
    for row in (x, y):
        for nominal, share, error in zip(row["nominal"], row["found"], row["error"], strict=True):
            assert share >= nominal - 3 * error
    assert y["p_uniform"] > 0.001
    assert x["p_uniform"] > 0.001


def test_relatives_do_not_make_an_unobserved_unknown_look_known():
    # One of fifteen unknowns is observed. After seven halvings few particles are unrelated: with
    # only copies moved, and few coordinates of these, 90 % intervals of the rest held 0.49.
    dimensions, found = 15, []
    for number in range(60):
        rng = np.random.default_rng(number)
        truth = rng.random(dimensions)

        def judge(proposals, rng=rng, observed=truth[0]):
            noise = 0.1 * rng.standard_normal(len(proposals))
            points = np.array([one.point[0] for one in proposals])
            return list(np.abs(points + noise - observed))

        points = infer_back("one", dimensions, Plan(54, 7), judge, number)
        found.append(ranks(tuple(truth), points))
    rows = coverage([str(place) for place in range(dimensions)], found, 54)
    assert np.mean([row["found"][1] for row in rows[1:]]) > 0.75
