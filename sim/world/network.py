"""The network between load generator and service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Network:
    """The network between load generator and service."""

    one_way_s: Annotated[
        float,
        Ge(0),
        Setting(
            "one-way delay, added to the delay of the loopback device in the cost table",
            "s",
            "incident: everything on one machine",
            0,
            0.5,
        ),
    ] = 0.0
    loss: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("probability that a connection attempt is lost", "", "loopback loses none", 0, 0.2),
    ] = 0.0
