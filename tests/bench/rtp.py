"""The RTP side of the load: sockets, the compiled thread that drives them, and what it counted.

Owns the sockets of all legs and one thread; a leg is a slot number. Opening, connecting and closing are the caller's
calls from one thread; sending and measuring is tests/bench/kernel.py's. Each leg has its own RTP and RTCP port, as
phones have; nobody reads RTCP, its buffer just fills.
Source: RFC 3550 11 (even port, RTCP on the next).
"""

import random
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.srtp import SrtpSessions
from tests.bench import kernel
from tests.bench.figures import percentile
from tests.bench.opus import opus_frames

ADDRESS = "127.0.0.1"
_PORTS = range(36_000, 60_000, 2)
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
_BUFFER_OCTETS = 1 << 20
_TONE_HZ = 400


@dataclass(frozen=True, kw_only=True)
class RtpFigures:
    """Counts of the measured epoch; times in ms. lost: sent to a leg's peer and never arrived.

    not_sent: ``send`` failed. unpaired: legs that never heard another leg. crossed: packets from a second peer.
    made: packets without a stamp, which the gateway made itself, in the measured epoch.
    """

    legs: int
    sent: int
    received: int
    lost: int
    not_sent: int
    unpaired: int
    crossed: int
    reordered: int
    unstamped: int
    made: int
    delay_p50_ms: float | None
    delay_p99_ms: float | None
    delay_max_ms: float | None
    spacing_p99_ms: float | None
    lateness_p50_ms: float | None
    lateness_p99_ms: float | None
    stalls: int


class RtpLoad:
    """Legs that send and listen. ``with RtpLoad(capacity) as load`` starts and ends the thread."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._sockets: dict[int, tuple[socket.socket, socket.socket]] = {}
        self.slots = new_slots(capacity)
        self.measures = new_measures()
        self._buffers = new_buffers()
        self._sessions: list[SrtpSessions] = []
        self._ports = list(_PORTS)
        random.shuffle(self._ports)
        self._thread = threading.Thread(target=self._run, name="bench-rtp", daemon=True)

    def __enter__(self) -> "RtpLoad":
        self.warm_up()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.measures.control[kernel.STOP] = 1
        self._thread.join()
        for slot in list(self._sockets):
            self.close(slot)

    def warm_up(self) -> None:
        """Compile or load the loop, which takes the GIL, before anything is timed."""
        control = self.measures.control
        control[kernel.STOP] = 1
        kernel.drive(0, self.slots, self.measures, self._buffers)
        control[kernel.STOP] = 0

    def _run(self) -> None:
        kernel.drive(self.capacity, self.slots, self.measures, self._buffers)

    def open(self, slot: int) -> tuple[str, int]:
        """A new leg that listens; answers the address its RTP is received at. Raises OSError when no port is left.

        Packet times of legs are spread evenly, as those of phones that know nothing of each other.
        """
        media, control = self._bind()
        try:
            media.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _BUFFER_OCTETS)
        except PermissionError:
            media.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_OCTETS)
        media.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sockets[slot] = (media, control)
        slots = self.slots
        slots.counts[slot] = 0
        slots.counts[slot, kernel.HEARD] = -1
        slots.sent[slot] = 0
        slots.received[slot] = 0
        slots.number[slot] = 0
        slots.ssrc[slot] = random.getrandbits(32)
        slots.fds[slot] = media.fileno()
        slots.speech[slot] = kernel.PCMU
        slots.seal[slot] = slots.open[slot] = 0
        spread = (slot * 0.618033988749895) % 1.0
        slots.due[slot] = monotonic_ns() + int(spread * kernel.PACKET_NS)
        slots.live[slot] = kernel.LISTENING
        return self.address(slot)

    def _bind(self) -> tuple[socket.socket, socket.socket]:
        for _ in range(len(self._ports)):
            port = self._ports.pop(0)
            self._ports.append(port)
            pair = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            try:
                for offset, sock in enumerate(pair):
                    sock.bind((ADDRESS, port + offset))
            except OSError:
                for sock in pair:
                    sock.close()
                continue
            return pair[0], pair[1]
        raise OSError("no pair of free ports between 36000 and 60000")

    def address(self, slot: int) -> tuple[str, int]:
        host, port = self._sockets[slot][0].getsockname()
        return host, port

    def connect(self, slot: int, address: tuple[str, int]) -> None:
        self._sockets[slot][0].connect(address)

    def speak(self, slot: int, speech: int) -> None:
        """One of the kernel's values; before it talks."""
        self.slots.speech[slot] = speech

    def secure(self, slot: int, sessions: SrtpSessions) -> None:
        """Before it talks; the sessions are kept as long as this is."""
        self._sessions.append(sessions)
        self.slots.open[slot], self.slots.seal[slot] = sessions.addresses

    def talk(self, slot: int) -> None:
        self.slots.live[slot] = kernel.TALKING

    def mute(self, slot: int) -> None:
        self.slots.live[slot] = kernel.LISTENING

    def close(self, slot: int) -> None:
        """End a leg; its counts stay until the slot is opened again."""
        self.slots.live[slot] = kernel.CLOSED
        self.slots.fds[slot] = -1
        for sock in self._sockets.pop(slot, ()):
            sock.close()

    def set_epoch(self, epoch: int) -> None:
        """0 before, 1 during, 2 after the measured window."""
        self.measures.control[kernel.EPOCH] = epoch

    @property
    def fds(self) -> int:
        return 2 * len(self._sockets)

    def figures(self, slots: Sequence[int]) -> RtpFigures:
        """Of the measured epoch; meant to be read a moment after it, when the last packet has arrived."""
        table, measures = self.slots, self.measures
        rows = np.asarray(slots, dtype=np.int64)
        counts = table.counts[rows]
        heard = counts[:, kernel.HEARD]
        paired = heard >= 0
        expected = np.where(paired, table.sent[np.clip(heard, 0, None), 1], 0)
        arrived = table.received[rows, 1]
        delay = measures.delay

        def milliseconds(bins: NDArray[np.int64], share: float, width_ns: int) -> float | None:
            return percentile(bins, share, bin_width=width_ns / 1e6)

        return RtpFigures(
            legs=len(rows),
            sent=int(table.sent[rows, 1].sum()),
            received=int(arrived.sum()),
            lost=int(np.clip(expected - arrived, 0, None).sum()),
            not_sent=int(measures.control[kernel.SEND_ERRORS]),
            unpaired=int((~paired).sum()),
            crossed=int(counts[:, kernel.SWITCHES].sum()),
            reordered=int(counts[:, kernel.REORDERED].sum()),
            unstamped=int(counts[:, kernel.UNSTAMPED].sum()),
            made=int(counts[:, kernel.MADE].sum()),
            delay_p50_ms=milliseconds(delay, 0.5, kernel.DELAY_BIN_NS),
            delay_p99_ms=milliseconds(delay, 0.99, kernel.DELAY_BIN_NS),
            delay_max_ms=milliseconds(delay, 1.0, kernel.DELAY_BIN_NS),
            spacing_p99_ms=milliseconds(measures.spacing, 0.99, kernel.SPACING_BIN_NS),
            lateness_p50_ms=milliseconds(measures.lateness, 0.5, kernel.LATENESS_BIN_NS),
            lateness_p99_ms=milliseconds(measures.lateness, 0.99, kernel.LATENESS_BIN_NS),
            stalls=int(measures.control[kernel.STALLS]),
        )


def monotonic_ns() -> int:
    return int(kernel.clock_ns(1, *_timespec()))


def _timespec() -> tuple[NDArray[np.int64], int]:
    array = np.zeros(2, np.int64)
    return array, array.ctypes.data


def new_slots(capacity: int) -> kernel.Slots:
    def column(width: int = 0) -> NDArray[np.int64]:
        return np.zeros((capacity, width) if width else capacity, np.int64)

    return kernel.Slots(
        live=column(),
        fds=np.full(capacity, -1, np.int32),
        ssrc=column(),
        speech=column(),
        seal=column(),
        open=column(),
        due=column(),
        number=column(),
        sent=column(kernel.EPOCHS),
        received=column(kernel.EPOCHS),
        counts=column(kernel.COLUMNS),
    )


def new_measures() -> kernel.Measures:
    bins = [np.zeros(kernel.BINS, np.int64) for _ in range(3)]
    return kernel.Measures(np.zeros(kernel.CONTROLS, np.int64), *bins)


def new_buffers() -> kernel.Buffers:
    """Buffers of one thread. The packet carries a 400 Hz tone behind the stamp, so that a recording can be heard."""
    packet = np.zeros(kernel.PACKET_OCTETS + 4, np.uint8)
    packet[0] = 0x80
    packet[kernel.HEADER_OCTETS : kernel.PACKET_OCTETS] = np.frombuffer(tone(), np.uint8)
    arrived = np.zeros((kernel.BATCH, kernel.WORDS_OF_BUFFER), np.int64)
    ancillary = np.zeros((kernel.BATCH, kernel.CONTROL_WORDS), np.int64)
    vectors = np.zeros((kernel.BATCH, 2), np.int64)
    messages = np.zeros((kernel.BATCH, kernel.MESSAGE_WORDS), np.int64)
    for entry in range(kernel.BATCH):
        vectors[entry] = arrived[entry].ctypes.data, arrived[entry].nbytes
        messages[entry, 2:5] = vectors[entry].ctypes.data, 1, ancillary[entry].ctypes.data
    time, time_at = _timespec()
    opus, opus_lengths = opus_frames()
    sealed = np.zeros(kernel.WORDS_OF_BUFFER * 8, np.uint8)
    sealed_length = np.zeros(1, np.int32)
    return kernel.Buffers(
        packet=packet,
        packet_words=packet.view(np.int64),
        packet_at=packet.ctypes.data,
        opus=opus,
        opus_lengths=opus_lengths,
        sealed=sealed,
        sealed_at=sealed.ctypes.data,
        sealed_length=sealed_length,
        sealed_length_at=sealed_length.ctypes.data,
        arrived=arrived.view(np.uint8),
        arrived_words=arrived,
        arrived_at=arrived.ctypes.data,
        vectors=vectors,
        messages=messages,
        messages_at=messages.ctypes.data,
        ancillary=ancillary,
        time=time,
        time_at=time_at,
    )


def tone() -> bytes:
    """160 octets of µ-law, eight periods of 400 Hz at -12 dBFS. Source: ITU-T G.711, table 2a."""
    samples = (8000 * np.sin(2 * np.pi * _TONE_HZ * np.arange(kernel.SAMPLES_PER_PACKET) / 8000)).astype(int)
    return b"".join(struct.pack("B", _mu_law(int(sample))) for sample in samples)


def _mu_law(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 0x84
    exponent = magnitude.bit_length() - 8
    return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0F)) & 0xFF
