"""Issue and verify JSON Web Tokens (HS256).

PyJWT has no clock parameter. So PyJWT verifies form, algorithm and signature with its own time
checks off, and `check_time_claims` compares exp, nbf and iat with the service's clock. A
signature depends only on token, key and algorithm. So each issuer (one key, one algorithm)
remembers the outcome of each signature check in a bounded cache. A token's signature is checked
once, its time claims every time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from sys import intern
from typing import Any, Final, Literal, NamedTuple

import jwt
from jwt.algorithms import HMACAlgorithm
from jwt.utils import base64url_decode

from model.clock import Clock
from model.errors import (
    EmptyTokenError,
    ExpiredTokenError,
    InvalidClaimError,
    MalformedTokenError,
    NonAsciiTokenError,
    NotWaitingTokenError,
    NullDereferenceError,
    OversizedTokenError,
    PrematureTokenError,
    SignatureError,
    TokenError,
    UnsupportedAlgorithmError,
)

ALGORITHM: Final = "HS256"
ISSUER: Final = "ticketsim"
MAX_TOKEN_CHARS: Final = 4096
"""The service's tokens have about 300; Tomcat accepts up to 8 KB of headers."""
REMEMBERED_TOKENS: Final = 65_536
"""Two tokens for each of 30,000 users; about 60 MB when full."""
_NO_TIME_CHECKS: Final[Any] = {
    f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}
_NO_TYPE_HEADER: Final = {"typ": None}
_SAME_IN_ALL: Final = frozenset({"iss", "type"})
"""Claims of which there are few different values."""


TimeRules = Literal["pyjwt", "jjwt"]
"""Libraries whose rules can be used to check a token's times."""


class TokenType(StrEnum):
    """The purpose of a token: to wait, or to buy."""

    ACCESS = "ACCESS"
    WAIT = "WAIT"


class Token(NamedTuple):
    """A verified token's content."""

    raw: str
    concert_id: int
    uuid: str
    type: str
    claims: Mapping[str, Any]


class _Refusal(NamedTuple):
    """A remembered failure; each use raises a new error, as a raised error has a traceback."""

    error: type[TokenError]
    message: str


class _CheckedKey(HMACAlgorithm):
    """HS256 with one key, which PyJWT inspects once instead of for every token.

    PyJWT tests whether the key is a certificate, a PEM file or JSON. The test takes a third of the
    time of a token.
    """

    def __init__(self, key: bytes) -> None:
        super().__init__(HMACAlgorithm.SHA256)
        self._given = key
        self._prepared = super().prepare_key(key)

    def prepare_key(self, key: str | bytes) -> bytes:
        """As PyJWT does."""
        return self._prepared if key is self._given else super().prepare_key(key)


def _library(key: bytes) -> jwt.PyJWT:
    """PyJWT unchanged, except that it inspects `key` only once."""
    library = jwt.PyJWT()
    # PyJWT's JWS class can register an algorithm, its JWT class cannot. If a version of PyJWT keeps
    # its JWS object elsewhere, PyJWT inspects the key each time.
    signing: jwt.PyJWS | None = getattr(library, "_jws", None)
    if signing is not None:
        signing.unregister_algorithm(ALGORITHM)
        signing.register_algorithm(ALGORITHM, _CheckedKey(key))
    return library


class TokenIssuer:
    """Mints and verifies tokens with one key.

    Args:
        signing_key: secret for HS256, at least 32 bytes.
        clock: the time that exp, nbf and iat are compared with.
        rules: the library whose rules apply: see `check_time_claims`.
        leeway_s: allowed difference to the issuer's clock.
    """

    def __init__(
        self,
        signing_key: bytes,
        clock: Clock,
        *,
        rules: TimeRules = "pyjwt",
        leeway_s: float = 0.0,
    ) -> None:
        if len(signing_key) < 32:  # noqa: PLR2004 - RFC 7518, 3.2: as long as the hash
            raise ValueError(f"signing key: {len(signing_key)} bytes; allowed: at least 32")
        self._key = signing_key
        self._jwt = _library(signing_key)
        self._clock = clock
        self._rules: TimeRules = rules
        self._leeway_s = leeway_s
        self._remembered = lru_cache(maxsize=REMEMBERED_TOKENS)(self._verify_signature)

    def mint(
        self,
        *,
        concert_id: int,
        uuid: str,
        kind: TokenType,
        issued_at_s: float,
        ttl_s: float | None,
    ) -> str:
        """Sign a token; without `exp` if `ttl_s` is None. Its times are whole seconds."""
        claims: dict[str, Any] = {
            "jti": uuid,
            "iss": ISSUER,
            "iat": int(issued_at_s),
            "concertId": concert_id,
            "uuid": uuid,
            "type": str(kind),
        }
        if ttl_s is not None:
            claims["exp"] = int(issued_at_s + ttl_s)
        return self._jwt.encode(claims, self._key, ALGORITHM, headers=_NO_TYPE_HEADER)

    def verify(self, raw: object) -> Token:
        """Check form, algorithm, signature and times. Raises a `TokenError`, whatever `raw` is."""
        if not isinstance(raw, str):
            raise MalformedTokenError(f"a token is a string, not {type(raw).__name__}")
        if len(raw) > MAX_TOKEN_CHARS:
            raise OversizedTokenError(f"{len(raw)} characters; allowed: {MAX_TOKEN_CHARS}")
        outcome = self._remembered(raw)
        if isinstance(outcome, _Refusal):
            raise outcome.error(outcome.message)
        check_time_claims(outcome.claims, self._clock.now(), self._rules, self._leeway_s)
        return outcome

    def verify_waiting(self, raw: object) -> Token:
        """Verify a waiting token, which must have an expiry.

        Raises `TokenError`, `NotWaitingTokenError` on another type, and `NullDereferenceError`
        if there is no `exp`.
        """
        token = self.verify(raw)
        require_waiting(token)
        return token

    def signatures_verified(self) -> int:
        """Count the tokens whose signature was computed, not taken from the cache."""
        return self._remembered.cache_info().misses

    def _verify_signature(self, raw: str) -> Token | _Refusal:
        try:
            return self._parse(raw)
        except TokenError as error:
            return _Refusal(type(error), str(error))

    def _parse(self, raw: str) -> Token:
        if not raw:
            raise EmptyTokenError("empty")
        if not raw.isascii():
            raise NonAsciiTokenError("not ASCII")
        return _token(raw, self._decode(raw))

    def _decode(self, raw: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = self._jwt.decode(
                raw, self._key, algorithms=[ALGORITHM], options=_NO_TIME_CHECKS
            )
            _refuse_repeated_keys(raw)
        except jwt.InvalidSignatureError as error:
            raise SignatureError(str(error)) from error
        except jwt.InvalidAlgorithmError as error:
            raise UnsupportedAlgorithmError(str(error)) from error
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise MalformedTokenError(str(error)) from error
        return claims


def _refuse_repeated_keys(raw: str) -> None:
    """Refuse JSON with a key twice: two readers could read two different tokens."""
    # Faster than `json.loads` with this hook, which makes a new decoder for each call.
    for segment in raw.split(".")[:2]:
        text = base64url_decode(segment)
        _STRICT.decode(text.decode(json.detect_encoding(text), "surrogatepass"))


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_distinct)


def _token(raw: str, claims: dict[str, Any]) -> Token:
    concert_id, uuid, kind = claims.get("concertId"), claims.get("uuid"), claims.get("type")
    if type(concert_id) is not int or not isinstance(uuid, str) or not isinstance(kind, str):
        raise InvalidClaimError("concertId, uuid or type is missing or of the wrong type")
    return Token(raw, concert_id, uuid, intern(kind), _sharing(claims, uuid))


class _Claims:
    """Makes dicts whose keys are kept once for all: a quarter of a kilobyte less for each token."""


def _sharing(claims: dict[str, Any], uuid: str) -> dict[str, Any]:
    """The claims in less memory: each text once, and names that all tokens have once for all."""
    kept = vars(_Claims())
    for name, value in claims.items():
        if value == uuid:
            kept[intern(name)] = uuid
        elif name in _SAME_IN_ALL and isinstance(value, str):
            kept[intern(name)] = intern(value)
        else:
            kept[intern(name)] = value
    return kept


def require_waiting(token: Token) -> None:
    """Refuse all but waiting tokens with an expiry, as the incident's parser does.

    Raises `NotWaitingTokenError` on another type and `NullDereferenceError` if `exp` is missing.
    """
    if token.type != TokenType.WAIT:
        raise NotWaitingTokenError(f"type {token.type}")
    if "exp" not in token.claims:
        raise NullDereferenceError("exp is null")


def check_time_claims(
    claims: Mapping[str, Any], now_s: float, rules: TimeRules = "pyjwt", leeway_s: float = 0.0
) -> None:
    """Refuse a token outside its time, exactly as PyJWT 2 or JJWT 0.12 would at `now_s`.

    Raises `PrematureTokenError` (nbf after now, with PyJWT also iat after now), `ExpiredTokenError`
    (exp before now, with PyJWT also exp equal to now) and `InvalidClaimError` (a claim is no time).
    """
    if rules == "jjwt":
        _check_as_jjwt(claims, now_s, leeway_s)
        return
    if "iat" in claims and _whole(claims, "iat") > now_s + leeway_s:
        raise PrematureTokenError("issued in the future")
    if "nbf" in claims and _whole(claims, "nbf") > now_s + leeway_s:
        raise PrematureTokenError("not valid yet")
    if "exp" in claims and _whole(claims, "exp") <= now_s - leeway_s:
        raise ExpiredTokenError("expired")


def _whole(claims: Mapping[str, Any], name: str) -> int:
    try:
        return int(claims[name])
    except (TypeError, ValueError, OverflowError):
        raise InvalidClaimError(f"{name} is not an integer") from None


def _check_as_jjwt(claims: Mapping[str, Any], now_s: float, leeway_s: float) -> None:
    """As DefaultJwtParser: whole milliseconds, `Date.after` and `Date.before`; iat is ignored."""
    now_ms, leeway_ms = int(now_s * 1e3), int(leeway_s * 1e3)
    times_ms = {name: _date_ms(claims, name) for name in ("iat", "exp", "nbf")}
    expires_ms, begins_ms = times_ms["exp"], times_ms["nbf"]
    if expires_ms is not None and now_ms - leeway_ms > expires_ms:
        raise ExpiredTokenError("expired")
    if begins_ms is not None and now_ms + leeway_ms < begins_ms:
        raise PrematureTokenError("not valid yet")


def _date_ms(claims: Mapping[str, Any], name: str) -> int | None:
    """A claim as JJWT's JwtDateConverter reads it: seconds, cut to whole ones, or an ISO date."""
    value = claims.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, str):
            # An offset or Z is required: otherwise the date would depend on the reader's time zone.
            date = datetime.fromisoformat(value)
            if "T" in value and date.tzinfo is not None:
                return int(date.timestamp() * 1e3)
        elif not isinstance(value, bool) and isinstance(value, int | float):
            return int(value) * 1000
    except (ValueError, OverflowError):
        pass
    raise InvalidClaimError(f"{name} is no time")
