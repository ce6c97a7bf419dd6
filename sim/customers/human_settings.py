"""Behaviour of people: patience, reloads, tabs, and the share of bots among them."""

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
            "mean time that a person waits before leaving, counted from the arrival or from "
            "the opening, whichever is later",
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
            "shape of the Weibull distribution of patience: 1 is exponential; larger values "
            "scatter less",
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
        Setting(
            "a person reloads the page when an answer takes longer than this", "s", _WEB, 2, 60
        ),
    ] = 10.0
    reload_mean_s: Annotated[
        float,
        Gt(0),
        Setting(
            "mean time between a person's reloads of a waiting page that works",
            "s",
            "assumed: waiting pages ask people not to reload, and some people do",
            10,
            36_000,
        ),
    ] = 300.0
    extra_tabs_mean: Annotated[
        float,
        Ge(0),
        Le(20),
        Setting(
            "mean number of further tabs or devices with the same account (geometric distribution)",
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
            "share of arrivals that are programs (bots): they never lose patience, send "
            "requests all the time and buy at once",
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
            "pause of a bot between two requests; a bot ignores `pollAfter`",
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
            "time that a bot needs to book, and to pay",
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
            "deadline for the payment as people know it, counted from the booking. A payment "
            "without an answer is tried again until the deadline; a person who misses it chooses "
            "another seat. The service itself cancels after policy.booking_expiry_s; unset, both "
            "are the same",
            "s",
            "assumed: the page tells people how long the service keeps a booking",
            30,
            3_600,
        ),
    ] = None
