"""Who may call us: a registered identity that proves itself, or a trunk by its address. Everybody else is challenged.

Pure except for the authenticator's memory of used answers. Decided on the parsed request, once; the From user has to
be the identity whose password was used, so nobody calls in another's name.
Source: RFC 3261 22; RFC 3261 8.2; reliability checks S-02, S-04, S-08.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from signaling.scope import AccountOfHost, one_account, scoped
from signaling.sip.auth import Refused, Verified
from signaling.sip.challenge_choice import Challenged
from signaling.sip.limits import RateTable
from signaling.sip.message import Request
from signaling.sip.transport import Flow

log = structlog.get_logger()


class Authenticator(Protocol):
    """What is used of DigestAuthenticator."""

    def challenge(self, peer: Challenged | None = None, *, stale: bool = False) -> list[str]: ...

    def verify(
        self,
        method: str,
        authorization: Sequence[str],
        *,
        uri: str,
        body: bytes = b"",
        source: str = "",
        account: str = "",
    ) -> Verified | Refused: ...


class SourceTrunks(Protocol):
    """Which trunk an address belongs to."""

    def name_of_source(self, address: str) -> str | None: ...


@dataclass(frozen=True)
class Admitted:
    """Exactly one of the two is set. identity: scoped."""

    identity: str | None = None
    trunk: str | None = None


@dataclass(frozen=True)
class Challenge:
    """401 with these values."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Forbidden:
    """Proved to be somebody else than From says."""

    identity: str


class Admission:
    """clock: monotonic seconds, for how much is logged. account_of_host: whose caller From means."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        trunks: SourceTrunks,
        clock: Callable[[], float],
        account_of_host: AccountOfHost = one_account,
    ) -> None:
        self._account_of_host = account_of_host
        self._authenticator = authenticator
        self._trunks = trunks
        self._logged = RateTable(rate=1, burst=5, clock=clock, limit=8)

    def is_trunk(self, source: str) -> bool:
        return self._trunks.name_of_source(source) is not None

    def judge(self, request: Request, flow: Flow) -> Admitted | Challenge | Forbidden:
        """Raises nothing; costs a hash only when there is an answer to a challenge."""
        # A browser is nobody's trunk, whatever proxy its WebSocket comes through.
        trunk = None if flow.is_web else self._trunks.name_of_source(flow.source)
        if trunk is not None:
            return Admitted(trunk=trunk)
        answers = request.headers.getlist("Authorization") or request.headers.getlist("Proxy-Authorization")
        peer = Challenged(
            source=flow.source,
            username=request.from_address.uri.user or "",
            user_agent=request.headers.get("User-Agent") or "",
            has_answered=bool(answers),
        )
        if not answers:
            return Challenge(tuple(self._authenticator.challenge(peer)))
        account = self._account_of_host(request.from_address.uri.host)
        verdict = self._authenticator.verify(
            request.method, answers, uri=request.uri_text, body=request.body, source=flow.source, account=account
        )
        match verdict:
            case Verified(identity) if request.from_address.uri.user == identity:
                return Admitted(identity=scoped(account, identity))
            case Verified(identity):
                if self._logged.take("forbidden"):
                    log.info("sip.call_forbidden", identity=identity, source=flow.source)
                return Forbidden(identity)
            case Refused():
                if verdict.attempted and self._logged.take("refused"):
                    log.info("sip.call_refused", claimed=verdict.username, source=flow.source)
                return Challenge(tuple(self._authenticator.challenge(peer, stale=verdict.stale)))
