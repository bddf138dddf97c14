"""Access tokens: what Twilio's libraries make is taken, what anybody else makes is refused alike (check S-22)."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import ChatGrant, VoiceGrant

from signaling.tokens import (
    CONTENT_TYPE,
    LEEWAY_S,
    MAX_TOKEN,
    Refusal,
    SigningKey,
    TokenRefused,
    TokenVerifier,
    make_token,
)

ACCOUNT, OTHER_ACCOUNT = "AC" + "1" * 32, "AC" + "2" * 32
KEY, OTHER_KEY, REVOKED_KEY = "SK" + "1" * 32, "SK" + "2" * 32, "SK" + "3" * 32
APPLICATION = "AP" + "1" * 32
SECRET, OTHER_SECRET, REVOKED_SECRET = "s" * 32, "t" * 32, "r" * 32
NOW = 1_800_000_000.0
KEYS = {
    KEY: SigningKey(account_sid=ACCOUNT, secret=SECRET),
    OTHER_KEY: SigningKey(account_sid=OTHER_ACCOUNT, secret=OTHER_SECRET),
}
HEADER = {"typ": "JWT", "alg": "HS256", "cty": CONTENT_TYPE}
CLAIMS: dict[str, Any] = {
    "jti": f"{KEY}-{int(NOW)}",
    "iss": KEY,
    "sub": ACCOUNT,
    "nbf": int(NOW),
    "exp": int(NOW) + 3600,
    "grants": {
        "identity": "alice",
        "voice": {"incoming": {"allow": True}, "outgoing": {"application_sid": APPLICATION}},
    },
}


def verifier(now: float = NOW) -> TokenVerifier:
    return TokenVerifier(KEYS.get, clock=lambda: now)


def segment(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(header: object, claims: object, secret: str = SECRET, digest: Callable[..., Any] = hashlib.sha256) -> str:
    body = f"{segment(header)}.{segment(claims)}"
    return f"{body}.{segment(hmac.new(secret.encode(), body.encode(), digest).digest())}"


def claims(**changes: object) -> dict[str, Any]:
    changed = {**CLAIMS, **changes}
    return {name: value for name, value in changed.items() if value is not ...}


def header(**changes: object) -> dict[str, Any]:
    return {**HEADER, **changes}


GOOD = sign(HEADER, CLAIMS)
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"

FORGED = {
    "empty": "",
    "no dots": "abc",
    "two segments": ".".join(GOOD.split(".")[:2]),
    "four segments": GOOD + ".abc",
    "padding": GOOD + "=",
    "space at the end": GOOD + " ",
    "newline at the end": GOOD + "\n",
    "not base64url": GOOD.replace(".", ".+", 1),
    "no signature": GOOD.rpartition(".")[0] + ".",
    "alg none": sign(header(alg="none"), CLAIMS),
    "alg None": sign(header(alg="None"), CLAIMS),
    "alg NONE": sign(header(alg="NONE"), CLAIMS),
    "alg none, no signature": f"{segment(header(alg='none'))}.{segment(CLAIMS)}.",
    "alg missing": sign({"typ": "JWT", "cty": CONTENT_TYPE}, CLAIMS),
    "alg a list": sign(header(alg=["HS256"]), CLAIMS),
    "alg in lower case": sign(header(alg="hs256"), CLAIMS),
    "HS512, well signed": sign(header(alg="HS512"), CLAIMS, digest=hashlib.sha512),
    "RS256 named": sign(header(alg="RS256"), CLAIMS),
    "two alg": sign(b'{"typ":"JWT","alg":"none","alg":"HS256","cty":"twilio-fpa;v=1"}', CLAIMS),
    "typ missing": sign({"alg": "HS256", "cty": CONTENT_TYPE}, CLAIMS),
    "cty missing": sign({"alg": "HS256", "typ": "JWT"}, CLAIMS),
    "cty of another kind": sign(header(cty="twilio-fpa;v=2"), CLAIMS),
    "kid with a path": sign(header(kid="../../../../dev/null"), CLAIMS),
    "kid with SQL": sign(header(kid="x' UNION SELECT 'secret'; --"), CLAIMS),
    "jku": sign(header(jku="http://127.0.0.1/keys"), CLAIMS),
    "jwk": sign(header(jwk={"kty": "oct", "k": "AA"}), CLAIMS),
    "crit": sign(header(crit=["exp"]), CLAIMS),
    "b64 off": sign(header(b64=False), CLAIMS),
    "header no object": sign([1], CLAIMS),
    "header deep": sign(b"[" * 3000 + b"]" * 3000, CLAIMS),
    "header no UTF-8": sign(b'{"alg":"HS256","typ":"\xff"}', CLAIMS),
    "empty secret": sign(HEADER, CLAIMS, secret=""),
    "public key as secret": sign(HEADER, CLAIMS, secret=PUBLIC_KEY),
    "key SID as secret": sign(HEADER, CLAIMS, secret=KEY),
    "signature of other claims": GOOD.rpartition(".")[0] + "." + sign(HEADER, claims(exp=1)).rpartition(".")[2],
    "signature cut": GOOD[:-4],
    "identity of another, old signature": ".".join(
        (segment(HEADER), segment(claims(grants={"identity": "bob", "voice": {}})), GOOD.rpartition(".")[2])
    ),
    "other account's secret": sign(HEADER, CLAIMS, secret=OTHER_SECRET),
    "other account's key for ours": sign(HEADER, claims(iss=OTHER_KEY), secret=OTHER_SECRET),
    "our key for another account": sign(HEADER, claims(sub=OTHER_ACCOUNT)),
    "unknown key": sign(HEADER, claims(iss="SK" + "9" * 32)),
    "revoked key": sign(HEADER, claims(iss=REVOKED_KEY), secret=REVOKED_SECRET),
    "iss missing": sign(HEADER, claims(iss=...)),
    "iss a number": sign(HEADER, claims(iss=7)),
    "iss a list": sign(HEADER, claims(iss=[KEY])),
    "iss twice": sign(HEADER, json.dumps(CLAIMS).replace("{", f'{{"iss":"{OTHER_KEY}",', 1).encode()),
    "sub missing": sign(HEADER, claims(sub=...)),
    "sub a list": sign(HEADER, claims(sub=[ACCOUNT])),
    "audience of another": sign(HEADER, claims(aud="https://example.com")),
    "not yet valid": sign(HEADER, claims(nbf=NOW + LEEWAY_S + 1)),
    "issued in the future": sign(HEADER, claims(iat=NOW + LEEWAY_S + 1)),
    "no grants": sign(HEADER, claims(grants=...)),
    "grants a list": sign(HEADER, claims(grants=["identity"])),
    "no identity": sign(HEADER, claims(grants={"voice": {}})),
    "no voice grant": sign(HEADER, claims(grants={"identity": "alice"})),
    "identity a number": sign(HEADER, claims(grants={"identity": 7, "voice": {}})),
    "identity empty": sign(HEADER, claims(grants={"identity": "", "voice": {}})),
    "identity with a line break": sign(HEADER, claims(grants={"identity": "a\r\nb", "voice": {}})),
    "identity too long": sign(HEADER, claims(grants={"identity": "a" * 257, "voice": {}})),
    "identity half a character": sign(HEADER, claims(grants={"identity": "\ud800", "voice": {}})),
    "claims no object": sign(HEADER, [CLAIMS]),
    "claims deep": sign(HEADER, b"[" * 3000 + b"]" * 3000),
    "claims with NaN": sign(HEADER, b'{"exp":NaN}'),
    "claims with a long number": sign(HEADER, b'{"exp":' + b"9" * 5000 + b"}"),
    "1 MB": sign(HEADER, claims(more="x" * 1_000_000)),
    "1 MB of dots": "." * 1_000_000,
    "1 MB deep": sign(HEADER, b"[" * 500_000),
}


@pytest.mark.parametrize("name", FORGED)
def test_token_forged_is_refused_with_the_same_answer(name: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        verifier().verify(FORGED[name])
    assert (refused.value.code, refused.value.outward) == (31204, "Access token invalid")
    assert refused.value.status == 401


def test_token_forged_variants_are_many() -> None:
    assert len(FORGED) >= 30


@pytest.mark.parametrize(
    ("changes", "refusal", "code"),
    [
        ({"exp": NOW - LEEWAY_S - 1}, Refusal.EXPIRED, 31205),
        ({"exp": ...}, Refusal.EXPIRED, 31205),
        ({"exp": "soon"}, Refusal.EXPIRED, 31205),
        ({"exp": True}, Refusal.EXPIRED, 31205),
        ({"exp": 1e300}, Refusal.EXPIRED, 31205),
        ({"exp": NOW + 24 * 3600 + 1}, Refusal.LIFETIME, 31207),
        ({"exp": NOW + 3600, "nbf": NOW - 24 * 3600}, Refusal.LIFETIME, 31207),
        ({"exp": NOW + 3600, "nbf": ..., "iat": NOW - 24 * 3600}, Refusal.LIFETIME, 31207),
    ],
)
def test_token_well_signed_is_told_what_its_owner_can_change(
    changes: dict[str, object], refusal: Refusal, code: int
) -> None:
    with pytest.raises(TokenRefused) as refused:
        verifier().verify(sign(HEADER, claims(**changes)))
    assert (refused.value.refusal, refused.value.code) == (refusal, code)


@pytest.mark.parametrize("changes", [{"exp": 1}, {"exp": NOW + 10 * 24 * 3600}])
def test_token_forged_never_learns_about_its_times(changes: dict[str, object]) -> None:
    with pytest.raises(TokenRefused) as refused:
        verifier().verify(sign(HEADER, claims(**changes), secret=OTHER_SECRET))
    assert refused.value.code == 31204


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - LEEWAY_S + 1},
        {"nbf": NOW + LEEWAY_S},
        {"nbf": ...},
        {"nbf": ..., "iat": int(NOW)},
        {"exp": NOW + 24 * 3600},
        {"jti": ...},
    ],
)
def test_token_within_its_limits_is_taken(changes: dict[str, object]) -> None:
    assert verifier().verify(sign(HEADER, claims(**changes))).identity == "alice"


def test_token_of_twilio_python_is_taken() -> None:
    token = AccessToken(ACCOUNT, KEY, SECRET, identity="alice", ttl=600, region="ie1")
    token.add_grant(
        VoiceGrant(
            incoming_allow=True,
            outgoing_application_sid=APPLICATION,
            outgoing_application_params={"team": "sales", "rank": 3},
        )
    )
    token.add_grant(ChatGrant(service_sid="IS" + "1" * 32))
    now = time.time()
    grant = TokenVerifier(KEYS.get, clock=lambda: now).verify(token.to_jwt())
    assert grant.identity == "alice"
    assert grant.account_sid == ACCOUNT
    assert grant.key_sid == KEY
    assert grant.may_receive
    assert grant.application_sid == APPLICATION
    assert grant.parameters == {"team": "sales", "rank": "3"}
    assert abs(grant.expires_at - now - 600) < 2


def test_token_of_twilio_node_is_taken() -> None:
    """jsonwebtoken adds iat and leaves nbf out; the header's order is its own."""
    node = sign({"alg": "HS256", "typ": "JWT", "cty": CONTENT_TYPE, "twr": "us1"}, claims(nbf=..., iat=int(NOW)))
    assert verifier().verify(node).application_sid == APPLICATION


def test_token_without_voice_rights_grants_neither_way() -> None:
    grant = verifier().verify(
        sign(HEADER, claims(grants={"identity": "alice", "voice": {"incoming": {"allow": "true"}}}))
    )
    assert not grant.may_receive
    assert grant.application_sid is None


def test_token_made_here_is_taken_here_and_by_twilio_python() -> None:
    made = make_token(
        key_sid=KEY, key=KEYS[KEY], identity="alice", now=NOW, application_sid=APPLICATION, parameters={"a": "b"}
    )
    grant = verifier().verify(made)
    assert (grant.identity, grant.may_receive, grant.parameters) == ("alice", True, {"a": "b"})
    payload = json.loads(base64.urlsafe_b64decode(made.split(".")[1] + "=="))
    assert payload["jti"] == f"{KEY}-{int(NOW)}"


@pytest.mark.parametrize(("identity", "lifetime_s"), [("", 60), ("a b", 60), ("a" * 257, 60), ("a", 0), ("a", 86_401)])
def test_token_that_would_be_refused_is_not_made(identity: str, lifetime_s: int) -> None:
    with pytest.raises(TokenRefused):
        make_token(key_sid=KEY, key=KEYS[KEY], identity=identity, now=NOW, lifetime_s=lifetime_s)


def test_token_cost_of_the_longest_is_bounded() -> None:
    deepest = sign(HEADER, b"[" * 5500)
    assert len(deepest) < MAX_TOKEN
    began = time.perf_counter()
    for _ in range(20):
        with pytest.raises(TokenRefused):
            verifier().verify(deepest)
    assert time.perf_counter() - began < 1.0


def test_token_secret_is_not_in_texts() -> None:
    assert SECRET not in repr(KEYS[KEY])
