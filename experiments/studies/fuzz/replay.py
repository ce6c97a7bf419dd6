"""Writes a world as a config that runs it again, with only what differs from the defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.config.reading import Config, check
from experiments.config.sources import Merged
from experiments.errors import TicketsimError
from experiments.studies.fuzz.shrink import Case
from sim.app.modules import roots_of
from sim.world import World


def replay_config(case: Case, found_in: Config, names: str) -> str:
    """The text of a config that shows a violation.

    Args:
        case: what has to be run.
        found_in: the config that the search began with.
        names: what breaks.

    Raises:
        TicketsimError: the world has something that no config can say.
    """
    import tomli_w

    table = {
        "name": f"{found_in.name}-replay",
        "description": f"breaks: {names}; found by ticketsim fuzz {found_in.name}",
        "seed": case.seed,
        **_code_folder(case.world),
        **_differences(case.world, World()),
    }
    again = check(Merged(table, {}), "replay")
    if again.world != case.world:
        raise TicketsimError("the case that was found cannot be written as a config")
    return tomli_w.dumps(table)


def _code_folder(world: World) -> dict[str, str]:
    """Where an application's own code is: a replay may be run from any folder."""
    return {"python_path": roots_of(world.app.path)[0]} if world.app.path else {}


def _differences(value: Any, default: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not as in `default`, as plain values."""
    fields = {}
    for field in dataclasses.fields(value):
        mine = getattr(value, field.name)
        usual = getattr(default, field.name) if type(default) is type(value) else _default(field)
        if mine == usual or mine is None:
            continue
        fields[field.name] = _plain(mine, usual)
    return fields


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: Any, usual: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _differences(value, usual)
    if isinstance(value, list | tuple):
        return [_plain(part, dataclasses.MISSING) for part in value]
    if isinstance(value, Mapping):
        return {key: _plain(part, dataclasses.MISSING) for key, part in value.items()}
    return value
