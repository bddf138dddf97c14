"""What recorders read of a mix: all that was said in it and played into it, RECORD_DELAY ago.

Recorders read later than the members hear each other, and every member at its own delay; so the sum is made anew from
what each received, as it stands in its place in time: a recording of a mix and one of a member agree to the sample.
For that a port remembers into which mixes it spoke, and keeps its sound a while after it has left.
"""

from typing import Any

from media.kernel import resample
from media.kernel.compiled import compiled
from media.kernel.layout import FRAME, RECORD_DELAY, RING, SAID_SPANS, WIDE, Record, State


@compiled
def use(engine: Record, mix: Record, scale: Any, by: Any) -> None:
    """A recording at `scale` begins (or ends) to read the mix."""
    users = mix.narrow_users + mix.wide_users
    if users == 0:
        for index in range(RING):
            mix.clips[index] = 0
    if scale == 1:
        mix.narrow_users += by
    else:
        mix.wide_users += by
    engine.recorded_mixes += int(users + by > 0) - int(users > 0)


@compiled
def note(port: Record, mix: Record, position: Any) -> None:
    """From `position` on the port speaks into this mix: number + 1, 0 none. The oldest of many changes is forgotten."""
    if port.said_mix[0] == mix:
        return
    for index in range(SAID_SPANS - 1, 0, -1):
        port.said_mix[index] = port.said_mix[index - 1]
        port.said_from[index] = port.said_from[index - 1]
    port.said_mix[0] = mix
    port.said_from[0] = max(position, port.said_from[1])


@compiled
def _into(port: Record, position: Any) -> Any:
    """Which mix it spoke into at a position, as in note()."""
    for index in range(SAID_SPANS):
        if port.said_from[index] <= position:
            return port.said_mix[index]
    return 0


@compiled
def is_past(engine: Record, port: Record) -> Any:
    """Whether nothing that the port said in a mix is of use any more."""
    last = engine.tick_position - RECORD_DELAY - 2 * FRAME
    return port.mix == 0 and port.mix_changes == 0 and last >= port.said_from[0]


@compiled
def gather(state: State, position: Any) -> None:
    """The frame that begins at `position`, of every mix that is recorded, into its said_narrow and said_wide."""
    engine = state.engine[0]
    if engine.recorded_mixes == 0:
        return
    for number in range(engine.mix_count):
        _begin(engine, state.mixes[number], position)
    for index in range(engine.live_count):
        port = state.ports[state.live[index]]
        if port.keeps_said:
            before, now = _into(port, position - FRAME), _into(port, position)
            if before > 0 and before != now:
                _add(engine, port, state.mixes[before - 1], position, 1, 0)
            if now > 0:
                _add(engine, port, state.mixes[now - 1], position, int(before == now), 1)


@compiled
def _begin(engine: Record, mix: Record, position: Any) -> None:
    if mix.narrow_users > 0:
        start = position % RING
        for index in range(FRAME):
            mix.said_narrow[index] = mix.clips[start + index]
    if mix.wide_users > 0:
        resample.ring_frame(engine, mix.clips, 1, position)
        for index in range(WIDE * FRAME):
            mix.said_wide[index] = engine.resampled[index]


@compiled
def _add(engine: Record, port: Record, mix: Record, position: Any, begins: Any, ends: Any) -> None:
    """begins, ends: 1 full, 0 silent, of the frame's two ends."""
    if mix.narrow_users > 0:
        _add_at(engine, port, mix.said_narrow, 1, position, begins, ends)
    if mix.wide_users > 0:
        _add_at(engine, port, mix.said_wide, WIDE, position, begins, ends)


@compiled
def _add_at(engine: Record, port: Record, total: Any, scale: Any, position: Any, begins: Any, ends: Any) -> None:
    if port.scale == scale:
        _sum(total, port.received, position % RING * scale, FRAME * scale, begins, ends)
    else:
        resample.ring_frame(engine, port.received, port.scale, position)
        _sum(total, engine.resampled, 0, FRAME * scale, begins, ends)


@compiled
def _sum(total: Any, sound: Any, read_from: Any, size: Any, begins: Any, ends: Any) -> None:
    if begins and ends:
        for index in range(size):
            total[index] += sound[read_from + index]
    else:
        for index in range(size):
            share = begins * (size - 1 - index) + ends * (index + 1)
            total[index] += sound[read_from + index] * share // size
