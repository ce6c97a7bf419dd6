"""Time claims held against PyJWT itself, and arbitrary text held against the service."""

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt import api_jwt

from model.errors import ExpiredTokenError, InvalidClaimError, PrematureTokenError, TokenError
from model.policy import Policy
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


@given(times_and_claims(), st.sampled_from([0.0, 1.0, 2.5]))
def test_time_claims_are_judged_as_pyjwt_judges_them(case, leeway_s):
    now_s, claims = case
    raw = jwt.api_jws.PyJWS().encode(json.dumps(claims).encode(), KEY, "HS256")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api_jwt, "datetime", _FrozenDatetime(now_s))
        expected = verdict(lambda: jwt.decode(raw, KEY, algorithms=["HS256"], leeway=leeway_s))
    assert verdict(lambda: check_time_claims(claims, now_s, "pyjwt", leeway_s)) is expected


NOW_S = 1_732_000_000.0


@pytest.mark.parametrize(
    ("claims", "pyjwt", "jjwt"),
    [
        pytest.param({"exp": NOW_S}, ExpiredTokenError, None, id="at exp"),
        pytest.param({"exp": NOW_S - 1}, ExpiredTokenError, ExpiredTokenError, id="after exp"),
        pytest.param({"nbf": NOW_S}, None, None, id="at nbf"),
        pytest.param({"nbf": NOW_S + 1}, PrematureTokenError, PrematureTokenError, id="before nbf"),
        pytest.param({"iat": NOW_S + 60}, PrematureTokenError, None, id="issued in the future"),
        pytest.param({"exp": NOW_S + 0.9}, ExpiredTokenError, None, id="parts of a second are cut"),
        pytest.param({"exp": f"{NOW_S + 9:.0f}"}, None, InvalidClaimError, id="seconds in quotes"),
        pytest.param({"exp": "2999-01-01T00:00:00Z"}, InvalidClaimError, None, id="a date"),
        pytest.param({"exp": None}, InvalidClaimError, None, id="null"),
        pytest.param({"exp": True}, ExpiredTokenError, InvalidClaimError, id="a switch"),
        pytest.param({"iat": "x"}, InvalidClaimError, InvalidClaimError, id="iat is no time"),
    ],
)
def test_where_the_libraries_differ(claims, pyjwt, jjwt):
    # PyJWT is asked above; JJWT's rules are those of DefaultJwtParser and JwtDateConverter.
    assert verdict(lambda: check_time_claims(claims, NOW_S, "pyjwt")) is pyjwt
    assert verdict(lambda: check_time_claims(claims, NOW_S, "jjwt")) is jjwt


@pytest.mark.parametrize("rules", ["pyjwt", "jjwt"])
def test_leeway_moves_both_ends(rules):
    def judged(claims):
        return verdict(lambda: check_time_claims(claims, NOW_S, rules, 30.0))

    assert judged({"exp": NOW_S - 29}) is judged({"nbf": NOW_S + 30}) is None
    assert judged({"exp": NOW_S - 31}) is ExpiredTokenError
    assert judged({"nbf": NOW_S + 31}) is PrematureTokenError


def test_the_policy_says_whose_rules_they_are():
    world = ModelWorld(policy=Policy(jwt_rules="jjwt", jwt_leeway_s=5.0))
    assert (world.service.tokens._rules, world.service.tokens._leeway_s) == ("jjwt", 5.0)


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
