"""The compiled loop of the load: sends a packet every 20 ms on each live leg and measures what comes back.

Owns the stamp inside the payload, nothing of SIP and no socket: tests/bench/rtp.py opens them and fills the arrays.
A sender writes the wall clock into each packet just before ``send``; the receiver subtracts it from the time stamp
the kernel gave the packet on arrival (SO_TIMESTAMPNS), so that neither side's own lateness counts as delay.

State is one array per field, indexed by slot; Python writes ``live`` and the addresses, this loop writes the rest.
Source: RFC 3550 5.1 (header), socket(7) SO_TIMESTAMP, RFC 3551 4.5.14 (PCMU).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])

PACKET_OCTETS = 172
HEADER_OCTETS = 12
PACKET_NS = 20_000_000
SAMPLES_PER_PACKET = 160

# The stamp: three little-endian 64-bit words at octet 16 of the packet (aligned for a view of the buffer).
STAMP_TIME = 2  # sender's CLOCK_REALTIME, ns
STAMP_SENDER = 3  # slot of the sender in the low half, its packet number above
STAMP_MARK = 4  # MARK plus the epoch the packet was sent in
MARK = 0x52494E4700

EPOCHS = 3  # before, during and after the measured window

# Rows of ``control``, written by Python and by the loop respectively.
STOP = 0
EPOCH = 1
TURNS = 2
SEND_ERRORS = 3
STALLS = 4
CONTROLS = 8

# Columns of ``counts`` per slot.
HEARD = 0  # slot the last stamped packet came from, -1 for none
SWITCHES = 1  # how often that changed
UNSTAMPED = 2  # packets the gateway made itself: tones, transcoded sound
REORDERED = 3
LAST_NUMBER = 4
LAST_ARRIVAL = 5
COLUMNS = 6

DELAY_BIN_NS = 10_000
LATENESS_BIN_NS = 100_000
SPACING_BIN_NS = 100_000
BINS = 20_000

_CLOCK_REALTIME = 0
_CLOCK_MONOTONIC = 1
_DONTWAIT = 0x40
_TURN_NS = 1_000_000
_STALL_NS = 200_000_000
BATCH = 4  # packets one recvmmsg may bring
MESSAGE_WORDS = 8  # struct mmsghdr
CONTROL_WORDS = 8
WORDS_OF_BUFFER = 256
_CONTROL_LENGTH = 5  # word of struct msghdr that holds msg_controllen
_MESSAGE_LENGTH = 7  # word of struct mmsghdr that holds msg_len
_LOW_HALF = 0xFFFFFFFF

# Values of ``live``.
CLOSED = 0
LISTENING = 1
TALKING = 2


class Slots(NamedTuple):
    """One row per leg. ``live``, ``fds`` and ``ssrc`` are Python's, the rest is the loop's."""

    live: NDArray[np.int64]
    fds: NDArray[np.int32]
    ssrc: NDArray[np.int64]
    due: NDArray[np.int64]  # CLOCK_MONOTONIC, ns
    number: NDArray[np.int64]  # packets sent so far
    sent: NDArray[np.int64]  # (slots, EPOCHS)
    received: NDArray[np.int64]  # (slots, EPOCHS), by the epoch the packet was sent in
    counts: NDArray[np.int64]  # (slots, COLUMNS)


class Measures(NamedTuple):
    """What the whole load shares; the histograms hold the measured epoch only."""

    control: NDArray[np.int64]
    delay: NDArray[np.int64]
    lateness: NDArray[np.int64]
    spacing: NDArray[np.int64]


class Buffers(NamedTuple):
    """Memory the system calls read and write, each array with its address."""

    packet: NDArray[np.uint8]
    packet_words: NDArray[np.int64]
    packet_at: int
    arrived_words: NDArray[np.int64]  # (BATCH, words)
    vectors: NDArray[np.int64]  # (BATCH, 2) struct iovec
    messages: NDArray[np.int64]  # (BATCH, MESSAGE_WORDS) struct mmsghdr
    messages_at: int
    ancillary: NDArray[np.int64]  # (BATCH, words) struct cmsghdr with a struct timespec
    time: NDArray[np.int64]
    time_at: int


i32, i64 = types.int32, types.int64
c_send = types.ExternalFunction("send", i64(i32, i64, i64, i32))
c_recv = types.ExternalFunction("recv", i64(i32, i64, i64, i32))
c_recvmmsg = types.ExternalFunction("recvmmsg", i32(i32, i64, i32, i32, i64))
c_usleep = types.ExternalFunction("usleep", i32(i32))
c_clock = types.ExternalFunction("clock_gettime", i32(i32, i64))


def compiled(function: Function) -> Function:
    """Compile without the GIL and keep the result on disk; the type stays that of the Python function."""
    return cast(Function, njit(nogil=True, cache=True)(function))


@compiled
def clock_ns(which: int, timespec: Any, pointer: int) -> int:
    c_clock(which, pointer)
    return int(timespec[0] * 1_000_000_000 + timespec[1])


@compiled
def sleep_until(turn: int, buffers: Buffers) -> int:
    """Sleep to the absolute time ``turn``; answers it, or now when it is past."""
    now = clock_ns(_CLOCK_MONOTONIC, buffers.time, buffers.time_at)
    if turn <= now:
        return now
    c_usleep(i32((turn - now) // 1000))
    return turn


@compiled
def send_packet(slot: int, slots: Slots, measures: Measures, buffers: Buffers) -> None:
    packet, words, control = buffers.packet, buffers.packet_words, measures.control
    epoch = control[EPOCH]
    count = slots.number[slot]
    stamp = count * SAMPLES_PER_PACKET
    packet[1] = 0x80 if count == 0 else 0
    packet[2] = (count >> 8) & 255
    packet[3] = count & 255
    for octet in range(4):
        packet[4 + octet] = (stamp >> (24 - 8 * octet)) & 255
        packet[8 + octet] = (slots.ssrc[slot] >> (24 - 8 * octet)) & 255
    words[STAMP_SENDER] = slot | (count << 32)
    words[STAMP_MARK] = MARK + epoch
    words[STAMP_TIME] = clock_ns(_CLOCK_REALTIME, buffers.time, buffers.time_at)
    if c_send(slots.fds[slot], buffers.packet_at, PACKET_OCTETS, _DONTWAIT) == PACKET_OCTETS:
        slots.sent[slot, epoch] += 1
    else:
        control[SEND_ERRORS] += 1
    slots.number[slot] = count + 1


@compiled
def take_in(slot: int, length: int, arrived: int, words: Any, slots: Slots, measures: Measures) -> None:
    """Count one packet that arrived on ``slot`` at ``arrived`` (ns, wall clock)."""
    counts = slots.counts[slot]
    gap = arrived - counts[LAST_ARRIVAL]
    counts[LAST_ARRIVAL] = arrived
    epoch = words[STAMP_MARK] - MARK
    if length != PACKET_OCTETS or epoch < 0 or epoch >= EPOCHS:
        counts[UNSTAMPED] += 1
        return
    sender = words[STAMP_SENDER] & 0xFFFFFFFF
    count = words[STAMP_SENDER] >> 32
    if counts[HEARD] != sender:
        if counts[HEARD] >= 0:
            counts[SWITCHES] += 1
        counts[HEARD] = sender
    elif count < counts[LAST_NUMBER]:
        counts[REORDERED] += 1
    counts[LAST_NUMBER] = count
    slots.received[slot, epoch] += 1
    if epoch == 1:
        measures.delay[min(max((arrived - words[STAMP_TIME]) // DELAY_BIN_NS, 0), BINS - 1)] += 1
        measures.spacing[min(max(gap // SPACING_BIN_NS, 0), BINS - 1)] += 1


@compiled
def receive(slot: int, slots: Slots, measures: Measures, buffers: Buffers) -> None:
    """Take in what waits on one leg's socket; the kernel noted when each packet came, so this may be late."""
    messages, ancillary = buffers.messages, buffers.ancillary
    got = BATCH
    while got == BATCH:
        for entry in range(BATCH):
            messages[entry, _CONTROL_LENGTH] = CONTROL_WORDS * 8
        got = c_recvmmsg(slots.fds[slot], buffers.messages_at, BATCH, _DONTWAIT, 0)
        for entry in range(got):
            if messages[entry, _CONTROL_LENGTH] >= 32:
                arrived = ancillary[entry, 2] * 1_000_000_000 + ancillary[entry, 3]
            else:
                arrived = clock_ns(_CLOCK_REALTIME, buffers.time, buffers.time_at)
            length = messages[entry, _MESSAGE_LENGTH] & _LOW_HALF
            take_in(slot, length, arrived, buffers.arrived_words[entry], slots, measures)


@compiled
def serve_slot(slot: int, now: int, slots: Slots, measures: Measures, buffers: Buffers) -> None:
    """One leg's packet time: send a packet, take in what came. A leg never sends a burst to catch up."""
    late = now - slots.due[slot]
    if late > _STALL_NS:
        measures.control[STALLS] += 1
        slots.due[slot] = now
    slots.due[slot] += PACKET_NS
    if slots.live[slot] == TALKING:
        send_packet(slot, slots, measures, buffers)
        if measures.control[EPOCH] == 1:
            measures.lateness[min(late // LATENESS_BIN_NS, BINS - 1)] += 1
    receive(slot, slots, measures, buffers)


@compiled
def drive(limit: int, slots: Slots, measures: Measures, buffers: Buffers) -> None:
    """Run until ``control[STOP]``: each millisecond the legs whose packet time has come are served.

    Sockets are read when their leg sends, not when a packet comes: that spares the gateway, whose ``send`` would pay
    for waking us on loopback, and no measure depends on it.
    """
    turn = clock_ns(_CLOCK_MONOTONIC, buffers.time, buffers.time_at)
    while measures.control[STOP] == 0:
        now = clock_ns(_CLOCK_MONOTONIC, buffers.time, buffers.time_at)
        for slot in range(limit):
            if slots.live[slot] != CLOSED and slots.due[slot] <= now:
                serve_slot(slot, now, slots, measures, buffers)
        measures.control[TURNS] += 1
        turn = sleep_until(turn + _TURN_NS, buffers)


@compiled
def pass_packets(senders: Any, receivers: Any, packet_at: int, count: int) -> int:
    """Send ``count`` packets, each taken in at once; answers how many arrived."""
    passed = 0
    for turn in range(count):
        pair = turn % len(senders)
        c_send(senders[pair], packet_at, PACKET_OCTETS, _DONTWAIT)
        passed += c_recv(receivers[pair], packet_at, PACKET_OCTETS, _DONTWAIT) == PACKET_OCTETS
    return passed
