"""Keys: telephone-events from the phone told once each, and keys sent to it as events or, without them, as tones.

Decides when an event is a new one (by its timestamp), when it is over (its end packet, or none of its packets for a
while), and the pace at which keys are sent. Owns the digit* fields of the port.
Source: RFC 4733 2.5 (timestamps, retransmitted end, long events in segments); ITU-T Q.23 (frequencies).
"""

import math
from typing import Any

from media.kernel.compiled import compiled
from media.kernel.events import post
from media.kernel.layout import DIGIT, DIGITS_SENT, FRAME, QUEUED_DIGITS, RATE_HZ, Record
from media.kernel.rtp import HEADER, later_by, put_u16, u16
from media.kernel.send import can_send, give_frame, next_timestamp, send_own, send_silence

KEYS = "0123456789*#ABCD"
LAST_KEY = 15
SHORT_PAUSE, LONG_PAUSE = 16, 17
"""Codes of the queue besides keys: 0.5 s and 1 s."""
SHORT_PAUSE_TICKS, LONG_PAUSE_TICKS = 25, 50
TONE_TICKS, PACE_TICKS = 5, 9
END_PACKETS = 3
VOLUME = 10
"""Level of sent events in -dBm0."""
LOST_END_NS = 200_000_000
LATE_EVENT_NS = 400_000_000
"""How long after a tone's end its event may begin to come."""
DIGIT_PACE, DIGIT_BURST = 1, 50
"""A phone may have one key told a tick in the long run: a flood costs no more."""

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
ROW_OF = (3, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 0, 1, 2, 3)
COLUMN_OF = (1, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 3, 3, 3, 3)
TONE_PEAK = 9000.0


@compiled
def take_event(engine: Record, port: Record, packet: Record) -> Any:
    """Reads a telephone-event packet; says the key it ended, -1 if none."""
    if packet.size < 4:
        return -1
    code = engine.octets[packet.offset]
    is_end = engine.octets[packet.offset + 1] & 0x80
    duration = u16(engine.octets, packet.offset + 2)
    if code > LAST_KEY:
        return -1
    ended = -1
    step = later_by(packet.timestamp, port.digit_timestamp, 32)
    is_long = step > RATE_HZ * port.clock_factor
    if port.digit_has == 0 or step > 0:
        if port.digit_is_open and code == port.digit_code and step == port.digit_duration and is_long:
            # The next segment of a long event. Source: RFC 4733 2.5.1.3.
            port.digit_carried += port.digit_duration
        else:
            ended = close_event(engine, port)
            port.digit_carried = 0
            port.digit_is_open = 1
            port.event_is_told = _is_told(port, code, packet.arrival_ns)
            port.has_events = 1
        port.digit_has = 1
        port.digit_code = code
        port.digit_timestamp = packet.timestamp
        port.digit_duration = 0
    elif step < 0 or port.digit_is_open == 0:
        return -1
    port.digit_duration = max(port.digit_duration, duration)
    port.digit_last_ns = packet.arrival_ns
    if is_end:
        ended = close_event(engine, port)
    return ended


@compiled
def _is_told(port: Record, code: Any, now_ns: Any) -> Any:
    """Whether the phone's first event is a key of which the tone was heard before: from now on events alone count."""
    return port.has_events == 0 and port.tone_told == code + 1 and now_ns - port.tone_told_ns < LATE_EVENT_NS


@compiled
def close_event(engine: Record, port: Record) -> Any:
    """Tells the key of the event that is open; says its code, -1 if none is or keys come too fast."""
    if port.digit_is_open == 0:
        return -1
    port.digit_is_open = 0
    if port.event_is_told:
        return -1
    if port.digit_budget <= 0:
        port.refused += 1
        return -1
    port.digit_budget -= 1
    length_ms = (port.digit_carried + port.digit_duration) * 1000 // (RATE_HZ * port.clock_factor)
    post(engine, DIGIT, port.slot, port.generation, port.digit_code, length_ms)
    return port.digit_code


@compiled
def watch_events(engine: Record, port: Record, ticks: Any) -> Any:
    """Every few ticks: an event whose end was lost is over when nothing of it came for a while. As close_event."""
    port.digit_budget = min(port.digit_budget + ticks * DIGIT_PACE, DIGIT_BURST)
    if port.digit_is_open and engine.now_ns - port.digit_last_ns > LOST_END_NS:
        return close_event(engine, port)
    return -1


@compiled
def queue_digit(port: Record, code: Any) -> None:
    if port.digits_count < QUEUED_DIGITS:
        port.digits[(port.digits_head + port.digits_count) % QUEUED_DIGITS] = code
        port.digits_count += 1


@compiled
def send_digits(engine: Record, port: Record) -> Any:
    """Every tick: goes on with the keys in the queue. Says whether the phone hears those now, not its source."""
    if port.pause_steps > 0:
        port.pause_steps -= 1
    if port.pause_steps > 0:
        return False
    if port.digit_sending == 0 and not _begin(engine, port):
        return False
    if port.send_digits_type >= 0:
        _send_event(engine, port)
    else:
        _send_tone(engine, port)
    port.digit_step += 1
    if port.digit_step == PACE_TICKS:
        port.digit_sending = 0
    return True


@compiled
def _begin(engine: Record, port: Record) -> Any:
    """Takes the next code from the queue; says whether it is a key."""
    if port.digits_count == 0:
        if port.digits_serial:
            post(engine, DIGITS_SENT, port.slot, port.generation, port.digits_serial, 0)
            port.digits_serial = 0
        return False
    code = port.digits[port.digits_head]
    port.digits_head = (port.digits_head + 1) % QUEUED_DIGITS
    port.digits_count -= 1
    if code > LAST_KEY:
        port.pause_steps = SHORT_PAUSE_TICKS if code == SHORT_PAUSE else LONG_PAUSE_TICKS
        return False
    port.digit_sending = code + 1
    port.digit_step = 0
    port.digit_start = next_timestamp(port, engine.tick_position)
    return True


@compiled
def _send_event(engine: Record, port: Record) -> None:
    """One packet of the event a tick, the last of them three times. Source: RFC 4733 2.5.1.4."""
    if port.digit_step >= TONE_TICKS + END_PACKETS - 1 or not can_send(port):
        return
    duration = min(port.digit_step + 1, TONE_TICKS) * FRAME * port.clock_factor
    is_end = port.digit_step >= TONE_TICKS - 1
    engine.output[HEADER] = port.digit_sending - 1
    engine.output[HEADER + 1] = VOLUME | (0x80 if is_end else 0)
    put_u16(engine.output, HEADER + 2, duration)
    marker = 1 if port.digit_step == 0 else 0
    send_own(engine, port, port.send_digits_type, marker, port.digit_start, 4, duration)
    port.talk_resumes = 1


@compiled
def _send_tone(engine: Record, port: Record) -> None:
    if port.digit_step >= TONE_TICKS:
        send_silence(engine, port)
        return
    code = port.digit_sending - 1
    low = 2 * math.pi * ROWS_HZ[ROW_OF[code]] / RATE_HZ
    high = 2 * math.pi * COLUMNS_HZ[COLUMN_OF[code]] / RATE_HZ
    start = port.digit_step * FRAME
    for index in range(FRAME):
        turn = float(start + index)
        engine.frame[index] = int(TONE_PEAK * (math.sin(low * turn) + math.sin(high * turn)))
    give_frame(engine, 1)
