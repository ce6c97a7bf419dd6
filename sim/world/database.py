"""The database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Database:
    """The relational database: lock timeout and speed; the host's CPU is a setting of `Host`."""

    lock_wait_timeout_s: Annotated[
        float,
        Gt(0),
        Setting("longest wait for a row lock", "s", "InnoDB: innodb_lock_wait_timeout", 1, 3_600),
    ] = 50.0
    speed: Annotated[
        float,
        Gt(0),
        Setting(
            "speed of statements against the measured database", "", "1 = as measured", 0.01, 100
        ),
    ] = 1.0
