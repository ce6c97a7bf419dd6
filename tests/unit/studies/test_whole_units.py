"""Which resources a scale leaves too small."""

import dataclasses

import pytest

from experiments.config.reading import load
from experiments.studies.whole_units import lost_at, remark, rounded_changes, smallest_scale


@pytest.fixture
def world():
    whole = load("smoke").world
    return dataclasses.replace(
        whole,
        host=dataclasses.replace(whole.host, cores=4.0),
        pool=dataclasses.replace(whole.pool, connections=20),
        service=dataclasses.replace(whole.service, threads=200, max_connections=8_192),
        catalogue=dataclasses.replace(whole.catalogue, capacity=800, seats=3_000),
    )


def test_less_than_one_unit_is_named_with_what_is_left(world):
    assert [(one.key, one.part) for one in lost_at(world, 0.01)] == [
        ("host.cores", 0.04),
        ("pool.connections", 0.2),
    ]
    assert "one, 5 times as slow" in remark(world, 0.01)


def test_the_smallest_scale_that_is_proposed_loses_nothing_and_the_next_one_below_does(world):
    assert smallest_scale(world) == 0.25
    assert lost_at(world, 0.25) == []
    assert lost_at(world, 0.2) != []
    assert "--scale 0.25" in remark(world, 0.2)


def test_rounding_by_more_than_a_tenth_is_named(world):
    few = dataclasses.replace(world, catalogue=dataclasses.replace(world.catalogue, capacity=5))
    assert "catalogue.capacity" in {one.key for one in lost_at(few, 0.3)}
    assert "rounded to 2" in remark(few, 0.3)


def test_full_size_loses_nothing_even_with_a_single_unit(world):
    single = dataclasses.replace(world, host=dataclasses.replace(world.host, cores=1.0))
    assert lost_at(single, 1.0) == []
    assert remark(single, 1.0) == ""
    assert smallest_scale(single) == 1.0
    assert "none but full size" in remark(single, 0.5)


def test_a_variant_that_changes_what_the_scale_rounds_is_named_by_its_keys(world):
    cores = dataclasses.replace(world, host=dataclasses.replace(world.host, cores=8.0))
    assert rounded_changes(world, cores, 0.03) == ["host.cores"]
    assert rounded_changes(world, cores, 1.0) == []
    assert rounded_changes(world, world, 0.03) == []
