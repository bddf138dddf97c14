"""Mixing groups: everybody hears the sum of all the others.

Decides the delay at which a member is read from its jitter buffer, and how it changes: by bending a frame, more of it
where nobody speaks. Sums are 32 bits wide and clipped once.
"""

from typing import Any

from media.kernel.compiled import compiled
from media.kernel.concealment import conceal
from media.kernel.jitter import wanted_delay
from media.kernel.layout import FRAME, LIVE, MISSING, MIX_READER, RING, Record

DEAD_BAND = 40
LONGER_STEP, SHORTER_STEP = 80, 40
BEND = 80
QUIET = 300


@compiled
def clipped(value: Any) -> Any:
    return min(max(value, -32767), 32767)


@compiled
def clear(mix: Record) -> None:
    for index in range(FRAME):
        mix.total[index] = 0


@compiled
def add_member(engine: Record, port: Record, mix: Record) -> None:
    """Reads the member's frame of this tick into port.mix_frame and adds it to its mix."""
    if port.mix_delay == 0:
        port.mix_delay = wanted_delay(port)
    start = engine.tick_position - FRAME - port.mix_delay
    port.concealed += conceal(port.received, start, port.gap, port.period, MIX_READER) > 0
    for index in range(FRAME):
        port.mix_frame[index] = port.received[(start + index) % RING]
    _follow_jitter(port, start)
    for index in range(FRAME):
        mix.total[index] += port.mix_frame[index]


@compiled
def _follow_jitter(port: Record, start: Any) -> None:
    """Moves the delay towards the wanted one, crossing over within the frame."""
    longer = wanted_delay(port) - port.mix_delay
    if abs(longer) <= DEAD_BAND:
        return
    loudest = 0
    for index in range(FRAME):
        loudest = max(loudest, abs(port.mix_frame[index]))
    if loudest > QUIET:
        longer = min(longer, LONGER_STEP) if longer > 0 else max(longer, -SHORTER_STEP)
    port.mix_delay += longer
    start -= longer
    for index in range(FRAME):
        sample = port.received[(start + index) % RING]
        if sample == MISSING:
            sample = port.mix_frame[index]
        share = min(index + 1, BEND)
        port.mix_frame[index] = (sample * share + port.mix_frame[index] * (BEND - share)) // BEND


@compiled
def take_frame(engine: Record, port: Record, mix: Record, number: Any) -> None:
    """What the port hears of mix `number` this tick, into engine.frame: all but itself."""
    if mix.state != LIVE:
        for index in range(FRAME):
            engine.frame[index] = 0
    elif port.mix == number + 1:
        for index in range(FRAME):
            engine.frame[index] = clipped(mix.total[index] - port.mix_frame[index])
    else:
        for index in range(FRAME):
            engine.frame[index] = clipped(mix.total[index])
