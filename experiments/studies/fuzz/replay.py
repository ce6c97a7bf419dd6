"""Writes a world as a config that runs it again, with only what differs from the defaults."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from experiments.config.reading import Config, check
from experiments.config.sources import Merged
from experiments.errors import TicketsimError
from experiments.studies.fuzz.shrink import Case
from sim.app.modules import roots_of
from sim.world import World

_LONGEST_NAME: Final = 100


def replay_name(names: Sequence[str]) -> str:
    """A name of a file, which no shell takes apart, for what breaks."""
    plain = re.sub(r"[^\w.-]+", "-", "-".join(names)).strip("-.")
    return f"replay-{plain[:_LONGEST_NAME]}.toml"


def replay_config(case: Case, found_in: Config, names: str, folder: Path) -> str:
    """The text of a config that shows a violation.

    Args:
        case: what has to be run.
        found_in: the config that the search began with.
        names: what breaks.
        folder: where the config will be.

    Raises:
        TicketsimError: the world has something that no config can say.
    """
    import tomli_w

    table = {
        "name": f"{found_in.name}-replay",
        "description": f"breaks: {names}; found by ticketsim fuzz {found_in.name}",
        "seed": case.seed,
        **_code_folder(case.world, folder),
        **_differences(case.world, World()),
    }
    again = check(Merged(table, {}), "replay")
    if again.world != case.world:
        raise TicketsimError("the case that was found cannot be written as a config")
    return tomli_w.dumps(table)


def _code_folder(world: World, folder: Path) -> dict[str, str]:
    """Where an application's own code is, from the config's folder where they share one."""
    if not world.app.path:
        return {}
    code, here = Path(roots_of(world.app.path)[0]), folder.resolve()
    # Folders that have only the root in common are not moved together.
    near = code.parts[:2] == here.parts[:2] and len(code.parts) > 1
    return {"python_path": os.path.relpath(code, here) if near else str(code)}


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
