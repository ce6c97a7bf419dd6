"""The worlds of the config `incident` are those that the inference accepted, and no others."""

import tomllib
from importlib import resources

import pytest

from experiments.config.draws import read_draws
from experiments.config.reading import check, read
from experiments.config.sources import Merged, merge
from experiments.config.unknown import put
from experiments.config.worlds import without_unknowns
from experiments.studies.explain.observations import Vector, observations_of
from experiments.studies.explain.unknowns import Unknowns
from sim.run import simulate


@pytest.fixture(scope="module")
def given():
    return read("incident")


@pytest.fixture(scope="module")
def draws():
    return read_draws("incident-worlds.toml", "incident").draws


def test_each_world_is_drawn_once(given, draws):
    assert len(draws) == given.config.header.replications == 40
    assert {draw.weight for draw in draws} == {1.0}


def test_every_value_is_one_that_was_believed_possible(given, draws):
    unknowns = Unknowns(given.merged, given.config, given.source)
    for unknown in unknowns.unknowns:
        prior = unknown.prior
        for draw in draws:
            value = draw.settings.get(prior.key)
            if value is None or isinstance(value, list):
                continue
            if unknown.is_choice:
                assert value in prior.values or unknown.hypothesis
            else:
                assert prior.low <= value <= prior.high


def test_the_accepted_distance_is_that_of_the_world(given):
    """Fails when the model changes: then `make explain worlds` finds the worlds again."""
    file = resources.files("experiments.shipped") / "data" / "incident-worlds.toml"
    entries = tomllib.loads(file.read_text("utf-8"))["draws"]
    entry = min(
        entries, key=lambda one: max(stage["target"] for stage in one["set"]["load.stages"])
    )
    merged = without_unknowns(given.merged)
    table = {}
    merge(table, merged.table)
    for key, value in entry["set"].items():
        put(table, key, value, "draws", key)
    world = check(Merged(table, {}), "incident").world
    vector = Vector(observations_of(given.config, given.source), 1.0)
    found = vector.distance(vector.values(simulate(world, entry["seed"])))
    assert found == pytest.approx(entry["distance"], rel=1e-9)
