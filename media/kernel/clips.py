"""Clips played into a mix: everybody in it hears them beside the others.

Several may overlap, MAX_MIX_SOUNDS at most; one more is over before it began. A clip is at RATE_HZ; it is brought to
the mix's scale together with the others. Its memory is the loop's: MIX_SOUND_OVER says that it is not read any more,
and so does MIX_CLOSED for all that were left.
"""

from typing import Any

from media.kernel import resample
from media.kernel.compiled import compiled
from media.kernel.events import post
from media.kernel.layout import FRAME, LIVE, MAX_MIX_SOUNDS, MIX_SOUND_OVER, RING, Record
from media.kernel.libc import sample_at
from media.kernel.resample import REACH, clipped

FADES, DONE = -1, -2
"""Instead of the loops left: told to stop, and over but for being told."""


@compiled
def play(engine: Record, mix: Record, words: Any) -> None:
    """words: PCM's address, samples, loops (0 without end) and serial, from the third on."""
    number, serial = words[1], words[5]
    if mix.state != LIVE:
        return
    for index in range(MAX_MIX_SOUNDS):
        if mix.sound_serial[index] == 0:
            mix.sound_address[index] = words[2]
            mix.sound_length[index] = words[3]
            mix.sound_loops[index] = words[4]
            mix.sound_serial[index] = serial
            mix.sound_position[index] = 0
            mix.sounds += 1
            engine.mix_sounds += 1
            return
    post(engine, MIX_SOUND_OVER, number, 0, serial, 0)


@compiled
def stop(mix: Record, serial: Any) -> None:
    for index in range(MAX_MIX_SOUNDS):
        if mix.sound_serial[index] == serial and mix.sound_loops[index] >= 0:
            mix.sound_loops[index] = FADES


@compiled
def stop_all(engine: Record, mix: Record) -> None:
    engine.mix_sounds -= mix.sounds
    mix.sounds = 0
    for index in range(MAX_MIX_SOUNDS):
        mix.sound_serial[index] = 0


@compiled
def forget(engine: Record, mix: Record) -> None:
    """What recorders will read of this tick is silence until a clip sounds in it."""
    start = (engine.tick_position - FRAME) % RING
    for index in range(start, start + FRAME):
        mix.clips[index] = 0


@compiled
def begin_total(engine: Record, mix: Record, number: Any) -> None:
    """A tick of the mix begins with what is played into it."""
    total, size = mix.total, FRAME * mix.scale
    mix.total_at = engine.tick_position
    for index in range(size):
        total[index] = 0
    if mix.sounds == 0 and mix.sounds_on == 0:
        return
    _play(engine, mix, number)
    if mix.scale == 1:
        for index in range(FRAME):
            total[index] = mix.played[index]
        for index in range(2 * REACH):
            mix.played_before[index] = mix.played[FRAME - 2 * REACH + index]
    else:
        resample.widen(engine, mix.played, mix.played_before, engine.resampled)
        for index in range(size):
            total[index] = engine.resampled[index]
    if mix.narrow_users + mix.wide_users > 0:
        start = (engine.tick_position - FRAME) % RING
        for index in range(FRAME):
            mix.clips[start + index] = mix.played[index]


@compiled
def _play(engine: Record, mix: Record, number: Any) -> None:
    """This tick of all clips into mix.played; one more tick after the last, for the filter between scales."""
    mix.sounds_on = int(mix.sounds > 0)
    for index in range(FRAME):
        engine.sum[index] = 0
    for index in range(MAX_MIX_SOUNDS):
        if mix.sound_serial[index]:
            _add(engine, mix, index, number)
    for index in range(FRAME):
        mix.played[index] = clipped(engine.sum[index])


@compiled
def _add(engine: Record, mix: Record, sound: Any, number: Any) -> None:
    position, length, loops = mix.sound_position[sound], mix.sound_length[sound], mix.sound_loops[sound]
    address = mix.sound_address[sound]
    for index in range(FRAME):
        if position >= length:
            if loops == 1 or loops < 0:
                break
            loops -= loops > 1
            position = 0
        share = FRAME - 1 - index if loops == FADES else FRAME
        if loops != DONE:
            engine.sum[index] += sample_at(address, position) * share // FRAME
        position += 1
    mix.sound_position[sound], mix.sound_loops[sound] = position, loops
    if loops < 0 or (position >= length and loops == 1):
        mix.sound_loops[sound] = DONE
        if post(engine, MIX_SOUND_OVER, number, 0, mix.sound_serial[sound], 0):
            mix.sound_serial[sound] = 0
            mix.sounds -= 1
            engine.mix_sounds -= 1
