"""Keeps a session alive, or notices that it is dead: refreshes of ours, and the end of a session nobody refreshed.

Owns the timers of RFC 4028 for one dialog and the request of ours that is under way in it; what was agreed on is
session_timer.py's. While ``is_asking`` an offer of the peer meets ours.
Source: RFC 4028 7.4, 10; RFC 3261 14.1 (glare); RFC 3311; RFC 5057 5.1 (which failures end a dialog).
"""

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from signaling.errors import GatewayError, PeerError
from signaling.leg import HangupCause
from signaling.sip.bodies import session_description
from signaling.sip.core import ALLOW, SUPPORTED, SipCore
from signaling.sip.message import Request, Response
from signaling.sip.scheduler import TimerHandle
from signaling.sip.session_timer import Schedule
from signaling.sip.transaction_layer import Outcome
from signaling.sip.transport import Flow

if TYPE_CHECKING:
    from signaling.sip.leg import SipLeg
    from signaling.sip.session import Session

Field = tuple[str, str]
# A refresh that fails for these reasons means that the peer does not know the call any more.
_GONE = frozenset({404, 408, 410, 416, 480, 481, 482, 483, 484, 485, 502, 604})
_BUSY_S = 2.0
_SOON_S = 0.1


class Refresher:
    """we_called: we own the Call-ID."""

    def __init__(self, core: SipCore, leg: "SipLeg", session: "Session", *, we_called: bool) -> None:
        self._core = core
        self._leg = leg
        self._session = session
        self._we_called = we_called
        self._refresh_timer: TimerHandle | None = None
        self._expiry_timer: TimerHandle | None = None
        self._offer_timer: TimerHandle | None = None
        self._acks: dict[int, tuple[bytes, Flow]] = {}
        self.is_asking = False

    def schedule(self, schedule: Schedule) -> None:
        """A refresh happened, or the first answer: count from now."""
        self.stop()
        later = self._core.scheduler.call_later
        if schedule.refresh_after_s is not None:
            self._refresh_timer = later(schedule.refresh_after_s, self._refresh)
        if schedule.expire_after_s is not None:
            self._expiry_timer = later(schedule.expire_after_s, self._expired)

    def stop(self) -> None:
        for handle in (self._refresh_timer, self._expiry_timer):
            if handle is not None:
                handle.cancel()
        self._refresh_timer = self._expiry_timer = None

    def _expired(self) -> None:
        self._expiry_timer = None
        self._leg.end(HangupCause.SESSION_EXPIRED, reason="session not refreshed")

    def _refresh(self, *fields: Field) -> None:
        """By UPDATE where the peer knows it, else by a re-INVITE with the same offer."""
        session = self._session
        self._refresh_timer = None
        if session.is_closed:
            return
        if self.is_asking or session.awaits_ack or self._leg.audio.offer_is_open:
            self._refresh_later(_BUSY_S)
            return
        self.is_asking = True
        asked = [*session.timer.ask(initial=False), SUPPORTED, ALLOW, *fields]
        heard = partial(self._hear, is_retry=bool(fields), is_new=False)
        if "update" in session.peer_allows:
            session.send("UPDATE", heard, fields=asked)
        elif self._leg.audio.is_slow:
            self._core.spawn(self._prepare(asked, heard))
        else:
            session.send("INVITE", heard, fields=asked, body=self._leg.audio.repeat_offer())

    def offer_anew(self) -> None:
        """A re-INVITE with what the leg would rather speak; what is in its way is waited for.

        A refusal leaves everything as it was, unless it shows the peer gone. Source: RFC 3261 14.1.
        """
        session = self._session
        if session.is_closed or self._offer_timer is not None or not self._leg.audio.wants_another:
            return
        if self.is_asking or session.awaits_ack or self._leg.audio.offer_is_open:
            self._offer_later(_SOON_S)
            return
        self._offer()

    def _offer(self, *fields: Field) -> None:
        self.is_asking = True
        asked = [*self._session.timer.ask(initial=False), SUPPORTED, ALLOW, *fields]
        heard = partial(self._hear, is_retry=bool(fields), is_new=True)
        self._session.send("INVITE", heard, fields=asked, body=self._leg.audio.offer_anew())

    def _offer_later(self, delay_s: float) -> None:
        self._offer_timer = self._core.scheduler.call_later(delay_s, self._offer_now)

    def _offer_now(self) -> None:
        self._offer_timer = None
        self.offer_anew()

    async def _prepare(self, asked: list[Field], heard: Callable[[Request, Outcome], None]) -> None:
        """Has the offer of a re-INVITE made; without one the session stands until it expires."""
        try:
            await self._leg.audio.prepare(b"")
        except GatewayError:
            self.is_asking = False
            return
        if not self._session.is_closed:
            self._session.send("INVITE", heard, fields=asked, body=self._leg.audio.repeat_offer())

    def _refresh_later(self, delay_s: float) -> None:
        self._refresh_timer = self._core.scheduler.call_later(delay_s, self._refresh)

    def _hear(self, sent: Request, outcome: Outcome, *, is_retry: bool, is_new: bool) -> None:
        session = self._session
        if isinstance(outcome, Response) and outcome.code < 200:
            return
        sequence = sent.cseq.sequence
        if isinstance(outcome, Response) and sequence in self._acks:
            # The 2xx again: our ACK was lost.
            self._core.layer.send_again(*self._acks[sequence])
            return
        self.is_asking = False
        is_invite = sent.method == "INVITE"
        if isinstance(outcome, Response) and outcome.code < 300:
            if is_invite:
                self._acks = {sequence: session.acknowledge(sequence)}
            if not session.is_closed:
                self._on_success(outcome, is_invite=is_invite)
            return
        if is_invite:
            self._leg.audio.withdraw_offer()
        if session.is_closed:
            return
        if not isinstance(outcome, Response) or outcome.code in _GONE:
            self._leg.end(HangupCause.SESSION_EXPIRED, reason="refresh not answered")
            return
        if is_new:
            self._on_offer_refused(sent, outcome, is_retry=is_retry)
            return
        match outcome.code:
            case 401 | 407 if not is_retry and (answer := session.authorisation(sent, outcome)) is not None:
                self._refresh(answer)
            case 422 if session.timer.refused(outcome):
                self._refresh_later(0.0)
            case 491:
                # Who owns the Call-ID waits longer. Source: RFC 3261 14.1.
                low_s, high_s = (2.1, 4.0) if self._we_called else (0.0, 2.0)
                self._refresh_later(random.uniform(low_s, high_s))
            case 405 | 501 if not is_invite:
                session.peer_allows -= {"update"}
                self._refresh_later(0.0)
            case _:
                # Refused for a reason of its own; the session stands until it expires.
                self._refresh_later(session.timer.interval_s / 4)

    def _on_offer_refused(self, sent: Request, response: Response, *, is_retry: bool) -> None:
        match response.code:
            case 401 | 407 if not is_retry and (answer := self._session.authorisation(sent, response)) is not None:
                self._offer(answer)
            case 491:
                low_s, high_s = (2.1, 4.0) if self._we_called else (0.0, 2.0)
                self._offer_later(random.uniform(low_s, high_s))
            case _:
                self._leg.log.info("sip.codec_kept", status=response.code)

    def _on_success(self, response: Response, *, is_invite: bool) -> None:
        session = self._session
        try:
            if is_invite:
                body = session_description(response)
                if body:
                    self._leg.audio.accept(body)
            session.dialog.refresh_target(response)
            schedule = session.timer.accepted(response)
        except PeerError as error:
            self._leg.end(HangupCause.NOT_ACCEPTABLE, reason=str(error))
            return
        self.schedule(schedule)
        if is_invite:
            self._leg.audio.settle()
            self._leg.media_changed()
