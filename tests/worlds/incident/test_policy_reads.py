"""A switch that a run never asked for can be changed without changing the run."""

import dataclasses

import pytest

from experiments.config.reading import load
from model.policy import Policy
from sim.run import simulate
from sim.service.policy_reads import PolicyReads


def test_it_is_the_policy_and_remembers_what_was_asked_for():
    given = dataclasses.replace(Policy(), access_ttl_s=7.0, sweep_by_score=False)
    policy = PolicyReads(given)
    assert policy.names == []
    assert policy.access_ttl_s == 7.0
    assert policy.access_ttl_s == 7.0
    assert not policy.sweep_by_score
    assert policy.names == ["access_ttl_s", "sweep_by_score"]
    assert isinstance(policy, Policy)
    with pytest.raises(AttributeError):
        policy.no_such_switch  # noqa: B018 - reading it is the test
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.access_ttl_s = 8.0


def test_a_copy_of_it_is_a_policy_with_everything_asked_for():
    policy = PolicyReads(dataclasses.replace(Policy(), access_ttl_s=7.0))
    changed = dataclasses.replace(policy, waiting_ttl_s=3.0)
    assert (changed.access_ttl_s, changed.waiting_ttl_s) == (7.0, 3.0)
    assert policy.with_defect("D3").sweep_by_score is False
    assert set(policy.names) == {field.name for field in dataclasses.fields(Policy)}


def opposite(policy, name):
    value = getattr(policy, name)
    if isinstance(value, bool):
        return not value
    return value * 0.5 if isinstance(value, float) else None


@pytest.mark.parametrize(("config", "scale"), [("incident-as-planned", 0.004), ("smoke", 0.3)])
def test_the_run_is_the_same_with_every_other_switch_changed(config, scale):
    world = load(config).world
    run = simulate(world, 1, scale=scale)
    unasked = [
        (field.name, changed)
        for field in dataclasses.fields(Policy)
        if field.name not in run.consulted
        for changed in [opposite(world.policy, field.name)]
        if changed is not None
    ]
    assert unasked
    for name, changed in unasked:
        policy = dataclasses.replace(world.policy, **{name: changed})
        again = simulate(dataclasses.replace(world, policy=policy), 1, scale=scale)
        assert again.digest == run.digest, name
        assert again.metrics == run.metrics, name
        assert again.consulted == run.consulted, name
