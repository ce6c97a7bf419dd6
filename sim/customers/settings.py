"""What a customer of the load script does: one switch per defect of the client, and its timing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le

from model.setting import Setting
from sim.customers.human_settings import Human


@dataclass(frozen=True, slots=True)
class Customer:
    """Options of the customer function. The defaults are a well-behaved client."""

    script: Annotated[
        str,
        Setting("import path of the customer function, package.module:function; its code is run"),
    ] = "sim.customers.buyer:buyer"
    backs_off: Annotated[
        bool,
        Setting(
            "F2c: never keep an error as a token, pause between polls and after errors, renew "
            "a token before it expires; off is D2, the retry storm",
            source="incident: D2",
        ),
    ] = True
    picks_random_seat: Annotated[
        bool,
        Setting(
            "F9: choose among the free seats; off is D9, everyone takes the first",
            source="incident: D9",
        ),
    ] = True
    stops_when_done: Annotated[
        bool, Setting("F16: finished users stop; off is D16, they spin", source="incident: D16")
    ] = True
    keeps_interval: Annotated[
        bool,
        Setting(
            "asks for its place again when the service says so (`pollAfter`), if it does (backing "
            "off); off, always after poll_interval_s"
        ),
    ] = True
    poll_interval_s: Annotated[
        float,
        Gt(0),
        Setting(
            "pause between two questions about one's place (backing off)",
            "s",
            "assumed: usual for waiting-room pages",
            0.5,
            120,
        ),
    ] = 10.0
    retry_interval_s: Annotated[
        float,
        Gt(0),
        Setting(
            "pause before trying again after an error (backing off)",
            "s",
            "assumed: half a poll interval",
            0.5,
            120,
        ),
    ] = 5.0
    think_low_s: Annotated[
        float,
        Ge(0),
        Setting(
            "shortest time for thought before booking and before paying",
            "s",
            "incident: U(180, 300)",
            0,
            3_600,
        ),
    ] = 180.0
    think_high_s: Annotated[
        float,
        Ge(0),
        Setting(
            "longest time for thought before booking and before paying",
            "s",
            "incident: U(180, 300)",
            0,
            3_600,
        ),
    ] = 300.0
    pay_probability: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("share of those with a booking who pay", "", "incident: the plan's 90 %", 0, 1),
    ] = 0.9

    human: Annotated[
        Human, Setting("what people are like, for the customer sim.customers.human:human")
    ] = field(default_factory=Human)

    @classmethod
    def incident(cls) -> Customer:
        """The script as it was: D2, D9 and D16."""
        return cls(backs_off=False, picks_random_seat=False, stops_when_done=False)
