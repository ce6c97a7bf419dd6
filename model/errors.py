"""All errors of the service, and the answer that each error leads to.

Status and code are those of the incident's service where `docs/incident/behaviour.md` states them;
codes from 9000 are this project's, for cases that the file does not name. The incident's Java class
stands in brackets.

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
    |  +- NotWaitingTokenError               5006  an access token, not a waiting token
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
    """An error that the service answers with a status and a code."""

    status: ClassVar[int] = 500
    code: int = 9500
    desc: ClassVar[str] = "internal error"
    logged: ClassVar[bool] = True
    """Whether the stack trace is logged when the error is turned into an answer."""

    def primary_cause(self) -> str:
        """Class name under which a failed request is counted."""
        return type(self).__name__

    def body(self) -> dict[str, object]:
        """JSON body of the answer."""
        return {"code": self.code, "desc": self.desc}


class TokenError(ServiceError):
    """A token cannot be trusted: the parser logs the error, and the answer says "not valid"."""

    status = 401
    code = 5005
    desc = "not a valid token"


class MalformedTokenError(TokenError):
    """The token is not three base64 segments of JSON."""


class EmptyTokenError(MalformedTokenError):
    """The token is empty."""


class OversizedTokenError(MalformedTokenError):
    """The token is longer than any token of the service; refused before it is parsed."""


class NonAsciiTokenError(MalformedTokenError):
    """The token has characters that base64 does not have."""


class SignatureError(TokenError):
    """The token was signed with another key, or changed after signing."""


class UnsupportedAlgorithmError(TokenError):
    """The token was signed with `none` or with another algorithm than the service's."""


class ExpiredTokenError(TokenError):
    """The token's `exp` has passed."""


class PrematureTokenError(TokenError):
    """The token's `nbf` or `iat` is in the future."""


class InvalidClaimError(TokenError):
    """The signature is right, but a claim is missing or of the wrong type."""


class NotValidTokenError(ServiceError):
    """The error that the client is told when a token fails verification.

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
    """The token is valid, but its user is not let in (removed by a sweep, or never let in)."""

    status = 401
    code = 5004
    desc = "not let in"
    logged = False


class BadRequestError(ServiceError):
    """The request is malformed; refused before the service does any work."""

    status = 400
    code = 9400
    desc = "bad request"
    logged = False


class MissingHeaderError(BadRequestError):
    """A required header is missing."""


class TypeMismatchError(BadRequestError):
    """A value is missing or of the wrong type."""


class AccessDeniedError(ServiceError):
    """The user may not use this endpoint."""

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
    """A token of another kind, where a waiting token is required."""

    code = 5006
    desc = "not a waiting token"


class OutboxRowMissingError(NotFoundError):
    """The outbox has no such event."""


class NoSuchRouteError(NotFoundError):
    """No endpoint at this path."""

    logged = False


class MethodNotAllowedError(ServiceError):
    """The path exists, but with another HTTP method."""

    status = 405
    code = 9405
    desc = "method not allowed"
    logged = False


class SeatTakenError(ServiceError):
    """Another user has the seat."""

    status = 409
    code = 3003
    desc = "seat already taken"


class BookingGoneError(ServiceError):
    """The booking was cancelled or paid before this payment came; not an error of the service."""

    status = 409
    code = 3002
    desc = "booking is not reserved any more"


class IllegalStateError(ServiceError):
    """A business rule forbids the request."""

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
    """The user has too few points for the seat."""

    code = 4003
    desc = "not enough points"


class SeatLockedError(IllegalStateError):
    """Another user is booking the seat at the same time."""

    code = 7001
    desc = "seat is being booked"


class NoFreeSeatError(IllegalStateError):
    """All seats are sold, and the service treats this as an error."""

    code = 3005
    desc = "no free seat"


class NullDereferenceError(ServiceError):
    """The code used a value that was null."""


class DatabaseError(ServiceError):
    """The database or its pool refused a request."""


class PoolTimeoutError(DatabaseError):
    """No connection became free within the pool's timeout."""


class DeadlockError(DatabaseError):
    """The database chose this transaction as a deadlock's victim."""


class LockTimeoutError(DatabaseError):
    """A row lock was not granted in time."""


class QueueStoreError(ServiceError):
    """Redis refused a command or could not be reached."""


class BrokerUnavailableError(ServiceError):
    """The broker did not accept an event in time."""


class UnexpectedError(ServiceError):
    """An error that is not in this tree; `original` is the error itself."""

    def __init__(self, original: BaseException) -> None:
        super().__init__(f"{type(original).__name__}: {original}")
        self.original = original

    def primary_cause(self) -> str:
        """Name the class of the original error."""
        return type(self.original).__name__
