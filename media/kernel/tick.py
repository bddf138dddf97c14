"""The 20 ms rhythm: what is made here goes out, recorders and listeners get their frame, what is overdue is told.

One tick stands at engine.tick_position. A tick that comes much too late (the process was stopped) sends nothing, but
recordings go on: their time is the wall's.
"""

from typing import Any

from media.kernel import (
    clips,
    commands,
    digits,
    feed,
    handback,
    intake,
    jitter,
    listen,
    mix,
    record,
    rtcp,
    said,
    send,
    tones,
)
from media.kernel.compiled import compiled
from media.kernel.concealment import conceal
from media.kernel.events import post
from media.kernel.layout import (
    AHEAD,
    CLOSING,
    DRAINING,
    FRAME,
    FREE,
    HEARD_READER,
    HEARS_FEED,
    HEARS_MIX,
    HEARS_PCM,
    HEARS_PORT,
    HEARS_SILENCE,
    LATENESS_BINS,
    LIVE,
    RECEIVED_READER,
    RECORD_DELAY,
    RING,
    SILENCE,
    SOUND_OVER,
    TICK_NS,
    Record,
    State,
)
from media.kernel.libc import NS_PER_S, sample_at

MAX_LATE_NS = 5 * TICK_NS
QUIET_SPEAKER_NS = NS_PER_S
"""A phone whose bridged party sends nothing for this long gets silence, so that nothing on its way forgets the call."""
FLUSH_TICKS = 5
KEEP_TICKS = 8
"""Each port is looked after every 160 ms: what is overdue may be told that much later."""


@compiled
def tick(state: State, late_ns: Any) -> None:
    engine = state.engine[0]
    engine.tick_position += FRAME
    engine.ticks += 1
    engine.lateness[min(late_ns // 100_000, LATENESS_BINS - 1)] += 1
    _keep_ports(state)
    _keep_mixes(state)
    if late_ns < MAX_LATE_NS:
        _mix(state)
        _produce(state)
    listen.take_all(state)
    feed.keep_all(state)
    record.cut_all(state)
    if engine.ticks % FLUSH_TICKS == 0 or engine.recording_count == 0:
        record.flush(engine)


@compiled
def _keep_ports(state: State) -> None:
    engine = state.engine[0]
    index = 0
    while index < engine.live_count:
        port = state.ports[state.live[index]]
        _keep_rings(engine, port)
        if port.state == LIVE:
            if (engine.ticks + port.slot) % KEEP_TICKS == 0:
                _keep_live(state, port)
        elif port.state == CLOSING:
            commands.let_go(engine, port)
        elif port.state == DRAINING and commands.free_if_drained(state, index):
            continue
        index += 1


@compiled
def _keep_rings(engine: Record, port: Record) -> None:
    """Makes whole what recorders read this tick, and room for what comes."""
    position = engine.tick_position - RECORD_DELAY - FRAME
    oldest = engine.tick_position + AHEAD - FRAME - RING
    if port.received_users > 0:
        made_up = conceal(port.received, port.scale, position, port.gap, port.period, RECEIVED_READER)
        port.concealed += made_up > 0
        jitter.forget_frame(port.received, port.scale, oldest)
    if port.heard_users > 0:
        conceal(port.heard, port.scale, position, port.gap, port.period, HEARD_READER)
        jitter.forget_frame(port.heard, port.scale, oldest)
    if port.keeps_said and said.is_past(engine, port):
        port.keeps_said = 0
        record.use_received(port, -1)


@compiled
def _keep_mixes(state: State) -> None:
    engine = state.engine[0]
    for number in range(engine.mix_count):
        group = state.mixes[number]
        if group.state == CLOSING:
            mix.let_go(engine, group, number)
        if group.narrow_users + group.wide_users > 0:
            clips.forget(engine, group)
    while engine.mix_count > 0 and state.mixes[engine.mix_count - 1].state == FREE:
        engine.mix_count -= 1


@compiled
def _keep_live(state: State, port: Record) -> None:
    engine = state.engine[0]
    if port.shares_socket:
        handback.refill(port, KEEP_TICKS)
    commands.tell_transport(engine, port)
    ended = digits.watch_events(engine, port, KEEP_TICKS)
    if ended >= 0:
        intake.sound_digit(state, port, ended)
    if engine.now_ns >= port.rtcp_due_ns:
        rtcp.report(engine, port, False)
        rtcp.schedule(engine, port, rtcp.INTERVAL_NS)
    _watch(engine, port)


@compiled
def _watch(engine: Record, port: Record) -> None:
    limit_ns = port.watch_silence_ns if port.has_packets else port.watch_first_ns
    since_ns = max(port.watch_since_ns, port.last_packet_ns)
    if limit_ns > 0 and engine.now_ns - since_ns > limit_ns:
        port.watch_first_ns = 0
        port.watch_silence_ns = 0
        post(engine, SILENCE, port.slot, port.generation, 0, 0)


@compiled
def _mix(state: State) -> None:
    engine = state.engine[0]
    if engine.mix_count == 0:
        return
    for number in range(engine.mix_count):
        state.mixes[number].scale = 1
    for index in range(engine.live_count):
        port = state.ports[state.live[index]]
        if port.state == LIVE:
            if port.mix == 0 and port.mix_changes:
                _enter(engine, port)
            if port.mix:
                state.mixes[port.mix - 1].scale = max(state.mixes[port.mix - 1].scale, port.scale)
    for number in range(engine.mix_count):
        if state.mixes[number].state == LIVE:
            clips.begin_total(engine, state.mixes[number], number)
    for index in range(engine.live_count):
        port = state.ports[state.live[index]]
        if port.state == LIVE and port.mix:
            mix.take_turn(state, port)


@compiled
def _enter(engine: Record, port: Record) -> None:
    """The port's sound is wanted from this tick on, and for the recorders of the mix some more after it has left."""
    if port.keeps_said == 0:
        port.keeps_said = 1
        record.use_received(port, 1)
    mix.enter(engine, port)


@compiled
def _produce(state: State) -> None:
    engine = state.engine[0]
    for index in range(engine.live_count):
        port = state.ports[state.live[index]]
        if port.state != LIVE:
            continue
        if port.detects_tones:
            tones.listen(engine, port)
        last_sent_ns = port.last_sent_ns
        is_fill = not digits.send_digits(engine, port) and _choose_frame(state, port)
        if engine.frame_scale:
            send.send_frame(engine, port, engine.frame_scale)
            engine.frame_scale = 0
        if is_fill:
            # Silence in a bridge is not taken for something sent.
            port.talk_resumes = 1
            port.last_sent_ns = last_sent_ns


@compiled
def _choose_frame(state: State, port: Record) -> Any:
    """Gives what the port hears now; says whether that is only silence in place of a party that sends nothing."""
    engine = state.engine[0]
    if port.hears == HEARS_SILENCE:
        send.send_silence(engine, port)
    elif port.hears == HEARS_PCM:
        _play(engine, port)
    elif port.hears == HEARS_MIX:
        mix.take_frame(engine, port, state.mixes[port.source], port.source)
        send.give_frame(engine, state.mixes[port.source].scale)
    elif port.hears == HEARS_FEED:
        feed.take_frame(engine, state.feeds[port.source])
        send.give_frame(engine, 1)
    elif port.hears == HEARS_PORT and _transcodes(state, port):
        _transcode(engine, state.ports[port.source])
    elif port.hears == HEARS_PORT and engine.now_ns - port.last_sent_ns > QUIET_SPEAKER_NS and send.can_send(port):
        send.send_silence(engine, port)
        return True
    return False


@compiled
def _transcodes(state: State, port: Record) -> Any:
    """Whether the port hears its speaker through this rhythm, because it cannot have the packets as they are."""
    speaker = state.ports[port.source]
    wanted = not send.can_relay(speaker.codec, port.codec)
    if wanted and not port.transcodes:
        record.use_received(speaker, 1)
        mix.begin_reading(state.engine[0], speaker)
        port.transcodes = 1
    elif port.transcodes and not wanted:
        record.use_received(speaker, -1)
        port.transcodes = 0
    return wanted


@compiled
def _transcode(engine: Record, speaker: Record) -> None:
    mix.speak(engine, speaker)
    for index in range(FRAME * speaker.scale):
        engine.frame[index] = speaker.spoken[index]
    send.give_frame(engine, speaker.scale)


@compiled
def _play(engine: Record, port: Record) -> None:
    """The next frame of the sound; what follows its last loop is silence. sound_loops 0: without end."""
    frame = engine.frame
    position = port.sound_position
    for index in range(FRAME * port.sound_scale):
        if position >= port.sound_length:
            if port.sound_loops == 1:
                frame[index] = 0
                continue
            port.sound_loops -= port.sound_loops > 1
            position = 0
        frame[index] = sample_at(port.source, position)
        position += 1
    port.sound_position = position
    send.give_frame(engine, port.sound_scale)
    if position >= port.sound_length and port.sound_loops == 1:
        post(engine, SOUND_OVER, port.slot, port.generation, port.sound_serial, 1)
        port.sound_serial = 0
        port.hears = HEARS_SILENCE
