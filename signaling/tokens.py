"""Access tokens: who a browser is and what it may do.

Decides whether a token was made with one of our API keys, and what it grants. Pure but for the wall clock handed in.
Forged tokens all get one and the same answer, at the same cost, before anything else is touched; only a token whose
signature holds is told more (that it has run out, that it lives too long), since its owner can act on it.
Source: Twilio "Access Tokens", error pages 20101-20107, 31204, 31205, 31207; RFC 7515; RFC 7519; RFC 8725.
"""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import jwt

from signaling.errors import PeerError
from signaling.leg import HangupCause

MAX_TOKEN = 8192
MAX_LIFETIME_S = 24 * 3600
LEEWAY_S = 60
DEFAULT_LIFETIME_S = 3600
CONTENT_TYPE = "twilio-fpa;v=1"

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_HEADER_NAMES = frozenset({"alg", "typ", "cty", "twr"})
# RFC 2396 2.4.3: control, space, delimiters, unwise.
_IDENTITY = re.compile(r"""[^\x00-\x20\x7f-\xa0<>#%"{}|\\^\[\]`\ud800-\udfff]{1,256}""").fullmatch
_APPLICATION = re.compile(r"AP[0-9a-fA-F]{32}").fullmatch
_OPTIONS = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_sub": False, "verify_jti": False}


class Refusal(Enum):
    """Why a token is refused: Twilio's code, for our log. Source: Twilio error pages."""

    NOT_A_TOKEN = 20101
    HEADER = 20102
    ISSUER = 20103
    EXPIRED = 20104
    NOT_YET_VALID = 20105
    GRANTS = 20106
    SIGNATURE = 20107
    IDENTITY = 31105
    LIFETIME = 31207


# What the Voice SDK is told; everything that is not listed is 31204, which it turns into AccessTokenInvalid (20101).
_TOLD = {Refusal.EXPIRED: 31205, Refusal.LIFETIME: 31207}
_MESSAGES = {31204: "Access token invalid", 31205: "Access token expired", 31207: "Access token lives too long"}


class TokenRefused(PeerError):
    """refusal and the message are for the log; ``code`` and ``outward`` are what the device is told."""

    cause = HangupCause.FORBIDDEN

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message, status=401)
        self.refusal = refusal
        self.code = _TOLD.get(refusal, 31204)
        self.outward = _MESSAGES[self.code]


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """An API key. account_sid: the account whose tokens it signs."""

    account_sid: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AccessGrant:
    """What a good token says.

    expires_at: wall clock, seconds. may_receive: may register and be called. application_sid: answers the device's
    calls; None: it may not call. parameters: go with each of its calls, and win over the device's own.
    """

    identity: str
    account_sid: str
    key_sid: str
    expires_at: float
    may_receive: bool = False
    application_sid: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


class TokenVerifier:
    """keys: the signing key of an ``SK`` SID, or None if there is none or it was revoked. clock: wall clock."""

    def __init__(self, keys: Callable[[str], SigningKey | None], *, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._clock = clock
        self._nobody = SigningKey(account_sid="", secret=secrets.token_hex(16))

    def verify(self, token: str) -> AccessGrant:
        """Raises TokenRefused. Costs at most a millisecond, whatever is handed in."""
        if len(token) > MAX_TOKEN:
            raise TokenRefused(Refusal.NOT_A_TOKEN, f"expected at most {MAX_TOKEN} characters, found {len(token)}")
        segments = token.split(".")
        if len(segments) != 3 or not all(_SEGMENT(segment) for segment in segments):
            raise TokenRefused(Refusal.NOT_A_TOKEN, "expected three base64url segments")
        _check_header(_object(segments[0]))
        unproven = _object(segments[1])
        issuer = unproven.get("iss")
        key = self._keys(issuer) if isinstance(issuer, str) else None
        # An unknown key costs a signature too, so that nobody learns by time which keys there are.
        claims = _signed(token, (key or self._nobody).secret)
        if key is None:
            raise TokenRefused(Refusal.ISSUER, "expected an API key of ours as iss")
        if claims is None:
            raise TokenRefused(Refusal.SIGNATURE, f"expected a signature by {issuer}")
        if claims != unproven or claims.get("sub") != key.account_sid:
            raise TokenRefused(Refusal.ISSUER, f"expected the account of {issuer} as sub")
        return _grant(claims, str(issuer), expires_at=self._lifetime(claims))

    def _lifetime(self, claims: dict[str, Any]) -> float:
        now = self._clock()
        expires, starts, issued = (_moment(claims, name) for name in ("exp", "nbf", "iat"))
        if expires is None or expires + LEEWAY_S <= now:
            raise TokenRefused(Refusal.EXPIRED, f"expected exp in the future, found {expires}")
        first = issued if issued is not None else starts if starts is not None else now
        if expires - first > MAX_LIFETIME_S or expires - now > MAX_LIFETIME_S + LEEWAY_S:
            raise TokenRefused(Refusal.LIFETIME, f"expected at most {MAX_LIFETIME_S} s, found {expires - first}")
        if any(moment is not None and moment > now + LEEWAY_S for moment in (starts, issued)):
            raise TokenRefused(Refusal.NOT_YET_VALID, f"expected nbf and iat in the past, found {starts}, {issued}")
        return expires


def make_token(
    *,
    key_sid: str,
    key: SigningKey,
    identity: str,
    now: float,
    lifetime_s: int = DEFAULT_LIFETIME_S,
    may_receive: bool = True,
    application_sid: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> str:
    """A token as Twilio's helper libraries make it. Raises TokenRefused for what would be refused later."""
    if _IDENTITY(identity) is None:
        raise TokenRefused(Refusal.IDENTITY, "expected 1 to 256 characters without spaces and delimiters as identity")
    if not 0 < lifetime_s <= MAX_LIFETIME_S:
        raise TokenRefused(Refusal.LIFETIME, f"expected 1 to {MAX_LIFETIME_S} s, found {lifetime_s}")
    voice: dict[str, Any] = {}
    if may_receive:
        voice["incoming"] = {"allow": True}
    if application_sid is not None:
        voice["outgoing"] = {"application_sid": application_sid}
        if parameters:
            voice["outgoing"]["params"] = dict(parameters)
    claims = {
        "jti": f"{key_sid}-{int(now)}",
        "iss": key_sid,
        "sub": key.account_sid,
        "nbf": int(now),
        "exp": int(now) + lifetime_s,
        "grants": {"identity": identity, "voice": voice},
    }
    return jwt.encode(claims, key.secret, algorithm="HS256", headers={"cty": CONTENT_TYPE})


def _signed(token: str, secret: str) -> dict[str, Any] | None:
    try:
        claims: dict[str, Any] = jwt.decode(token, secret, algorithms=["HS256"], options=_OPTIONS)  # type: ignore[arg-type]
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    return claims


def _object(segment: str) -> dict[str, Any]:
    """A segment's JSON object, each name once in every object of it: two readers must not see two things."""
    try:
        text = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)).decode()
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (binascii.Error, ValueError, RecursionError):
        raise TokenRefused(Refusal.NOT_A_TOKEN, "expected a JSON object in base64url") from None
    if not isinstance(found, dict):
        raise TokenRefused(Refusal.NOT_A_TOKEN, "expected a JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_header(header: dict[str, Any]) -> None:
    """HS256 and nothing that could lead to another key. Source: RFC 8725 3.1, 3.10; Twilio error 20101, cty."""
    if header.get("alg") != "HS256" or header.get("typ") != "JWT" or header.get("cty") != CONTENT_TYPE:
        raise TokenRefused(Refusal.HEADER, f"expected typ JWT, alg HS256, cty {CONTENT_TYPE}")
    unknown = header.keys() - _HEADER_NAMES
    if unknown:
        raise TokenRefused(Refusal.HEADER, "expected only alg, typ, cty and twr in the header")


def _moment(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise TokenRefused(Refusal.EXPIRED, f"expected seconds since 1970 as {name}")
    return float(value)


def _grant(claims: dict[str, Any], key_sid: str, *, expires_at: float) -> AccessGrant:
    grants = _mapping(claims.get("grants"))
    identity, voice = grants.get("identity"), grants.get("voice")
    if identity is None or not isinstance(voice, dict):
        raise TokenRefused(Refusal.GRANTS, "expected grants.identity and grants.voice")
    if not isinstance(identity, str) or _IDENTITY(identity) is None:
        raise TokenRefused(Refusal.IDENTITY, "expected 1 to 256 characters without spaces and delimiters as identity")
    outgoing = _mapping(voice.get("outgoing"))
    application = outgoing.get("application_sid")
    may_call = isinstance(application, str) and _APPLICATION(application) is not None
    return AccessGrant(
        identity=identity,
        account_sid=str(claims["sub"]),
        key_sid=key_sid,
        expires_at=expires_at,
        may_receive=_mapping(voice.get("incoming")).get("allow") is True,
        application_sid=application if may_call else None,
        parameters={
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in _mapping(outgoing.get("params")).items()
            if isinstance(value, str | int | float | bool)
        },
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
