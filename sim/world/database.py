"""The database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Database:
    """The relational database: lock timeout and speed; the host's CPU is a setting of `Host`."""

    lock_wait_timeout_s: Annotated[
        float,
        Gt(0),
        Setting("longest wait for a row lock", "s", "InnoDB: innodb_lock_wait_timeout", 1, 3_600),
    ] = 50.0
    commit_wait_s: Annotated[
        float,
        Ge(0),
        Setting(
            "time that a commit that wrote waits for the disk, beside its processor time",
            "s",
            "measured system: none is told apart from its processor time; "
            "ticketsim live --calibrate measures it",
            0,
            0.1,
        ),
    ] = 0.0
    speed: Annotated[
        float,
        Gt(0),
        Setting(
            "speed of statements against the measured database", "", "1 = as measured", 0.01, 100
        ),
    ] = 1.0
