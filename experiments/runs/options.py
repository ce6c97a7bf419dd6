"""How to run: what every study takes beside its config."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from experiments.config.reading import Config
from experiments.runs.budget import Budget
from experiments.runs.display import Display

Workers = int | str | None
"""Programs to use, or the address of a Dask cluster; None: one process for each core."""


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """How many runs, where, for how long, and where results are kept.

    `seed` and `replications` are the config's own when they are None; `out` is the folder that
    results are kept in, None for nowhere. `force` begins also what may not fit the memory.
    """

    seed: int | None = None
    replications: int | None = None
    workers: Workers = None
    scale: float = 1.0
    out: Path | None = None
    budget: Budget = dataclasses.field(default_factory=Budget)
    display: Display = dataclasses.field(default_factory=Display)
    force: bool = False
    began_s: float = dataclasses.field(default_factory=time.monotonic)
    """When the command began, by `time.monotonic`: what it reads and imports takes time, too."""

    def seed_for(self, config: Config) -> int:
        """The seed of the first replication."""
        return config.header.seed if self.seed is None else self.seed
