"""Mixing groups: everybody hears the sum of all the others.

Decides the delay at which a member is read from its jitter buffer, and how it changes: by bending a frame, more of it
where nobody speaks. Sums are 32 bits wide and clipped once.
"""

from typing import Any

from media.kernel import resample
from media.kernel.compiled import compiled
from media.kernel.concealment import conceal
from media.kernel.jitter import wanted_delay
from media.kernel.layout import FRAME, LIVE, MISSING, MIX_READER, RING, WIDE, Record

DEAD_BAND = 40
LONGER_STEP, SHORTER_STEP = 80, 40
BEND = 80
QUIET = 300


@compiled
def clipped(value: Any) -> Any:
    return min(max(value, -32767), 32767)


@compiled
def clear(mix: Record) -> None:
    mix.scale = 1
    for index in range(WIDE * FRAME):
        mix.total[index] = 0


@compiled
def speak(engine: Record, port: Record) -> None:
    """Reads what the phone says in this tick into port.spoken, at its scale; once a tick, whoever wants it."""
    if port.spoken_at == engine.tick_position:
        return
    port.spoken_at = engine.tick_position
    if port.mix_delay == 0:
        port.mix_delay = wanted_delay(port)
    start = engine.tick_position - FRAME - port.mix_delay
    port.concealed += conceal(port.received, port.scale, start, port.gap, port.period, MIX_READER) > 0
    read_from, size = start * port.scale, RING * port.scale
    for index in range(FRAME * port.scale):
        port.spoken[index] = port.received[(read_from + index) % size]
    _follow_jitter(port, start)


@compiled
def add_member(engine: Record, port: Record, mix: Record) -> None:
    """What the member says, at the mix's scale, into port.mix_frame and the mix."""
    speak(engine, port)
    if port.scale == mix.scale:
        for index in range(FRAME * mix.scale):
            port.mix_frame[index] = port.spoken[index]
    else:
        resample.widen(engine, port.spoken, port.to_mix, port.mix_frame)
    for index in range(FRAME * mix.scale):
        mix.total[index] += port.mix_frame[index]


@compiled
def _follow_jitter(port: Record, start: Any) -> None:
    """Moves the delay towards the wanted one, crossing over within the frame."""
    longer = wanted_delay(port) - port.mix_delay
    if abs(longer) <= DEAD_BAND:
        return
    loudest = 0
    for index in range(FRAME * port.scale):
        loudest = max(loudest, abs(port.spoken[index]))
    if loudest > QUIET:
        longer = min(longer, LONGER_STEP) if longer > 0 else max(longer, -SHORTER_STEP)
    port.mix_delay += longer
    read_from, size, bend = (start - longer) * port.scale, RING * port.scale, BEND * port.scale
    for index in range(FRAME * port.scale):
        sample = port.received[(read_from + index) % size]
        if sample == MISSING:
            sample = port.spoken[index]
        share = min(index + 1, bend)
        port.spoken[index] = (sample * share + port.spoken[index] * (bend - share)) // bend


@compiled
def take_frame(engine: Record, port: Record, mix: Record, number: Any) -> None:
    """What the port hears of mix `number` this tick, into engine.frame: all but itself."""
    if mix.state != LIVE:
        for index in range(FRAME * mix.scale):
            engine.frame[index] = 0
    elif port.mix == number + 1:
        for index in range(FRAME * mix.scale):
            engine.frame[index] = clipped(mix.total[index] - port.mix_frame[index])
    else:
        for index in range(FRAME * mix.scale):
            engine.frame[index] = clipped(mix.total[index])
