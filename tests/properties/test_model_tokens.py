"""Time claims held against PyJWT itself, and arbitrary text held against the service."""

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt import api_jwt

from model.errors import ExpiredTokenError, InvalidClaimError, PrematureTokenError, TokenError
from model.tokens import TokenIssuer, check_time_claims
from tests.support.model_world import KEY, HandClock, ModelWorld

NOW = st.one_of(
    st.integers(1_000, 2_000_000_000).map(float),
    st.floats(1_000, 2_000_000_000, allow_nan=False),
)
ODD = st.sampled_from(
    [None, True, False, "", "x", "12", " 7 ", "1e3", [], {}, 1e400, -1e400, float("nan"), 10**30]
)
VERDICTS = {
    jwt.ExpiredSignatureError: ExpiredTokenError,
    jwt.ImmatureSignatureError: PrematureTokenError,
    jwt.InvalidIssuedAtError: InvalidClaimError,
    jwt.DecodeError: InvalidClaimError,
}


class _FrozenDatetime:
    """Stands in for `datetime` where PyJWT asks for the time."""

    def __init__(self, now_s):
        self._now_s = now_s

    def now(self, tz=None):
        assert tz is not None
        return self

    def timestamp(self):
        return self._now_s


@st.composite
def times_and_claims(draw):
    now_s = draw(NOW)
    near = st.one_of(
        st.integers(-2, 2).map(lambda d: int(now_s) + d),
        st.floats(-2, 2).map(lambda d: now_s + d),
        st.integers(-10, 2**40),
        ODD,
    )
    return now_s, draw(st.dictionaries(st.sampled_from(["exp", "nbf", "iat"]), near, max_size=3))


def verdict(check):
    try:
        check()
    except (jwt.PyJWTError, TokenError) as error:
        return VERDICTS.get(type(error), type(error))
    return None


@given(times_and_claims())
def test_time_claims_are_judged_as_pyjwt_judges_them(case):
    now_s, claims = case
    raw = jwt.api_jws.PyJWS().encode(json.dumps(claims).encode(), KEY, "HS256")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api_jwt, "datetime", _FrozenDatetime(now_s))
        expected = verdict(lambda: jwt.decode(raw, KEY, algorithms=["HS256"]))
    assert verdict(lambda: check_time_claims(claims, now_s)) is expected


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1")), st.integers()))
def test_no_text_is_a_token_and_none_breaks_the_issuer(raw):
    with pytest.raises(TokenError):
        TokenIssuer(KEY, HandClock()).verify(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["concertId", "uuid", "type", "exp", "nbf", "iat", "jti", "crit"]), JSON
    ),
)
def test_no_well_signed_payload_breaks_the_service(claims):
    world = _WORLD
    raw = jwt.api_jws.PyJWS().encode(json.dumps(claims).encode(), KEY, "HS256")
    assert world.check(raw).status in {200, 401, 404, 500}
    assert world.check(raw).error != "UnexpectedError"
    assert world.dates(raw).status in {401, 403}


@given(JSON, JSON, st.text(), st.text())
def test_no_request_breaks_the_service(body, value, path_id, date):
    from model.http import Request

    world = _WORLD
    requests = [
        Request("POST", "/v1/token/generation", body=body),
        Request("POST", "/v1/token/generation", body={"userId": value, "concertId": value}),
        Request("GET", f"/v1/concerts/{path_id}/available-dates", _AUTHORISED),
        Request("GET", "/v1/concerts/1/available-seats", _AUTHORISED, {"date": date, "page": date}),
        Request("POST", "/v1/concerts/1/booking", _AUTHORISED, {}, {"date": date, "seatId": value}),
        Request("POST", f"/v1/bookings/{path_id}/payment", _AUTHORISED),
    ]
    statuses = [world.service.handle(request).status for request in requests]
    assert set(statuses) <= {200, 400, 403, 404, 405, 409, 500}
    assert not any(name == "UnexpectedError" for _, name in world.log.entries)


_WORLD = ModelWorld(capacity=5)
_AUTHORISED = {"Authorization": f"Bearer {_WORLD.token(1)}"}
