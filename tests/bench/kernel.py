"""The compiled loop of the load: sends a packet every 20 ms on each live leg and measures what comes back.

Owns the stamp inside the payload, nothing of SIP and no socket: tests/bench/rtp.py opens them and fills the arrays.
A sender writes the wall clock into each packet just before ``send``; the receiver subtracts it from the time stamp
the kernel gave the packet on arrival (SO_TIMESTAMPNS), so that neither side's own lateness counts as delay.

A leg may seal what it sends and open what it gets (SRTP, by libsrtp), and may speak Opus: with the stamp in the place
of sound where packets are passed on unread, genuine where they are decoded.

State is one array per field, indexed by slot; Python writes ``live``, the addresses and what a leg speaks, this loop
writes the rest.
Source: RFC 3550 5.1 (header), socket(7) SO_TIMESTAMP, RFC 3551 4.5.14 (PCMU), RFC 7587 4.1 (Opus), RFC 3711.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import llvmlite.binding as llvm
import numpy as np
from numba import njit, types
from numpy.typing import NDArray
from pylibsrtp import _binding

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
MADE = 6  # packets without a stamp in the measured window
COLUMNS = 7

# Values of ``speech``.
PCMU = 0
OPUS_STAMPED = 1
OPUS_GENUINE = 2
OPUS_TYPE = 111
OPUS_SAMPLES = 960
OPUS_TOC = 0xF8  # CELT, full band, one mono frame of 20 ms
SEALED_SPARE = 32

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
    """One row per leg. The first six are Python's, the rest is the loop's. seal, open: libsrtp's contexts, or 0."""

    live: NDArray[np.int64]
    fds: NDArray[np.int32]
    ssrc: NDArray[np.int64]
    speech: NDArray[np.int64]
    seal: NDArray[np.int64]
    open: NDArray[np.int64]
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
    opus: NDArray[np.uint8]  # (frames, octets), one after the other again and again
    opus_lengths: NDArray[np.int64]
    sealed: NDArray[np.uint8]
    sealed_at: int
    sealed_length: NDArray[np.int32]
    sealed_length_at: int
    arrived: NDArray[np.uint8]  # (BATCH, octets), the same memory as:
    arrived_words: NDArray[np.int64]  # (BATCH, words)
    arrived_at: int
    vectors: NDArray[np.int64]  # (BATCH, 2) struct iovec
    messages: NDArray[np.int64]  # (BATCH, MESSAGE_WORDS) struct mmsghdr
    messages_at: int
    ancillary: NDArray[np.int64]  # (BATCH, words) struct cmsghdr with a struct timespec
    time: NDArray[np.int64]
    time_at: int


for _name in ("srtp_protect", "srtp_unprotect"):
    _pointer = _binding.ffi.addressof(_binding.lib, _name)
    llvm.add_symbol(f"bench_{_name}", int(_binding.ffi.cast("uintptr_t", _pointer)))

i32, i64 = types.int32, types.int64
c_protect = types.ExternalFunction("bench_srtp_protect", i32(i64, i64, i64))
c_unprotect = types.ExternalFunction("bench_srtp_unprotect", i32(i64, i64, i64))
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
def write_header(slot: int, slots: Slots, buffers: Buffers) -> None:
    packet, count = buffers.packet, slots.number[slot]
    is_opus = slots.speech[slot] != PCMU
    stamp = count * (OPUS_SAMPLES if is_opus else SAMPLES_PER_PACKET)
    packet[1] = (OPUS_TYPE if is_opus else 0) | (0x80 if count == 0 else 0)
    packet[2] = (count >> 8) & 255
    packet[3] = count & 255
    for octet in range(4):
        packet[4 + octet] = (stamp >> (24 - 8 * octet)) & 255
        packet[8 + octet] = (slots.ssrc[slot] >> (24 - 8 * octet)) & 255


@compiled
def write_sound(slot: int, epoch: int, slots: Slots, buffers: Buffers) -> int:
    """Into the packet's copy that leaves; answers the packet's length."""
    packet, words, sealed, count = buffers.packet, buffers.packet_words, buffers.sealed, slots.number[slot]
    if slots.speech[slot] == OPUS_GENUINE:
        frame = count % len(buffers.opus)
        for octet in range(HEADER_OCTETS):
            sealed[octet] = packet[octet]
        for octet in range(buffers.opus_lengths[frame]):
            sealed[HEADER_OCTETS + octet] = buffers.opus[frame, octet]
        return HEADER_OCTETS + int(buffers.opus_lengths[frame])
    words[STAMP_SENDER] = slot | (count << 32)
    words[STAMP_MARK] = MARK + epoch
    words[STAMP_TIME] = clock_ns(_CLOCK_REALTIME, buffers.time, buffers.time_at)
    for octet in range(PACKET_OCTETS):
        sealed[octet] = packet[octet]
    if slots.speech[slot] == OPUS_STAMPED:
        sealed[HEADER_OCTETS] = OPUS_TOC
    return PACKET_OCTETS


@compiled
def send_packet(slot: int, slots: Slots, measures: Measures, buffers: Buffers) -> None:
    control = measures.control
    # Read once: it may be set meanwhile, and what is counted must be what is stamped.
    epoch = control[EPOCH]
    write_header(slot, slots, buffers)
    length = write_sound(slot, epoch, slots, buffers)
    if slots.seal[slot] != 0:
        buffers.sealed_length[0] = length
        c_protect(slots.seal[slot], buffers.sealed_at, buffers.sealed_length_at)
        length = int(buffers.sealed_length[0])
    if c_send(slots.fds[slot], buffers.sealed_at, length, _DONTWAIT) == length:
        slots.sent[slot, epoch] += 1
    else:
        control[SEND_ERRORS] += 1
    slots.number[slot] += 1


@compiled
def opened(slot: int, entry: int, length: int, slots: Slots, buffers: Buffers) -> int:
    """Answers the length of what was inside, 0 for RTCP and for what cannot be opened."""
    if 192 <= buffers.arrived[entry, 1] <= 223:
        return 0
    if slots.open[slot] == 0:
        return length
    buffers.sealed_length[0] = length
    place = buffers.arrived_at + entry * WORDS_OF_BUFFER * 8
    if c_unprotect(slots.open[slot], place, buffers.sealed_length_at) != 0:
        return 0
    return int(buffers.sealed_length[0])


@compiled
def take_in(slot: int, length: int, arrived: int, words: Any, slots: Slots, measures: Measures) -> None:
    """Count one packet that arrived on ``slot`` at ``arrived`` (ns, wall clock)."""
    counts = slots.counts[slot]
    gap = arrived - counts[LAST_ARRIVAL]
    counts[LAST_ARRIVAL] = arrived
    epoch = words[STAMP_MARK] - MARK
    if length != PACKET_OCTETS or epoch < 0 or epoch >= EPOCHS:
        counts[UNSTAMPED] += 1
        if measures.control[EPOCH] == 1:
            counts[MADE] += 1
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
            length = opened(slot, entry, messages[entry, _MESSAGE_LENGTH] & _LOW_HALF, slots, buffers)
            if length == 0:
                continue
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
