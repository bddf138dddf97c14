"""Digest access authentication: challenging and checking requests, and answering a trunk's challenge.

Pure: time comes in as ``clock``. Owns the nonces (stateless: time and an HMAC over it) and the table that keeps an
answer from being used twice. Who may do what with an identity, and to whom our own passwords may go, is decided
elsewhere (agent.py, trunk.py). An unknown user costs the same work and gets the same answer as a wrong password.
Source: RFC 3261 22; RFC 7616 3; RFC 8760 2 (SHA-256 for SIP, strongest challenge first).
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from urllib.parse import unquote

from signaling.errors import PeerError
from signaling.scope import identity_in, scoped
from signaling.sip.challenge_choice import STRONGEST_FIRST, Algorithm, ChallengeChoice, Challenged
from signaling.sip.limits import GuessGuard

MAX_HEADER = 2048
MAX_HEADERS = 8
_REPLAY_WINDOW = 64
_MAC_BYTES = 12
_NONCE_BYTES = 8 + 8 + _MAC_BYTES

_SCHEME_MATCH = re.compile(r"\s*digest\s+", re.IGNORECASE).match
_PARAMETER_MATCH = re.compile(
    r"""\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)"""
).match
_ESCAPE = re.compile(r"\\(.)")
_NC_MATCH = re.compile(r"[0-9A-Fa-f]{8}").fullmatch


_ALGORITHMS = {algorithm.value.upper(): algorithm for algorithm in Algorithm}


def _hash(algorithm: Algorithm, text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    if algorithm is Algorithm.MD5:
        return hashlib.md5(octets, usedforsecurity=False).hexdigest()
    return hashlib.sha256(octets).hexdigest()


@dataclass(frozen=True)
class Verified:
    """The request comes from this identity."""

    username: str


@dataclass(frozen=True)
class Refused:
    """Challenge again. stale: password right, nonce old or used up, so the phone need not ask its user.

    attempted: an answer to a challenge was there and was wrong: a guess, to be counted against its source.
    username: whom it claimed to be; only for counting and logs.
    """

    stale: bool = False
    attempted: bool = False
    username: str = ""


class ChallengeError(PeerError):
    """A challenge that we cannot answer."""


def parse_digest(value: str) -> dict[str, str] | None:
    """Parameters of a Digest challenge or answer, names in lower case; None if it is not one or is malformed.

    A parameter that stands twice makes it malformed: two readers could see two different answers.
    """
    scheme = _SCHEME_MATCH(value)
    if scheme is None or len(value) > MAX_HEADER:
        return None
    found: dict[str, str] = {}
    end = scheme.end()
    while end < len(value):
        match = _PARAMETER_MATCH(value, end)
        if match is None:
            return None
        name = match[1].lower()
        if name in found:
            return None
        quoted = match[2]
        if quoted is None:
            found[name] = match[3]
        else:
            found[name] = _ESCAPE.sub(r"\1", quoted) if "\\" in quoted else quoted
        end = match.end()
    return found


class _Window:
    """Counts of one nonce that were used: the highest and a bit for each of the 63 below it."""

    __slots__ = ("highest", "issued_ms", "seen")

    def __init__(self, issued_ms: int) -> None:
        self.issued_ms = issued_ms
        self.highest = 0
        self.seen = 0

    def use(self, number: int) -> bool:
        """Whether the count is new. Out of order is fine: over UDP requests overtake each other."""
        if number > self.highest:
            self.seen = (self.seen << min(number - self.highest, _REPLAY_WINDOW) | 1) & (1 << _REPLAY_WINDOW) - 1
            self.highest = number
            return True
        bit = 1 << (self.highest - number)
        if self.highest - number >= _REPLAY_WINDOW or self.seen & bit:
            return False
        self.seen |= bit
        return True


class DigestAuthenticator:
    """Checks who a request is from.

    credentials: the password of a scoped identity, or None. clock: seconds, the same for making and checking nonces.
    guard: slows guessing down; while it refuses a source or an account, right answers are refused like wrong ones.
    Only answers with the right password leave a trace in memory, at most ``replay_limit`` nonces; one that was pushed
    out is refused as stale together with all that are older, so that pushing out never allows a replay.
    """

    def __init__(
        self,
        *,
        realm: str,
        secret: bytes,
        clock: Callable[[], float],
        credentials: Callable[[str], str | None],
        guard: GuessGuard | None = None,
        nonce_lifetime_s: float = 300.0,
        replay_limit: int = 20_000,
    ) -> None:
        self._realm = realm
        self._realm_quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
        self._secret = secret
        self._clock = clock
        self._credentials = credentials
        self._guard = guard
        self._choice = ChallengeChoice(clock=clock)
        self._lifetime_ms = int(nonce_lifetime_s * 1000)
        self._replay_limit = replay_limit
        self._windows: dict[str, _Window] = {}
        self._floor_ms = -1
        self._serial = count(secrets.randbits(48))
        self._decoy_password = secrets.token_hex(16)

    @property
    def realm(self) -> str:
        return self._realm

    def challenge(self, peer: Challenged | None = None, *, stale: bool = False) -> list[str]:
        """Values for WWW-Authenticate or Proxy-Authenticate headers, strongest first. Source: RFC 8760 2.4.

        peer: whom they are for; some cannot cope with several, or with the strongest first (challenge_choice.py).
        """
        algorithms = STRONGEST_FIRST if peer is None else self._choice.algorithms(peer)
        nonce = self._new_nonce()
        tail = ", stale=true" if stale else ""
        return [
            f'Digest realm="{self._realm_quoted}", nonce="{nonce}", algorithm={algorithm.value}, qop="auth"{tail}'
            for algorithm in algorithms
        ]

    def verify(
        self,
        method: str,
        authorization: Sequence[str],
        *,
        uri: str,
        body: bytes = b"",
        source: str = "",
        account: str = "",
    ) -> Verified | Refused:
        """Checks the Authorization or Proxy-Authorization values of a request.

        uri: the Request-URI; the answer must have been made for that resource. body: not covered, ``qop=auth`` only.
        source: where the request came from, for counting wrong guesses. account: whose user is meant, "" the home's.
        Source: RFC 7616 3.4; RFC 3261 22.4.
        """
        answer = self._our_answer(authorization)
        if answer is None:
            return Refused()
        claimed = answer["username"]
        identity = self._identity(claimed)
        user = (claimed if identity is None else identity)[:64]
        self._choice.answered(source=source, username=user)
        wrong = Refused(attempted=True, username=user)
        login = scoped(account, user)
        algorithm = _ALGORITHMS.get(answer.get("algorithm", "MD5").upper())
        if algorithm is None or answer["qop"].lower() != "auth" or _NC_MATCH(answer["nc"]) is None:
            return wrong
        if self._guard is not None and self._guard.refuses(source, login):
            return wrong
        password = self._credentials(scoped(account, identity)) if identity is not None else None
        secret = _hash(algorithm, f"{claimed}:{self._realm}:{self._decoy_password if password is None else password}")
        expected = _response(algorithm, answer, secret=secret, method=method)
        is_right = hmac.compare_digest(expected.encode(), answer["response"].lower().encode("utf-8", "replace"))
        if not is_right or password is None or identity is None:
            if self._guard is not None:
                self._guard.failed(source, login)
            return wrong
        if not _same_resource(answer["uri"], uri):
            return wrong
        if self._guard is not None:
            self._guard.succeeded(source, login)
        if not self._use(answer["nonce"], int(answer["nc"], 16)):
            return Refused(stale=True, username=identity)
        return Verified(identity)

    def _our_answer(self, values: Sequence[str]) -> Mapping[str, str] | None:
        """The answer made for our realm, complete; None without one."""
        for value in values[:MAX_HEADERS]:
            answer = parse_digest(value)
            if answer is not None and answer.get("realm") == self._realm and _REQUIRED <= answer.keys():
                return answer
        return None

    def _identity(self, username: str) -> str | None:
        """``alice`` or ``alice@our-realm`` without the realm; None for a user of another domain or of no account."""
        name, at, domain = username.rpartition("@")
        if not at:
            name = username
        elif domain.lower() != self._realm.lower():
            return None
        return name if identity_in(name) == name else None

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _new_nonce(self) -> str:
        head = (self._now_ms() & 2**64 - 1).to_bytes(8, "big") + (next(self._serial) & 2**64 - 1).to_bytes(8, "big")
        return base64.urlsafe_b64encode(head + self._mac(head)).decode().rstrip("=")

    def _mac(self, head: bytes) -> bytes:
        return hmac.digest(self._secret, head + self._realm.encode(), "sha256")[:_MAC_BYTES]

    def _issued_ms(self, nonce: str) -> int | None:
        """When we made this nonce; None if we did not."""
        if len(nonce) > 2 * _NONCE_BYTES:
            return None
        try:
            octets = base64.urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4))
        except (ValueError, binascii.Error):
            return None
        head = octets[:16]
        if len(octets) != _NONCE_BYTES or not hmac.compare_digest(self._mac(head), octets[16:]):
            return None
        return int.from_bytes(head[:8], "big")

    def _use(self, nonce: str, number: int) -> bool:
        """Uses up a count of a nonce of ours that is neither too old nor from the future."""
        issued_ms = self._issued_ms(nonce)
        now_ms = self._now_ms()
        if issued_ms is None or not issued_ms <= now_ms < issued_ms + self._lifetime_ms or number == 0:
            return False
        window = self._windows.get(nonce)
        if window is None:
            if issued_ms <= self._floor_ms:
                return False
            self._make_room(now_ms)
            window = self._windows[nonce] = _Window(issued_ms)
        return window.use(number)

    def _make_room(self, now_ms: int) -> None:
        """Forgets nonces from the oldest entry on while they are expired or the table is full."""
        while self._windows:
            oldest = next(iter(self._windows))
            issued_ms = self._windows[oldest].issued_ms
            if now_ms >= issued_ms + self._lifetime_ms:
                del self._windows[oldest]
            elif len(self._windows) >= self._replay_limit:
                self._floor_ms = max(self._floor_ms, issued_ms)
                del self._windows[oldest]
            else:
                return


_REQUIRED = frozenset({"username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce"})


def _response(algorithm: Algorithm, answer: Mapping[str, str], *, secret: str, method: str) -> str:
    """request-digest with qop=auth. secret: H(username:realm:password). Source: RFC 7616 3.4.1."""
    resource = _hash(algorithm, f"{method}:{answer['uri']}")
    return _hash(algorithm, f"{secret}:{answer['nonce']}:{answer['nc']}:{answer['cnonce']}:auth:{resource}")


def _same_resource(stated: str, requested: str) -> bool:
    """Whether the digest's uri may stand for the Request-URI: nobody's answer serves to call somebody else.

    Only the user is compared, where both name one: phones leave out parameters and ports or write the server's address
    for its domain, and SIPp always writes the address it sends to. Source: RFC 7616 3.4.6.
    """
    if stated == requested:
        return True
    user = _user(stated)
    return not user or user == (_user(requested) or user)


def _user(uri: str) -> str:
    rest = uri.partition(":")[2].partition("?")[0]
    return unquote(rest.rpartition("@")[0].partition(":")[0].partition(";")[0])


def answer_challenge(
    challenges: Iterable[str],
    *,
    method: str,
    uri: str,
    username: str,
    password: str,
    body: bytes = b"",
    number: int = 1,
    cnonce: str = "",
) -> str:
    """The (Proxy-)Authorization value for the strongest of these (WWW- or Proxy-)Authenticate values.

    The caller decides whether this peer and realm may have an answer at all (CredentialsPolicy). number: how often the
    challenge's nonce was answered, this time included. cnonce: made here if empty. body: not covered.
    Raises ChallengeError if none of the challenges can be answered.
    """
    challenge, algorithm = strongest_challenge(challenges)
    return _authorization(
        challenge,
        algorithm,
        secret=_hash(algorithm, f"{username}:{challenge['realm']}:{password}"),
        username=username,
        method=method,
        uri=uri,
        cnonce=cnonce or secrets.token_hex(8),
        number=number,
    )


def strongest_challenge(challenges: Iterable[str]) -> tuple[Mapping[str, str], Algorithm]:
    """The challenge to answer: SHA-256 before MD5, else the first. Source: RFC 8760 2.4."""
    usable: dict[Algorithm, Mapping[str, str]] = {}
    for value in challenges:
        challenge = parse_digest(value)
        if challenge is None or not {"realm", "nonce"} <= challenge.keys():
            continue
        algorithm = _ALGORITHMS.get(challenge.get("algorithm", "MD5").upper().removesuffix("-SESS"))
        if algorithm is not None and _offers_auth(challenge):
            usable.setdefault(algorithm, challenge)
    for algorithm in Algorithm:
        if algorithm in usable:
            return usable[algorithm], algorithm
    raise ChallengeError("expected a Digest challenge with MD5 or SHA-256 and qop auth or none, found no such one")


def _offers_auth(challenge: Mapping[str, str]) -> bool:
    qop = challenge.get("qop")
    return qop is None or "auth" in (option.strip().lower() for option in qop.split(","))


def _authorization(
    challenge: Mapping[str, str],
    algorithm: Algorithm,
    *,
    secret: str,
    username: str,
    method: str,
    uri: str,
    cnonce: str,
    number: int,
) -> str:
    nonce = challenge["nonce"]
    session = challenge.get("algorithm", "").upper().endswith("-SESS")
    if session:
        secret = _hash(algorithm, f"{secret}:{nonce}:{cnonce}")
    parts = [
        f'username="{_quoted(username)}"',
        f'realm="{_quoted(challenge["realm"])}"',
        f'nonce="{_quoted(nonce)}"',
        f'uri="{_quoted(uri)}"',
    ]
    if "qop" in challenge:
        answer = {"nonce": nonce, "nc": f"{number:08x}", "cnonce": cnonce, "uri": uri}
        response = _response(algorithm, answer, secret=secret, method=method)
        parts += [f'response="{response}"', f'cnonce="{cnonce}"', "qop=auth", f"nc={number:08x}"]
    else:
        # Without qop as RFC 2069 had it: some carriers still challenge so. Source: RFC 3261 22.4 (8).
        resource = _hash(algorithm, f"{method}:{uri}")
        parts.append(f'response="{_hash(algorithm, f"{secret}:{nonce}:{resource}")}"')
        if session:
            parts.append(f'cnonce="{cnonce}"')
    if "algorithm" in challenge:
        parts.append(f"algorithm={algorithm.value}{'-sess' if session else ''}")
    if "opaque" in challenge:
        parts.append(f'opaque="{_quoted(challenge["opaque"])}"')
    return "Digest " + ", ".join(parts)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
