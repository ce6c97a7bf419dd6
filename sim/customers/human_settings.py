"""What people are like: patience, reloads, tabs, and how many of them are programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from model.setting import Setting

_WEB = (
    "Bouch, Kuchinsky and Bhatti, Quality is in the Eye of the Beholder, 2000: frustration above "
    "8 to 10 s; Nah, A study on tolerable waiting time, 2004: 2 s for a page of information"
)


@dataclass(frozen=True, slots=True)
class Human:
    """Options of the customer `sim.customers.human:human`."""

    patience_mean_s: Annotated[
        float,
        Gt(0),
        Setting(
            "how long somebody waits before leaving, from coming or from the opening, whichever is "
            "later; on average",
            "s",
            "assumed: callers wait for minutes (Brown et al., Statistical Analysis of a Telephone "
            "Call Center, 2005), ticket buyers longer: queues of hours were reported in 2022",
            60,
            21_600,
        ),
    ] = 1_800.0
    patience_shape: Annotated[
        float,
        Gt(0),
        Le(20),
        Setting(
            "shape of its Weibull distribution: 1 is exponential, more is less scattered",
            "",
            "1: Garnett, Mandelbaum and Reiman, Designing a Call Center with Impatient Customers, "
            "2002",
            0.5,
            5,
        ),
    ] = 1.0
    slow_answer_s: Annotated[
        float,
        Gt(0),
        Setting("reloads the page when an answer takes so long", "s", _WEB, 2, 60),
    ] = 10.0
    reload_mean_s: Annotated[
        float,
        Gt(0),
        Setting(
            "reloads the waiting page now and then although it works, on average after this time",
            "s",
            "assumed: waiting pages ask not to, and some do",
            10,
            36_000,
        ),
    ] = 300.0
    extra_tabs_mean: Annotated[
        float,
        Ge(0),
        Le(20),
        Setting(
            "further tabs or devices with the same account, on average (geometric)",
            "tabs",
            "assumed: vendors of waiting rooms tell of several browsers and devices a person "
            "(Queue-it, Bot and abuse management) and give no number",
            0,
            5,
        ),
    ] = 0.3
    bots_share: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting(
            "share of those who come that are programs: they never lose patience, ask all the "
            "time and buy at once",
            "",
            "assumed: 39.9 % of requests to ticket sellers were bad bots' (Distil Networks, How "
            "Bots Affect Ticketing, 2019), of whom each asks far more often than a person",
            0,
            0.9,
        ),
    ] = 0.05
    bot_interval_s: Annotated[
        float,
        Gt(0),
        Setting(
            "pause of a bot between two requests, whatever the service says",
            "s",
            "assumed: an off-the-shelf monitor",
            0.05,
            10,
        ),
    ] = 1.0
    bot_think_s: Annotated[
        float,
        Ge(0),
        Setting(
            "time that a bot takes to book, and to pay",
            "s",
            "assumed: forms filled in by a program",
            0,
            60,
        ),
    ] = 1.0
    pay_low_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "shortest time from the booking to the payment; unset: customer.think_low_s",
            "s",
            "assumed: filling in a payment form takes as long as choosing a seat",
            0,
            3_600,
        ),
    ] = None
    pay_high_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "longest time from the booking to the payment; unset: customer.think_high_s",
            "s",
            "assumed: filling in a payment form takes as long as choosing a seat",
            0,
            3_600,
        ),
    ] = None
    pay_within_s: Annotated[
        float | None,
        Gt(0),
        Setting(
            "deadline for the payment, from the booking: a payment without an answer is tried "
            "again until then, and a person who is too late chooses again; unset: "
            "policy.booking_expiry_s",
            "s",
            "assumed: the page tells people how long the service keeps a booking",
            30,
            3_600,
        ),
    ] = None
