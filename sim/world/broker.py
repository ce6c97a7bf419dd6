"""The message broker behind the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Broker:
    """The message broker behind the outbox."""

    available: Annotated[
        bool,
        Setting("whether sends succeed", source="incident: unknown; measured runs had a broker"),
    ] = True
    send_s: Annotated[
        float,
        Ge(0),
        Setting(
            "time of one acknowledged send",
            "s",
            "assumed: one loopback round trip with acks=1",
            0.0001,
            1,
        ),
    ] = 0.002
    max_block_s: Annotated[
        float,
        Ge(0),
        Setting(
            "how long a send blocks while the broker is down", "s", "Kafka: max.block.ms", 0, 300
        ),
    ] = 60.0
    listener_fails_probability: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting(
            "probability that the service's own event consumer fails on every event of a "
            "run; it then retries each event nine times and logs each attempt",
            "",
            "incident: not reported; measured: 3 of 7 runs, all events of a run or none",
            0,
            1,
        ),
    ] = 0.0
