"""The draws of an explanation as a file that a config can name: see `experiments.config.draws`."""

from __future__ import annotations

from typing import Any

from experiments.studies.explain.results import Explanation


def draws_toml(found: Explanation) -> str:
    """The file; one line for each draw."""
    made_by = (
        f"ticketsim explain {found['config']} --seed {found['seed']} "
        f"--scale {found['scale']:g}: {found['runs']} runs"
    )
    lines = [
        f'config = "{found["config"]}"',
        f'version = "{found.get("version", "")}"',
        f'made_by = "{made_by}"',
        "draws = [",
        *(f"    {_inline(draw)}," for draw in found.get("draws", [])),
        "]",
    ]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    """A value of TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return repr(value)


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() else _inline(name)
