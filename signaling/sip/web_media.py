"""The sound of a SIP leg that is a browser: WebRTC's descriptions in the place of LegMedia's.

Owns the PeerMedia from open to close. Making a description there takes time, so whoever needs one calls ``prepare``
before and gets it from ``answer`` or ``offer``; applying a far answer goes on in the background and ends the leg if it
cannot be used. What the connection tells comes out as what a port would tell, or ends the leg.
Source: RFC 3264; RFC 8829; RFC 7118 (browsers); signaling/peer_media.py (the contract).
"""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol, assert_never

from media.engine import DigitReceived, Engine, MediaPort, PortEvent, SilenceTimeout
from signaling.errors import GatewayError, PeerError
from signaling.leg import HangupCause, OutboundCall
from signaling.peer_media import Connected, Digit, Failed, Gone, PeerMediaEvent, PeerMediaFactory
from signaling.sip.core import SipCore
from signaling.sip.flow import Flow
from signaling.sip.leg_media import LegAudio, LegMedia, codecs_named
from signaling.sip.scheduler import Scheduler, TimerHandle
from signaling.video import Video
from signaling.voice_sdk.descriptions import is_audio_offer, offered_codecs

# Until the sound is up after the answer, and how long a lost connection may stay lost.
CONNECT_S: Final = 20.0
LOST_S: Final = 5.0
_PROFILE: Final = b"UDP/TLS/RTP/SAVP"
# Of the sound: pictures have a section of their own.
_SOUND = re.compile(r"^m=audio .*?(?=^m=|\Z)", re.MULTILINE | re.DOTALL).search
_HELD = re.compile(r"^a=(?:sendonly|inactive)\r?$", re.MULTILINE).search


class Owner(Protocol):
    """What is used of SipLeg."""

    def on_port(self, event: PortEvent) -> None: ...
    def end(self, cause: HangupCause, *, reason: str = "", by_remote: bool = False) -> None: ...


def is_for_webrtc(offer: bytes) -> bool:
    """Whether an offer is one of WebRTC's, which only ICE and DTLS can answer. Source: RFC 8829 5.1.2."""
    return _PROFILE in offer and is_audio_offer(offer.decode("utf-8", "replace"))


class LegSounds:
    """Which sound a leg gets: WebRTC a browser that we call and an offer that only WebRTC can answer, all others RTP.

    make: the sound of browsers; None where there is none. codec_names: what is spoken over RTP, best first.
    advertised_address: where phones reach the engine, if not at its own address. Both methods raise PortsExhausted or
    GatewayError when there is no room.
    """

    def __init__(
        self, engine: Engine, make: PeerMediaFactory | None, *, codec_names: Sequence[str], advertised_address: str
    ) -> None:
        self._engine = engine
        self._make = make
        self._codecs = codecs_named(codec_names)
        self._advertised_address = advertised_address

    def outbound(self, leg: Owner, flow: Flow | None, core: SipCore, request: OutboundCall) -> LegAudio:
        if self._make is not None and flow is not None and flow.is_web:
            media = WebLegMedia(self._make, leg, codec_names=request.codec_names, scheduler=core.scheduler)
            media.show(request.video)
            return media
        codecs = tuple(codec for codec in codecs_named(request.codec_names) if codec in self._codecs) or self._codecs
        is_private = flow is not None and flow.protocol == "tls"
        return LegMedia(
            self._engine,
            leg.on_port,
            codecs=codecs,
            learn_from=None,
            is_private=is_private,
            advertised_address=self._advertised_address,
        )

    def inbound(self, leg: Owner, flow: Flow, core: SipCore, *, offer: bytes) -> LegAudio:
        if self._make is not None and is_for_webrtc(offer):
            names = offered_codecs(offer.decode("utf-8", "replace"))
            return WebLegMedia(self._make, leg, codec_names=names, scheduler=core.scheduler)
        return LegMedia(
            self._engine,
            leg.on_port,
            codecs=self._codecs,
            learn_from=flow.source,
            is_private=flow.protocol == "tls",
            advertised_address=self._advertised_address,
        )


class WebLegMedia:
    """A LegAudio. Opens the connection's port at once; raises PortsExhausted or GatewayError if there is no room."""

    def __init__(
        self, make: PeerMediaFactory, owner: Owner, *, codec_names: Sequence[str], scheduler: Scheduler
    ) -> None:
        self._owner: Owner | None = owner
        self._scheduler = scheduler
        self._media = make(codec_names=codec_names, on_event=self._on_event)
        self._ours = b""
        self._far = ""
        self._offered: tuple[str, Video | None] | None = None
        self._is_offering = False
        self._is_up = False
        self._is_watched = False
        self._timer: TimerHandle | None = None
        self._work: asyncio.Task[None] | None = None
        self.learn_from: str | None = None
        self.is_agreed = False

    @property
    def port(self) -> MediaPort:
        return self._media.port

    @property
    def is_slow(self) -> bool:
        return True

    @property
    def codec_names(self) -> tuple[str, ...]:
        able = self._media.codec_names
        if self.is_agreed:
            return able
        return tuple(name for name in offered_codecs(self._far) if name in able) or able

    @property
    def codec_choices(self) -> tuple[str, ...]:
        return self.codec_names

    @property
    def offer_is_open(self) -> bool:
        return self._is_offering

    @property
    def is_held(self) -> bool:
        sound = _SOUND(self._far)
        return self.is_agreed and sound is not None and _HELD(sound[0]) is not None

    @property
    def video(self) -> Video | None:
        if self.is_agreed:
            return self._media.video
        # Asked for each party that is dialled: the offer is read once.
        if self._offered is None or self._offered[0] != self._far:
            self._offered = self._far, self._media.offered_video(self._far)
        return self._offered[1]

    def show(self, video: Video | None) -> None:
        if not self.is_agreed and not self._ours:
            self._media.show(video)

    @property
    def wants_another(self) -> bool:
        return False

    def prefer(self, codec_names: Sequence[str]) -> None:
        """Decides the first answer; a new offer would be another connection to a browser's mind."""
        if not self.is_agreed and not self._ours:
            self._media.prefer(codec_names)

    async def prepare(self, offer: bytes) -> None:
        if not offer:
            self._ours = (await self._media.offer()).encode()
            return
        text = _text(offer)
        answer = self._media.answer(text) if not self.is_agreed else self._media.restart(text)
        self._ours = (await answer).encode()
        self._far = text
        self.is_agreed = True

    def examine(self, offer: bytes) -> None:
        self._far = _text(offer)

    def offer(self) -> bytes:
        self._is_offering = True
        return self._ours

    def repeat_offer(self) -> bytes:
        return self.offer()

    def offer_anew(self) -> bytes:
        return self.offer()

    def withdraw_offer(self) -> None:
        self._is_offering = False

    def answer(self, offer: bytes) -> bytes:
        if not self.is_agreed or _text(offer) != self._far:
            raise PeerError("expected no offer here", status=488)
        return self._ours

    def accept(self, answer: bytes, *, final: bool = True) -> None:
        """The first answer is the answer: a browser has one connection, and no other fork can take it over."""
        if not self._is_offering:
            return
        self._far = _text(answer)
        self._is_offering = False
        self.is_agreed = True
        self._start(self._media.accept_answer(self._far))

    def settle_early(self) -> None:
        self._is_offering = False

    def settle(self) -> bool:
        self._is_offering = False
        return self.is_agreed

    def watch(self) -> None:
        self._is_watched = True
        if not self._is_up:
            self._wait(CONNECT_S)

    def close(self) -> None:
        self._owner = None
        self._stop_waiting()
        if self._work is not None:
            self._work.cancel()
        self._media.close()

    def _on_event(self, event: PeerMediaEvent) -> None:
        owner = self._owner
        if owner is None:
            return
        match event:
            case Connected():
                self._is_up = True
                self._stop_waiting()
            case Failed():
                self._is_up = False
                if self._is_watched:
                    self._wait(LOST_S)
            case Gone():
                owner.end(HangupCause.NORMAL, reason="the browser closed its connection", by_remote=True)
            case Digit(digit, duration_ms):
                owner.on_port(DigitReceived(digit, duration_ms))
            case _:
                assert_never(event)

    def _wait(self, lasts_s: float) -> None:
        self._stop_waiting()
        self._timer = self._scheduler.call_later(lasts_s, self._is_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_late(self) -> None:
        self._timer = None
        if self._owner is not None:
            self._owner.on_port(SilenceTimeout())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = asyncio.get_running_loop().create_task(self._finish(work))

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except GatewayError as error:
            if self._owner is not None:
                self._owner.end(HangupCause.NOT_ACCEPTABLE, reason=str(error))


def _text(description: bytes) -> str:
    """Raises PeerError for a description that is none of WebRTC's."""
    text = description.decode("utf-8", "replace")
    if not is_audio_offer(text):
        raise PeerError("expected sound and a fingerprint in the description", status=488)
    return text
