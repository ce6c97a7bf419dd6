"""Which of the incident's defects are on: one field per behaviour that a fix changes.

True is correct, and the default. `Policy.incident()` has every switch False and the incident's
numbers. Switches of the client (D2, D9, D16 and their fixes) are the customer's, not ours.
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
            "Waiting tokens carry `exp`. False (D1a): they do not, the check needs it and fails "
            "with a null dereference."
        ),
    ] = True
    position_is_set: Annotated[
        bool,
        Setting(
            "The check fills in the position. False (D1b): it unboxes one that was never set, a "
            "null dereference on every check."
        ),
    ] = True
    sweep_by_score: Annotated[
        bool,
        Setting(
            "The sweep drops entries whose time has passed. False (D3): it removes by rank with a "
            "time as the rank, so both sets are wiped every time."
        ),
    ] = True
    promote_from_waiting: Annotated[
        bool,
        Setting(
            "Free slots go to the head of the waiting set. False (D4): promotion pops the passed "
            "set, and nobody waiting is ever let in."
        ),
    ] = True
    promote_by_uuid: Annotated[
        bool,
        Setting(
            "Promotion takes members for what they are, uuids. False (D5): it parses them as "
            "waiting tokens, fails on every uuid, and would store a token that no check finds."
        ),
    ] = True
    position_by_uuid: Annotated[
        bool,
        Setting(
            "The check looks up the uuid. False (D6): it looks up the token, which is never "
            "found, and everyone's position is 0."
        ),
    ] = True
    guard_asks_queue: Annotated[
        bool,
        Setting(
            "Asking again is answered from the queue: the same place with a new token, an access "
            "token if let in meanwhile; places then last as long as the newest token. False (D7): "
            "the history table decides and refuses while an old token is unexpired, in the queue "
            "or not."
        ),
    ] = True
    release_by_uuid: Annotated[
        bool,
        Setting(
            "A committed payment gives the slot back. False (D8): it removes the token, which is "
            "no member, before the commit."
        ),
    ] = True
    seat_lock_owned: Annotated[
        bool,
        Setting(
            "The seat lock has an owner and a TTL, is released by its owner only, after the "
            "commit, and rows are changed by guarded statements, so that a late cancellation or a "
            "second booking changes nothing; a cancelled booking gives its place in "
            "occupied_count back. False (D10): the lock is deleted by anyone, before the commit, "
            "and rows are read, then written."
        ),
    ] = True
    seats_paged: Annotated[
        bool,
        Setting(
            "Free seats come a page at a time (query parameter `page`). False (D11): all at once."
        ),
    ] = True
    admission_atomic: Annotated[
        bool,
        Setting(
            "Entering and promotion cannot exceed capacity, and nobody new overtakes those who "
            "wait. False (D12): count, then add."
        ),
    ] = True
    checks_without_transaction: Annotated[
        bool,
        Setting(
            "The check and the access filter borrow no connection. False (D13): one for a check, "
            "two for a filtered request."
        ),
    ] = True
    history_indexed: Annotated[
        bool,
        Setting(
            "token_history has an index on (concert, uuid). False (D14): every row of the concert "
            "is visited on every generation."
        ),
    ] = True
    sweep_on_own_thread: Annotated[
        bool,
        Setting(
            "The sweep has a thread of its own, and a scheduled job that failed is tried again "
            "soon. False (D15): one thread for all jobs, and a failed run is lost."
        ),
    ] = True
    sold_out_is_empty: Annotated[
        bool,
        Setting("A sold-out list is an empty list (F17). False: it is answered 500."),
    ] = True
    outbox_row_by_its_id: Annotated[
        bool,
        Setting(
            "A payment's event is marked by its own id. False: by the payment's id, which finds "
            "nothing or the wrong row."
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
            "From the end of one sweep to the start of the next.",
            "s",
            "300 in the incident; ours 5: a freed slot is given on within seconds",
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
        Setting("An unpaid booking is cancelled after this time.", "s", BEHAVIOUR, 30, 3600),
        Gt(0),
    ] = 300.0
    outbox_interval_s: Annotated[
        float,
        Setting("From the end of one outbox retry to the next.", "s", BEHAVIOUR, 1, 60),
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
        Ge(0.001),  # Redis counts milliseconds, and refuses a life of none
    ] = 60.0
    jwt_rules: Annotated[
        Literal["pyjwt", "jjwt"],
        Setting(
            "Whose rules decide about a token's times. PyJWT: expired at `exp`, `iat` must not be "
            "in the future, numbers in quotes count. JJWT (the incident's library): still valid "
            "at `exp`, `iat` is not looked at, times in quotes are dates.",
            source="PyJWT 2: api_jwt.py; JJWT 0.12: DefaultJwtParser and JwtDateConverter",
        ),
    ] = "pyjwt"
    jwt_leeway_s: Annotated[
        float,
        Setting(
            "How far the clocks of issuer and service may be apart: so much longer a token is "
            "valid, and so much earlier.",
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
            "Who comes before the opening lines up in order of arrival, or gets a random place, "
            "told at the opening; who comes after it is behind all of them, in order of arrival."
        ),
    ] = "arrival"
    admissions_per_min: Annotated[
        int | None,
        Setting(
            "A fixed serving rate: at most so many are let in within any minute, by the sweep, an "
            "even share each time; not given: everyone for whom there is room.",
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
            "Whether a token that is handed out again, to a visitor who is let in already, leaves "
            "a row in token_history (with guard_asks_queue)."
        ),
    ] = "recorded"
    absence_s: Annotated[
        float | None,
        Setting(
            "A place is given up when its holder has not asked for it for so long; not given: when "
            "the newest waiting token expires.",
            "s",
            "none: the incident's service does not notice",
            10,
            3600,
        ),
        Gt(0),
    ] = None
    checks_per_s: Annotated[
        float | None,
        Setting(
            "Those who wait are told when to ask again (`pollAfter`, seconds), so that all of them "
            "together ask so often, as long as that is at most half the life of a place; not "
            "given: they are not told.",
            "1/s",
            "none: the incident's service does not tell",
            0.1,
            100_000,
        ),
        Gt(0),
    ] = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
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
        """Make the service as it was: every defect on, the incident's numbers."""
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
