"""What a token must be: every way in which it can be wrong has its own error."""

import base64
import hmac
import json

import jwt
import pytest

from model.errors import (
    EmptyTokenError,
    ExpiredTokenError,
    InvalidClaimError,
    MalformedTokenError,
    NonAsciiTokenError,
    OversizedTokenError,
    PrematureTokenError,
    SignatureError,
    UnsupportedAlgorithmError,
)
from model.policy import Policy
from model.tokens import REMEMBERED_TOKENS, TokenIssuer, TokenType
from tests.support.model_world import KEY, START_S, HandClock, ModelWorld

NOW = int(START_S)
CLAIMS = {"jti": "u", "iss": "x", "iat": NOW, "concertId": 1, "uuid": "u", "type": "WAIT"}


def signed(algorithm="HS256", key=KEY, **changes):
    return jwt.encode({**CLAIMS, **changes}, key, algorithm)


def segment(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def tampered():
    head, _, signature = signed(exp=NOW + 60).split(".")
    return f"{head}.{segment({**CLAIMS, 'exp': NOW + 6000})}.{signature}"


def swapped(algorithm):
    _, payload, signature = signed().split(".")
    return f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{payload}.{signature}"


def signed_header(header):
    """A token with our signature under any header at all."""
    body = f"{segment(header)}.{segment({**CLAIMS, 'exp': NOW + 60})}"
    return f"{body}.{segment(hmac.digest(KEY, body.encode(), 'sha256'))}"


def signed_payload(payload):
    return jwt.api_jws.PyJWS().encode(payload, KEY, "HS256")


def signed_claims(**changes):
    """Claims as JSON has them, without what PyJWT's encoder makes of them."""
    return signed_payload(json.dumps({**CLAIMS, **changes}).encode())


PUBLIC_KEY = b"-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEA\n-----END RSA PUBLIC KEY-----"


def signed_with_public_key():
    """RS/HS confusion: HMAC with what a service that verifies RS256 gives away."""
    body = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{segment(CLAIMS)}"
    return f"{body}.{segment(hmac.digest(PUBLIC_KEY, body.encode(), 'sha256'))}"


BAD_TOKENS = {
    "empty": ("", EmptyTokenError),
    "undefined": ("undefined", MalformedTokenError),
    "null": ("null", MalformedTokenError),
    "dots": ("..", MalformedTokenError),
    "many dots": ("." * 50, MalformedTokenError),
    "no base64": ("a b.c d.e f", MalformedTokenError),
    "header is no JSON": (f"{segment(b'x')}.{segment(CLAIMS)}.x", MalformedTokenError),
    "header is a list": (f"{segment([1])}.{segment(CLAIMS)}.x", MalformedTokenError),
    "header without alg": (f"{segment({})}.{segment(CLAIMS)}.eA", UnsupportedAlgorithmError),
    "payload is no JSON": (signed_payload(b"\xff\xfe"), MalformedTokenError),
    "payload is a list": (signed_payload(b"[1, 2]"), MalformedTokenError),
    "payload is deep": (signed_payload(b"[" * 2900), MalformedTokenError),
    "critical extension": (
        jwt.encode(CLAIMS, KEY, "HS256", headers={"crit": ["b64"]}),
        MalformedTokenError,
    ),
    "non-ASCII": ("ключ.ключ.ключ", NonAsciiTokenError),
    "surrogate": ("\ud800.a.b", NonAsciiTokenError),
    "zero bytes": ("\0.\0.\0", MalformedTokenError),
    "oversized": ("a" * 4097, OversizedTokenError),
    "huge": ("a." * 5_000_000, OversizedTokenError),
    "no string": (None, MalformedTokenError),
    "bytes": (signed().encode(), MalformedTokenError),
    "a number": (7, MalformedTokenError),
    "a dictionary": ({"jwt": signed()}, MalformedTokenError),
    "alg none": (jwt.encode(CLAIMS, None, "none"), UnsupportedAlgorithmError),
    "alg none, signature kept": (swapped("none"), UnsupportedAlgorithmError),
    "HS512 with our key": (signed("HS512", KEY * 2), UnsupportedAlgorithmError),
    "alg swapped to HS384": (swapped("HS384"), UnsupportedAlgorithmError),
    "alg swapped to RS256": (swapped("RS256"), UnsupportedAlgorithmError),
    "alg of another case": (swapped("hs256"), UnsupportedAlgorithmError),
    "alg none in mixed case": (signed_header({"alg": "nOnE"}), UnsupportedAlgorithmError),
    "alg is a list": (signed_header({"alg": ["HS256"]}), UnsupportedAlgorithmError),
    "alg is null": (signed_header({"alg": None}), UnsupportedAlgorithmError),
    "alg in its header twice": (
        signed_header(b'{"alg":"none","alg":"HS256"}'),
        MalformedTokenError,
    ),
    "a claim twice": (
        signed_payload(json.dumps(CLAIMS).encode()[:-1] + b', "exp": 1, "exp": 99999999999}'),
        MalformedTokenError,
    ),
    "HMAC with a public key": (signed_with_public_key(), SignatureError),
    "own key in the header": (
        jwt.encode(CLAIMS, b"x" * 32, "HS256", headers={"jwk": {"kty": "oct", "k": "eHh4"}}),
        SignatureError,
    ),
    "five segments": (f"{signed()}.eA.eA", MalformedTokenError),
    "space around it": (f" {signed()} ", MalformedTokenError),
    "end of line in it": (signed().replace(".", ".\n", 1), MalformedTokenError),
    "expired by half a second": (signed_claims(exp=NOW - 0.5), ExpiredTokenError),
    "exp is true, 1970": (signed_claims(exp=True), ExpiredTokenError),
    "exp is not a number": (signed_claims(exp=float("nan")), InvalidClaimError),
    "no claims": (signed_payload(b"{}"), InvalidClaimError),
    "wrong key": (signed(key=b"x" * 32), SignatureError),
    "tampered payload": (tampered(), SignatureError),
    "signature cut": (signed()[:-3], SignatureError),
    "signature cut between bytes": (signed()[:-2], MalformedTokenError),
    "no signature": (signed().rsplit(".", 1)[0] + ".", SignatureError),
    "expired now": (signed(exp=NOW), ExpiredTokenError),
    "expired by one second": (signed(exp=NOW - 1), ExpiredTokenError),
    "nbf in the future": (signed(nbf=NOW + 2), PrematureTokenError),
    "iat in the future": (signed(iat=NOW + 2), PrematureTokenError),
    "exp is a word": (signed_claims(exp="soon"), InvalidClaimError),
    "exp is null": (signed_claims(exp=None), InvalidClaimError),
    "exp is infinite": (signed_claims(exp=1e999), InvalidClaimError),
    "no uuid": (signed(uuid=None), InvalidClaimError),
    "concert is a word": (signed(concertId="1"), InvalidClaimError),
    "concert is true": (signed(concertId=True), InvalidClaimError),
    "type is a number": (signed(type=1), InvalidClaimError),
}
BAD = pytest.mark.parametrize(("raw", "error"), BAD_TOKENS.values(), ids=BAD_TOKENS)


@BAD
def test_a_bad_token_is_refused_with_its_own_error_each_time(raw, error):
    issuer = TokenIssuer(KEY, HandClock())
    for _ in range(2):
        with pytest.raises(error) as refusal:
            issuer.verify(raw)
        assert type(refusal.value) is error


@BAD
@pytest.mark.parametrize("policy", [Policy(), Policy.incident()], ids=["fixed", "incident"])
def test_a_bad_token_is_a_401_at_both_doors(policy, raw, error):
    world = ModelWorld(policy)
    assert (world.check(raw).status, world.check(raw).error) in {(401, error.__name__)} | (
        {(400, "MissingHeaderError")} if raw is None else set()
    )
    if isinstance(raw, str):
        response = world.dates(raw)
        assert (response.status, response.body["code"]) == (401, 5004)
        assert response.error == error.__name__


@pytest.mark.parametrize("changes", [{}, {"exp": NOW + 1}, {"nbf": NOW}, {"extra": [1]}])
def test_a_good_token_passes(changes):
    token = TokenIssuer(KEY, HandClock()).verify(signed(**changes))
    assert (token.concert_id, token.uuid, token.type) == (1, "u", "WAIT")


def test_what_is_minted_is_a_token_of_pyjwt():
    issuer = TokenIssuer(KEY, HandClock())
    raw = issuer.mint(
        concert_id=3, uuid="me", kind=TokenType.ACCESS, issued_at_s=START_S, ttl_s=60.5
    )
    options = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(raw, KEY, algorithms=["HS256"], options=options) == {
        "jti": "me",
        "iss": "ticketsim",
        "iat": NOW,
        "concertId": 3,
        "uuid": "me",
        "type": "ACCESS",
        "exp": NOW + 60,
    }


def test_a_signature_is_computed_once_and_the_time_is_checked_every_time():
    clock = HandClock()
    issuer = TokenIssuer(KEY, clock)
    raw = signed(exp=NOW + 10)
    for _ in range(5):
        issuer.verify(raw)
    assert issuer.signatures_verified() == 1
    clock.now_s += 10
    with pytest.raises(ExpiredTokenError):
        issuer.verify(raw)
    assert issuer.signatures_verified() == 1


def test_what_is_remembered_belongs_to_one_key_and_is_bounded():
    other = TokenIssuer(b"x" * 32, HandClock())
    issuer = TokenIssuer(KEY, HandClock())
    issuer.verify(signed())
    with pytest.raises(SignatureError):
        other.verify(signed())
    assert issuer._remembered.cache_info().maxsize == REMEMBERED_TOKENS


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="signing key: 31 bytes; allowed: at least 32"):
        TokenIssuer(b"x" * 31, HandClock())
