"""Everything that can go wrong, with the answer it makes.

Status and code are those of the incident's service where `docs/incident/behaviour.md` states them;
codes of 9000 and above are ours, for cases it does not name. In brackets the incident's Java class.

    ServiceError                        500  9500
    +- TokenError                       401  5005  (never answered itself, see NotValidTokenError)
    |  +- MalformedTokenError                      [MalformedJwtException]
    |  |  +- EmptyTokenError                       [IllegalArgumentException]
    |  |  +- OversizedTokenError
    |  |  +- NonAsciiTokenError
    |  +- SignatureError                           [SignatureException]
    |  +- UnsupportedAlgorithmError                [UnsupportedJwtException]
    |  +- ExpiredTokenError                        [ExpiredJwtException]
    |  +- PrematureTokenError                      [PrematureJwtException]
    |  +- InvalidClaimError                        [InvalidClaimException]
    +- NotValidTokenError               401  5004 access token, 5005 waiting token
    |                                              [NotValidTokenException]
    +- NotAdmittedError                 401  5004  a valid access token not (any longer) let in
    +- BadRequestError                  400  9400
    |  +- MissingHeaderError                       [MissingRequestHeaderException]
    |  +- TypeMismatchError                        [MethodArgumentTypeMismatchException]
    +- AccessDeniedError                403  9403  [AccessDeniedException]
    |  +- MissingTokenError
    |  +- WrongConcertError
    +- NotFoundError                    404        [IllegalArgumentException]
    |  +- UserNotFoundError                  1001
    |  +- ConcertNotFoundError               2001
    |  +- ScheduleNotFoundError              2002
    |  +- SeatNotFoundError                  3004
    |  +- BookingNotFoundError               3001
    |  +- NotWaitingTokenError               5006  an access token where a waiting one is due
    |  +- OutboxRowMissingError              9404  [InvalidDataAccessApiUsageException]
    |  +- NoSuchRouteError                   9404  [NoHandlerFoundException]
    +- MethodNotAllowedError            405  9405  [HttpRequestMethodNotSupportedException]
    +- SeatTakenError                   409  3003  [AlreadyOccupiedException]
    +- BookingGoneError                 409  3002  (the repaired service's BookingStatusError)
    +- IllegalStateError                500        [IllegalStateException]
    |  +- TokenExistsError                   5001
    |  +- BookingStatusError                 3002
    |  +- NotEnoughPointsError               4003
    |  +- SeatLockedError                    7001
    |  +- NoFreeSeatError                    3005  [IndexOutOfBoundsException]
    +- NullDereferenceError             500  9500  [NullPointerException]
    +- DatabaseError                    500  9500  [DataAccessException]
    |  +- PoolTimeoutError                         [SQLTransientConnectionException]
    |  +- DeadlockError                            [CannotAcquireLockException]
    |  +- LockTimeoutError                         [CannotAcquireLockException]
    +- QueueStoreError                  500  9500  [RedisSystemException]
    +- BrokerUnavailableError           500  9500  [KafkaException]
    +- UnexpectedError                  500  9500  anything else, its class in `original`
"""

from __future__ import annotations

from typing import ClassVar


class ServiceError(Exception):
    """Something the service knows how to answer."""

    status: ClassVar[int] = 500
    code: int = 9500
    desc: ClassVar[str] = "internal error"
    logged: ClassVar[bool] = True
    """Whether whoever turns it into an answer logs its stack trace."""

    def primary_cause(self) -> str:
        """Class name under which a failed request is counted."""
        return type(self).__name__

    def body(self) -> dict[str, object]:
        """JSON body of the answer."""
        return {"code": self.code, "desc": self.desc}


class TokenError(ServiceError):
    """A token cannot be trusted; logged by the parser, then answered as not valid."""

    status = 401
    code = 5005
    desc = "not a valid token"


class MalformedTokenError(TokenError):
    """Not three base64 segments of JSON."""


class EmptyTokenError(MalformedTokenError):
    """Nothing there at all."""


class OversizedTokenError(MalformedTokenError):
    """Longer than any token of ours: refused before any work is spent on it."""


class NonAsciiTokenError(MalformedTokenError):
    """Contains characters that base64 has not."""


class SignatureError(TokenError):
    """Signed with another key, or changed after signing."""


class UnsupportedAlgorithmError(TokenError):
    """Signed with `none` or any algorithm but ours."""


class ExpiredTokenError(TokenError):
    """Its `exp` has passed."""


class PrematureTokenError(TokenError):
    """Its `nbf` or `iat` is in the future."""


class InvalidClaimError(TokenError):
    """Well signed, but a claim is missing or of the wrong type."""


class NotValidTokenError(ServiceError):
    """A token failed verification; what the client is told.

    `cause` is the parser's error, and the primary cause of the failed request.
    """

    status = 401
    desc = "not a valid token"

    def __init__(self, code: int, cause: TokenError) -> None:
        super().__init__(str(cause))
        self.code = code
        self.cause = cause

    def primary_cause(self) -> str:
        """Name the parser's error."""
        return type(self.cause).__name__


class NotAdmittedError(ServiceError):
    """The token is in order, but its user is not among those let in (swept, or never was)."""

    status = 401
    code = 5004
    desc = "not let in"
    logged = False


class BadRequestError(ServiceError):
    """The request makes no sense; refused before the service does anything."""

    status = 400
    code = 9400
    desc = "bad request"
    logged = False


class MissingHeaderError(BadRequestError):
    """A required header is missing."""


class TypeMismatchError(BadRequestError):
    """A value is missing or of the wrong type."""


class AccessDeniedError(ServiceError):
    """Not allowed here."""

    status = 403
    code = 9403
    desc = "access denied"
    logged = False


class MissingTokenError(AccessDeniedError):
    """No `Authorization: Bearer` header."""


class WrongConcertError(AccessDeniedError):
    """The token was issued for another concert."""


class NotFoundError(ServiceError):
    """An id that does not exist."""

    status = 404
    code = 9404
    desc = "not found"


class UserNotFoundError(NotFoundError):
    """No such user."""

    code = 1001
    desc = "user not found"


class ConcertNotFoundError(NotFoundError):
    """No such concert."""

    code = 2001
    desc = "concert not found"


class ScheduleNotFoundError(NotFoundError):
    """The concert does not play on that date."""

    code = 2002
    desc = "no concert on this date"


class SeatNotFoundError(NotFoundError):
    """No such seat in this schedule."""

    code = 3004
    desc = "seat not found"


class BookingNotFoundError(NotFoundError):
    """No such booking."""

    code = 3001
    desc = "booking not found"


class NotWaitingTokenError(NotFoundError):
    """Another kind of token where a waiting token is due."""

    code = 5006
    desc = "not a waiting token"


class OutboxRowMissingError(NotFoundError):
    """The outbox has no such event."""


class NoSuchRouteError(NotFoundError):
    """No endpoint at this path."""

    logged = False


class MethodNotAllowedError(ServiceError):
    """The endpoint exists under another method."""

    status = 405
    code = 9405
    desc = "method not allowed"
    logged = False


class SeatTakenError(ServiceError):
    """Somebody else has the seat."""

    status = 409
    code = 3003
    desc = "seat already taken"


class BookingGoneError(ServiceError):
    """The booking was cancelled or paid before this payment came: late, not a failure of ours."""

    status = 409
    code = 3002
    desc = "booking is not reserved any more"


class IllegalStateError(ServiceError):
    """A rule of the business says no."""

    desc = "illegal state"


class TokenExistsError(IllegalStateError):
    """The user holds an unexpired token according to the history table."""

    code = 5001
    desc = "token exists"


class BookingStatusError(IllegalStateError):
    """The booking is paid or cancelled already."""

    code = 3002
    desc = "booking is not reserved"


class NotEnoughPointsError(IllegalStateError):
    """The user cannot afford it."""

    code = 4003
    desc = "not enough points"


class SeatLockedError(IllegalStateError):
    """Somebody else is booking the seat right now."""

    code = 7001
    desc = "seat is being booked"


class NoFreeSeatError(IllegalStateError):
    """Sold out, treated as an error."""

    code = 3005
    desc = "no free seat"


class NullDereferenceError(ServiceError):
    """The code used something that was not there."""


class DatabaseError(ServiceError):
    """The database or its pool refused."""


class PoolTimeoutError(DatabaseError):
    """No connection became free within the pool's timeout."""


class DeadlockError(DatabaseError):
    """The database chose this transaction as a deadlock's victim."""


class LockTimeoutError(DatabaseError):
    """A row lock was not granted in time."""


class QueueStoreError(ServiceError):
    """Redis refused a command or could not be reached."""


class BrokerUnavailableError(ServiceError):
    """The broker did not take an event in time."""


class UnexpectedError(ServiceError):
    """Not foreseen here; `original` has it."""

    def __init__(self, original: BaseException) -> None:
        super().__init__(f"{type(original).__name__}: {original}")
        self.original = original

    def primary_cause(self) -> str:
        """Name the class of the original."""
        return type(self.original).__name__
