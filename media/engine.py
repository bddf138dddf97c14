"""The media engine: ports, mixes and recordings of one process, on one media thread.

Decides who gets a slot and a port number, and brings the thread's facts to whom they concern. The only door of this
package for signaling and gateway, together with codec.py, tones.py and player.py. Everything but the compiling runs on
the event loop and never waits there.
"""

import asyncio
import errno
import itertools
import logging
import secrets
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.address import unpack_address
from media.codec import CODECS, G711, G722, OPUS, PCMA, PCMU, Codec
from media.feed import Feed, FeedFull, Feeds
from media.kernel import layout
from media.kernel.digits import KEYS
from media.listening import Listener, Listeners
from media.mix import Mix, Mixed
from media.numbers import PortNumbers
from media.opus import OpusFormat
from media.port import Heard, MediaPort, Received, RemoteMedia, Silence, Source, Tap, ToneSamples
from media.port_events import DigitReceived, FaxToneReceived, FirstPacket, PortEvent, SilenceTimeout, SourceLearned
from media.port_statistics import PortStatistics
from media.recorder import RecordingWriter
from media.recording import Channels, Recorded, Recorder, RecordingDrain
from media.srtp import SrtpKeys, SrtpSessions, SrtpSuite
from media.statistics import EngineStatistics, quantile_ms
from media.thread import MediaThread, compile_kernel
from media.transport import NO_SOCKET, MediaSocket, bound_pair

__all__ = [
    "CODECS",
    "G711",
    "G722",
    "OPUS",
    "PCMA",
    "PCMU",
    "Codec",
    "DigitReceived",
    "Engine",
    "EngineSettings",
    "EngineStatistics",
    "FaxToneReceived",
    "Feed",
    "FeedFull",
    "FirstPacket",
    "Heard",
    "Listener",
    "MediaPort",
    "MediaSocket",
    "OpusFormat",
    "Mix",
    "Mixed",
    "PortEvent",
    "PortStatistics",
    "PortsExhausted",
    "Received",
    "Recorded",
    "Recorder",
    "RemoteMedia",
    "Silence",
    "SilenceTimeout",
    "Source",
    "SourceLearned",
    "SrtpKeys",
    "SrtpSessions",
    "SrtpSuite",
    "Tap",
]

MAX_MIXES = 1024
SPARE_SLOTS = 256
"""Slots beyond capacity: a closed port that is recorded keeps its own for a quarter of a second."""
LISTENINGS_PER_PORT = 2
BLOCKS_PER_PORT = 13
MAX_BIND_TRIES = 64
FINISH_S, JOIN_S = 5.0, 5.0
RATES_HZ = (layout.RATE_HZ, layout.WIDE * layout.RATE_HZ)
NO_SOCKETS = (NO_SOCKET, NO_SOCKET)

Progress = Callable[[str, int, int], None]

_log = logging.getLogger(__name__)


class PortsExhausted(Exception):
    """No port for another call: the capacity, the port range or the process's open files are used up."""


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """address: IPv4 that sockets are bound to and offers advertise. port_range: UDP, both ends included.

    capacity: ports open at once. port_rest_s: how long a closed port's number is not used again.
    """

    address: str
    port_range: tuple[int, int]
    capacity: int
    port_rest_s: float = 30.0


def _no_progress(step: str, done: int, total: int) -> None:
    pass


class Engine:
    """start() before anything else, stop() at the end; both on the loop that uses it.

    progress: (step, done, total), called in a worker thread while the thread's code is made ready.
    clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        progress: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._progress = progress or _no_progress
        self._numbers = PortNumbers(settings.port_range, clock=clock, rest_s=settings.port_rest_s)
        self._tones = ToneSamples()
        self._writer = RecordingWriter()
        self._generations = itertools.count(1)
        self._ports: dict[int, MediaPort] = {}
        self._recorders: dict[int, Recorder] = {}
        self._mixes: dict[int, Mix] = {}
        self._open_count = 0
        self._free_slots: list[int] = []
        self._free_mixes: list[int] = []
        self._free_recordings: list[int] = []
        self._thread: MediaThread | None = None
        self._drain: RecordingDrain | None = None
        self._listeners: Listeners
        self._feeds: Feeds
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def settings(self) -> EngineSettings:
        return self._settings

    @property
    def slots_held(self) -> int:
        """Ports open, and closed ones whose last sounds recorders may still want."""
        return len(self._ports)

    async def start(self) -> None:
        """Compiles (once per installation, up to a minute) or loads the thread's code, and starts the thread.

        Raises OSError if the address is none of this host's.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((self._settings.address, 0))
        capacity = self._settings.capacity
        slots = capacity + SPARE_SLOTS
        state = layout.new_state(
            ports=slots,
            mixes=MAX_MIXES,
            recordings=capacity,
            blocks=capacity * BLOCKS_PER_PORT,
            listenings=capacity * LISTENINGS_PER_PORT,
            feeds=capacity,
            start_ns=time.monotonic_ns(),
        )
        await asyncio.to_thread(compile_kernel, state, self._progress)
        self._free_slots = list(range(slots))[::-1]
        self._free_mixes = list(range(MAX_MIXES))[::-1]
        self._free_recordings = list(range(capacity))[::-1]
        self._loop = asyncio.get_running_loop()
        self._thread = MediaThread(state, self._on_event, self._on_datagram)
        self._listeners, self._feeds = Listeners(self._thread), Feeds(self._thread)
        self._drain = RecordingDrain(self._thread, self._on_recording_over)
        self._writer.start()
        self._drain.start()
        self._thread.start()

    async def stop(self) -> None:
        """Closes what is still open, recordings first. Idempotent."""
        if self._thread is None or self._drain is None:
            return
        thread, drain = self._thread, self._drain
        self._thread = None
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await asyncio.gather(*(recorder.finish() for recorder in list(self._recorders.values())))
        for port in list(self._ports.values()):
            port.close()
        await thread.stop()
        await asyncio.to_thread(drain.join, JOIN_S)
        await self._writer.stop()
        self._listeners.close()
        self._feeds.close()
        for port in list(self._ports.values()):
            port.note_sockets_returned()
        for mix in self._mixes.values():
            mix.note_closed()
        self._ports.clear()
        self._mixes.clear()

    def open_port(self, on_event: Callable[[PortEvent], None]) -> MediaPort:
        """A port for one more phone; on_event is called on the loop, never after close(). Raises PortsExhausted."""
        self._check_room()
        return self._open(self._bind(is_shared=False), on_event)

    def open_bare_port(self, on_event: Callable[[PortEvent], None]) -> MediaPort:
        """As open_port, for a port that will get its socket by MediaPort.attach. Raises PortsExhausted."""
        self._check_room()
        return self._open(None, on_event)

    def bind_socket(self) -> MediaSocket:
        """A socket in the port range, the caller's until a port attaches it. Raises PortsExhausted."""
        self._running()
        return self._bind(is_shared=True)

    def _check_room(self) -> None:
        self._running()
        if self._open_count >= self._settings.capacity or not self._free_slots:
            raise PortsExhausted(f"expected less than {self._settings.capacity} ports open, found all in use")

    def _open(self, sockets: MediaSocket | None, on_event: Callable[[PortEvent], None]) -> MediaPort:
        thread = self._running()
        slot = self._free_slots.pop()
        generation = next(self._generations)
        ssrc = secrets.randbits(32)
        _fill_slot(thread.state, slot, generation=generation, ssrc=ssrc, sockets=sockets)
        port = MediaPort(
            slot=slot,
            generation=generation,
            address=(self._settings.address, 0) if sockets is None else sockets.address,
            ssrc=ssrc,
            sockets=sockets,
            thread=thread,
            tones=self._tones,
            on_event=on_event,
        )
        self._ports[slot] = port
        self._open_count += 1
        thread.command(layout.DO_OPEN, slot)
        return port

    def open_mix(self) -> Mix:
        """A mixing group. Raises PortsExhausted when there are MAX_MIXES."""
        if not self._free_mixes:
            raise PortsExhausted(f"expected less than {MAX_MIXES} mixes open, found all in use")
        number = self._free_mixes.pop()
        self._running().command(layout.DO_OPEN_MIX, number)
        mix = self._mixes[number] = Mix(number, self._running())
        return mix

    def record(self, path: Path, channels: Channels, *, rate_hz: int = layout.RATE_HZ) -> Recorder:
        """Begins a recording at once. The directory must exist, the file must not; both are told by stop().

        channels: for each channel of the file its taps, which are mixed. rate_hz: 8000, or 16000 for a call with a
        wideband party (MediaPort.rate_hz). Raises ValueError for another rate or too many taps,
        PortsExhausted when every slot for a recording is taken.
        """
        thread, drain = self._running(), self._drain
        assert drain is not None
        if rate_hz not in RATES_HZ:
            raise ValueError(f"expected a rate of {RATES_HZ} Hz, found {rate_hz}")
        words = Recorder.tap_words(channels)
        if not self._free_recordings:
            raise PortsExhausted(f"expected less than {self._settings.capacity} recordings, found all in use")
        number = self._free_recordings.pop()
        thread.state.recordings[number] = np.zeros((), layout.RECORDING)
        handle = self._writer.open(path, rate_hz=rate_hz, channels=len(channels))
        drain.add(number, handle, len(channels))
        recorder = Recorder(number=number, handle=handle, thread=thread, channels=len(channels))
        thread.command(layout.DO_RECORD, number, len(channels) | rate_hz // layout.RATE_HZ << 8, len(words), *words)
        self._recorders[number] = recorder
        return recorder

    def listen(self, tap: Tap) -> Listener:
        """What the tap sounds like from now on, while the call goes on; of a closed port or mix nothing.

        Some 50 ms behind what came in, more on a line that jitters; with what is made here at once.
        Raises PortsExhausted when two for each port are taken.
        """
        self._running()
        listener = self._listeners.open(tap)
        if listener is None:
            raise PortsExhausted("expected a free place to listen, found all in use")
        return listener

    def open_feed(self) -> Feed:
        """Sound to be written while it plays. Raises PortsExhausted when there is one for each port."""
        self._running()
        feed = self._feeds.open()
        if feed is None:
            raise PortsExhausted(f"expected less than {self._settings.capacity} feeds open, found all in use")
        return feed

    def statistics(self) -> EngineStatistics:
        engine = self._running().state.engine[0]
        lateness = np.array(engine["lateness"])
        return EngineStatistics(
            live_ports=self._open_count,
            resting_numbers=self._numbers.resting,
            recordings=len(self._recorders),
            listeners=len(self._listeners),
            feeds=len(self._feeds),
            free_blocks=int(engine["free_block_count"]),
            packets_received=int(engine["packets_in"]),
            packets_sent=int(engine["packets_out"]),
            dropped_foreign=int(engine["foreign"]),
            dropped_malformed=int(engine["malformed"]),
            dropped_forged=int(engine["forged"]),
            handed_back=int(engine["handed_back"]),
            handbacks_lost=int(engine["handbacks_lost"]),
            unsent=int(engine["unsent"]),
            lost_events=int(engine["events_lost"]),
            ticks=int(engine["ticks"]),
            tick_late_p50_ms=quantile_ms(lateness, 0.5),
            tick_late_p99_ms=quantile_ms(lateness, 0.99),
            tick_late_max_ms=quantile_ms(lateness, 1.0),
            tick_lateness=lateness,
        )

    def _running(self) -> MediaThread:
        if self._thread is None:
            raise RuntimeError("expected a running Engine, found one not started or stopped")
        return self._thread

    def _bind(self, *, is_shared: bool) -> MediaSocket:
        """is_shared: ICE, DTLS, RTP and RTCP go through the first of its sockets."""
        for _ in range(MAX_BIND_TRIES):
            number = self._numbers.take()
            if number is None:
                break
            try:
                pair = bound_pair(self._settings.address, number)
                address = (self._settings.address, number)
                return MediaSocket(address, pair, is_shared=is_shared, give_back=self._numbers.give_back)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    self._numbers.put_back(number)
                    raise PortsExhausted(f"expected to open two sockets, found {error}") from error
                # Somebody else's: it rests like one of ours.
                self._numbers.give_back(number)
        raise PortsExhausted(f"expected a free pair of UDP ports in {self._settings.port_range}, found none")

    def _on_datagram(self, slot: int, generation: int, sender: int, octets: bytes) -> None:
        port = self._ports.get(slot)
        if port is not None and port.generation == generation:
            port.take_datagram(octets, unpack_address(sender))

    def _on_event(self, words: NDArray[np.int64]) -> None:
        kind, slot, generation, first, second = words[:5].tolist()
        if kind in (layout.MIX_SOUND_OVER, layout.MIX_CLOSED):
            self._on_mix_event(kind, slot, first)
            return
        if kind >= layout.FRAMES_READY:
            self._on_pcm_event(kind, first, second)
            return
        port = self._ports.get(slot)
        if port is None or port.generation != generation:
            return
        match kind:
            case layout.FIRST_PACKET:
                self._deliver(port, FirstPacket())
            case layout.DIGIT:
                self._deliver(port, DigitReceived(KEYS[first], second))
            case layout.TONE_DIGIT:
                self._deliver(port, DigitReceived(KEYS[first], second, is_tone=True))
            case layout.FAX_TONE:
                self._deliver(port, FaxToneReceived(first))
            case layout.SILENCE:
                self._deliver(port, SilenceTimeout())
            case layout.SOURCE_LEARNED:
                self._deliver(port, SourceLearned(unpack_address(first)))
            case layout.SOUND_OVER:
                port.release_sound(first)
            case layout.DIGITS_SENT:
                port.settle(first)
            case layout.TRANSPORT_RETURNED:
                port.note_transport_returned(first)
            case layout.CLOSED:
                port.note_sockets_returned()
                self._open_count -= 1
            case layout.FREED:
                del self._ports[slot]
                self._free_slots.append(slot)

    def _on_mix_event(self, kind: int, number: int, serial: int) -> None:
        if kind == layout.MIX_SOUND_OVER:
            self._mixes[number].release_sound(serial)
        else:
            self._mixes.pop(number).note_closed()
            self._free_mixes.append(number)

    def _on_pcm_event(self, kind: int, first: int, second: int) -> None:
        match kind:
            case layout.FRAMES_READY:
                self._listeners.note_ready(first)
            case layout.LISTENING_OVER:
                self._listeners.note_over(first, second)
            case layout.FEED_REACHED:
                self._feeds.note_reached(first)
            case layout.FEED_CLOSED:
                self._feeds.note_closed(first)

    def _deliver(self, port: MediaPort, event: PortEvent) -> None:
        # A holder's mistake is its own: the loop logs it, the facts behind this one still get through.
        assert self._loop is not None
        self._loop.call_soon(port.deliver, event)

    def _on_recording_over(self, number: int, lost_frames: int) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._end_recording, number, lost_frames)

    def _end_recording(self, number: int, lost_frames: int) -> None:
        self._recorders.pop(number).note_all_put(lost_frames)
        self._free_recordings.append(number)


def _fill_slot(state: layout.State, slot: int, *, generation: int, ssrc: int, sockets: MediaSocket | None) -> None:
    """Writes the loop's fields of a free slot; all others are zero. Source: RFC 3550 5.1 (random beginnings)."""
    octets = state.ports.view(np.uint8).reshape(len(state.ports), layout.PORT.itemsize)
    octets[slot, : layout.PORT_SCALAR_BYTES] = 0
    record = state.ports[slot]
    record["slot"] = slot
    record["generation"] = generation
    record["rtp_fd"], record["rtcp_fd"] = NO_SOCKETS if sockets is None else sockets.descriptors
    record["ssrc"] = ssrc
    record["sent_sequence"] = secrets.randbits(15)
    record["sent_base"] = secrets.randbits(31)
    start = state.ports.ctypes.data + slot * layout.PORT.itemsize
    if sockets is not None:
        host, number = sockets.address
        sockaddr = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", number, socket.inet_aton(host))
        record["local_sockaddr"] = np.frombuffer(sockaddr, np.uint8)
    record["local_address"] = start + layout.offset_of(layout.PORT, "local_sockaddr")
    record["remote_address"] = start + layout.offset_of(layout.PORT, "sockaddr")
    record["rtcp_remote_address"] = start + layout.offset_of(layout.PORT, "rtcp_sockaddr")
