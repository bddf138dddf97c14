"""Pictures beside the sound: opened, sealed anew for the party in the bridge, and otherwise left as they are.

Decides which packets are of the agreed stream, by their payload types, and to whom they go: to the port that hears
this one and is heard by it, if it has agreed on the same types. Sender, sequence number and time stay, so that what
the two browsers report to each other about the pictures (lost packets, key frames, bandwidth) fits without a change.
Nothing waits here, nothing is kept: what does not go on at once, or is too much, is dropped and counted.
Source: RFC 3550 2.4 and 7 (a translator between two clouds); RFC 4585 (feedback); RFC 5761 4 (RTCP beside it).
"""

from typing import Any

from media.kernel import sockets, srtp
from media.kernel.compiled import compiled
from media.kernel.layout import HEARS_PORT, Record, State
from media.kernel.libc import NS_PER_S
from media.kernel.rtp import u32

OCTETS_PER_S = 1_000_000
"""What one phone may send of pictures and reports about them; a talking head in full HD takes a third of it."""
BURST_OCTETS = 500_000
"""Key frames come at once."""
SENDER_REPORT = 200
TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK = 205, 206
BLOCK = 24
NOBODY = -1


@compiled
def is_feedback(kind: Any) -> Any:
    return kind in (TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK)


@compiled
def is_agreed(port: Record, payload_type: Any) -> Any:
    types = port.video_low if payload_type < 64 else port.video_high
    return types >> (payload_type & 63) & 1


@compiled
def pass_on(state: State, port: Record, length: Any) -> None:
    """The packet in engine.octets, which has been opened, goes to the party in the bridge."""
    engine, packet = state.engine[0], state.packet[0]
    port.video_in += 1
    partner = _partner(state, port)
    if partner == NOBODY or port.video_receives == 0 or not _has_room(engine, port, length):
        port.video_dropped += 1
        return
    other = state.ports[partner]
    # The sender of our own sound there is ours alone.
    if other.video_sends and is_agreed(other, packet.payload_type) and packet.ssrc != other.ssrc:
        _send(engine, other, length, False)
    else:
        port.video_dropped += 1


@compiled
def takes_control(state: State, port: Record, length: Any) -> Any:
    """Whether the RTCP in engine.octets, which has been opened, is about pictures; it then goes the same way."""
    engine = state.engine[0]
    if _is_about_sound(engine, port, length):
        return False
    partner = _partner(state, port)
    if partner != NOBODY and _has_room(engine, port, length):
        _send(engine, state.ports[partner], length, True)
    return True


@compiled
def _is_about_sound(engine: Record, port: Record, length: Any) -> Any:
    """From who sends the sound, or about the sound that is sent here. Browsers keep the two apart.

    Feedback, which is never agreed on for sound, may come in the name of either.
    """
    octets = engine.octets
    if is_feedback(octets[1]):
        return False
    if port.has_stream and u32(octets, 4) == port.in_ssrc:
        return True
    at = 28 if octets[1] == SENDER_REPORT else 8
    for _ in range(octets[0] & 31):
        if at + BLOCK <= length and u32(octets, at) == port.ssrc:
            return True
        at += BLOCK
    return False


@compiled
def _partner(state: State, port: Record) -> Any:
    """The slot of the port that this one is bridged with and that has agreed on pictures, or NOBODY."""
    if port.hears != HEARS_PORT:
        return NOBODY
    listener = port.first_listener
    while listener:
        other = state.ports[listener - 1]
        if port.source == listener - 1 and other.has_video and other.srtp_out and other.remote:
            return listener - 1
        listener = other.next_listener
    return NOBODY


@compiled
def _has_room(engine: Record, port: Record, length: Any) -> Any:
    elapsed_ns = min(engine.now_ns - port.video_ns, NS_PER_S)
    port.video_ns = engine.now_ns
    port.video_room = min(port.video_room + elapsed_ns * OCTETS_PER_S // NS_PER_S, BURST_OCTETS)
    if port.video_room < length:
        return False
    port.video_room -= length
    return True


@compiled
def _send(engine: Record, other: Record, length: Any, is_control: Any) -> None:
    sealed_length = srtp.seal(engine, other, engine.octets, 0, length, is_control)
    if sealed_length and sockets.send(other, engine.sealed_address, sealed_length):
        other.video_out += 1
    else:
        other.unsent += 1
        engine.unsent += 1
