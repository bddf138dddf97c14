"""What arrives as RTP: reading the header, and keeping the books of the stream.

Decides what is a packet at all, when a stream is a new one, and what counts as reordered or twice. Touches the port's
record only; whether a datagram's sender may speak here is decided before (source.py), where its samples belong after
(jitter.py).
Source: RFC 3550 5.1 (header), A.1 (sequence), A.8 (jitter); RFC 5761 4 (RTCP on the same port).
"""

from typing import Any

import numpy as np

from media.kernel import g711
from media.kernel.compiled import compiled
from media.kernel.layout import Record

HEADER = 12
MAX_DROPOUT = 3000
MAX_MISORDER = 100

IN_ORDER, REORDERED, DUPLICATE, MISFIT = 0, 1, 2, 3

OTHER_PAYLOAD, DIGITS_PAYLOAD = -1, -2


@compiled
def u16(octets: Any, at: Any) -> Any:
    return np.int64(octets[at]) << 8 | np.int64(octets[at + 1])


@compiled
def u32(octets: Any, at: Any) -> Any:
    return u16(octets, at) << 16 | u16(octets, at + 2)


@compiled
def put_u16(octets: Any, at: Any, value: Any) -> None:
    octets[at] = value >> 8 & 255
    octets[at + 1] = value & 255


@compiled
def put_u32(octets: Any, at: Any, value: Any) -> None:
    put_u16(octets, at, value >> 16)
    put_u16(octets, at + 2, value)


@compiled
def later_by(value: Any, than: Any, bits: Any) -> Any:
    """Signed distance of two wrapping counters."""
    half = 1 << bits - 1
    return (value - than + half & (1 << bits) - 1) - half


@compiled
def is_rtcp(octets: Any, length: Any) -> Any:
    """Whether a datagram on a shared port is RTCP. Source: RFC 5761 4."""
    return length >= 2 and 192 <= octets[1] <= 223


@compiled
def is_rtp_or_rtcp(octets: Any, length: Any) -> Any:
    """Whether a datagram on a socket shared with STUN and DTLS is one for us. Source: RFC 7983 7."""
    return length > 0 and 128 <= octets[0] <= 191


@compiled
def parse(octets: Any, length: Any, packet: Record) -> Any:
    """Reads an RTP header. Says False, and leaves packet undefined, for what is none.

    offset and size frame the payload, without header extension, contributing sources and padding.
    """
    if length < HEADER or octets[0] >> 6 != 2:
        return False
    offset = HEADER + 4 * (octets[0] & 15)
    if octets[0] & 0x10:
        if offset + 4 > length:
            return False
        offset += 4 + 4 * u16(octets, offset + 2)
    end = length
    if octets[0] & 0x20:
        padding = octets[length - 1]
        if padding == 0:
            return False
        end -= padding
    if offset > end:
        return False
    packet.payload_type = octets[1] & 127
    packet.marker = octets[1] >> 7
    packet.sequence = u16(octets, 2)
    packet.timestamp = u32(octets, 4)
    packet.ssrc = u32(octets, 8)
    packet.offset = offset
    packet.size = end - offset
    return True


@compiled
def payload_codec(port: Record, payload_type: Any) -> Any:
    """The codec of a payload type here, DIGITS_PAYLOAD or OTHER_PAYLOAD.

    The other G.711 law is understood under its static number even when not agreed: phones that offered both use it.
    """
    if payload_type == port.receive_type:
        return port.codec
    if payload_type == port.receive_digits_type:
        return DIGITS_PAYLOAD
    if port.scale == 1 and payload_type == 0:
        return g711.PCMU
    if port.scale == 1 and payload_type == 8:
        return g711.PCMA
    return OTHER_PAYLOAD


@compiled
def begin_stream(port: Record, packet: Record) -> None:
    """A phone begins to send, or begins anew: other numbers from here on, the same books."""
    port.lost_before_stream += lost_in_stream(port)
    port.has_stream = 1
    port.in_ssrc = packet.ssrc
    port.stream += 1
    port.first_sequence = packet.sequence
    port.highest = packet.sequence
    port.misfit_sequence = -1
    port.received_in_stream = 0
    port.received_before = 0
    port.expected_before = 0
    port.last_transit = packet.arrival_position * port.clock_factor - packet.timestamp
    port.is_anchored = 0
    port.digit_has = 0


@compiled
def lost_in_stream(port: Record) -> Any:
    """Packets missing so far; what came twice or late makes it less."""
    if port.has_stream == 0:
        return 0
    return max(port.highest - port.first_sequence + 1 - port.received_in_stream, 0)


@compiled
def track(port: Record, packet: Record) -> Any:
    """Enters a packet in the books: IN_ORDER, REORDERED, DUPLICATE, or MISFIT (belongs to nothing we know: drop it).

    A sequence number far from the last begins a new stream once the next one fits to it.
    """
    if port.has_stream == 0 or packet.ssrc != port.in_ssrc:
        begin_stream(port, packet)
        port.received_in_stream = 1
        return IN_ORDER
    step = later_by(packet.sequence, port.highest & 0xFFFF, 16)
    result = IN_ORDER
    if step == 0:
        port.duplicates += 1
        result = DUPLICATE
    elif 0 < step < MAX_DROPOUT:
        port.highest += step
    elif -MAX_MISORDER < step < 0:
        port.reordered += 1
        result = REORDERED
    elif packet.sequence == port.misfit_sequence:
        begin_stream(port, packet)
    else:
        port.misfit_sequence = packet.sequence + 1 & 0xFFFF
        return MISFIT
    port.received_in_stream += 1
    return result


@compiled
def measure_jitter(port: Record, packet: Record) -> None:
    """Interarrival jitter, in sixteenths of a timestamp unit. Source: RFC 3550 A.8."""
    transit = packet.arrival_position * port.clock_factor - packet.timestamp
    apart = abs(later_by(transit & 0xFFFFFFFF, port.last_transit & 0xFFFFFFFF, 32))
    port.last_transit = transit
    # A jump of the phone's timestamps is no jitter of the network.
    if apart < 8000 * port.clock_factor:
        port.jitter_q4 += apart - (port.jitter_q4 + 8 >> 4)
