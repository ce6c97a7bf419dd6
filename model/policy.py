"""Which of the incident's defects are on: one field per behaviour that a fix changes.

True is correct, and the default. `Policy.incident()` has every switch False and the incident's
numbers. Switches of the client (D2, D9, D16 and their fixes) are settings of the customer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Gt

from model.setting import Setting

BEHAVIOUR: Final = "the incident's service, request by request (docs/incident/behaviour.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the service behaves. Every switch can be off by itself."""

    wait_token_expires: Annotated[
        bool,
        Setting(
            "Waiting tokens carry `exp`. False (D1a): waiting tokens have no `exp`; the "
            "check needs `exp` and fails with a null dereference."
        ),
    ] = True
    position_is_set: Annotated[
        bool,
        Setting(
            "The check fills in the position. False (D1b): the check unboxes a position that "
            "was never set, and every check fails with a null dereference."
        ),
    ] = True
    sweep_by_score: Annotated[
        bool,
        Setting(
            "The sweep removes expired entries. False (D3): the sweep removes by rank and "
            "passes a time as the rank, so every sweep empties both sets."
        ),
    ] = True
    promote_from_waiting: Annotated[
        bool,
        Setting(
            "Free slots go to the head of the waiting set. False (D4): promotion pops from "
            "the passed set, so no waiting user is ever let in."
        ),
    ] = True
    promote_by_uuid: Annotated[
        bool,
        Setting(
            "Promotion reads the members of the waiting set as uuids. False (D5): promotion "
            "parses each member as a waiting token, fails on every uuid, and would store a "
            "token that no check finds."
        ),
    ] = True
    position_by_uuid: Annotated[
        bool,
        Setting(
            "The check looks up the uuid. False (D6): the check looks up the token, never "
            "finds it, and tells every user position 0."
        ),
    ] = True
    guard_asks_queue: Annotated[
        bool,
        Setting(
            "A repeated token request is answered from the queue: the user keeps the same "
            "place and gets a new token, or an access token if let in meanwhile. A place "
            "lasts as long as the user's newest token. False (D7): the history table "
            "decides, and refuses while an old token is unexpired, in the queue or not."
        ),
    ] = True
    release_by_uuid: Annotated[
        bool,
        Setting(
            "A committed payment gives the slot back. False (D8): the payment removes the "
            "token before the commit; the token is not a member of the set, so the slot "
            "stays taken."
        ),
    ] = True
    seat_lock_owned: Annotated[
        bool,
        Setting(
            "The seat lock has an owner and a TTL; only its owner releases it, after the "
            "commit. Guarded statements change rows, so a late cancellation or a second "
            "booking changes nothing. A cancelled booking reduces occupied_count. False "
            "(D10): any request deletes the lock, before the commit, and rows are read, then "
            "written."
        ),
    ] = True
    seats_paged: Annotated[
        bool,
        Setting(
            "Free seats are listed one page at a time (query parameter `page`). False (D11): "
            "an answer lists all free seats."
        ),
    ] = True
    admission_atomic: Annotated[
        bool,
        Setting(
            "Entering and promotion cannot exceed capacity, and a new user never overtakes "
            "waiting users. False (D12): the service counts, then adds; other requests run "
            "between the two."
        ),
    ] = True
    checks_without_transaction: Annotated[
        bool,
        Setting(
            "The check and the access filter borrow no database connection. False (D13): a "
            "check borrows one connection, and a filtered request two."
        ),
    ] = True
    history_indexed: Annotated[
        bool,
        Setting(
            "token_history has an index on (concert, uuid). False (D14): every token request "
            "visits every row of the concert."
        ),
    ] = True
    sweep_on_own_thread: Annotated[
        bool,
        Setting(
            "The sweep has its own thread, and a scheduled job that failed is soon tried "
            "again. False (D15): one thread runs all jobs, and a failed run is lost."
        ),
    ] = True
    sold_out_is_empty: Annotated[
        bool,
        Setting(
            "When all seats are sold, the list of seats is empty (F17). False: the service "
            "answers 500."
        ),
    ] = True
    outbox_row_by_its_id: Annotated[
        bool,
        Setting(
            "A payment's event is marked by the event's id. False: the event is marked by "
            "the payment's id, which finds no row or the wrong row."
        ),
    ] = True

    access_ttl_s: Annotated[
        float,
        Setting("Life of an access token.", "s", BEHAVIOUR + "; shortened to 420 by F2", 60, 7200),
        Gt(0),
    ] = 900.0
    waiting_ttl_s: Annotated[
        float,
        Setting("Life of a waiting token.", "s", BEHAVIOUR + "; shortened to 300 by F2", 60, 7200),
        Gt(0),
    ] = 600.0
    sweep_interval_s: Annotated[
        float,
        Setting(
            "Time from the end of one sweep to the start of the next.",
            "s",
            "300 in the incident; ours 5: the next user gets a freed slot within seconds",
            0.5,
            600,
        ),
        Gt(0),
    ] = 5.0
    sweep_retry_s: Annotated[
        float,
        Setting(
            "Pause before a failed scheduled job is tried again (with sweep_on_own_thread).",
            "s",
            "ours: short beside the sweep interval, long beside a request",
            0.1,
            60,
        ),
        Gt(0),
    ] = 1.0
    booking_expiry_s: Annotated[
        float,
        Setting(
            "The service cancels an unpaid booking after this time. What people take for the "
            "deadline is customer.human.pay_within_s; unset, it is this one.",
            "s",
            BEHAVIOUR,
            30,
            3600,
        ),
        Gt(0),
    ] = 300.0
    outbox_interval_s: Annotated[
        float,
        Setting(
            "Time from the end of one outbox retry to the start of the next.", "s", BEHAVIOUR, 1, 60
        ),
        Gt(0),
    ] = 5.0
    seat_page_size: Annotated[
        int,
        Setting("Seats on one page.", "seats", "ours: a screenful, 4 KB", 10, 1000),
        Ge(1),
    ] = 100
    seat_lock_ttl_s: Annotated[
        float,
        Setting(
            "Life of a seat lock whose owner never returns.",
            "s",
            "ours: twice the pool timeout of 30 s, so that no live booking loses its lock",
            5,
            600,
        ),
        Ge(0.001),  # Redis counts milliseconds, and refuses an expiry of 0 ms
    ] = 60.0
    jwt_rules: Annotated[
        Literal["pyjwt", "jjwt"],
        Setting(
            "The library whose rules check a token's times. PyJWT: a token is expired at "
            "`exp`, `iat` must not be in the future, and numbers in quotes are accepted. "
            "JJWT (the incident's library): a token is still valid at `exp`, `iat` is "
            "ignored, and times in quotes are dates.",
            source="PyJWT 2: api_jwt.py; JJWT 0.12: DefaultJwtParser and JwtDateConverter",
        ),
    ] = "pyjwt"
    jwt_leeway_s: Annotated[
        float,
        Setting(
            "Allowed difference between the clocks of issuer and service: a token is valid "
            "this much earlier and this much longer.",
            "s",
            "PyJWT: leeway; JJWT: allowedClockSkewSeconds; both 0",
            0,
            300,
        ),
        Ge(0),
    ] = 0.0

    order: Annotated[
        Literal["arrival", "random_at_opening"],
        Setting(
            "Places of users who come before the opening: in order of arrival, or random and "
            "told at the opening. Users who come after the opening stand behind them, in "
            "order of arrival."
        ),
    ] = "arrival"
    admissions_per_min: Annotated[
        int | None,
        Setting(
            "A fixed serving rate: the most users let in within any minute. Each sweep lets "
            "in an even share. Not given: users are let in while there is room.",
            "people/min",
            "none: the incident's service has no such limit",
            1,
            100_000,
        ),
        Ge(1),
    ] = None
    reissued_tokens: Annotated[
        Literal["recorded", "not_recorded"],
        Setting(
            "Whether token_history gets a row when a visitor who is let in already gets a "
            "token again (with guard_asks_queue)."
        ),
    ] = "recorded"
    absence_s: Annotated[
        float | None,
        Setting(
            "A waiting user loses the place after not asking for it for this long. Not "
            "given: the user loses the place when the newest waiting token expires.",
            "s",
            "none: the incident's service does not notice absence",
            10,
            3600,
        ),
        Gt(0),
    ] = None
    checks_per_s: Annotated[
        float | None,
        Setting(
            "Target rate of position checks of all waiting users together. Each answer tells "
            "the user when to ask again (`pollAfter`, seconds), at most half the life of a "
            "place. Not given: the service does not tell users when to ask again.",
            "1/s",
            "none: the incident's service does not tell",
            0.1,
            100_000,
        ),
        Gt(0),
    ] = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for settings that contradict each other."""
        if self.admissions_per_min is not None and not (
            self.admission_atomic and self.promote_from_waiting and self.promote_by_uuid
        ):
            raise ValueError(
                f"admissions_per_min: value {self.admissions_per_min}; allowed: only with "
                "admission_atomic, promote_from_waiting and promote_by_uuid"
            )
        if self.absence_s is not None and not self.guard_asks_queue:
            raise ValueError(
                f"absence_s: value {self.absence_s}; allowed: only with guard_asks_queue"
            )

    @classmethod
    def incident(cls) -> Policy:
        """Make the policy of the incident's service: every defect on, the incident's numbers."""
        return cls(**_switches(on=False), sweep_interval_s=300.0)

    def with_defect(self, defect: str) -> Policy:
        """Turn one defect of docs/incident/causes.md on, by its id ("D3").

        Raises:
            ValueError: there is no such id.
        """
        switch: dict[str, Any] = {_lookup(defect, DEFECTS, "defect"): False}
        return replace(self, **switch)

    def with_fix(self, fix: str) -> Policy:
        """Apply one fix of docs/incident/causes.md, by its id ("F3").

        Raises:
            ValueError: there is no such id.
        """
        return replace(self, **_lookup(fix, FIXES, "fix"))


DEFECTS: Final = MappingProxyType(
    {
        "D1a": "wait_token_expires",
        "D1b": "position_is_set",
        "D3": "sweep_by_score",
        "D4": "promote_from_waiting",
        "D5": "promote_by_uuid",
        "D6": "position_by_uuid",
        "D7": "guard_asks_queue",
        "D8": "release_by_uuid",
        "D10": "seat_lock_owned",
        "D11": "seats_paged",
        "D12": "admission_atomic",
        "D13": "checks_without_transaction",
        "D14": "history_indexed",
        "D15": "sweep_on_own_thread",
    }
)
"""Field of `Policy` that is False when the defect is on."""

FIXES: Final = MappingProxyType(
    {
        "F1": {"wait_token_expires": True},
        "F1b": {"position_is_set": True},
        "F2": {"access_ttl_s": 420.0, "waiting_ttl_s": 300.0},
        "F3": {"sweep_by_score": True},
        "F4": {"promote_from_waiting": True},
        "F5": {"promote_by_uuid": True},
        "F6": {"position_by_uuid": True},
        "F7": {"guard_asks_queue": True},
        "F8": {"release_by_uuid": True},
        "F10": {"seat_lock_owned": True},
        "F11": {"seats_paged": True},
        "F12": {"admission_atomic": True},
        "F13": {"checks_without_transaction": True},
        "F14": {"history_indexed": True},
        "F15": {"sweep_on_own_thread": True},
        "F17": {"sold_out_is_empty": True},
    }
)
"""Fields of `Policy` that a fix changes."""


def _switches(*, on: bool) -> dict[str, Any]:
    return {field.name: on for field in fields(Policy) if isinstance(field.default, bool)}


def _lookup(key: str, table: Any, kind: str) -> Any:
    if key not in table:
        raise ValueError(
            f"no {kind} of the service: {key!r}; allowed: {', '.join(table)} "
            "(D2, D9, D16 and F2c, F9, F16 are the customer's)"
        )
    return table[key]
