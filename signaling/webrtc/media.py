"""The sound of a WebRTC peer: one MediaPort for life, and below it the path that is up.

Owns the port, the running connection and, during a restart, the one that comes up beside it. Decides when the peer
counts as lost. Descriptions are description.py's, ICE and DTLS connection.py's work.
Source: signaling/peer_media.py (the contract); RFC 8829; voice-sdk.md 6.4 of the specification; reliability checks
R-07, R-08, S-12.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from media import opus
from media.codec import CODECS, OPUS, Codec
from media.engine import DigitReceived, Engine, MediaSocket, PortEvent, PortsExhausted, RemoteMedia
from signaling import sdp
from signaling.peer_media import Connected, Digit, Failed, Gone, PeerMediaEvent
from signaling.sdp import NotAcceptable
from signaling.video import Video
from signaling.webrtc import description, pictures
from signaling.webrtc.connection import Certificates, PathEvent, PeerConnection
from signaling.webrtc.description import AgreedSound, LocalSound, RemoteSound
from signaling.webrtc.settings import WebRtcSettings

log = structlog.get_logger()
LOOK_S = 1.0
"""How often it is looked whether the peer was heard."""
AVAILABLE = tuple(codec for codec in CODECS if codec != OPUS or opus.IS_AVAILABLE)


class WebRtc:
    """Makes the sound of WebRTC calls: a PeerMediaFactory. Used on the event loop of the engine."""

    def __init__(self, engine: Engine, settings: WebRtcSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._certificates = Certificates()
        self._closing: set[asyncio.Task[None]] = set()

    def __call__(self, *, codec_names: Sequence[str], on_event: Callable[[PeerMediaEvent], None]) -> "WebRtcMedia":
        """codec_names: what to agree on, best first; all of ours if none is known. Raises PortsExhausted."""
        return WebRtcMedia(self, self._engine, self._settings, codecs=codecs_named(codec_names), on_event=on_event)

    async def stop(self) -> None:
        """Waits, within bounds, until every closed connection has said goodbye. Before the engine's stop()."""
        while self._closing:
            await asyncio.wait(set(self._closing))

    def connection(
        self,
        media_socket: MediaSocket,
        *,
        is_offerer: bool,
        instead_of: PeerConnection | None,
        on_event: Callable[[PeerConnection, PathEvent, str], None],
    ) -> PeerConnection:
        return PeerConnection(
            media_socket,
            self._certificates.other_than(instead_of.certificate if instead_of is not None else None),
            advertised_host=self._settings.advertised_address or self._engine.settings.address,
            is_offerer=is_offerer,
            on_event=on_event,
        )

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def codecs_named(names: Sequence[str]) -> tuple[Codec, ...]:
    """Codecs of ours with these names, in that order; all of ours if none is known."""
    by_name = {codec.name: codec for codec in AVAILABLE}
    known = dict.fromkeys(by_name[name.upper()] for name in names if name.upper() in by_name)
    return tuple(known) or AVAILABLE


class WebRtcMedia:
    """A PeerMedia. Made by WebRtc only."""

    def __init__(
        self,
        home: WebRtc,
        engine: Engine,
        settings: WebRtcSettings,
        *,
        codecs: tuple[Codec, ...],
        on_event: Callable[[PeerMediaEvent], None],
    ) -> None:
        self._home = home
        self._engine = engine
        self._settings = settings
        self._codecs = codecs
        self._on_event: Callable[[PeerMediaEvent], None] | None = on_event
        # Now, so that the leg hears of a lack of ports before the phone rings.
        self._spare: MediaSocket | None = engine.bind_socket()
        try:
            self.port = engine.open_bare_port(self._on_port_event)
        except PortsExhausted:
            self._spare.close()
            raise
        self._local = LocalSound.of(self.port.ssrc, opus_bitrate=settings.opus_bitrate)
        self._version = 0
        self._offered: sdp.SessionDescription | None = None
        self._described: sdp.SessionDescription | None = None
        self._shown: Video | None = None
        self._video: Video | None = None
        self._passes_video = False
        self._theirs: RemoteSound | None = None
        self._agreed: AgreedSound | None = None
        self._current: PeerConnection | None = None
        self._next: PeerConnection | None = None
        self._is_lost = False
        self._packets = 0
        self._heard_at = 0.0
        self._look: asyncio.TimerHandle | None = None

    @property
    def codec_names(self) -> tuple[str, ...]:
        if self._agreed is not None:
            return (self._agreed.codec.name,)
        theirs = self._theirs
        return tuple(codec.name for codec in self._codecs if theirs is None or _has(theirs, codec))

    def prefer(self, codec_names: Sequence[str]) -> None:
        if self._agreed is None and self._offered is None:
            self._codecs = tuple(sorted(self._codecs, key=lambda codec: codec.name not in codec_names))

    @property
    def video(self) -> Video | None:
        return self._video

    def offered_video(self, offer: str) -> Video | None:
        try:
            section = pictures.read(description.read(offer))
        except sdp.SdpError:
            return None
        return None if section is None else section.video

    def show(self, video: Video | None) -> None:
        self._shown = video

    async def offer(self) -> str:
        """Our offer: of a new connection, or of the one there is, as it is."""
        if self._current is None:
            self._current = self._connect(is_offerer=True)
        self._version += 1
        if self._described is not None:
            self._offered = description.offer_again(self._described, version=self._version)
        else:
            local, shown = self._current.local, self._shown
            beside = None if shown is None else pictures.offered(shown, local)
            self._offered = description.offer(local, self._local, self._codecs, version=self._version, beside=beside)
        return str(self._offered)

    async def accept_answer(self, answer: str) -> None:
        """The far answer to our offer. Raises SdpError, or NotAcceptable without changing anything."""
        if self._current is None or self._offered is None:
            return
        theirs = description.read(answer)
        if theirs.place >= len(self._offered.media):
            raise NotAcceptable("expected as many media lines as were offered, found more")
        agreed = description.agree(theirs, self._codecs, sent=self._offered.media[theirs.place])
        self._video = None if self._shown is None else pictures.accepted(theirs, self._shown)
        self._described = description.settled(self._offered, theirs)
        self._offered, self._theirs, self._agreed = None, theirs, agreed
        if self._current.remote is None:
            self._set_up(self._current, theirs, role=description.role_after_offer(theirs))
        elif self._current.is_up:
            self._talk(self._current)

    async def answer(self, offer: str) -> str:
        """Our answer. A later offer for the same connection changes what is spoken, any other one restarts it."""
        theirs = description.read(offer)
        if self._current is not None and self._current.remote is not None:
            if self._current.remote != theirs.peer:
                return self._restart(theirs)
            answered = self._answer(theirs, self._next or self._current)
            if self._current.is_up:
                self._talk(self._current)
            return answered
        if self._current is not None:
            raise NotAcceptable("expected an answer to our offer, found another offer")
        connection = self._connect(is_offerer=False)
        answered = self._answer_new(theirs, connection)
        self._current = connection
        return answered

    async def restart(self, offer: str) -> str:
        """Answers on a fresh connection; the old one carries the sound until the new one is up."""
        theirs = description.read(offer)
        if self._current is None or (self._current.remote is not None and self._current.remote == theirs.peer):
            return await self.answer(offer)
        return self._restart(theirs)

    def close(self) -> None:
        """Idempotent, never waits; no event follows."""
        if self._on_event is None:
            return
        self._on_event = None
        if self._look is not None:
            self._look.cancel()
        self.port.close()
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        for connection in (self._current, self._next):
            if connection is not None:
                self._home.in_background(connection.close())
        self._current = self._next = None

    # The path

    def _connect(self, *, is_offerer: bool) -> PeerConnection:
        media_socket, self._spare = self._spare or self._engine.bind_socket(), None
        return self._home.connection(
            media_socket, is_offerer=is_offerer, instead_of=self._next or self._current, on_event=self._on_path
        )

    def _restart(self, theirs: RemoteSound) -> str:
        fresh = self._connect(is_offerer=False)
        answered = self._answer_new(theirs, fresh)
        if self._next is not None:
            self._home.in_background(self._next.close(say_goodbye=False))
        if self._current is not None and not self._current.is_up:
            self._home.in_background(self._current.close(say_goodbye=False))
            self._current = None
        self._offered = None
        if self._current is None:
            self._current, self._next = fresh, None
        else:
            self._next = fresh
        return answered

    def _answer_new(self, theirs: RemoteSound, connection: PeerConnection) -> str:
        try:
            answered = self._answer(theirs, connection)
        except NotAcceptable:
            self._home.in_background(connection.close(say_goodbye=False))
            raise
        self._set_up(connection, theirs, role=description.role_in_answer(theirs))
        return answered

    def _answer(self, theirs: RemoteSound, connection: PeerConnection) -> str:
        preferred = self._agreed.codec if self._agreed is not None else None
        agreed = description.agree(theirs, self._codecs, preferred=preferred)
        self._theirs, self._agreed = theirs, agreed
        self._version += 1
        role = description.role_in_answer(theirs)
        self._described = description.answer(
            theirs,
            agreed,
            connection.local,
            self._local,
            role=role,
            version=self._version,
            beside=self._answer_pictures(theirs, connection, role),
        )
        return str(self._described)

    def _answer_pictures(
        self, theirs: RemoteSound, connection: PeerConnection, role: description.DtlsRole
    ) -> tuple[int, sdp.MediaLine] | None:
        """Where pictures stand in the answer, and what is said there; None if they are not wanted or do not fit."""
        section = pictures.read(theirs)
        self._video = None
        if section is None or self._shown is None:
            return None
        answered = pictures.answered(section, self._shown, connection.local, setup=description.setup_of(role))
        if answered is None:
            return None
        line, self._video = answered
        return section.place, line

    def _set_up(self, connection: PeerConnection, theirs: RemoteSound, *, role: description.DtlsRole) -> None:
        connection.set_up(theirs.peer, role=role, within_s=self._settings.set_up_s)

    def _on_path(self, connection: PeerConnection, event: PathEvent, reason: str) -> None:
        match event:
            case PathEvent.UP:
                self._use(connection)
            case PathEvent.MOVED if connection is self._current:
                self._talk(connection)
            case PathEvent.CLOSED | PathEvent.FAILED:
                self._give_up(connection)
                if connection is self._next:
                    self._next = None
                elif self._next is not None:
                    # It was about to be replaced anyway.
                    return
                log.info("webrtc.path_over", reason=reason or event.value)
                if event is PathEvent.CLOSED:
                    self._tell(Gone())
                else:
                    self._is_lost = True
                    self._tell(Failed(reason))
            case _:
                pass

    def _use(self, connection: PeerConnection) -> None:
        """The path is up: the engine carries the sound over it from here on."""
        before = self._current if connection is self._next else None
        if connection is self._next:
            self._current, self._next = connection, None
        media_socket, sessions = connection.release()
        self.port.attach(media_socket, sessions, on_datagram=connection.take)
        self._talk(connection)
        if before is not None:
            self._give_up(before)
        self._is_lost = False
        self._heard_at = asyncio.get_running_loop().time()
        if self._look is None:
            self._look_later()
        self._tell(Connected())

    def _give_up(self, connection: PeerConnection) -> None:
        self._home.in_background(connection.close(say_goodbye=False))

    def _talk(self, connection: PeerConnection) -> None:
        agreed = self._agreed
        assert agreed is not None, "a path comes up after offer and answer"
        address = connection.peer_address
        self.port.connect(
            RemoteMedia(
                address=address,
                rtcp_address=address,
                codec=agreed.codec,
                payload_type=agreed.payload_type,
                digits_payload_type=agreed.digits_payload_type,
                send=agreed.direction.send,
                receive=agreed.direction.receive,
                ptime_ms=agreed.ptime_ms,
                rtcp_mux=True,
                receive_payload_type=agreed.receive_payload_type,
                receive_digits_payload_type=agreed.receive_digits_payload_type,
                opus=agreed.opus,
            )
        )
        self._pass_video()

    def _pass_video(self) -> None:
        video = self._video
        if video is not None:
            self.port.pass_video(video.payload_types, send=video.receives, receive=video.sends)
        elif self._passes_video:
            self.port.pass_video(())
        self._passes_video = video is not None

    # The peer

    def _on_port_event(self, event: PortEvent) -> None:
        if isinstance(event, DigitReceived):
            self._tell(Digit(event.digit, event.duration_ms))

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(LOOK_S, self._look_around)

    def _look_around(self) -> None:
        """Lost when nothing was heard for long, found when something is heard again."""
        self._look_later()
        now = asyncio.get_running_loop().time()
        packets = self.port.statistics().packets_received
        if packets != self._packets:
            self._packets, self._heard_at = packets, now
        if self._current is not None:
            self._heard_at = max(self._heard_at, self._current.heard_at)
        is_silent = now - self._heard_at > self._settings.unheard_s
        if is_silent and not self._is_lost:
            self._is_lost = True
            self._tell(Failed(f"nothing heard for {self._settings.unheard_s:g} s"))
        elif not is_silent and self._is_lost and self._current is not None and self._current.is_up:
            self._is_lost = False
            self._tell(Connected())

    def _tell(self, event: PeerMediaEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)


def _has(theirs: RemoteSound, codec: Codec) -> bool:
    return codec in description.offered_codecs(theirs, (codec,))
