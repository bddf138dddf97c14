"""Listenings: every tick one frame at 8 kHz of what a port receives or hears, or of a mix, for the loop to read.

Decides how far behind the clock that is: what a phone says is read as a mix reads it, at the delay that follows the
jitter; what is made here is there at once; what is relayed to a phone waits as its speaker's sound does. A frame lies
where its position says, so the loop need not be asked before one is overwritten, and one event a tick tells how far all
of them are.
"""

from typing import Any

from media.kernel import mix, resample
from media.kernel.compiled import compiled
from media.kernel.concealment import conceal
from media.kernel.events import post
from media.kernel.jitter import wanted_delay
from media.kernel.layout import (
    CLOSING,
    FRAME,
    FRAMES_READY,
    FREE,
    HEARD_TAP,
    HEARS_PORT,
    HISTORY_SAMPLES,
    LISTEN_FRAMES,
    LISTENING_OVER,
    LIVE,
    MISSING,
    MIX_TAP,
    RECEIVED_TAP,
    RING,
    Record,
    State,
)
from media.kernel.record import use_heard, use_received


@compiled
def begin(state: State, number: Any, slot: Any, kind: Any) -> None:
    """Of a port or mix that is not there any more there is nothing to listen to: it is over at once."""
    engine, listening = state.engine[0], state.listenings[number]
    state.live_listenings[engine.listening_count] = number
    engine.listening_count += 1
    listening.slot, listening.kind = slot, kind
    listening.end_position = engine.tick_position
    if (state.mixes[slot].state if kind == MIX_TAP else state.ports[slot].state) != LIVE:
        listening.state = CLOSING
        return
    listening.state = LIVE
    if kind == HEARD_TAP:
        use_heard(state.ports[slot], 1)
        listening.delay = _heard_delay(state, state.ports[slot])
    elif kind == RECEIVED_TAP:
        mix.begin_reading(engine, state.ports[slot])
        use_received(state.ports[slot], 1)
        state.ports[slot].received_listenings += 1
    listening.begin_position = engine.tick_position


@compiled
def end(state: State, number: Any) -> None:
    """With the last tick's frame. The loop is told in the next tick, or when it can be told."""
    listening = state.listenings[number]
    if listening.state != LIVE:
        return
    if listening.kind == HEARD_TAP:
        use_heard(state.ports[listening.slot], -1)
    elif listening.kind == RECEIVED_TAP:
        use_received(state.ports[listening.slot], -1)
        state.ports[listening.slot].received_listenings -= 1
    listening.end_position = state.engine[0].tick_position
    listening.state = CLOSING


@compiled
def end_all_on(state: State, slot: Any, is_mix: Any) -> None:
    """A port (or mix) closes."""
    engine = state.engine[0]
    for index in range(engine.listening_count):
        number = state.live_listenings[index]
        if state.listenings[number].slot == slot and (state.listenings[number].kind == MIX_TAP) == is_mix:
            end(state, number)


@compiled
def take_all(state: State) -> None:
    """Every tick, behind what it has sent: a frame for each, and the loop told of all at once."""
    engine = state.engine[0]
    if engine.listening_count == 0:
        return
    has_frames = False
    index = 0
    while index < engine.listening_count:
        number = state.live_listenings[index]
        listening = state.listenings[number]
        if listening.state == LIVE:
            _take(state, listening, state.listened[number])
            has_frames = True
        elif post(engine, LISTENING_OVER, 0, 0, number, listening.end_position):
            listening.state = FREE
            engine.listening_count -= 1
            state.live_listenings[index] = state.live_listenings[engine.listening_count]
            continue
        index += 1
    if has_frames:
        post(engine, FRAMES_READY, 0, 0, engine.tick_position, 0)


@compiled
def _take(state: State, listening: Record, frames: Any) -> None:
    engine = state.engine[0]
    frame = frames[(engine.tick_position // FRAME - 1) % LISTEN_FRAMES]
    if listening.kind == MIX_TAP:
        group = state.mixes[listening.slot]
        mix.take_all(engine, group)
        _give(engine, listening, group.scale, engine.frame, frame)
        return
    port = state.ports[listening.slot]
    if listening.kind == HEARD_TAP:
        _read_heard(state, listening, port)
        _give(engine, listening, port.scale, engine.frame, frame)
    else:
        mix.speak(engine, port)
        _give(engine, listening, port.scale, port.spoken, frame)


@compiled
def _give(engine: Record, listening: Record, scale: Any, sound: Any, frame: Any) -> None:
    if scale != listening.scale:
        listening.scale = scale
        for index in range(HISTORY_SAMPLES):
            listening.history[index] = 0
    if scale == 1:
        for index in range(FRAME):
            frame[index] = sound[index]
    else:
        resample.narrow(engine, sound, listening.history, frame)


@compiled
def _heard_delay(state: State, port: Record) -> Any:
    """Packets that are relayed stand in the ring where their speaker's clock has them: the last are on their way."""
    if port.hears == HEARS_PORT and port.transcodes == 0:
        return wanted_delay(state.ports[port.source])
    return 0


@compiled
def _read_heard(state: State, listening: Record, port: Record) -> None:
    """What the phone hears, into engine.frame. When something else is heard, the delay changes within the frame."""
    engine = state.engine[0]
    size, count = RING * port.scale, FRAME * port.scale
    start = engine.tick_position - FRAME - listening.delay
    conceal(port.heard, port.scale, start, listening.gap, listening.period, 0)
    for index in range(count):
        engine.frame[index] = port.heard[(start * port.scale + index) % size]
    longer = _heard_delay(state, port) - listening.delay
    if abs(longer) <= mix.DEAD_BAND:
        return
    listening.delay += longer
    read_from = (start - longer) * port.scale
    for index in range(count):
        sample = port.heard[(read_from + index) % size]
        if sample != MISSING:
            engine.frame[index] = (sample * (index + 1) + engine.frame[index] * (count - index - 1)) // count
