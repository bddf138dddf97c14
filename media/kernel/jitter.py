"""The jitter buffer: every received sample gets its place on the engine's clock, and each reader its own delay.

Decides where a packet's samples belong. A stream is anchored so that its fastest packets end at the moment they
arrive: position = timestamp + anchor. The least delay of the last two seconds is that of the fastest packet; the
anchor follows it a sample or a few a packet, so that clocks that differ never add up and a bad stretch leaves nothing
behind. Samples wait in a ring (layout.RING); mixes read it at a delay that follows the jitter (20-200 ms), recorders
at a fixed one (RECORD_DELAY), which keeps all they record aligned.

What nobody has written when it is read is concealed in place (concealment.py).
Source: RFC 3550 6.4.4 (delay variation); ITU-T G.131 for what delay costs.
"""

from typing import Any

from media.kernel.compiled import compiled
from media.kernel.layout import (
    AHEAD,
    FRAME,
    MISSING,
    NOWHERE,
    RECORD_DELAY,
    RING,
    Record,
)
from media.kernel.libc import NS_PER_S
from media.kernel.rtp import later_by

MIN_DELAY, MAX_DELAY = 160, 1600
INTAKE_MARGIN = 24
"""Samples: a packet may lie in its socket for an intake rhythm, and a tick may be a little late."""
WINDOW_NS = NS_PER_S
FIRST_SPREAD = 160
"""What a stream of which nothing is known yet may vary."""
SETTLING_PACKETS = 25
"""Packets within which an anchor moves at once: the first of a stream often came late."""
DEAD_BAND = 16
FAR_SLEW, NEAR_SLEW = 4, 1
MISFITS = 3
NO_SPREAD = -(1 << 40)
NO_LEAST = 1 << 40


@compiled
def open_ring(ring: Any, scale: Any) -> None:
    for index in range(RING * scale):
        ring[index] = MISSING


@compiled
def forget_frame(ring: Any, scale: Any, position: Any) -> None:
    """Clears the frame that begins at `position`, a tick's: its place in the ring is needed for what comes."""
    start = position % RING * scale
    for index in range(start, start + FRAME * scale):
        ring[index] = MISSING


@compiled
def write(engine: Record, ring: Any, packet: Record) -> None:
    """A packet of G.711, whose octets are its samples; others are decoded first (decode.py)."""
    table = engine.decoded[packet.codec]
    octets = engine.octets
    offset, start = packet.offset, packet.position % RING
    unwrapped = min(packet.size, RING - start)
    for index in range(unwrapped):
        ring[start + index] = table[octets[offset + index]]
    for index in range(unwrapped, packet.size):
        ring[start + index - RING] = table[octets[offset + index]]


@compiled
def fits(engine: Record, position: Any, size: Any) -> Any:
    """Whether samples from `position` may be written: not yet read by every reader, and not too far ahead."""
    tick = engine.tick_position
    return tick - RECORD_DELAY <= position and position + size <= tick + AHEAD


@compiled
def place(engine: Record, port: Record, packet: Record) -> None:
    """Finds the position of a packet's first sample, NOWHERE if it is too old or its timestamp makes no sense.

    The packet has been entered in the books of its stream (rtp.track).
    """
    step = later_by(packet.timestamp, port.highest_timestamp & 0xFFFFFFFF, 32)
    if port.is_anchored == 0:
        _anchor(port, packet, packet.timestamp)
        step = 0
    timestamp = port.highest_timestamp + step
    delay = packet.arrival_position - (timestamp // port.clock_factor + packet.samples + port.anchor)
    if not -AHEAD < delay < RECORD_DELAY:
        port.misfits += 1
        if port.misfits < MISFITS and not (packet.marker and step > 0):
            port.late += delay > 0
            packet.position = NOWHERE
            return
        _anchor(port, packet, timestamp)
        delay = 0
    port.misfits = 0
    port.highest_timestamp = max(port.highest_timestamp, timestamp)
    port.anchored_packets += 1
    if port.anchored_packets < SETTLING_PACKETS and delay < 0:
        _shift_back(port, -delay)
        delay = 0
    _slew(port)
    port.in_packet_samples = packet.samples
    _observe(port, packet, delay)
    port.late += delay > wanted_delay(port) - packet.samples
    packet.position = timestamp // port.clock_factor + port.anchor
    if not fits(engine, packet.position, packet.samples):
        packet.position = NOWHERE


@compiled
def _anchor(port: Record, packet: Record, timestamp: Any) -> None:
    port.is_anchored = 1
    port.anchor = packet.arrival_position - packet.samples - timestamp // port.clock_factor
    port.highest_timestamp = timestamp
    port.anchored_packets = 0
    port.slew = 0
    port.spread_0 = max(port.spread_0, FIRST_SPREAD)
    port.last_least = NO_LEAST
    port.window_ns = packet.arrival_ns
    port.window_packets = 0
    port.window_least = NO_LEAST
    port.window_most = NO_SPREAD
    port.window_second = NO_SPREAD


@compiled
def _shift_back(port: Record, by: Any) -> None:
    """The packets so far came late: they move to where they belong, which no reader has reached yet."""
    port.anchor -= by
    if port.received_users > 0:
        size, shift = RING * port.scale, by * port.scale
        end = (port.highest_timestamp // port.clock_factor + port.anchor + by) * port.scale
        for position in range(end - AHEAD * port.scale, end):
            ahead = port.received[(position + shift) % size] if position + shift < end else MISSING
            port.received[position % size] = ahead


@compiled
def _slew(port: Record) -> None:
    """Moves the anchor towards the least delay seen, and the delays seen with it."""
    if port.slew == 0:
        return
    step = FAR_SLEW if abs(port.slew) > FRAME else NEAR_SLEW
    if port.slew < 0:
        step = -step
    port.slew -= step
    port.anchor += step
    port.window_least -= step
    port.window_most -= step
    port.window_second -= step
    port.last_least -= step


@compiled
def _observe(port: Record, packet: Record, delay: Any) -> None:
    """Keeps the least and the two largest delays of a second; three seconds of them make the spread.

    The largest alone is an accident: it is concealed, not waited for.
    """
    port.window_packets += 1
    port.window_least = min(port.window_least, delay)
    if delay > port.window_most:
        port.window_second = port.window_most
        port.window_most = delay
    else:
        port.window_second = max(port.window_second, delay)
    if packet.arrival_ns - port.window_ns < WINDOW_NS:
        return
    port.spread_2 = port.spread_1
    port.spread_1 = port.spread_0
    port.spread_0 = max(port.window_second if port.window_packets > 10 else port.window_most, 0)
    least = min(port.window_least, port.last_least)
    port.slew = least if abs(least) > DEAD_BAND else 0
    port.last_least = port.window_least
    port.window_ns = packet.arrival_ns
    port.window_packets = 0
    port.window_least = NO_LEAST
    port.window_most = NO_SPREAD
    port.window_second = NO_SPREAD


@compiled
def wanted_delay(port: Record) -> Any:
    """Samples between the arrival of the fastest packet's end and its being heard in a mix.

    A whole packet of it, which no limit takes away: before that it has not arrived.
    """
    spread = max(port.spread_0, port.spread_1, port.spread_2, port.window_second)
    least = max(port.in_packet_samples + INTAKE_MARGIN, MIN_DELAY)
    return min(max(port.in_packet_samples + INTAKE_MARGIN + spread, least), max(port.most_delay, least))
