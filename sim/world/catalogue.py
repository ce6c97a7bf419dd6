"""The concert on sale, its seats and the registered users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Earlier:
    """Rows from before the load: from manual tests, and from an earlier load that was stopped."""

    tokens: Annotated[
        int,
        Ge(0),
        Setting(
            "token rows from manual tests, long expired; they belong to the last registered users",
            "rows",
            "incident: single manual tests worked; their number is unknown",
            0,
            100,
        ),
    ] = 0
    bookings: Annotated[
        int,
        Ge(0),
        Setting(
            "bookings from manual tests; unpaid bookings are cancelled",
            "rows",
            "incident: single manual tests worked; their number is unknown",
            0,
            100,
        ),
    ] = 0
    payments: Annotated[
        int,
        Ge(0),
        Setting(
            "payments of these bookings, starting with the first booking; the seats of paid "
            "bookings are taken",
            "rows",
            "incident: single manual tests worked; their number is unknown",
            0,
            100,
        ),
    ] = 0
    load_users: Annotated[
        int,
        Ge(0),
        Setting(
            "users, starting with the first, who got a token in an earlier load that was "
            "stopped. The token's row exists, but Redis no longer has the token",
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
            "how long before this load those tokens were issued; each has the life of an "
            "access token",
            "s",
            "incident: unknown; below a token's life of 900 s its user is locked out at first",
            0,
            3_600,
        ),
    ] = 600.0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The concert, the seats and the users: the rows in the database before the run."""

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
            "most people let in at the same time (concert.capacity)",
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
            "seats of the only schedule on sale", "seats", "incident: the plan's 20,000", 1, 200_000
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
            "incident: autumn 2024; the exact time does not matter",
            1e9,
            3e9,
        ),
    ] = 1_732_000_000
    opens_after_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "when the sale opens, in seconds after the load begins. Before the opening "
            "people can only join the queue. Not given: the sale is already open",
            "s",
            "incident: the sale was open before the load began",
            0,
            7_200,
        ),
    ] = None
    earlier: Annotated[Earlier, Setting("rows in the tables before the load begins")] = field(
        default_factory=Earlier
    )
