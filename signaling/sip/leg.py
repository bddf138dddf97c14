"""A SIP party as a Leg.

Owns the leg's state, its event stream and its media port; posts exactly one Ended. The protocol lives beside it:
uas.py or uac.py until the answer, session.py after. They tell the leg what the far end did, the leg tells them what its
owner wants; what is left to say to the far end after Ended goes on without the leg's owner.
Source: signaling/leg.py (the contract); RFC 3261 9.1, 15.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

from media.engine import DigitReceived as DigitHeard
from media.engine import MediaPort, PortEvent, SilenceTimeout
from signaling.leg import (
    Answered,
    DigitReceived,
    Direction,
    EarlyMedia,
    Ended,
    HangupCause,
    Held,
    LegEvent,
    LegEvents,
    LegState,
    Party,
    Resumed,
    Ringing,
    SipDetails,
    TransferResult,
)
from signaling.sip.core import SipCore
from signaling.sip.leg_media import LegAudio
from signaling.sip.message import Request
from signaling.sip.session import Place, Session
from signaling.sip.transaction_layer import ServerTransaction
from signaling.sip.transport import Flow
from signaling.video import Video

if TYPE_CHECKING:
    from signaling.sip.uac import OutboundInvite
    from signaling.sip.uas import InboundInvite

log = structlog.get_logger()
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

# Why we end an answered or a ringing call, told to the far end. RFC 3326; the first is what phones look for to keep a
# call out of their list of missed ones.
_REASONS: Mapping[HangupCause, str] = {
    HangupCause.ANSWERED_ELSEWHERE: 'SIP;cause=200;text="Call completed elsewhere"',
    HangupCause.MEDIA_TIMEOUT: 'Q.850;cause=31;text="No audio"',
    HangupCause.SESSION_EXPIRED: 'SIP;cause=408;text="Session expired"',
    HangupCause.SHUTDOWN: 'SIP;cause=503;text="Shutting down"',
    HangupCause.NOT_ACCEPTABLE: 'SIP;cause=488;text="Not acceptable here"',
}

_CANCELLED = 487


@dataclass(frozen=True, kw_only=True)
class LegFacts:
    """What is known of a leg from its INVITE on.

    identity: the registered identity that calls, proved by its password. trunk: name of the trunk it came from or goes
    to. dialled: user part of the Request-URI.
    """

    leg_id: str
    direction: Direction
    caller: Party
    callee: Party
    device: str
    headers: Mapping[str, str]
    diversion: str | None
    call_id: str
    domain: str
    source_ip: str = ""
    identity: str | None = None
    trunk: str | None = None
    dialled: str = ""


class SipLeg:
    """One SIP party. Made by SipAgent only. ``facts`` holds what the contract's read-only properties show."""

    def __init__(self, core: SipCore, facts: LegFacts) -> None:
        self._core = core
        self.facts = facts
        self.log = log.bind(leg_id=facts.leg_id, call_id=facts.call_id)
        self._state = LegState.TRYING
        self._events = LegEvents()
        self._media: LegAudio | None = None
        self._inbound: InboundInvite | None = None
        self._outbound: OutboundInvite | None = None
        self._session: Session | None = None
        self._told: set[type[LegEvent]] = set()
        self._held = False
        self.accepts_transfer = False
        core.legs.add(self)

    # The contract

    @property
    def leg_id(self) -> str:
        return self.facts.leg_id

    @property
    def direction(self) -> Direction:
        return self.facts.direction

    @property
    def state(self) -> LegState:
        return self._state

    @property
    def caller(self) -> Party:
        return self.facts.caller

    @property
    def callee(self) -> Party:
        return self.facts.callee

    @property
    def device(self) -> str:
        return self.facts.device

    @property
    def headers(self) -> Mapping[str, str]:
        return self.facts.headers

    @property
    def diversion(self) -> str | None:
        return self.facts.diversion

    @property
    def sip(self) -> SipDetails | None:
        facts = self.facts
        source = facts.source_ip or (self._media.learn_from if self._media is not None else None) or ""
        return SipDetails(call_id=facts.call_id, domain=facts.domain, source_ip=source)

    @property
    def identity(self) -> str | None:
        return self.facts.identity

    @property
    def trunk(self) -> str | None:
        return self.facts.trunk

    @property
    def dialled(self) -> str:
        return self.facts.dialled

    @property
    def caller_parameters(self) -> Mapping[str, str]:
        return NO_HEADERS

    @property
    def media(self) -> MediaPort:
        return self.audio.port

    @property
    def codec_names(self) -> tuple[str, ...]:
        return self.audio.codec_names

    @property
    def codec_choices(self) -> tuple[str, ...]:
        return self.audio.codec_choices

    @property
    def is_codec_final(self) -> bool:
        return self.audio.is_slow

    @property
    def events(self) -> LegEvents:
        return self._events

    async def ring(self) -> None:
        if self._inbound is not None and self._state is LegState.TRYING:
            self._state = LegState.RINGING
            self._inbound.ring()

    async def early_media(self) -> None:
        if self._inbound is not None and self._state in (LegState.TRYING, LegState.RINGING):
            self._state = LegState.RINGING
            await self._inbound.early_media()

    async def answer(self) -> None:
        if self._inbound is None or self._state in (LegState.UP, LegState.ENDED):
            return
        if await self._inbound.answer():
            self._state = LegState.UP
            self.log.info("sip.answered")
            self.audio.watch()

    def prefer(self, codec_names: Sequence[str]) -> None:
        if self._state is LegState.ENDED or self._inbound is None:
            return
        self.audio.prefer(codec_names)
        if self.audio.wants_another and self._state is LegState.UP and self._session is not None:
            self._session.refresher.offer_anew()

    @property
    def video(self) -> Video | None:
        return self.audio.video

    def show(self, video: Video | None) -> None:
        if self._state is not LegState.ENDED and self._inbound is not None:
            self.audio.show(video)

    def hangup(self, cause: HangupCause = HangupCause.NORMAL) -> None:
        self.end(cause)

    async def send_digits(self, digits: str) -> None:
        if self._state is not LegState.ENDED:
            await self.audio.port.send_digits(digits)

    def accept_transfers(self, accepted: bool) -> None:
        self.accepts_transfer = accepted

    async def transfer(self, target: str, headers: Mapping[str, str]) -> TransferResult:
        if self._session is None or self._state is not LegState.UP:
            return TransferResult()
        return await self._session.transfers.send(target, headers)

    # What the parts tell it

    @property
    def audio(self) -> LegAudio:
        assert self._media is not None, "a leg without a port is never handed out"
        return self._media

    def attach(
        self,
        *,
        media: LegAudio | None = None,
        inbound: "InboundInvite | None" = None,
        outbound: "OutboundInvite | None" = None,
        session: Session | None = None,
    ) -> None:
        """The parts, as they come to be."""
        self._media = media or self._media
        self._inbound = inbound or self._inbound
        self._outbound = outbound or self._outbound
        self._session = session or self._session

    def post(self, event: LegEvent) -> bool:
        return self._events.post(event)

    def alerting(self, event: Ringing | EarlyMedia) -> None:
        """The far end rings or sends early media; each is told once."""
        if self._state is LegState.TRYING:
            self._state = LegState.RINGING
        if self._state is LegState.RINGING and type(event) not in self._told:
            self._told.add(type(event))
            self.log.info("sip.ringing" if isinstance(event, Ringing) else "sip.early_media")
            self._events.post(event)

    def answered(self, session: Session, event: Answered) -> None:
        """The far end picked up."""
        self._session = session
        self._state = LegState.UP
        self.log.info("sip.answered")
        self._events.post(event)
        self.audio.watch()

    def media_changed(self) -> None:
        """Offer and answer agreed on something new."""
        if self._state is LegState.UP and self.audio.is_held is not self._held:
            self._held = self.audio.is_held
            self._events.post(Held() if self._held else Resumed())

    def on_port(self, event: PortEvent) -> None:
        match event:
            case DigitHeard(digit, duration_ms):
                self._events.post(DigitReceived(digit, duration_ms))
            case SilenceTimeout() if self._state is LegState.UP:
                self.end(HangupCause.MEDIA_TIMEOUT, reason="no audio")
            case _:
                pass

    def device_moved(self, identity: str, places: Collection[Place], flow: Flow) -> None:
        """A device of the identity registered by this flow. places: user and host of its Contacts."""
        if self._session is not None:
            self._session.follow(identity, places, flow)

    def on_prack(self, request: Request, server: ServerTransaction) -> None:
        if self._inbound is not None:
            self._inbound.on_prack(request, server)

    def on_bye(self, headers: Mapping[str, str]) -> None:
        """The far end hung up; before the answer it is as good as a CANCEL. Source: RFC 3261 15.1.2."""
        pending = self._inbound is not None and self._inbound.on_cancel()
        self.end(HangupCause.CANCELED if pending else HangupCause.NORMAL, by_remote=True, headers=headers)

    def on_cancel(self) -> None:
        """Source: RFC 3261 9.2."""
        if self._inbound is not None and self._inbound.on_cancel():
            self.end(HangupCause.CANCELED, by_remote=True)

    def end(
        self,
        cause: HangupCause,
        *,
        reason: str = "",
        by_remote: bool = False,
        sip_status: int | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """The leg is over, from every state; the far end is told what it does not know yet.

        sip_status: final status of an INVITE that is not answered: received, or to be sent; None takes that of the
        cause, or 487 for one of ours that is taken back.
        """
        if self._state is LegState.ENDED:
            return
        was_up = self._state is LegState.UP
        self._state = LegState.ENDED
        if sip_status is None and not was_up:
            sip_status = cause.sip_status if self._inbound is not None else _CANCELLED
        if self._media is not None:
            self._media.close()
        fields = (("Reason", _REASONS[cause]),) if cause in _REASONS else ()
        if self._session is not None and was_up:
            self._session.hang_up(fields=fields)
        elif self._inbound is not None:
            self._inbound.refuse(sip_status or cause.sip_status)
        elif self._outbound is not None:
            self._outbound.cancel(fields=fields)
        # The parts still hold the leg while they finish; it lets go of them, so that no cycle is left to collect.
        self._session = self._inbound = self._outbound = None
        self._core.legs.discard(self)
        self.log.info("sip.ended", cause=cause.value, by_remote=by_remote, status=sip_status, reason=reason or None)
        self._events.post(Ended(cause, by_remote=by_remote, sip_status=sip_status, headers=headers))
