"""One phone's sound: what it is called, what it may hear, what is told about it.

MediaPort is what a leg holds. It owns the numbers of its sockets and the PCM that the media thread plays from; all
else is the thread's, reached by commands (media/thread.py). Used on the event loop only.
Source: RFC 3550 (RTP, RTCP); RFC 4733 (digits); RFC 4961 (symmetric RTP).
"""

import asyncio
import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias, Union
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from media.address import learn_host, pack_address
from media.codec import CODECS, OPUS, Codec
from media.feed import Feed
from media.kernel import jitter, layout
from media.kernel.digits import KEYS, LONG_PAUSE, SHORT_PAUSE
from media.mix import Mix, Mixed
from media.opus import OpusCoders, OpusFormat
from media.player import Clip
from media.port_events import PortEvent
from media.port_statistics import PortStatistics, read_statistics
from media.srtp import SrtpKeys, SrtpSessions
from media.thread import MediaThread
from media.tones import Tone
from media.transport import MediaSocket, PortTransport

MIN_PTIME_MS, MAX_PTIME_MS = 10, 60
MAX_OPUS_FORMATS = 4
"""How often a phone may ask for Opus in another way, in one call."""
DIGITS_PER_COMMAND = 8 * (layout.COMMAND_WORDS - 4)


@dataclass(frozen=True, kw_only=True)
class RemoteMedia:
    """What offer and answer agreed about one phone.

    address: where its sound is to go, (IPv4, port); None, and the port itself: nowhere. rtcp_address: None is the next.
    payload_type, digits_payload_type: as the phone wants them; receive_*: as we do, the same if None.
    digits_payload_type: None: no telephone-events; digits to the phone become tones.
    send, receive: as we see it. learn_from: IPv4 of the signalling's source, behind a NAT: the sound's source may be
    learned from it once; None: only `address` may send.
    opus: how the phone wants to get Opus.
    srtp: keys of both directions; None: in the clear, or as the sessions of an attached socket have it.
    """

    address: tuple[str, int] | None
    rtcp_address: tuple[str, int] | None = None
    codec: Codec
    payload_type: int
    digits_payload_type: int | None
    send: bool = True
    receive: bool = True
    ptime_ms: int = 20
    learn_from: str | None = None
    rtcp_mux: bool = False
    receive_payload_type: int | None = None
    receive_digits_payload_type: int | None = None
    opus: OpusFormat = OpusFormat()
    srtp: SrtpKeys | None = None


@dataclass(frozen=True)
class Silence:
    """A port that hears this gets packets of silence."""


Source: TypeAlias = Union[Silence, Tone, "MediaPort", Mix, Feed]


@dataclass(frozen=True)
class Received:
    """Tap: what came from the port's phone, decoded, concealed and in its place in time."""

    port: "MediaPort"


@dataclass(frozen=True)
class Heard:
    """Tap: what the port's phone is given to hear, also while it cannot be sent yet."""

    port: "MediaPort"


Tap: TypeAlias = Received | Heard | Mixed


def tapped(tap: Tap) -> tuple[int, int]:
    """For the engine: slot of the port or number of the mix, and what of it."""
    if isinstance(tap, Mixed):
        return tap.mix.number, layout.MIX_TAP
    return tap.port.slot, layout.HEARD_TAP if isinstance(tap, Heard) else layout.RECEIVED_TAP


class ToneSamples:
    """Tones at the engine's rate; one array serves every port."""

    def __init__(self) -> None:
        self._samples: WeakKeyDictionary[Tone, NDArray[np.int16]] = WeakKeyDictionary()

    def of(self, tone: Tone) -> NDArray[np.int16]:
        samples = self._samples.get(tone)
        if samples is None:
            samples = self._samples[tone] = np.ascontiguousarray(tone.samples(layout.RATE_HZ), np.int16)
        return samples


class MediaPort:
    """A UDP port pair with one phone at its other end. Made by Engine.open_port(); closed by whoever holds it."""

    def __init__(
        self,
        *,
        slot: int,
        generation: int,
        address: tuple[str, int],
        ssrc: int,
        sockets: MediaSocket | None,
        thread: MediaThread,
        tones: ToneSamples,
        on_event: Callable[[PortEvent], None],
    ) -> None:
        self.slot = slot
        self.generation = generation
        self.address = address
        self.ssrc = ssrc
        self._transport = PortTransport(sockets, self._command)
        self._on_datagram: Callable[[bytes, tuple[str, int]], None] | None = None
        self._thread = thread
        self._tones = tones
        self._on_event = on_event
        self._remote: RemoteMedia | None = None
        self._is_closed = False
        self._last_statistics: PortStatistics | None = None
        self._serials = itertools.count(1)
        self._sounds: dict[int, NDArray[np.int16]] = {}
        self._current_sound = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._sending_digits = asyncio.Lock()
        self._coders: dict[OpusFormat, OpusCoders] = {}

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def sounds_held(self) -> int:
        """Clips and tones whose memory the media thread may still read."""
        return len(self._sounds)

    @property
    def remote(self) -> RemoteMedia | None:
        """What connect() was last told."""
        return self._remote

    @property
    def rate_hz(self) -> int:
        """Of what the phone says and hears: a recording of it should have no less."""
        return self._remote.codec.rate_hz if self._remote is not None else layout.RATE_HZ

    def connect(self, remote: RemoteMedia) -> None:
        """Talk with the phone as agreed; again after each new agreement, which also lets a source be learned anew.

        Raises ValueError for an address that is no IPv4 literal, a codec the engine has not or a key of the wrong
        length, RuntimeError for Opus without libopus.
        """
        # A phone at the port's own address would be its own echo, faster and faster.
        address = pack_address(remote.address) if remote.address != self.address else 0
        rtcp = pack_address(remote.rtcp_address)
        if not rtcp and address and address & 0xFFFF < 65535:
            rtcp = address + 1
        digits = -1 if remote.digits_payload_type is None else remote.digits_payload_type
        receive, receive_digits = remote.receive_payload_type, remote.receive_digits_payload_type
        ptime_ms = min(max(remote.ptime_ms, MIN_PTIME_MS), MAX_PTIME_MS)
        encoder, decoder = self._opus_coders(remote)
        self._transport.secure(remote.srtp)
        self._remote = remote
        self._command(
            layout.DO_CONNECT,
            address,
            rtcp,
            CODECS.index(remote.codec),
            remote.payload_type,
            remote.payload_type if receive is None else receive,
            digits,
            digits if receive_digits is None else receive_digits,
            int(remote.send),
            int(remote.receive),
            int(remote.rtcp_mux),
            ptime_ms * layout.RATE_HZ // 1000,
            learn_host(remote.learn_from),
            encoder,
            decoder,
        )

    def _opus_coders(self, remote: RemoteMedia) -> tuple[int, int]:
        """Addresses of encoder and decoder. The thread may use those of before as well, until the port is closed."""
        if remote.codec != OPUS or self._is_closed:
            return 0, 0
        coders = self._coders.get(remote.opus)
        if coders is None:
            if len(self._coders) == MAX_OPUS_FORMATS:
                coders = next(reversed(self._coders.values()))
            else:
                coders = self._coders[remote.opus] = OpusCoders(remote.opus)
        return coders.encoder, coders.decoder

    def attach(
        self, sockets: MediaSocket, sessions: SrtpSessions, *, on_datagram: Callable[[bytes, tuple[str, int]], None]
    ) -> None:
        """Goes on over another socket, which is the port's to close from now on; what it hears and says goes on.

        on_datagram: called on the loop with what comes in there and is neither RTP nor RTCP, and its sender. To be
        followed by connect() with the address that ICE found. A closed port takes no socket and closes this one.
        """
        if self._is_closed:
            sockets.close()
            return
        self.address = sockets.address
        self._on_datagram = on_datagram
        self._transport.attach(sockets, sessions)

    def hear(self, source: Source) -> None:
        """From now on the phone hears this and nothing else: itself, if it is this port.

        A closed port, mix or feed is silence.
        """
        match source:
            case Silence():
                self._hear(layout.HEARS_SILENCE, 0)
            case Tone():
                self._hear_samples(self._tones.of(source), loops=0)
            case MediaPort():
                kind = layout.HEARS_SILENCE if source.is_closed else layout.HEARS_PORT
                self._hear(kind, source.slot)
            case Mix():
                kind = layout.HEARS_SILENCE if source.is_closed else layout.HEARS_MIX
                self._hear(kind, source.number)
            case Feed():
                kind = layout.HEARS_SILENCE if source.is_closed else layout.HEARS_FEED
                self._hear(kind, source.number)

    def join(self, mix: Mix | None, *, heard_by: "Sequence[MediaPort] | None" = None) -> None:
        """What this port receives goes into the mix; None leaves. Independent of what it hears.

        heard_by: only these hear it, while they hear the mix, and no recording of the mix does; None: everybody.
        Joining again changes that without a gap. Raises ValueError for more than MAX_HEARD_BY.
        """
        if heard_by is not None and len(heard_by) > layout.MAX_HEARD_BY:
            raise ValueError(f"expected at most {layout.MAX_HEARD_BY} ports to be heard by, found {len(heard_by)}")
        words = [port.generation << layout.SLOT_BITS | port.slot for port in heard_by or () if not port.is_closed]
        count = -1 if heard_by is None else len(words)
        self._command(layout.DO_JOIN, 0 if mix is None or mix.is_closed else mix.number + 1, count, *words)

    def limit_delay(self, most_ms: int | None) -> None:
        """How long mixes and listeners may wait for this phone's late packets; what comes later is made up.

        None: as long as the line needs, up to 200 ms. One whole packet is waited for in any case.
        """
        most = jitter.MAX_DELAY if most_ms is None else most_ms * layout.RATE_HZ // 1000
        self._command(layout.DO_LIMIT_DELAY, most)

    def detect_tones(self, is_on: bool) -> None:
        """Whether keys that are heard as tones are told (DigitReceived), and fax machines (FaxToneReceived).

        Keys of a phone that sends telephone-events are those alone: its tones are the same keys again.
        """
        self._command(layout.DO_DETECT_TONES, int(is_on))

    def pass_video(self, payload_types: Collection[int], *, send: bool = True, receive: bool = True) -> None:
        """Pictures of these payload types go on to the port that this one is bridged with, and come from it.

        Only between two ports that have both said so, over SRTP, and while each hears the other; untouched, with all
        reports about them. None: no more. send, receive: as seen from here. Raises ValueError for a number that a
        payload type beside RTCP cannot be.
        """
        low, high = _bits(payload_types)
        self._command(layout.DO_PASS_VIDEO, low, high, int(send), int(receive))

    async def play(self, clip: Clip, *, loops: int = 1) -> None:
        """The phone hears the clip, then silence. loops 0: without end.

        Returns when it is over, when the port hears something else, and when it closes; a play that is cancelled
        stops. A clip of 16 kHz sounds wide where rate_hz is 16 kHz. Raises ValueError for a rate of neither.
        """
        serial = self._play(clip, loops)
        if not serial:
            return
        over = self._waiting[serial] = asyncio.get_running_loop().create_future()
        try:
            await over
        finally:
            self._waiting.pop(serial, None)
            if not over.done() or over.cancelled():
                self._stop_sound(serial)

    def play_nowait(self, clip: Clip, *, loops: int = 0) -> None:
        """As play(), without waiting for the end."""
        self._play(clip, loops)

    async def send_digits(self, digits: str) -> None:
        """The phone gets keys ``0-9 A-D # *``, 100 ms each; ``w`` waits 0.5 s, ``W`` 1 s. Returns when all are sent.

        As telephone-events, or as tones where those were not agreed. Raises ValueError for any other character.
        """
        codes = bytes(map(_digit_code, digits))
        async with self._sending_digits:
            for start in range(0, len(codes), DIGITS_PER_COMMAND):
                await self._send_codes(codes[start : start + DIGITS_PER_COMMAND])

    def watch(self, *, first_packet_s: float | None, silence_s: float | None) -> None:
        """Arms SilenceTimeout: for want of a first packet, and for a pause between packets. None: no limit (hold)."""
        self._command(layout.DO_WATCH, int((first_packet_s or 0) * 1e9), int((silence_s or 0) * 1e9))

    def statistics(self) -> PortStatistics:
        """As they are now; of a closed port as they were at the end."""
        return self._last_statistics or read_statistics(self._thread.port_counters[self.slot])

    def close(self) -> None:
        """Idempotent. No packet passes any more; who heard this port hears silence, recordings of it go on silent."""
        if not self._is_closed:
            self._command(layout.DO_CLOSE)
            self._is_closed = True
            for waiting in self._waiting.values():
                _settle(waiting)

    def deliver(self, event: PortEvent) -> None:
        """For the engine: tells the holder, unless it has closed the port."""
        if not self._is_closed:
            self._on_event(event)

    def take_datagram(self, octets: bytes, sender: tuple[str, int]) -> None:
        """For the engine: something for whoever attached the socket."""
        if self._on_datagram is not None and not self._is_closed:
            self._on_datagram(octets, sender)

    def note_transport_returned(self, serial: int) -> None:
        """For the engine: the thread uses none of the sockets and sessions before this."""
        self._transport.returned(serial)

    def release_sound(self, serial: int) -> None:
        """For the engine: the thread has no more use for this PCM."""
        self._sounds.pop(serial, None)
        self.settle(serial)

    def settle(self, serial: int) -> None:
        """For the engine: what was waited for under this number is over."""
        if (waiting := self._waiting.get(serial)) is not None:
            _settle(waiting)

    def note_sockets_returned(self) -> None:
        """For the engine: the thread has let go; nothing changes any more."""
        self._is_closed = True
        self._last_statistics = read_statistics(self._thread.port_counters[self.slot])
        self._sounds.clear()
        self._transport.close()
        self._on_datagram = None
        for coders in self._coders.values():
            coders.close()
        self._coders.clear()
        for waiting in self._waiting.values():
            _settle(waiting)

    def _command(self, what: int, *words: int) -> None:
        if not self._is_closed:
            self._thread.command(what, self.slot, *words)

    def _hear(self, kind: int, source: int) -> None:
        self._current_sound = 0
        self._command(layout.DO_HEAR, kind, source)

    def _hear_samples(self, samples: NDArray[np.int16], *, loops: int, scale: int = 1) -> int:
        """Says under which number the sound's end will be told; 0 if there is nothing to hear."""
        if self._is_closed or not len(samples):
            self._hear(layout.HEARS_SILENCE, 0)
            return 0
        serial = next(self._serials)
        self._sounds[serial] = samples
        self._current_sound = serial
        self._command(layout.DO_HEAR, layout.HEARS_PCM, samples.ctypes.data, len(samples), loops, serial, scale)
        return serial

    def _play(self, clip: Clip, loops: int) -> int:
        scale, rest = divmod(clip.rate_hz, layout.RATE_HZ)
        if rest or not 0 < scale <= layout.WIDE:
            raise ValueError(f"expected a clip of 8000 or 16000 Hz, found {clip.rate_hz}")
        return self._hear_samples(np.ascontiguousarray(clip.samples, np.int16), loops=loops, scale=scale)

    def _stop_sound(self, serial: int) -> None:
        if self._current_sound == serial:
            self._hear(layout.HEARS_SILENCE, 0)

    async def _send_codes(self, codes: bytes) -> None:
        if self._is_closed:
            return
        serial = next(self._serials)
        sent = self._waiting[serial] = asyncio.get_running_loop().create_future()
        words = np.frombuffer(codes.ljust(DIGITS_PER_COMMAND, b"\0"), np.int64).tolist()
        self._command(layout.DO_DIGITS, serial, len(codes), *words)
        try:
            await sent
        finally:
            self._waiting.pop(serial, None)
            if not sent.done() or sent.cancelled():
                self._command(layout.DO_STOP_DIGITS)


def _bits(payload_types: Collection[int]) -> tuple[int, int]:
    """A bit for each, below 64 and from there on, as signed words. Source: RFC 5761 4 (64 to 95 would read as RTCP)."""
    words = [0, 0]
    for number in payload_types:
        if not 0 <= number <= 127 or 64 <= number <= 95:
            raise ValueError(f"expected a payload type below 64 or from 96 to 127, found {number}")
        words[number >> 6] |= 1 << (number & 63)
    low, high = (word - (1 << 64) if word >> 63 else word for word in words)
    return low, high


def _digit_code(digit: str) -> int:
    if digit == "w":
        return SHORT_PAUSE
    if digit == "W":
        return LONG_PAUSE
    code = KEYS.find(digit.upper())
    if code < 0:
        raise ValueError(f"expected 0-9 A-D # * w W, found {digit!r}")
    return code


def _settle(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
