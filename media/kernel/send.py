"""What goes to a phone: one stream, whoever made the sound.

Decides sequence numbers, timestamps and the marker bit: they go on without a seam when a port hears something else.
What is relayed keeps the distances its sender gave it (so that the far end sees loss and order as they are), what is
made here follows the engine's clock. Owns the sent_* and relayed_* fields.
Source: RFC 3550 5.1; RFC 3551 4.1 (marker at the beginning of a talkspurt).
"""

from typing import Any

from media.kernel import decode, encode, g711, resample, sockets, srtp
from media.kernel.compiled import compiled
from media.kernel.g711 import G722
from media.kernel.layout import FRAME, NOWHERE, RATE_HZ, RING, Record
from media.kernel.rtp import HEADER, later_by, put_u16, put_u32

MAX_DRIFT = 2 * RATE_HZ
MAX_STEP = 100
MAX_DTX_OCTETS = 2
"""A packet of Opus of this size says nothing. Source: opus_encode()."""


@compiled
def can_send(port: Record) -> Any:
    return port.sends != 0 and port.remote != 0


@compiled
def write_header(
    octets: Any, at: Any, marker: Any, payload_type: Any, sequence: Any, timestamp: Any, ssrc: Any
) -> None:
    octets[at] = 0x80
    octets[at + 1] = marker << 7 | payload_type
    put_u16(octets, at + 2, sequence)
    put_u32(octets, at + 4, timestamp)
    put_u32(octets, at + 8, ssrc)


@compiled
def send_octets(engine: Record, port: Record, octets: Any, address: Any, start: Any, length: Any) -> None:
    """Sends `length` octets from `start`; address: of octets."""
    address, sent_length = address + start, length
    if port.srtp_out:
        address, sent_length = engine.sealed_address, srtp.seal(engine, port, octets, start, length, False)
    if sent_length and sockets.send(port, address, sent_length):
        port.packets_out += 1
        port.octets_out += length - HEADER
        engine.packets_out += 1
    else:
        port.unsent += 1
        engine.unsent += 1
    port.last_sent_ns = engine.now_ns


@compiled
def next_timestamp(port: Record, position: Any) -> Any:
    """The timestamp of what begins at `position`; never before the end of what was sent."""
    timestamp = port.sent_base + position * port.clock_factor & 0xFFFFFFFF
    behind = later_by(port.sent_timestamp, timestamp, 32)
    if port.has_sent and behind > 0:
        port.sent_base += behind
        return port.sent_timestamp
    return timestamp


@compiled
def note_sent(port: Record, sequence: Any, timestamp_after: Any) -> None:
    if later_by(sequence + 1, port.sent_sequence, 16) > 0:
        port.sent_sequence = sequence + 1 & 0xFFFF
    if port.has_sent == 0 or later_by(timestamp_after & 0xFFFFFFFF, port.sent_timestamp, 32) > 0:
        port.sent_timestamp = timestamp_after & 0xFFFFFFFF
    port.has_sent = 1


@compiled
def send_own(
    engine: Record, port: Record, payload_type: Any, marker: Any, timestamp: Any, size: Any, samples: Any
) -> None:
    """Sends the `size` octets after the header's place in engine.output; they stand for `samples` of time."""
    sequence = port.sent_sequence
    write_header(engine.output, 0, marker, payload_type, sequence, timestamp, port.ssrc)
    send_octets(engine, port, engine.output, engine.output_address, 0, HEADER + size)
    note_sent(port, sequence, timestamp + samples)
    port.relayed_stream = 0


@compiled
def _relay_numbers(port: Record, source: Record, packet: Record) -> Any:
    """Fits the source's numbering to the port's; says whether it had to begin anew."""
    stream = source.slot + 1 << 32 | source.stream
    sequence = packet.sequence + port.relayed_sequence & 0xFFFF
    timestamp = packet.timestamp + port.relayed_timestamp & 0xFFFFFFFF
    due = port.sent_base + packet.arrival_position * port.clock_factor & 0xFFFFFFFF
    if (
        port.relayed_stream == stream
        and abs(later_by(timestamp, due, 32)) < MAX_DRIFT * port.clock_factor
        and abs(later_by(sequence, port.sent_sequence, 16)) < MAX_STEP
    ):
        return False
    port.relayed_stream = stream
    port.relayed_sequence = port.sent_sequence - packet.sequence & 0xFFFF
    port.relayed_timestamp = next_timestamp(port, packet.arrival_position) - packet.timestamp & 0xFFFFFFFF
    return True


@compiled
def relay(engine: Record, packet: Record, source: Record, port: Record, payload_type: Any, samples: Any) -> None:
    """Sends a packet of `source` on as the port's own. Its octets stay, but for the header's place before them."""
    begins = _relay_numbers(port, source, packet)
    sequence = packet.sequence + port.relayed_sequence & 0xFFFF
    timestamp = packet.timestamp + port.relayed_timestamp & 0xFFFFFFFF
    marker = 1 if begins or port.talk_resumes else packet.marker
    port.talk_resumes = 0
    start = packet.offset - HEADER
    write_header(engine.octets, start, marker, payload_type, sequence, timestamp, port.ssrc)
    send_octets(engine, port, engine.octets, engine.octets_address, start, HEADER + packet.size)
    note_sent(port, sequence, timestamp + samples)


@compiled
def can_relay(codec: Any, other: Any) -> Any:
    """Whether packets of a codec can be sent on at once to a phone that has the other."""
    return codec == other or (codec < g711.CODECS and other < g711.CODECS)


@compiled
def relay_sound(engine: Record, packet: Record, source: Record, port: Record) -> None:
    """What `source` received goes to the phone of `port`, in the law agreed with it. What cannot waits for the tick."""
    if not can_relay(packet.codec, port.codec):
        return
    if port.heard_users > 0 and packet.position != NOWHERE:
        decode.write_heard(engine, source, port, packet)
    if not can_send(port) or port.digit_sending:
        return
    if packet.codec == port.codec:
        relay(engine, packet, source, port, port.send_type, packet.samples * port.clock_factor)
        return
    # The octets are transcoded in place and back again: others may hear the same packet.
    _map_payload(engine, packet, packet.codec, port.codec)
    relay(engine, packet, source, port, port.send_type, packet.size)
    _unmap_payload(engine, packet)


@compiled
def _map_payload(engine: Record, packet: Record, law: Any, other: Any) -> None:
    octets, kept, table = engine.octets, engine.output, engine.transcoded[law, other]
    for index in range(packet.offset, packet.offset + packet.size):
        kept[index] = octets[index]
        octets[index] = table[octets[index]]


@compiled
def _unmap_payload(engine: Record, packet: Record) -> None:
    for index in range(packet.offset, packet.offset + packet.size):
        engine.octets[index] = engine.output[index]


@compiled
def give_frame(engine: Record, scale: Any) -> None:
    """Has the phone whose turn it is hear engine.frame, which is at `scale`.

    The tick sends it, in one place: what codes a frame is compiled into each function that calls it.
    """
    engine.frame_scale = scale


@compiled
def send_frame(engine: Record, port: Record, scale: Any) -> None:
    """Has the port's phone hear the 20 ms in engine.frame, which end at the tick. scale: theirs."""
    if scale != port.scale:
        resample.frame_to(engine, port, scale)
    if port.heard_users > 0:
        start = (engine.tick_position - FRAME) % RING * port.scale
        for index in range(FRAME * port.scale):
            port.heard[start + index] = engine.frame[index]
    if not can_send(port):
        return
    if port.codec < g711.CODECS:
        table = engine.encoded[port.codec]
        for index in range(FRAME):
            engine.output[HEADER + index] = table[engine.frame[index] & 0xFFFF]
        _send_coded(engine, port)
    elif port.codec == G722:
        encode.g722_frame(engine, port)
        _send_coded(engine, port)
    else:
        _send_opus(engine, port)


@compiled
def _send_opus(engine: Record, port: Record) -> None:
    """A frame that the encoder finds not worth sending (silence, with DTX) leaves a gap in time only."""
    size = encode.opus_frame(engine, port)
    if size > MAX_DTX_OCTETS:
        timestamp = next_timestamp(port, engine.tick_position)
        samples = FRAME * port.clock_factor
        send_own(engine, port, port.send_type, port.talk_resumes, timestamp, size, samples)
        port.talk_resumes = 0
    elif size > 0:
        port.talk_resumes = 1
        port.last_sent_ns = engine.now_ns


@compiled
def send_silence(engine: Record, port: Record) -> None:
    if port.heard_users > 0 or port.codec >= g711.CODECS:
        for index in range(FRAME * port.scale):
            engine.frame[index] = 0
        give_frame(engine, port.scale)
    elif can_send(port):
        code = g711.SILENCE[port.codec]
        for index in range(FRAME):
            engine.output[HEADER + index] = code
        _send_coded(engine, port)


@compiled
def _send_coded(engine: Record, port: Record) -> None:
    """Cuts the coded 20 ms into packets of the agreed length."""
    if port.packet_samples == FRAME:
        timestamp = next_timestamp(port, engine.tick_position)
        send_own(engine, port, port.send_type, port.talk_resumes, timestamp, FRAME, FRAME)
        port.talk_resumes = 0
        return
    pending = port.pending
    if port.pending_samples == 0:
        port.pending_timestamp = next_timestamp(port, engine.tick_position)
    for index in range(FRAME):
        pending[port.pending_samples + index] = engine.output[HEADER + index]
    port.pending_samples += FRAME
    size = port.packet_samples
    while port.pending_samples >= size:
        for index in range(size):
            engine.output[HEADER + index] = pending[index]
        send_own(engine, port, port.send_type, port.talk_resumes, port.pending_timestamp, size, size)
        port.talk_resumes = 0
        port.pending_timestamp = port.pending_timestamp + size & 0xFFFFFFFF
        port.pending_samples -= size
        for index in range(port.pending_samples):
            pending[index] = pending[index + size]
