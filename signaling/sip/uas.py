"""An INVITE that came in, until it is answered, refused or taken back.

Owns the server transaction of the INVITE, its provisional answers (reliable ones where the peer demands them) and
the first offer/answer. The dialog is the session's; whether the call is wanted at all was decided by agent.py.
Source: RFC 3261 9.2, 13.3, 16.7; RFC 3262 3; RFC 6337 2.1.
"""

import asyncio
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from signaling.errors import PeerError
from signaling.leg import HangupCause
from signaling.sip.bodies import session_description
from signaling.sip.core import ALLOW, SUPPORTED, SipCore
from signaling.sip.message import Request, Response, respond
from signaling.sip.repeat import Repetition
from signaling.sip.scheduler import TimerHandle
from signaling.sip.session import Session, refusal_fields
from signaling.sip.transaction_layer import ServerOutcome, ServerTransaction
from signaling.sip.transport import Flow

if TYPE_CHECKING:
    from signaling.sip.leg import SipLeg

Field = tuple[str, str]
# Proxies give up on an INVITE after three minutes without a provisional answer. RFC 3261 13.3.1.1.
REMINDER_S = 60.0


class Phase(Enum):
    """PENDING: no final answer. ANSWERED: 2xx sent. OVER: refused, taken back or broken off."""

    PENDING = "pending"
    ANSWERED = "answered"
    OVER = "over"


class InboundInvite:
    """The called side's set-up of one leg.

    Made once the leg, its session and its media exist; ``serve`` then answers 100 and looks at the offer.
    """

    def __init__(self, core: SipCore, leg: "SipLeg", session: Session, request: Request, flow: Flow) -> None:
        self._core = core
        self._leg = leg
        self._session = session
        self._request = request
        self._server: ServerTransaction = core.layer.serve(request, flow, self._on_outcome)
        self._server.on_cancel = leg.on_cancel
        self._phase = Phase.PENDING
        self._offer = b""
        self._body = b""
        self._is_settled = False
        self._must_be_reliable = "100rel" in request.tokens("Require")
        self._rseq = 0
        self._unacknowledged: Repetition | None = None
        self._queued: list[int] = []
        self._acknowledged = asyncio.Event()
        self._acknowledged.set()
        self._last_provisional: Response | None = None
        self._reminder: TimerHandle | None = None
        self._expiry: TimerHandle | None = None

    @property
    def phase(self) -> Phase:
        return self._phase

    def serve(self) -> None:
        """100, then what the INVITE offers is examined; one that cannot be taken is refused and ends the leg."""
        self._core.layer.respond(self._server, respond(self._request, 100))
        try:
            self._offer = session_description(self._request)
            if self._offer:
                self._leg.audio.examine(self._offer)
            self._session.timer.answer(self._request)
        except PeerError as error:
            self.refuse(error.status, fields=refusal_fields(error))
            self._leg.end(HangupCause.NOT_ACCEPTABLE, reason=str(error), sip_status=error.status)
            return
        expires_s = self._request.number("Expires")
        if expires_s:
            self._expiry = self._core.scheduler.call_later(float(expires_s), self._expired)

    def ring(self) -> None:
        self._progress(180)

    def early_media(self) -> None:
        self._progress(183)

    async def answer(self) -> bool:
        """200 with our answer, or with our offer if the INVITE had none; False if that is not possible any more.

        Waits for the PRACK of a reliable answer that carried a description. Source: RFC 3262 5.
        """
        await self._acknowledged.wait()
        if self._phase is not Phase.PENDING:
            return False
        try:
            fields, schedule = self._session.timer.answer(self._request)
            if not self._leg.audio.offer_is_open:
                self._describe()
        except PeerError as error:
            self._leg.end(HangupCause.NOT_ACCEPTABLE, reason=str(error), sip_status=error.status)
            return False
        self._phase = Phase.ANSWERED
        self._stop_timers()
        self._let_go()
        answers_in_ack = self._leg.audio.offer_is_open
        body = b"" if self._is_settled else self._body
        response = self._session.success(self._request, fields=fields, body=body)
        self._session.confirm(self._request)

        def acknowledged(ack: Request) -> None:
            if answers_in_ack:
                self._session.take_answer(ack)

        self._session.send_success(self._request, self._server, response, on_ack=acknowledged)
        self._session.refresher.schedule(schedule)
        return True

    def refuse(self, status: int, *, fields: Iterable[Field] = ()) -> None:
        """A final answer that is none; nothing once there is one."""
        if self._phase is not Phase.PENDING:
            return
        self._close()
        self._core.layer.respond(
            self._server,
            respond(
                self._request,
                status,
                to_tag=self._session.dialog.id.local_tag,
                fields=[*fields, self._core.identification],
            ),
        )
        self._session.close()

    def on_cancel(self) -> bool:
        """The caller takes it back; False if it was answered already. Source: RFC 3261 9.2."""
        if self._phase is not Phase.PENDING:
            return False
        self.refuse(487)
        return True

    def on_prack(self, request: Request, server: ServerTransaction) -> None:
        """Source: RFC 3262 3."""
        expected = f"{self._rseq} {self._request.cseq.sequence} {self._request.method}"
        found = " ".join((request.headers.get("RAck") or "").split())
        tag = self._session.dialog.id.local_tag
        if self._unacknowledged is None or found != expected:
            self._core.layer.respond(server, respond(request, 481, to_tag=tag))
            return
        body = b""
        try:
            sent = session_description(request)
            if sent and self._leg.audio.offer_is_open:
                self._leg.audio.accept(sent)
            elif sent:
                body = self._leg.audio.answer(sent)
        except PeerError as error:
            self._core.layer.respond(server, respond(request, error.status, to_tag=tag))
            return
        self._core.layer.respond(server, respond(request, 200, to_tag=tag, body=body))
        self._unacknowledged.stop()
        self._unacknowledged = None
        self._acknowledged.set()
        if self._queued:
            self._progress(self._queued.pop(0))

    def _describe(self) -> None:
        """Our answer, or our offer where there was none; the same one every time."""
        if not self._body:
            self._body = self._leg.audio.answer(self._offer) if self._offer else self._leg.audio.offer()

    def _progress(self, code: int) -> None:
        if self._phase is not Phase.PENDING:
            return
        if self._unacknowledged is not None:
            # One reliable answer at a time; the next one waits for the PRACK. RFC 3262 3.
            self._queued.append(code)
            return
        # An offer of ours may only go out reliably; with theirs at hand, 183 opens the sound. RFC 3262 5, RFC 6337 2.1.
        described = code == 183 if self._offer else self._must_be_reliable
        if described:
            try:
                self._describe()
            except PeerError as error:
                self._leg.end(HangupCause.NOT_ACCEPTABLE, reason=str(error), sip_status=error.status)
                return
        fields: list[Field] = [("Contact", self._session.dialog.local_contact), ALLOW]
        if self._must_be_reliable:
            self._rseq += 1
            fields += [("Require", "100rel"), ("RSeq", str(self._rseq))]
        response = respond(
            self._request,
            code,
            to_tag=self._session.dialog.id.local_tag,
            fields=[*fields, SUPPORTED, self._core.identification],
            body=self._body if described else b"",
        )
        self._core.layer.respond(self._server, response)
        self._last_provisional = response
        if self._must_be_reliable:
            # What was said reliably is not said again in the 200. Source: RFC 6337 3.1.1.
            self._is_settled = self._is_settled or described
            self._repeat(response)
        elif self._reminder is None:
            self._reminder = self._core.scheduler.call_later(REMINDER_S, self._remind)

    def _repeat(self, response: Response) -> None:
        layer = self._core.layer
        octets = bytes(response)
        self._acknowledged.clear()

        def give_up() -> None:
            self._unacknowledged = None
            self._leg.end(HangupCause.FAILED, reason="no PRACK", sip_status=504)

        self._unacknowledged = Repetition(
            again=lambda: layer.send_again(octets, self._server.flow),
            give_up=give_up,
            scheduler=self._core.scheduler,
            values=layer.values,
            longest_s=layer.values.patience_s,
        )

    def _remind(self) -> None:
        self._reminder = self._core.scheduler.call_later(REMINDER_S, self._remind)
        if self._last_provisional is not None:
            self._core.layer.respond(self._server, self._last_provisional)

    def _expired(self) -> None:
        """The caller's Expires ran out. Source: RFC 3261 13.3.1."""
        self._leg.end(HangupCause.CANCELED, reason="INVITE expired", by_remote=True)

    def _on_outcome(self, outcome: ServerOutcome) -> None:
        """No answer can reach the caller any more."""
        if self._phase is Phase.PENDING:
            self._close()
            self._session.close()
            self._leg.end(HangupCause.UNREACHABLE, reason="connection lost", by_remote=True)

    def _close(self) -> None:
        self._phase = Phase.OVER
        self._stop_timers()
        self._let_go()
        self._queued.clear()
        self._acknowledged.set()
        if self._unacknowledged is not None:
            self._unacknowledged.stop()
            self._unacknowledged = None

    def _let_go(self) -> None:
        self._server.listener = self._server.on_cancel = None

    def _stop_timers(self) -> None:
        for handle in (self._reminder, self._expiry):
            if handle is not None:
                handle.cancel()
        self._reminder = self._expiry = None
