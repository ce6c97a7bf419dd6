"""Every default number of a world, and every number of a shipped config, has source and range."""

import dataclasses
import typing

import pytest

from experiments.config.keys import dataclasses_in, hints_of
from experiments.config.reading import load
from experiments.config.sources import shipped_names
from model.setting import Setting
from sim.world import World


def numbers(owner, value=None, path=""):
    """(path, number, its Setting) of every numeric field of a dataclass, its parts included."""
    for field in dataclasses.fields(owner):
        hint = hints_of(owner)[field.name]
        name = f"{path}{field.name}"
        held = getattr(value, field.name) if value is not None else default_of(field)
        # Of a union, the member that is there; without a value, each of them.
        inner = [type(held)] if dataclasses.is_dataclass(held) else dataclasses_in(hint)
        if inner and not isinstance(held, tuple):
            for part in inner:
                kept = held if isinstance(held, part) else None
                yield from numbers(part, kept, f"{name}.")
        elif isinstance(held, int | float) and not isinstance(held, bool):
            yield name, held, setting_of(hint)


def default_of(field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def setting_of(hint):
    return next((m for m in typing.get_args(hint)[1:] if isinstance(m, Setting)), None)


DEFAULTS = {name: (value, setting) for name, value, setting in numbers(World)}


def test_there_are_many():
    assert len(DEFAULTS) > 60
    assert {"host.cores", "pool.timeout_s", "policy.access_ttl_s"} <= DEFAULTS.keys()


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_number_names_its_source_and_lies_in_its_range(name):
    value, setting = DEFAULTS[name]
    assert setting is not None
    assert setting.source
    assert setting.low is not None
    assert setting.high is not None
    assert setting.low <= value <= setting.high


# The measured runs had every timer divided by twelve, and two programs shared a core.
OUTSIDE = {
    "measured": {"policy.booking_expiry_s", "policy.waiting_ttl_s", "generator.host.cores"},
}


@pytest.mark.parametrize(
    "config", ["incident", "incident-as-planned", "incident-fixed", "measured", "smoke"]
)
def test_the_numbers_of_a_shipped_config_lie_in_their_ranges(config):
    assert config in shipped_names()
    outside = {
        name
        for name, value, setting in numbers(World, load(config).world)
        if setting is not None
        and setting.low is not None
        and not setting.low <= value <= setting.high
    }
    assert outside == OUTSIDE.get(config, set())
