"""Recordings: every tick one frame of each, cut on the engine's clock, RECORD_DELAY behind it.

Decides which taps sound at a position (a tap has a beginning and an end, so that a change has no gap), and hands the
PCM over in blocks. A block is the reader's until it comes back; a recording whose reader holds too many loses whole
frames, which the next block tells, so that its time stays right.
"""

from typing import Any

from media.kernel import resample, said
from media.kernel.compiled import compiled
from media.kernel.concealment import FADED
from media.kernel.jitter import open_ring
from media.kernel.layout import (
    BLOCK_FRAMES,
    BLOCK_SAMPLES,
    BLOCKS_PER_RECORDING,
    FRAME,
    FREE,
    HEARD_READER,
    HEARD_TAP,
    LIVE,
    MAX_TAPS,
    MIX_READER,
    MIX_TAP,
    READY_BATCH,
    READY_WORDS,
    RECEIVED_READER,
    RECORD_DELAY,
    RECORDING_OVER,
    RING,
    Record,
    State,
)
from media.kernel.libc import write
from media.kernel.resample import clipped

FOREVER = 1 << 62


@compiled
def use_received(port: Record, by: Any) -> None:
    """Somebody more (or one less) wants the port's sound decoded."""
    if port.received_users == 0:
        open_ring(port.received, port.scale)
        port.gap[RECEIVED_READER] = FADED * port.scale
        port.gap[MIX_READER] = FADED * port.scale
    port.received_users += by


@compiled
def use_heard(port: Record, by: Any) -> None:
    if port.heard_users == 0:
        open_ring(port.heard, port.scale)
        port.gap[HEARD_READER] = FADED * port.scale
    port.heard_users += by


@compiled
def _use(state: State, recording: Record, tap: Any, by: Any) -> None:
    """A tap begins (or ends) to want what it reads."""
    slot, kind = recording.tap_slot[tap], recording.tap_kind[tap]
    if kind == MIX_TAP:
        said.use(state.engine[0], state.mixes[slot], recording.scale, by)
    elif kind == HEARD_TAP:
        use_heard(state.ports[slot], by)
    else:
        use_received(state.ports[slot], by)


@compiled
def begin(state: State, number: Any, channels: Any, scale: Any) -> None:
    engine, recording = state.engine[0], state.recordings[number]
    recording.state = LIVE
    recording.channels = channels
    recording.scale = scale
    recording.position = engine.tick_position
    recording.end_position = FOREVER
    recording.skip_from = FOREVER
    recording.skip_to = FOREVER
    recording.block = -1
    state.live_recordings[engine.recording_count] = number
    engine.recording_count += 1


@compiled
def retap(state: State, number: Any, taps: Any, count: Any) -> None:
    """From now on these taps instead of those before. taps: words of slot (or mix) << 8 | channel << 2 | kind."""
    engine, recording = state.engine[0], state.recordings[number]
    now = engine.tick_position
    for index in range(recording.taps):
        recording.tap_to[index] = min(recording.tap_to[index], now)
    if recording.taps + count > MAX_TAPS:
        # Changed many times within the delay of recorders: the oldest give way.
        _drop_taps(state, recording, FOREVER)
    for index in range(count):
        slot, kind = taps[index] >> 8, taps[index] & 3
        if (state.mixes[slot].state if kind == MIX_TAP else state.ports[slot].state) != LIVE:
            continue
        at = recording.taps
        recording.tap_slot[at] = slot
        recording.tap_channel[at] = taps[index] >> 2 & 63
        recording.tap_kind[at] = kind
        recording.tap_from[at] = now
        recording.tap_to[at] = FOREVER
        recording.taps += 1
        _use(state, recording, at, 1)


@compiled
def _drop_taps(state: State, recording: Record, position: Any) -> None:
    """Forgets the taps that ended at `position` or before."""
    kept = 0
    for index in range(recording.taps):
        if recording.tap_to[index] <= position and recording.tap_to[index] != FOREVER:
            _use(state, recording, index, -1)
            continue
        recording.tap_slot[kept] = recording.tap_slot[index]
        recording.tap_channel[kept] = recording.tap_channel[index]
        recording.tap_kind[kept] = recording.tap_kind[index]
        recording.tap_from[kept] = recording.tap_from[index]
        recording.tap_to[kept] = recording.tap_to[index]
        kept += 1
    recording.taps = kept


@compiled
def end_taps_on(state: State, slot: Any, is_mix: Any) -> None:
    """A port (or mix) closes: it is silence in every recording from here on."""
    engine = state.engine[0]
    for index in range(engine.recording_count):
        recording = state.recordings[state.live_recordings[index]]
        for tap in range(recording.taps):
            if recording.tap_slot[tap] == slot and (recording.tap_kind[tap] == MIX_TAP) == is_mix:
                recording.tap_to[tap] = min(recording.tap_to[tap], engine.tick_position)


@compiled
def stop(state: State, number: Any) -> None:
    """The recording ends with what is heard now; it is over when that has been cut."""
    recording = state.recordings[number]
    if recording.end_position == FOREVER:
        recording.end_position = state.engine[0].tick_position
        for index in range(recording.taps):
            recording.tap_to[index] = min(recording.tap_to[index], recording.end_position)


@compiled
def skip(state: State, number: Any, is_on: Any) -> None:
    """From now on nothing goes into the file, or again what is heard from now on.

    A stretch that is on again before recorders reached its end goes on being skipped: there is one at a time.
    """
    recording, now = state.recordings[number], state.engine[0].tick_position
    if not is_on:
        recording.skip_to = min(recording.skip_to, now)
    elif recording.skip_to <= recording.position or recording.skip_from == FOREVER:
        recording.skip_from, recording.skip_to = now, FOREVER
    else:
        recording.skip_to = FOREVER


@compiled
def cut_all(state: State) -> None:
    """Every tick: the frame that is now RECORD_DELAY old, of every recording."""
    engine = state.engine[0]
    position = engine.tick_position - RECORD_DELAY - FRAME
    said.gather(state, position)
    index = 0
    while index < engine.recording_count:
        number = state.live_recordings[index]
        recording = state.recordings[number]
        if recording.position <= position and recording.position < recording.end_position:
            _cut(state, number, recording)
        if recording.position >= recording.end_position and _finish(state, number, recording):
            engine.recording_count -= 1
            state.live_recordings[index] = state.live_recordings[engine.recording_count]
        else:
            index += 1


@compiled
def _cut(state: State, number: Any, recording: Record) -> None:
    if recording.skip_from <= recording.position and recording.position < recording.skip_to:
        pass
    elif _has_block(state, number, recording):
        for channel in range(recording.channels):
            _cut_channel(state, recording, channel)
        recording.filled += FRAME * recording.scale
        if recording.filled + FRAME * recording.scale > min(BLOCK_FRAMES, BLOCK_SAMPLES // recording.channels):
            _hand_over(state, number, recording)
    else:
        recording.lost += FRAME * recording.scale
        recording.lost_frames += FRAME * recording.scale
    recording.position += FRAME
    _drop_taps(state, recording, recording.position)


@compiled
def _cut_channel(state: State, recording: Record, channel: Any) -> None:
    """Adds up the channel's taps; frames of a channel lie `channels` samples apart."""
    samples, channels = state.blocks[recording.block], recording.channels
    start = recording.filled * channels + channel
    position = recording.position
    is_first = True
    size = FRAME * recording.scale
    for tap in range(recording.taps):
        is_due = recording.tap_from[tap] <= position and position < recording.tap_to[tap]
        if not is_due or recording.tap_channel[tap] != channel:
            continue
        if recording.tap_kind[tap] == MIX_TAP:
            mix = state.mixes[recording.tap_slot[tap]]
            if recording.scale == 1:
                _add(samples, start, channels, mix.said_narrow, 0, size, is_first)
            else:
                _add(samples, start, channels, mix.said_wide, 0, size, is_first)
            is_first = False
            continue
        port = state.ports[recording.tap_slot[tap]]
        ring = port.heard if recording.tap_kind[tap] == HEARD_TAP else port.received
        if port.scale == recording.scale:
            _add(samples, start, channels, ring, position % RING * port.scale, size, is_first)
        else:
            resample.ring_frame(state.engine[0], ring, port.scale, position)
            _add(samples, start, channels, state.engine[0].resampled, 0, size, is_first)
        is_first = False
    if is_first:
        for index in range(size):
            samples[start + index * channels] = 0


@compiled
def _add(samples: Any, start: Any, channels: Any, sound: Any, read_from: Any, size: Any, is_first: Any) -> None:
    if is_first:
        for index in range(size):
            samples[start + index * channels] = clipped(sound[read_from + index])
    else:
        for index in range(size):
            at = start + index * channels
            samples[at] = clipped(samples[at] + sound[read_from + index])


@compiled
def _has_block(state: State, number: Any, recording: Record) -> Any:
    """Whether the next frame has room. A full block that could not be handed over is tried again."""
    engine = state.engine[0]
    if recording.block >= 0:
        if recording.filled + FRAME * recording.scale <= min(BLOCK_FRAMES, BLOCK_SAMPLES // recording.channels):
            return True
        if not _hand_over(state, number, recording):
            return False
    if recording.held_blocks >= BLOCKS_PER_RECORDING or engine.free_block_count == 0:
        return False
    engine.free_block_count -= 1
    recording.block = state.free_blocks[engine.free_block_count]
    recording.held_blocks += 1
    recording.filled = 0
    return True


@compiled
def _announce(engine: Record, number: Any, block: Any, frames: Any, lost: Any) -> Any:
    if engine.ready_count == READY_BATCH and not flush(engine):
        return False
    row = engine.ready[engine.ready_count]
    row[0], row[1], row[2], row[3] = number, block, frames, lost
    engine.ready_count += 1
    return True


@compiled
def _hand_over(state: State, number: Any, recording: Record) -> Any:
    if not _announce(state.engine[0], number, recording.block, recording.filled, recording.lost):
        return False
    recording.block = -1
    recording.lost = 0
    return True


@compiled
def _finish(state: State, number: Any, recording: Record) -> Any:
    if recording.block >= 0 and recording.filled > 0 and not _hand_over(state, number, recording):
        return False
    if not _announce(state.engine[0], number, RECORDING_OVER, 0, recording.lost):
        return False
    if recording.block >= 0:
        return_block(state, number, recording.block)
    _drop_taps(state, recording, FOREVER)
    recording.state = FREE
    return True


@compiled
def return_block(state: State, number: Any, block: Any) -> None:
    """The reader has copied it."""
    engine = state.engine[0]
    state.recordings[number].held_blocks -= 1
    state.free_blocks[engine.free_block_count] = block
    engine.free_block_count += 1


@compiled
def flush(engine: Record) -> Any:
    """Tells the reader of all blocks ready, in one write; False when its pipe is full."""
    size = engine.ready_count * READY_WORDS * 8
    if size > 0:
        if write(engine.ready_fd, engine.ready_address, size) != size:
            return False
        engine.ready_count = 0
    return True
