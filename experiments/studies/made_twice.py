"""An application's first run is made twice: what differs comes from the application itself.

A difference is no accident of the simulator: everything that it draws comes from the seed. Likely
sources are named with the first request that differs. A config and code that were found equal are
remembered in the user's cache folder and not looked at again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from experiments.errors import NotRepeatableError
from sim.app.modules import own_modules, roots_of
from sim.run import simulate

if TYPE_CHECKING:
    from experiments.config.reading import Config
    from sim.measure.requests import Sample
    from sim.result import RunResult

_SOURCES: Final = (
    "likely sources: the order of a set or of ids of objects, a module of a library that keeps "
    "something between runs, a native extension with a clock or chance of its own, a file"
)


def check_made_twice(config: Config, result: RunResult) -> bool:
    """Make the run of `result` again if that was never done; return whether it was done now.

    Raises:
        NotRepeatableError: the digests differ, with the first request that does.
    """
    world = config.world
    if not world.app.path or result.failure or result.partial:
        return False
    marker = _marker(config)
    if marker is not None and marker.exists():
        return False
    again = simulate(world, result.seed)
    if again.digest != result.digest:
        raise NotRepeatableError(
            f"{config.name}, seed {result.seed}: two runs of the application differ: "
            f"{_first_difference(config, result.seed)}; {_SOURCES}"
        )
    if marker is not None:
        # A folder that cannot be written to only costs time: it is checked again.
        with suppress(OSError):
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
    return True


def _marker(config: Config) -> Path | None:
    """The file that says that this config with this code was found repeatable."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    digest = blake2b(json.dumps(config.resolved, sort_keys=True, default=str).encode())
    for name, module in sorted(own_modules(roots_of(config.world.app.path)).items()):
        with suppress(OSError):
            digest.update(name.encode() + Path(str(module.__file__)).read_bytes())
    return cache / "ticketsim" / "made-twice" / digest.hexdigest()[:32]


def _first_difference(config: Config, seed: int) -> str:
    """The first request that is not the same in two more runs."""
    runs: list[list[Any]] = []
    for _ in range(2):
        seen: list[Any] = []

        def note(sample: Sample, seen: list[Any] = seen) -> None:
            seen.append((sample.time_s, sample.user, sample.endpoint, sample.status))

        simulate(config.world, seed, sampler=note)
        runs.append(seen)
    for number, (one, other) in enumerate(zip(*runs, strict=False), start=1):
        if one != other:
            return f"request {number} is {_told(one)} in one and {_told(other)} in the other"
    if len(runs[0]) != len(runs[1]):
        return f"one has {len(runs[0])} requests and the other {len(runs[1])}"
    return "all requests are the same, so rows or Redis keys at the end differ"


def _told(request: Any) -> str:
    time_s, user, endpoint, status = request
    return f"user {user}'s {endpoint} at {time_s:.4f} s with status {status}"
