"""The parties of a conference: each says its own tone in µ-law, and what each hears is kept and judged.

Run as ``python -m tests.bench.parties COUNT``; requests: start, open, connect, measure, figures. A compiled thread
sends and receives; whether everybody heard all the others and not itself is found by FFT at the end.
"""

import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.kernel import g711
from tests.bench import kernel
from tests.bench.kernel import c_recv, c_send, clock_ns, compiled, sleep_until
from tests.bench.process import serve_requests
from tests.bench.rtp import ADDRESS, monotonic_ns, new_buffers

RATE_HZ = 8000
SAMPLES = 160
HEADER = 12
PACKET_NS = 20_000_000
DONT_WAIT = 0x40
TURN_NS = 1_000_000
FIRST_HZ, STEP_HZ = 300, 31
"""Whole frequencies: each is a loop of a second, and lies in a bin of its own."""
MOST_PARTIES = 100
PEAK = 800
PARTS = 5
LATE_NS = 10_000_000
HEARD_FROM, SILENT_BELOW = 0.5, 0.1
"""Of PEAK. A tone of which a packet was lost or made up in that second is weaker than it was said."""

STOP, MEASURES, SENT, RECEIVED, UNSENT, LATE = range(6)


class Parties(NamedTuple):
    """One row per party. sounds: a second of what it says; heard: the last second it heard, heard_at counts samples."""

    control: NDArray[np.int64]
    fds: NDArray[np.int32]
    due: NDArray[np.int64]
    number: NDArray[np.int64]
    sounds: NDArray[np.uint8]
    heard: NDArray[np.uint8]
    heard_at: NDArray[np.int64]
    inbox: NDArray[np.uint8]
    inbox_at: int


def new_parties(count: int) -> Parties:
    _, encoded, _ = g711.tables()
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, count)
    turns = 2 * np.pi * np.outer(tones_hz(count), np.arange(RATE_HZ)) / RATE_HZ + phases[:, None]
    inbox = np.zeros(2048, np.uint8)
    return Parties(
        control=np.zeros(6, np.int64),
        fds=np.zeros(count, np.int32),
        due=np.zeros(count, np.int64),
        number=np.zeros(count, np.int64),
        sounds=encoded[g711.PCMU][np.rint(PEAK * np.sin(turns)).astype(np.int16).view(np.uint16)],
        heard=np.full((count, RATE_HZ), g711.SILENCE[g711.PCMU], np.uint8),
        heard_at=np.zeros(count, np.int64),
        inbox=inbox,
        inbox_at=inbox.ctypes.data,
    )


def tones_hz(count: int) -> NDArray[np.int64]:
    return FIRST_HZ + STEP_HZ * np.arange(count)


@compiled
def drive(parties: Parties, buffers: kernel.Buffers) -> None:
    """Until told to stop: every millisecond each party whose packet is due sends it, and takes in what has come."""
    turn = clock_ns(1, buffers.time, buffers.time_at)
    while parties.control[STOP] == 0:
        now = clock_ns(1, buffers.time, buffers.time_at)
        for party in range(len(parties.fds)):
            if parties.due[party] <= now:
                parties.control[LATE] += parties.control[MEASURES] and now - parties.due[party] > LATE_NS
                parties.due[party] += PACKET_NS
                say(party, parties, buffers.packet, buffers.packet_at)
                hear(party, parties)
        turn = sleep_until(turn + TURN_NS, buffers)


@compiled
def say(party: int, parties: Parties, packet: Any, packet_at: int) -> None:
    number = parties.number[party]
    packet[1] = 0x80 if number == 0 else 0
    packet[2], packet[3] = (number >> 8) & 255, number & 255
    for octet in range(4):
        packet[4 + octet] = ((number * SAMPLES) >> (24 - 8 * octet)) & 255
        packet[8 + octet] = (party >> (24 - 8 * octet)) & 255
    start = number * SAMPLES % RATE_HZ
    for index in range(SAMPLES):
        packet[HEADER + index] = parties.sounds[party, start + index]
    if c_send(parties.fds[party], packet_at, HEADER + SAMPLES, DONT_WAIT) == HEADER + SAMPLES:
        parties.control[SENT] += parties.control[MEASURES]
    else:
        parties.control[UNSENT] += 1
    parties.number[party] = number + 1


@compiled
def hear(party: int, parties: Parties) -> None:
    while c_recv(parties.fds[party], parties.inbox_at, 2048, DONT_WAIT) == HEADER + SAMPLES:
        start = parties.heard_at[party] % RATE_HZ
        for index in range(SAMPLES):
            parties.heard[party, start + index] = parties.inbox[HEADER + index]
        parties.heard_at[party] += SAMPLES
        parties.control[RECEIVED] += parties.control[MEASURES]


def judge(parties: Parties) -> dict[str, Any]:
    """Who hears whom in the best fifth of the last second: each tone at each ear, as a part of how loud it was said."""
    count = len(parties.fds)
    heard = zip(parties.heard, parties.heard_at % RATE_HZ, strict=True)
    sound = g711.tables()[0][g711.PCMU][np.stack([np.roll(row, -start) for row, start in heard])]
    window = np.hanning(RATE_HZ // PARTS)
    # Padded to a second, so that each tone still has a bin of its own.
    spectrum = np.fft.rfft(sound.reshape(count, PARTS, -1) * window, RATE_HZ)
    levels = np.abs(spectrum[:, :, tones_hz(count)]).max(axis=1) * (2 / window.sum()) / PEAK
    own, others = np.diag(levels), levels[~np.eye(count, dtype=bool)]
    return {
        "parties": count,
        "pairs": len(others),
        "pairs_unheard": int((others < HEARD_FROM).sum()),
        "hear_themselves": int((own > SILENT_BELOW).sum()),
        "weakest_other": round(float(others.min(initial=1.0)), 3),
        "strongest_own": round(float(own.max(initial=0.0)), 3),
    }


class Load:
    """count parties, which talk from connect() on."""

    def __init__(self, count: int) -> None:
        self._parties = new_parties(count)
        self._buffers = new_buffers()
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(
            target=drive, args=(self._parties, self._buffers), name="bench-rtp", daemon=True
        )

    def start(self, _: Mapping[str, Any]) -> None:
        """Compiles before anything is timed."""
        self._parties.control[STOP] = 1
        drive(self._parties, self._buffers)
        self._parties.control[STOP] = 0

    def open(self, _: Mapping[str, Any]) -> list[tuple[str, int]]:
        for party in range(len(self._parties.fds)):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
            sock.bind((ADDRESS, 0))
            self._sockets.append(sock)
            self._parties.fds[party] = sock.fileno()
        return [sock.getsockname() for sock in self._sockets]

    def connect(self, request: Mapping[str, Any]) -> None:
        """Packet times are spread evenly, as those of phones that know nothing of each other."""
        count = len(self._sockets)
        for party, (sock, address) in enumerate(zip(self._sockets, request["addresses"], strict=True)):
            sock.connect(tuple(address))
            self._parties.due[party] = monotonic_ns() + party * PACKET_NS // count
        self._thread.start()

    def measure(self, request: Mapping[str, Any]) -> None:
        self._parties.control[MEASURES] = int(request["is_on"])

    def figures(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Stops them."""
        self._parties.control[STOP] = 1
        self._thread.join()
        control = self._parties.control
        names = {"sent": SENT, "received": RECEIVED, "not_sent": UNSENT, "sent_late": LATE}
        return {**judge(self._parties), **{name: int(control[row]) for name, row in names.items()}}


def main() -> None:
    load = Load(int(sys.argv[1]))
    serve_requests({name: getattr(load, name) for name in ("start", "open", "connect", "measure", "figures")})


if __name__ == "__main__":
    main()
