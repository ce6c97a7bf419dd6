"""Explains errors to readers who know neither the service nor its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CAUSES: Final[Mapping[str, str]] = {
    # The load generator's own, see sim/network/connector.py and sim/customers/user.py.
    "DialTimeout": "the service took no new connections in time",
    "ConnectionRefused": "nothing listened for connections any more",
    "ConnectionReset": "the service dropped the connection before it answered",
    "RequestTimeout": "no answer came before the client gave up",
    "RequestCancelled": "people did not wait for the answer",
    "PortsExhausted": "the load generator had no local ports left for new connections",
    # The service's, see model/errors.py.
    "MalformedTokenError": "what was sent as a token was no token",
    "EmptyTokenError": "the token sent was empty",
    "OversizedTokenError": "what was sent as a token was far too long to be one",
    "NonAsciiTokenError": "what was sent as a token was no token",
    "SignatureError": "the token was signed with another key",
    "UnsupportedAlgorithmError": "the token was signed with another algorithm",
    "ExpiredTokenError": "the token had expired",
    "PrematureTokenError": "the token was not valid yet",
    "InvalidClaimError": "the token lacked something the service needs",
    "NotValidTokenError": "the token was not valid",
    "NotAdmittedError": "people with a valid token were no longer among those let in",
    "MissingTokenError": "no token was sent",
    "WrongConcertError": "the token was for another concert",
    "NotWaitingTokenError": "people already let in asked for their place in the queue",
    "OutboxRowMissingError": "a payment did not find its own message to send",
    "SeatTakenError": "someone else had the seat first",
    "BookingGoneError": "the booking had lapsed before it was paid",
    "BookingStatusError": "the booking could not be paid any more",
    "TokenExistsError": "people were told that they already have a token, and got none",
    "SeatLockedError": "someone else was booking the seat at that moment",
    "NoFreeSeatError": "no seat was left to choose",
    "NullDereferenceError": "the service read something that was never set (a programming error)",
    "PoolTimeoutError": "no database connection came free in time",
    "DeadlockError": "database transactions blocked each other",
    "LockTimeoutError": "a database row stayed locked for too long",
    "QueueStoreError": "Redis, which keeps the queue, did not do what it was asked",
    "BrokerUnavailableError": "the message broker did not answer",
}


def explained(cause: str) -> str:
    """A cause in plain words with its name; the name alone when it is not ours."""
    meaning = CAUSES.get(cause)
    return f"{meaning} ({cause})" if meaning else cause


def meaning(cause: str) -> str:
    """A cause in plain words; its name when it is not ours."""
    return CAUSES.get(cause, cause)


INVARIANTS: Final[Mapping[str, str]] = {
    "oversold": "seats sold to more than one person",
    "payments_without_booking": "payments without a booking that they pay for",
    "paid_twice": "bookings paid for twice",
    "paid_without_payment": "bookings marked as paid without a payment",
    "held_seats_marked_free": "seats in someone's hands and still offered",
    "free_seats_marked_held": "free seats that nobody is offered",
    "bookings_unaccounted": "bookings neither held, paid nor cancelled",
    "seats_miscounted": "by which the seats counted as taken differ from the bookings that stand",
    "answers_without_rows": "people told that they booked or paid of whom no row says so",
    "over_capacity": "people let in although it was full",
    "overtaken": "people let in before somebody who came earlier",
    "connections_leaked": "database connections never given back",
    "users_unaccounted": "people whom the simulator lost count of",
    "failures_unaccounted": "failures without a cause",
    "time_reversals": "moments at which simulated time went back",
}


def broken(invariant: str) -> str:
    """What was broken, in plain words."""
    return INVARIANTS.get(invariant, invariant)
