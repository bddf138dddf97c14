"""Mixing groups: everybody hears the sum of all the others, and what is meant for it alone.

Decides the delay at which a member is read from its jitter buffer, and how it changes: by bending a frame, more of it
where nobody speaks. Who enters, leaves or speaks to others from now on crosses over within a frame, so that nothing
clicks. Sums are 32 bits wide and clipped once; a tick costs a member one frame in and one out, however many there are.
Clips in a mix are in clips.py, what recorders read of it in said.py.
"""

from typing import Any

from media.kernel import resample, said
from media.kernel.compiled import compiled
from media.kernel.concealment import conceal
from media.kernel.events import post
from media.kernel.jitter import wanted_delay
from media.kernel.layout import (
    FRAME,
    FREE,
    HEARS_MIX,
    LIVE,
    MAX_MIX_SOUNDS,
    MISSING,
    MIX_CLOSED,
    MIX_READER,
    RING,
    SLOT_BITS,
    WIDE,
    Record,
    State,
)
from media.kernel.resample import clipped

DEAD_BAND = 40
LONGER_STEP, SHORTER_STEP = 80, 40
BEND = 80
QUIET = 300

EVERYBODY = -1
"""heard_by_count: no list, all who hear the mix."""
ENTERS = 2
"""mix_changes of a port that was in no mix the tick before; 1 is any other change."""


@compiled
def open_mix(engine: Record, mix: Record, number: Any) -> None:
    mix.state = LIVE
    mix.scale = 1
    mix.sounds = 0
    mix.sounds_on = 0
    for index in range(MAX_MIX_SOUNDS):
        mix.sound_serial[index] = 0
    engine.mix_count = max(engine.mix_count, number + 1)


@compiled
def let_go(engine: Record, mix: Record, number: Any) -> None:
    """The loop gets the number back when no recorder wants the mix any more; every tick until it could be told."""
    if mix.narrow_users + mix.wide_users == 0 and post(engine, MIX_CLOSED, number, 0, 0, 0):
        mix.state = FREE


@compiled
def begin_reading(engine: Record, port: Record) -> None:
    """Somebody more wants what the phone says every tick: at the best delay there is, unless others listen already."""
    if port.spoken_at < engine.tick_position - FRAME:
        port.mix_delay = 0


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
    _read(port.received, start * port.scale, RING * port.scale, FRAME * port.scale, port.spoken)
    _follow_jitter(port, start)


@compiled
def _read(ring: Any, read_from: Any, ring_size: Any, size: Any, out: Any) -> None:
    """In two pieces without a wrap in either, which the processor takes many samples of at a time."""
    start = read_from % ring_size
    unwrapped = min(size, ring_size - start)
    for index in range(unwrapped):
        out[index] = ring[start + index]
    for index in range(size - unwrapped):
        out[unwrapped + index] = ring[index]


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
def enter(engine: Record, port: Record) -> None:
    """A port that is in no mix comes into the one it is to be in."""
    port.mix = port.next_mix
    port.mix_changes = ENTERS
    begin_reading(engine, port)


@compiled
def leave(engine: Record, port: Record) -> None:
    """At once: the port or the mix is closed. Recorders still get all it has said."""
    if port.mix:
        said.note(port, 0, engine.tick_position)
        port.mix = 0


@compiled
def take_turn(state: State, port: Record) -> None:
    """What the member says in this tick goes to whom it is meant for."""
    engine, mix = state.engine[0], state.mixes[port.mix - 1]
    speak(engine, port)
    size = FRAME * mix.scale
    if port.scale == mix.scale:
        _copy(port.mix_frame, port.spoken, size)
    else:
        resample.widen(engine, port.spoken, port.to_mix, port.mix_frame)
    if port.mix_changes:
        _cross_over(state, port, mix)
    elif port.heard_by_count == EVERYBODY:
        _add_to_mix(engine, port, mix)
    else:
        for index in range(port.heard_by_count):
            _whisper(state, port, port.heard_by[index], size, 1, 1)


@compiled
def _copy(out: Any, sound: Any, size: Any) -> None:
    for index in range(size):
        out[index] = sound[index]


@compiled
def _add_to_mix(engine: Record, port: Record, mix: Record) -> None:
    _sum(mix.total, port.mix_frame, FRAME * mix.scale)
    port.mixed_into = port.mix
    port.mixed_at = engine.tick_position


@compiled
def _sum(total: Any, sound: Any, size: Any) -> None:
    for index in range(size):
        total[index] += sound[index]


@compiled
def _cross_over(state: State, port: Record, mix: Record) -> None:
    """The frame in which it changes who hears the member: both as they were and as they will be, fading."""
    engine, size = state.engine[0], FRAME * mix.scale
    stays = port.next_mix == port.mix
    count = 0 if port.mix_changes == ENTERS else port.heard_by_count
    next_count = port.next_heard_by_count if stays else 0
    for index in range(count):
        word = port.heard_by[index]
        _whisper(state, port, word, size, 1, _names(port.next_heard_by, next_count, word))
    for index in range(next_count):
        word = port.next_heard_by[index]
        if _names(port.heard_by, count, word) == 0:
            _whisper(state, port, word, size, 0, 1)
    if count == EVERYBODY or next_count == EVERYBODY:
        if count != next_count:
            _fade(port.mix_frame, size, int(next_count == EVERYBODY))
        _add_to_mix(engine, port, mix)
    # Recorders cut whole frames: never more of it than was heard.
    start = engine.tick_position - FRAME - port.mix_delay
    if next_count == EVERYBODY:
        said.note(port, port.mix, (start + FRAME - 1) // FRAME * FRAME)
    else:
        said.note(port, 0, start // FRAME * FRAME)
    if stays:
        port.heard_by_count = next_count
        for index in range(next_count):
            port.heard_by[index] = port.next_heard_by[index]
        port.mix_changes = 0
    else:
        # The next mix's turn is the next tick.
        port.mix = 0
        port.mix_changes = int(port.next_mix != 0)


@compiled
def _names(words: Any, count: Any, word: Any) -> Any:
    for index in range(count):
        if words[index] == word:
            return 1
    return 0


@compiled
def _fade(sound: Any, size: Any, is_in: Any) -> None:
    for index in range(size):
        share = index + 1 if is_in else size - 1 - index
        sound[index] = sound[index] * share // size


@compiled
def _whisper(state: State, port: Record, word: Any, size: Any, begins: Any, ends: Any) -> None:
    """What one member says, for one other. begins, ends: 1 full, 0 silent, of the frame's two ends."""
    listener = state.ports[word & (1 << SLOT_BITS) - 1]
    if listener.state != LIVE or listener.generation != word >> SLOT_BITS or listener.slot == port.slot:
        return
    if listener.hears != HEARS_MIX or listener.source + 1 != port.mix:
        return
    tick = state.engine[0].tick_position
    if listener.whispered_at != tick:
        listener.whispered_at = tick
        for index in range(WIDE * FRAME):
            listener.whispered[index] = 0
    for index in range(size):
        share = begins * (size - 1 - index) + ends * (index + 1)
        listener.whispered[index] = clipped(listener.whispered[index] + port.mix_frame[index] * share // size)


@compiled
def take_frame(engine: Record, port: Record, mix: Record, number: Any) -> None:
    """What the port hears of mix `number` this tick, into engine.frame: all but itself."""
    size = FRAME * mix.scale
    if mix.state != LIVE:
        for index in range(size):
            engine.frame[index] = 0
        return
    if port.mixed_into == number + 1 and port.mixed_at == engine.tick_position:
        _all_but(engine.frame, mix.total, port.mix_frame, size)
    else:
        _all(engine.frame, mix.total, size)
    if port.whispered_at == engine.tick_position:
        for index in range(size):
            engine.frame[index] = clipped(engine.frame[index] + port.whispered[index])


@compiled
def take_all(engine: Record, mix: Record) -> None:
    """All of this tick into engine.frame; nothing in a tick that was too late to send anything."""
    size = FRAME * mix.scale
    if mix.total_at == engine.tick_position:
        _all(engine.frame, mix.total, size)
    else:
        for index in range(size):
            engine.frame[index] = 0


@compiled
def _all_but(out: Any, total: Any, own: Any, size: Any) -> None:
    for index in range(size):
        out[index] = clipped(total[index] - own[index])


@compiled
def _all(out: Any, total: Any, size: Any) -> None:
    for index in range(size):
        out[index] = clipped(total[index])
