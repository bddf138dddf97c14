"""REFER inside one dialog, both ways: a peer that wants its party sent elsewhere, and a party we send elsewhere.

Owns the implicit subscription of each: what the peer is told of its transfer, what it tells us of ours. Whether a
transfer is wanted is the leg's owner's decision; without it REFER is declined. A peer may ask as often as it likes, but
only its first MAX_TOLD requests are told on.
Source: RFC 3515; RFC 4488 (Refer-Sub); RFC 3420 (message/sipfrag); RFC 6665 (Subscription-State).
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from signaling.leg import TransferRequested, TransferResult
from signaling.sip.core import SipCore
from signaling.sip.message import Request, Response, respond
from signaling.sip.naming import clean, identity_uri, outgoing_headers
from signaling.sip.status import REASON_PHRASES
from signaling.sip.transaction_layer import Outcome
from signaling.sip.transport import Flow
from signaling.sip.values import SipParseError, parse_address, parse_uri

if TYPE_CHECKING:
    from signaling.sip.leg import SipLeg
    from signaling.sip.session import Session

Field = tuple[str, str]
MAX_TARGET: Final = 255
MAX_TOLD: Final = 8
# How long a phone may take to set up the call it was sent to: its own ringing, and then some.
NOTIFY_S: Final = 90.0
_STATUS_LINE = re.compile(rb"\s*SIP/2\.0 ([1-6][0-9][0-9])\b").match
_DECLINED, _BAD_EVENT, _PENDING = 603, 489, 491


def refer_target(request: Request) -> str:
    """Whom a REFER names: a number for ``tel:``, else the SIP URI without its headers. Raises SipParseError.

    Source: RFC 3515 2.4.1 (exactly one Refer-To), 2.4.2.
    """
    value = request.headers.get("Refer-To")
    if not value:
        raise SipParseError("expected a Refer-To, found none", request=request)
    uri = parse_address(value).uri
    if uri.scheme == "tel":
        return clean(uri.user or "")[:MAX_TARGET]
    if uri.scheme not in ("sip", "sips"):
        raise SipParseError(f"expected a SIP URI to refer to, found {uri.scheme[:20]!r}", status=416, request=request)
    user = f"{uri.user}@" if uri.user else ""
    target = clean(f"{uri.scheme}:{user}{uri.host}{f':{uri.port}' if uri.port else ''}")
    if len(target) > MAX_TARGET:
        raise SipParseError(f"expected a target of at most {MAX_TARGET} characters", status=414, request=request)
    return target


def fragment(status: int) -> bytes:
    return f"SIP/2.0 {status} {REASON_PHRASES[status]}\r\n".encode()


def fragment_status(body: bytes) -> int | None:
    """The status that a message/sipfrag tells of. Source: RFC 3515 2.4.5."""
    found = _STATUS_LINE(body[:64])
    return int(found[1]) if found else None


class Transfers:
    """What REFER does in one dialog. ``close`` when the dialog is over."""

    def __init__(self, core: SipCore, leg: "SipLeg", session: "Session") -> None:
        self._core = core
        self._leg = leg
        self._session = session
        self._told = 0
        self._is_followed = False
        self._is_accepted = False
        self._result: asyncio.Future[TransferResult] | None = None
        self._sip_status: int | None = None
        self._notify_status: int | None = None

    # The peer asks

    def on_refer(self, request: Request, flow: Flow) -> None:
        """Raises SipParseError for one that cannot be understood."""
        target = refer_target(request)
        if self._is_accepted:
            self._answer(request, flow, _PENDING)
            return
        accepted = self._leg.accepts_transfer
        if self._told >= MAX_TOLD or not (self._leg.post(TransferRequested(target, is_accepted=accepted)) and accepted):
            self._told += 1
            self._answer(request, flow, _DECLINED)
            return
        self._told += 1
        self._is_accepted = True
        self._is_followed = (request.headers.get("Refer-Sub") or "").strip().lower() != "false"
        self._answer(request, flow, 202, fields=[] if self._is_followed else [("Refer-Sub", "false")])
        self._notify(100, state="active;expires=60")

    def finish(self) -> None:
        """The peer's own part is over: its party is in other hands. Told before BYE."""
        if self._is_accepted:
            self._notify(200, state="terminated;reason=noresource")
            self._is_followed = False

    def _notify(self, status: int, *, state: str) -> None:
        if not self._is_followed:
            return
        fields = [("Event", "refer"), ("Subscription-State", state)]
        kind = "message/sipfrag;version=2.0"
        self._session.send("NOTIFY", _unheard, fields=fields, body=fragment(status), content_type=kind)

    # We ask

    async def send(self, target: str, headers: Mapping[str, str]) -> TransferResult:
        """Send the peer to a SIP URI; returns when it has told what became of it, will not, or the dialog is over."""
        if self._result is not None or self._session.is_closed:
            return TransferResult()
        self._result = asyncio.get_running_loop().create_future()
        self._sip_status = self._notify_status = None
        parse_uri(target)
        self._refer(target, tuple(outgoing_headers(headers)))
        try:
            async with asyncio.timeout(NOTIFY_S):
                return await self._result
        except TimeoutError:
            return TransferResult(sip_status=self._sip_status, notify_status=self._notify_status)
        finally:
            self._result = None

    def _refer(self, target: str, fields: tuple[Field, ...], *more: Field) -> None:
        referrer = identity_uri(self._leg.callee.address, self._core.settings.domain)

        def hear(sent: Request, outcome: Outcome) -> None:
            if not isinstance(outcome, Response):
                self._conclude(sip_status=408)
            elif outcome.code in (401, 407) and not more:
                answer = self._session.authorisation(sent, outcome)
                if answer is None or self._session.is_closed:
                    self._conclude(sip_status=outcome.code)
                else:
                    self._refer(target, fields, answer)
            elif outcome.code >= 300:
                self._conclude(sip_status=outcome.code)
            elif outcome.code >= 200:
                self._sip_status = outcome.code

        fixed = (("Refer-To", f"<{target}>"), ("Referred-By", f"<{referrer}>"))
        self._session.send("REFER", hear, fields=[*fixed, *fields, *more])

    def on_notify(self, request: Request, flow: Flow) -> None:
        """Source: RFC 3515 2.4.4; it may come before the answer to REFER."""
        event = (request.headers.get("Event") or "").partition(";")[0].strip().lower()
        if event != "refer" or self._result is None:
            self._answer(request, flow, _BAD_EVENT)
            return
        self._answer(request, flow, 200)
        status = fragment_status(request.body)
        if status is not None:
            self._notify_status = status
        state = (request.headers.get("Subscription-State") or "").partition(";")[0].strip().lower()
        if state == "terminated" or (status is not None and status >= 200):
            self._conclude(sip_status=self._sip_status or 202)

    def close(self) -> None:
        self._conclude(sip_status=self._sip_status)

    def _conclude(self, *, sip_status: int | None) -> None:
        if self._result is not None and not self._result.done():
            self._result.set_result(TransferResult(sip_status=sip_status, notify_status=self._notify_status))

    def _answer(self, request: Request, flow: Flow, code: int, *, fields: Iterable[Field] = ()) -> None:
        server = self._core.layer.serve(request, flow)
        tag = self._session.dialog.id.local_tag
        more = [*fields, ("Contact", self._session.dialog.local_contact)] if code == 202 else list(fields)
        self._core.layer.respond(server, respond(request, code, to_tag=tag, fields=[*more, self._core.identification]))


def _unheard(_notify: Request, _outcome: Outcome) -> None:
    """A NOTIFY that fails changes nothing: the transfer is under way."""
