"""What a packet's octets sound like: into engine.pcm at the port's scale, and from there into rings.

G.711 is a look-up and goes into the ring directly (jitter.py). Decoders with a memory are fed in the order packets
come, once each; what is missing before a packet of Opus is made up by the decoder, the last of it from what the
packet itself says about it.
Source: RFC 6716 4.1.7 and opus_decode() (in-band FEC, concealment); ITU-T G.722.
"""

from typing import Any

import numpy as np

from media.kernel import g711, g722, jitter, opus
from media.kernel.compiled import compiled
from media.kernel.layout import CLOCK_48K, MAX_PACKET_SAMPLES, MISSING, NOWHERE, RING, Record
from media.kernel.rtp import DIGITS_PAYLOAD

MAX_MADE_UP = 960
"""Samples at RATE_HZ. A longer gap is a pause."""


@compiled
def has_length(engine: Record, packet: Record) -> Any:
    """Whether a packet of sound is as long as one may be; enters how long."""
    if packet.codec == DIGITS_PAYLOAD:
        return True
    packet.samples = packet.size
    if packet.codec == g711.OPUS:
        packet.samples = opus.packet_samples(engine.octets, packet.offset, packet.size)
        return packet.samples > 0
    return 0 < packet.size <= MAX_PACKET_SAMPLES


@compiled
def write(engine: Record, port: Record, ring: Any, packet: Record) -> None:
    """Puts the sound of the port's packet, which has its position, into a ring of the port's scale."""
    if packet.codec < g711.CODECS:
        jitter.write(engine, ring, packet)
    elif _decode(engine, port, packet):
        _copy(engine, ring, port.scale, packet.position, packet.samples, True)


@compiled
def write_heard(engine: Record, source: Record, listener: Record, packet: Record) -> None:
    """The same into what a listener hears, which may have another law but not another scale."""
    if source.scale == listener.scale:
        write(engine, source, listener.heard, packet)


@compiled
def _decode(engine: Record, port: Record, packet: Record) -> Any:
    """Says whether engine.pcm holds the packet's sound now. Who asks again gets the same."""
    if packet.decoded:
        return True
    if packet.codec == g711.G722:
        g722.decode(port.g722_in, engine.octets, packet.offset, packet.size, engine.pcm)
        packet.decoded = 1
    elif port.decoder and _fill_gap(engine, port, packet):
        samples = _decode_opus(engine, port, packet, packet.samples, False, True)
        port.decoded_end = packet.timestamp + packet.samples * CLOCK_48K
        packet.decoded = samples == packet.samples * port.scale
    return packet.decoded


@compiled
def _fill_gap(engine: Record, port: Record, packet: Record) -> Any:
    """Makes up what is missing before the packet. Says False for one whose place has been made up already."""
    gap = (packet.timestamp - port.decoded_end + 0x80000000 & 0xFFFFFFFF) - 0x80000000
    samples = gap // CLOCK_48K
    if port.decoded_end == 0 or samples == 0 or abs(samples) > 8 * MAX_MADE_UP:
        return True
    if samples < 0:
        return False
    at = packet.position - samples
    if samples <= MAX_MADE_UP:
        while samples > 0:
            length = min(samples, packet.samples)
            is_last = length == samples
            if _decode_opus(engine, port, packet, length, is_last, is_last) <= 0:
                return True
            if port.received_users > 0 and jitter.fits(engine, at, length):
                _copy(engine, port.received, port.scale, at, length, False)
            at += length
            samples -= length
    return True


@compiled
def _decode_opus(engine: Record, port: Record, packet: Record, samples: Any, is_earlier: Any, has_packet: Any) -> Any:
    """Runs the decoder for `samples` at RATE_HZ. is_earlier: for what came before the packet. Says how many it gave."""
    address, size = engine.octets_address + packet.offset, packet.size
    if not has_packet:
        address, size = 0, 0
    return opus.opus_decode(port.decoder, address, size, engine.pcm_address, samples * port.scale, np.int32(is_earlier))


@compiled
def _copy(engine: Record, ring: Any, scale: Any, position: Any, samples: Any, over: Any) -> None:
    """over: also where something is already."""
    if position == NOWHERE:
        return
    size = RING * scale
    start = position * scale % size
    for index in range(samples * scale):
        at = start + index
        if at >= size:
            at -= size
        if over or ring[at] == MISSING:
            ring[at] = max(engine.pcm[index], -32767)
