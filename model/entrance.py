"""The entrance: requests for a token, checks of the place, and the access filter."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, bindparam, insert, select, update

from model.clock import Clock, to_ms
from model.errors import (
    NotAdmittedError,
    NotValidTokenError,
    NullDereferenceError,
    TokenError,
    TokenExistsError,
    UserNotFoundError,
    WrongConcertError,
)
from model.inventory import find_concert
from model.policy import Policy
from model.ports import Connection, Database, ExceptionLog
from model.schema import token_history, user
from model.tokens import Token, TokenIssuer, TokenType, require_waiting
from model.waiting_room import WaitingRoom

PARSER_LOGGER: Final = "TokenProvider"
ACCESS_CODE: Final = 5004
WAITING_CODE: Final = 5005

_SELECT_USER: Final = select(user.c.id, user.c.uuid).where(user.c.id == bindparam("user_id"))
_OF_VISITOR: Final = (
    token_history.c.concert_id == bindparam("of_concert"),
    token_history.c.uuid == bindparam("of_uuid"),
)
_SELECT_HISTORY: Final = select(token_history.c.id, token_history.c.expires_at).where(*_OF_VISITOR)
_SUPERSEDE: Final = (
    update(token_history)
    .where(*_OF_VISITOR, token_history.c.expires_at > bindparam("now_ms"))
    .values(expires_at=bindparam("now_ms"))
)
_INSERT_HISTORY: Final = insert(token_history)


class Entrance:
    """Issues tokens, tells positions, and lets valid access tokens pass."""

    def __init__(
        self,
        *,
        policy: Policy,
        clock: Clock,
        database: Database,
        tokens: TokenIssuer,
        waiting_room: WaitingRoom,
        log: ExceptionLog,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._database = database
        self._tokens = tokens
        self._waiting_room = waiting_room
        self._log = log

    def issue(self, user_id: int, concert_id: int) -> dict[str, Any]:
        """Answer a request for a token: `{"jwt", "type"}`, while waiting perhaps `"pollAfter"`.

        Raises `UserNotFoundError`, `ConcertNotFoundError`, and without guard_asks_queue
        `TokenExistsError`.
        """
        with self._database.begin(read_only=True) as connection:
            visitor = _find_visitor(connection, user_id)
        with self._database.begin(read_only=True) as connection:
            capacity = find_concert(connection, concert_id).capacity
        with self._database.begin() as connection:
            now_s = self._clock.now()
            again = self._check_history(connection, concert_id, visitor.uuid, to_ms(now_s))
            kind = self._waiting_room.enter(concert_id, visitor.uuid, capacity, now_s)
            raw = self._mint(concert_id, visitor.uuid, kind, now_s)
            reissued = again and kind is TokenType.ACCESS
            if not reissued or self._policy.reissued_tokens == "recorded":
                self._record(connection, concert_id, visitor.uuid, kind, now_s)
        waits = kind is TokenType.WAIT
        poll_after_s = self._waiting_room.poll_after_s(concert_id) if waits else None
        return _with_pause({"jwt": raw, "type": str(kind)}, poll_after_s)

    def check(self, raw: str) -> dict[str, Any]:
        """Tell a waiting user's position: `{"position": n}`, perhaps with `"pollAfter"`.

        The position is 0 for a user who waits no longer, and None until places are drawn.
        `pollAfter` is the number of seconds until the user should ask again.

        Raises `NotValidTokenError`, `NotWaitingTokenError` and `NullDereferenceError`.
        """
        if self._policy.checks_without_transaction:
            return self._position(raw)
        # A transaction that reads nothing: the check only borrows a connection (D13).
        with self._database.begin(read_only=True):
            return self._position(raw)

    def authenticate(self, raw: str, concert_in_path: str | None) -> Token:
        """Check that a request has the access token of a user who is let in.

        Raises `NotValidTokenError`, `NotAdmittedError` and `WrongConcertError`.
        """
        if self._policy.checks_without_transaction:
            token = self._admitted(raw)
            return _of_concert(token, concert_in_path)
        with self._database.begin(read_only=True):
            self._admitted(raw)
        with self._database.begin(read_only=True):
            token = self._verify(raw, ACCESS_CODE)
        return _of_concert(token, concert_in_path)

    def _position(self, raw: str) -> dict[str, Any]:
        token = self._verify(raw, WAITING_CODE)
        require_waiting(token)
        if not self._policy.position_is_set:
            raise NullDereferenceError("position is null")
        member = token.uuid if self._policy.position_by_uuid else raw
        expires_s = float(token.claims["exp"])
        place = self._waiting_room.place(token.concert_id, member, expires_s)
        return _with_pause({"position": place.position}, place.poll_after_s)

    def _admitted(self, raw: str) -> Token:
        token = self._verify(raw, ACCESS_CODE)
        if not self._waiting_room.is_admitted(token.concert_id, token.uuid):
            raise NotAdmittedError(token.uuid)
        return token

    def _verify(self, raw: str, code: int) -> Token:
        try:
            return self._tokens.verify(raw)
        except TokenError as error:
            self._log.exception(PARSER_LOGGER, error)
            raise NotValidTokenError(code, error) from error

    def _check_history(
        self, connection: Connection, concert_id: int, uuid: str, now_ms: int
    ) -> bool:
        """Tell whether the visitor holds a valid token already."""
        visitor = {"of_concert": concert_id, "of_uuid": uuid}
        issued = connection.execute(_SELECT_HISTORY, visitor).all()
        if not any(row.expires_at > now_ms for row in issued):
            return False
        if not self._policy.guard_asks_queue:
            raise TokenExistsError(uuid)
        # The newest token replaces the others.
        connection.execute(_SUPERSEDE, visitor | {"now_ms": now_ms})
        return True

    def _ttl_s(self, kind: TokenType) -> float:
        if kind is TokenType.ACCESS:
            return self._policy.access_ttl_s
        return self._policy.waiting_ttl_s

    def _mint(self, concert_id: int, uuid: str, kind: TokenType, now_s: float) -> str:
        expires = kind is TokenType.ACCESS or self._policy.wait_token_expires
        return self._tokens.mint(
            concert_id=concert_id,
            uuid=uuid,
            kind=kind,
            issued_at_s=now_s,
            ttl_s=self._ttl_s(kind) if expires else None,
        )

    def _record(
        self, connection: Connection, concert_id: int, uuid: str, kind: TokenType, now_s: float
    ) -> None:
        row = {
            "concert_id": concert_id,
            "uuid": uuid,
            "type": str(kind),
            "issued_at": to_ms(now_s),
            "expires_at": to_ms(now_s + self._ttl_s(kind)),
        }
        connection.execute(_INSERT_HISTORY, row)


def _with_pause(body: dict[str, Any], poll_after_s: float | None) -> dict[str, Any]:
    return body if poll_after_s is None else {**body, "pollAfter": poll_after_s}


def _find_visitor(connection: Connection, user_id: int) -> Row[Any]:
    row = connection.execute(_SELECT_USER, {"user_id": user_id}).first()
    if row is None:
        raise UserNotFoundError(str(user_id))
    return row


def _of_concert(token: Token, concert_in_path: str | None) -> Token:
    if concert_in_path is not None and concert_in_path != str(token.concert_id):
        raise WrongConcertError(concert_in_path)
    return token
