"""An INVITE of ours, until somebody answers it or nobody will.

Owns the INVITE's attempts (one per address tried or challenge answered) and its early dialogs. The first 2xx makes the
session; what comes after it, or after the hang-up, is heard by goodbye.py.
Redirects are not followed: whoever we called may not decide whom we call on somebody's account.
Source: RFC 3261 8.1.3, 9.1, 13.2, 22; RFC 3262 4; RFC 3263 4.3; RFC 3326 (Reason).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from signaling.errors import GatewayError, PeerError
from signaling.leg import Answered, EarlyMedia, HangupCause, OutboundCall, Ringing
from signaling.sip.bodies import session_description
from signaling.sip.core import ALLOW, SUPPORTED, SipCore, SipSettings
from signaling.sip.credentials import ChallengeAnswers
from signaling.sip.dial_target import DialTarget
from signaling.sip.dialog import MAX_FORWARDS, Dialog
from signaling.sip.goodbye import Attempt, Leftover, Peer
from signaling.sip.headers import Headers
from signaling.sip.message import Request, Response
from signaling.sip.naming import clean, diversion_value, extension_headers, from_value, outgoing_headers
from signaling.sip.scheduler import TimerHandle
from signaling.sip.session import Session
from signaling.sip.session_timer import SessionTimer
from signaling.sip.transaction import TimedOut, TransportFailed
from signaling.sip.transaction_layer import Outcome
from signaling.sip.transport import Flow
from signaling.sip.values import SipParseError, parse_uri

if TYPE_CHECKING:
    from signaling.sip.leg import SipLeg

Field = tuple[str, str]
API_VERSION = "2010-04-01"
# How long one of several addresses may stay silent before the next is tried. RFC 3263 4.3 leaves it to Timer B, 32 s.
FAILOVER_S = 4.0
_OTHER_ADDRESS = frozenset({503})


@dataclass(frozen=True, kw_only=True)
class InviteTemplate:
    """What every attempt has in common. route: proxies to go through, as Route values."""

    request_uri: str
    to: str
    sender: str
    call_id: str
    fields: tuple[Field, ...]
    route: tuple[str, ...]
    peer: Peer


@dataclass
class _Early:
    """An early dialog. rseq: of the last reliable provisional answer taken. is_settled: one of those had the answer."""

    session: Session
    rseq: int = 0
    is_settled: bool = False


def template_of(target: DialTarget, request: OutboundCall, *, settings: SipSettings, call_id: str) -> InviteTemplate:
    """What a target is told of a call. Raises SipParseError for a target that is no URI."""
    to_uri = target.to_uri or target.request_uri
    parse_uri(target.request_uri)
    parse_uri(to_uri)
    fields = [
        ("X-Twilio-AccountSid", clean(request.account_sid)),
        ("X-Twilio-CallSid", clean(request.call_sid)),
        ("X-Twilio-ApiVersion", API_VERSION),
        *outgoing_headers({**target.headers, **request.headers}),
    ]
    if request.diversion:
        fields.append(("Diversion", diversion_value(request.diversion, settings.domain)))
    return InviteTemplate(
        request_uri=target.request_uri,
        to=f"<{to_uri}>",
        sender=from_value(request.caller, domain=settings.domain, tag=secrets.token_hex(8)),
        call_id=call_id,
        fields=tuple(fields),
        route=target.route,
        peer=Peer(
            pinned=target.flow is not None,
            answers=ChallengeAnswers(target.credentials),
            identity=target.identity,
        ),
    )


class OutboundInvite:
    """The calling side's set-up of one leg."""

    def __init__(self, core: SipCore, leg: "SipLeg", template: InviteTemplate) -> None:
        self._core = core
        self._leg = leg
        self._template = template
        self._timer = SessionTimer(interval_s=core.settings.session_interval_s)
        self._sequence = 0
        self._flows: list[Flow] = []
        self._attempt: Attempt | None = None
        self._early: dict[str, _Early] = {}
        self._over = False
        self._failover: TimerHandle | None = None

    async def prepare(self, flows: Sequence[Flow]) -> None:
        """Start once there is an offer to send."""
        try:
            await self._leg.audio.prepare(b"")
        except GatewayError as error:
            self._end(HangupCause.FAILED, str(error), status=503)
        else:
            self.start(flows)

    def start(self, flows: Sequence[Flow]) -> None:
        """Send the INVITE to the first of these; the others are for when it does not answer."""
        if self._over:
            return
        if not flows:
            self._end(HangupCause.UNREACHABLE, "no address", status=404)
            return
        self._flows = list(flows)
        for flow in flows:
            self._template.peer.answers.allow(flow.source)
        self._invite()

    def cancel(self, *, fields: tuple[Field, ...]) -> None:
        """Nobody wants the call any more: CANCEL now, or when the first provisional answer makes it legal."""
        self._over = True
        self._stop_failover()
        self._drop_early()
        self._leave(fields=fields)

    # Sending

    def _invite(self, *, fields: tuple[Field, ...] = ()) -> None:
        template = self._template
        flow = self._flows[0]
        self._sequence += 1
        headers = Headers()
        headers.setlist("Via", [])
        headers.set("Max-Forwards", MAX_FORWARDS)
        headers.set("From", template.sender)
        headers.set("To", template.to)
        headers.set("Call-ID", template.call_id)
        headers.set("CSeq", f"{self._sequence} INVITE")
        headers.set("Contact", self._core.contact(flow))
        if template.route:
            headers.setlist("Route", list(template.route))
        for name, value in (ALLOW, SUPPORTED, *self._timer.ask(initial=True), *template.fields, *fields):
            headers.add(name, value)
        headers.set("User-Agent", self._core.settings.user_agent)
        headers.set("Content-Type", "application/sdp")
        self._leg.audio.learn_from = flow.source
        request = Request("INVITE", template.request_uri, headers=headers, body=self._leg.audio.offer())
        if len(self._flows) > 1:
            self._failover = self._core.scheduler.call_later(FAILOVER_S, self._on_failover)
        attempt = self._attempt = Attempt(request, flow)
        attempt.transaction = self._core.layer.request(request, flow, partial(self._on_outcome, attempt))

    def _try_next(self) -> bool:
        """Go on to the next address; False if there is none."""
        self._stop_failover()
        if len(self._flows) < 2:
            return False
        self._leave()
        del self._flows[0]
        self._drop_early()
        self._invite()
        return True

    def _on_failover(self) -> None:
        self._failover = None
        self._try_next()

    def _stop_failover(self) -> None:
        if self._failover is not None:
            self._failover.cancel()
            self._failover = None

    def _leave(self, *, fields: tuple[Field, ...] = ()) -> None:
        """The attempt has no call to answer to any more."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None and not attempt.is_final:
            Leftover(self._core, attempt, self._template.peer, fields).take_over()

    # Hearing

    def _on_outcome(self, attempt: Attempt, outcome: Outcome) -> None:
        match outcome:
            case TimedOut():
                self._not_reached(attempt, HangupCause.from_sip_status(408), "no answer to INVITE", 408)
            case TransportFailed():
                self._not_reached(attempt, HangupCause.UNREACHABLE, "INVITE could not be sent", 503)
            case Response() if outcome.code < 200:
                self._on_provisional(attempt, outcome)
            case Response() if outcome.code < 300:
                self._on_success(attempt, outcome)
            case Response():
                self._on_failure(attempt, outcome)

    def _not_reached(self, attempt: Attempt, cause: HangupCause, text: str, status: int) -> None:
        attempt.is_final = True
        if not self._try_next():
            self._end(cause, text, status=status)

    def _on_provisional(self, attempt: Attempt, response: Response) -> None:
        attempt.has_provisional = True
        self._stop_failover()
        if response.code == 100:
            return
        early = self._early_of(attempt, response)
        body = b""
        try:
            body = session_description(response)
            reliable = response.number("RSeq") if "100rel" in response.tokens("Require") else None
            if early is not None and reliable is not None:
                if not self._acknowledge_provisional(early, attempt, reliable):
                    return
            if body and not (early is not None and early.is_settled):
                self._leg.audio.accept(body, final=False)
                if early is not None and reliable is not None:
                    early.is_settled = True
                    self._leg.audio.settle_early()
        except PeerError:
            # A broken preview is no reason to end a call that may still be answered properly.
            body = b""
        if response.code == 180 or (response.code == 183 and not body):
            self._leg.alerting(Ringing())
        if body:
            self._leg.alerting(EarlyMedia())

    def _early_of(self, attempt: Attempt, response: Response) -> _Early | None:
        """The early dialog of a provisional answer; None without a To tag."""
        tag = response.to_tag
        if not tag:
            return None
        early = self._early.get(tag)
        if early is None:
            if len(self._early) >= 16:
                return None
            try:
                early = self._early[tag] = _Early(self._session_of(attempt, response))
            except SipParseError:
                return None
        return early

    def _session_of(self, attempt: Attempt, response: Response) -> Session:
        contact = self._core.contact(attempt.flow)
        dialog = Dialog.of_response(attempt.request, response, local_contact=contact)
        return Session(
            self._core,
            self._leg,
            dialog,
            attempt.flow,
            we_called=True,
            peer=self._template.peer,
            timer=self._timer,
        )

    def _acknowledge_provisional(self, early: _Early, attempt: Attempt, rseq: int) -> bool:
        """PRACK a reliable answer; False for one that came before or too early. Source: RFC 3262 4."""
        if early.rseq and rseq != early.rseq + 1:
            return False
        early.rseq = rseq
        sequence = attempt.request.cseq.sequence
        early.session.send("PRACK", _unheard, fields=[("RAck", f"{rseq} {sequence} INVITE")])
        return True

    def _on_success(self, attempt: Attempt, response: Response) -> None:
        """The first answer makes the call; everything that still comes for this INVITE is the Leftover's."""
        self._stop_failover()
        attempt.is_final = True
        early = self._early.pop(response.to_tag, None)
        try:
            if early is None:
                session = self._session_of(attempt, response)
            else:
                session = early.session
                session.dialog.refresh_route(response)
                session.dialog.refresh_target(response)
        except SipParseError as error:
            # With a route that cannot be read nothing can be sent to it, not even ACK.
            if early is not None:
                early.session.close()
            self._end(HangupCause.FAILED, str(error))
            return
        self._over = True
        self._drop_early()
        ack = session.acknowledge(attempt.request.cseq.sequence)
        Leftover(self._core, attempt, self._template.peer, acks={response.to_tag: ack}).take_over()
        session.confirm(response)
        try:
            body = session_description(response)
            if body and not (early is not None and early.is_settled):
                self._leg.audio.accept(body)
            if not self._leg.audio.settle():
                raise SipParseError("expected an answer in the 2xx, found none", status=488)
            schedule = self._timer.accepted(response)
        except PeerError as error:
            session.hang_up()
            self._leg.end(HangupCause.NOT_ACCEPTABLE, reason=str(error), sip_status=488)
            return
        session.refresher.schedule(schedule)
        self._leg.answered(session, Answered(extension_headers(response)))

    def _on_failure(self, attempt: Attempt, response: Response) -> None:
        attempt.is_final = True
        if attempt.transaction is not None:
            # Copies of the refusal are acknowledged by the transaction alone.
            attempt.transaction.listener = None
        self._stop_failover()
        self._drop_early()
        answer: Field | None
        match response.code:
            case 401 | 407 if (answer := self._answer_to(attempt, response)) is not None:
                self._invite(fields=(answer,))
            case 422 if self._timer.refused(response):
                self._invite()
            case code if code in _OTHER_ADDRESS and self._try_next():
                pass
            case code:
                self._over = True
                self._leg.end(
                    HangupCause.from_sip_status(code),
                    by_remote=True,
                    sip_status=code,
                    headers=extension_headers(response),
                )

    def _answer_to(self, attempt: Attempt, response: Response) -> Field | None:
        return self._template.peer.answers.answer(attempt.request, response, host=attempt.flow.source)

    def _drop_early(self) -> None:
        for early in self._early.values():
            early.session.close()
        self._early.clear()

    def _end(self, cause: HangupCause, text: str, *, status: int | None = None) -> None:
        self._over = True
        self._drop_early()
        self._leg.end(cause, reason=text, sip_status=status)


def _unheard(_prack: Request, _outcome: Outcome) -> None:
    """A PRACK that fails leaves the call to its INVITE."""
