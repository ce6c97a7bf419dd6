"""What is on sale, and who may buy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Earlier:
    """Rows that were there before the load: of tries by hand, and of a load stopped before."""

    tokens: Annotated[
        int,
        Ge(0),
        Setting(
            "token rows of tries by hand, long past; of the last registered users",
            "rows",
            "incident: single tries worked, how many nobody says",
            0,
            100,
        ),
    ] = 0
    bookings: Annotated[
        int,
        Ge(0),
        Setting(
            "bookings of these tries; those that were not paid are cancelled",
            "rows",
            "incident: single tries worked, how many nobody says",
            0,
            100,
        ),
    ] = 0
    payments: Annotated[
        int,
        Ge(0),
        Setting(
            "payments of these bookings, whose seats are taken, from the first one on",
            "rows",
            "incident: single tries worked, how many nobody says",
            0,
            100,
        ),
    ] = 0
    load_users: Annotated[
        int,
        Ge(0),
        Setting(
            "users, from the first one on, to whom a load that was stopped had given a token: the "
            "row is there, Redis no longer has the token",
            "users",
            "incident: unknown; a load test is rarely started only once",
            0,
            1_000,
        ),
    ] = 0
    load_before_s: Annotated[
        float,
        Ge(0),
        Setting(
            "how long before this load those tokens were issued; each lives as access tokens do",
            "s",
            "incident: unknown; below the 900 s of a token its user is locked out at first",
            0,
            3_600,
        ),
    ] = 600.0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is on sale and who may buy: the rows in the database before the run."""

    users: Annotated[
        int,
        Gt(0),
        Le(1_000_000),
        Setting(
            "registered users; virtual user k uses user id k",
            "users",
            "incident: 30,000 and 2 spare",
            1,
            1e6,
        ),
    ] = 30_002
    capacity: Annotated[
        int,
        Gt(0),
        Setting(
            "people let in at once (concert.capacity)",
            "people",
            "incident: 50 in the repository's sample data, 5,000 in the plan",
            1,
            50_000,
        ),
    ] = 5_000
    seats: Annotated[
        int,
        Gt(0),
        Le(1_000_000),
        Setting(
            "seats of the one schedule on sale", "seats", "incident: the plan's 20,000", 1, 200_000
        ),
    ] = 20_000
    seat_price: Annotated[
        int, Ge(0), Setting("price of a seat", "points", "assumed; points are ample", 0, 1e6)
    ] = 1_000
    user_points: Annotated[
        int,
        Ge(0),
        Setting("points each user starts with", "points", "measured: ample points", 0, 1e9),
    ] = 1_000_000
    opening_epoch_s: Annotated[
        int,
        Gt(0),
        Le(250_000_000_000),
        Setting(
            "wall-clock time of simulated second 0",
            "s since 1970",
            "incident: autumn 2024, any time serves",
            1e9,
            3e9,
        ),
    ] = 1_732_000_000
    opens_after_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "when the sale opens, after the load begins: before, people only line up; it has "
            "always been open when not given",
            "s",
            "incident: the sale was open before the load began",
            0,
            7_200,
        ),
    ] = None
    earlier: Annotated[Earlier, Setting("rows that were in the tables before the load began")] = (
        field(default_factory=Earlier)
    )
