"""Behaviour of a customer of the load script: a switch per client defect, and its timing."""

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
        Setting(
            "import path of the customer function, package.module:function; the simulator runs "
            "its code"
        ),
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
            "when the service's answer has `pollAfter`, asks for its place again after that "
            "time (backing off). Off: always after poll_interval_s"
        ),
    ] = True
    poll_interval_s: Annotated[
        float,
        Gt(0),
        Setting(
            "pause between two requests for the place in the queue (backing off)",
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
            "pause after an error, before the next attempt (backing off)",
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
            "shortest think time before booking and before paying",
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
            "longest think time before booking and before paying",
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
        Setting(
            "share of customers with a booking that pay", "", "incident: the plan's 90 %", 0, 1
        ),
    ] = 0.9

    human: Annotated[
        Human, Setting("behaviour of people, for the customer sim.customers.human:human")
    ] = field(default_factory=Human)

    @classmethod
    def incident(cls) -> Customer:
        """The incident's script: retry storm (D2), first seat for all (D9), spinning (D16)."""
        return cls(backs_off=False, picks_random_seat=False, stops_when_done=False)
