"""What the event loop asks for, carried out on the media thread.

Each command is COMMAND_WORDS words: what, slot (or number), and its arguments in the order they are read here. The
other side of this file is media/thread.py. A command for a slot that is not LIVE any more does nothing.
"""

from typing import Any

from media.kernel import clips, digits, feed, g711, g722, handback, listen, mix, record, rtcp, sockets, source, tones
from media.kernel.compiled import compiled
from media.kernel.concealment import FADED
from media.kernel.events import post
from media.kernel.jitter import MAX_DELAY, open_ring
from media.kernel.layout import (
    CLOCK_48K,
    CLOSED,
    CLOSING,
    COMMAND_WORDS,
    DO_AWAIT_FEED,
    DO_CLEAR_FEED,
    DO_CLOSE,
    DO_CLOSE_FEED,
    DO_CLOSE_MIX,
    DO_CONNECT,
    DO_DETECT_TONES,
    DO_DIGITS,
    DO_FEED,
    DO_HEAR,
    DO_JOIN,
    DO_LIMIT_DELAY,
    DO_LISTEN,
    DO_OPEN,
    DO_OPEN_FEED,
    DO_OPEN_MIX,
    DO_PASS_VIDEO,
    DO_PLAY_IN_MIX,
    DO_RECORD,
    DO_RETAP,
    DO_RETURN_BLOCKS,
    DO_SKIP,
    DO_STOP,
    DO_STOP_DIGITS,
    DO_STOP_IN_MIX,
    DO_STOP_LISTENING,
    DO_STOP_RECORDING,
    DO_TRANSPORT,
    DO_WATCH,
    DRAINING,
    FRAME,
    FREE,
    FREED,
    HEARS_FEED,
    HEARS_MIX,
    HEARS_PORT,
    HEARS_SILENCE,
    HISTORY_SAMPLES,
    LIVE,
    SOUND_OVER,
    TRANSPORT_RETURNED,
    WIDE,
    Record,
    State,
)
from media.kernel.libc import read

COMMAND_BYTES = COMMAND_WORDS * 8


@compiled
def read_commands(state: State) -> None:
    """Takes all commands there are."""
    engine = state.engine[0]
    while True:
        size = read(engine.command_fd, engine.commands_address, COMMAND_BYTES * 64)
        for index in range(size // COMMAND_BYTES):
            _obey(state, engine.commands[index])
        if size < COMMAND_BYTES * 64:
            return


@compiled
def _obey(state: State, words: Any) -> None:
    engine = state.engine[0]
    what, slot = words[0], words[1]
    if what == DO_STOP:
        engine.stopping = 1
    elif what == DO_OPEN:
        _open(state, slot)
    elif what == DO_OPEN_MIX:
        mix.open_mix(engine, state.mixes[slot], slot)
    elif what == DO_CLOSE_MIX:
        _close_mix(state, slot)
    elif what == DO_PLAY_IN_MIX:
        clips.play(engine, state.mixes[slot], words)
    elif what == DO_STOP_IN_MIX:
        clips.stop(state.mixes[slot], words[2])
    elif what == DO_RECORD:
        record.begin(state, slot, words[2] & 255, words[2] >> 8)
        record.retap(state, slot, words[4:], words[3])
    elif what == DO_RETAP:
        record.retap(state, slot, words[4:], words[3])
    elif what == DO_STOP_RECORDING:
        record.stop(state, slot)
    elif what == DO_SKIP:
        record.skip(state, slot, words[2])
    elif what == DO_RETURN_BLOCKS:
        for index in range(slot):
            record.return_block(state, words[2 + index] >> 32, words[2 + index] & 0xFFFFFFFF)
    elif what == DO_LISTEN:
        listen.begin(state, slot, words[2], words[3])
    elif what == DO_STOP_LISTENING:
        listen.end(state, slot)
    elif what == DO_OPEN_FEED:
        feed.begin(state, slot)
    elif what == DO_FEED:
        feed.extend(state.feeds[slot], words[2], words[3], words[4])
    elif what == DO_CLEAR_FEED:
        state.feeds[slot].position = max(state.feeds[slot].position, words[2])
    elif what == DO_AWAIT_FEED:
        state.feeds[slot].mark = words[2]
    elif what == DO_CLOSE_FEED:
        _close_feed(state, slot)
    elif state.ports[slot].state == LIVE:
        _obey_port(state, state.ports[slot], words)


@compiled
def _obey_port(state: State, port: Record, words: Any) -> None:
    engine = state.engine[0]
    what, first = words[0], words[2]
    if what == DO_CONNECT:
        _connect(engine, port, words)
    elif what == DO_TRANSPORT:
        _take_transport(engine, port, words)
    elif what == DO_HEAR:
        hear(state, port, first, words[3])
        port.sound_length, port.sound_loops, port.sound_serial = words[4], words[5], words[6]
        port.sound_scale, port.sound_position = words[7], 0
    elif what == DO_JOIN:
        _join(state, port, words)
    elif what == DO_DIGITS:
        port.digits_serial = first
        for index in range(words[3]):
            digits.queue_digit(port, words[4 + (index >> 3)] >> 8 * (index & 7) & 255)
    elif what == DO_STOP_DIGITS:
        port.digits_count = 0
        port.pause_steps = 0
    elif what == DO_WATCH:
        port.watch_first_ns, port.watch_silence_ns = first, words[3]
        port.watch_since_ns = engine.now_ns
    elif what == DO_DETECT_TONES:
        _detect_tones(engine, port, first)
    elif what == DO_LIMIT_DELAY:
        port.most_delay = min(first, MAX_DELAY)
    elif what == DO_PASS_VIDEO:
        _pass_video(port, words)
    elif what == DO_CLOSE:
        _close(state, port)


@compiled
def _open(state: State, slot: Any) -> None:
    engine, port = state.engine[0], state.ports[slot]
    port.state = LIVE
    port.clock_factor = 1
    port.scale = 1
    port.send_digits_type = -1
    port.receive_digits_type = -1
    port.receive_type = -1
    port.packet_samples = FRAME
    port.last_packet_ns = engine.now_ns
    port.last_sent_ns = engine.now_ns
    port.talk_resumes = 1
    port.digit_budget = digits.DIGIT_BURST
    port.heard_by_count = mix.EVERYBODY
    port.most_delay = MAX_DELAY
    state.live[engine.live_count] = slot
    engine.live_count += 1
    port.direct_fd = sockets.NONE
    _take_in_from(engine, port)
    rtcp.schedule(engine, port, rtcp.INTERVAL_NS // 2)


@compiled
def _take_in_from(engine: Record, port: Record) -> None:
    """A port may have no socket yet, or RTP's alone."""
    if port.rtp_fd >= 0:
        sockets.poll(engine, port.rtp_fd, port.slot << 2 | sockets.SOUND)
    if port.rtcp_fd >= 0:
        sockets.poll(engine, port.rtcp_fd, port.slot << 2 | sockets.CONTROL)


@compiled
def _take_in_no_more(engine: Record, port: Record) -> None:
    if port.rtp_fd >= 0:
        sockets.poll_no_more(engine, port.rtp_fd)
    if port.rtcp_fd >= 0:
        sockets.poll_no_more(engine, port.rtcp_fd)


@compiled
def _take_transport(engine: Record, port: Record, words: Any) -> None:
    """Other sockets, other keys, or both, from the next packet on. What was before is the loop's again."""
    if words[2] != port.rtp_fd or words[3] != port.rtcp_fd:
        sockets.close_direct(port)
        _take_in_no_more(engine, port)
        port.rtp_fd, port.rtcp_fd = words[2], words[3]
        source.write_sockaddr(port.local_sockaddr, words[8])
        _take_in_from(engine, port)
    if words[4] != port.srtp_in:
        port.ssrc_count = 0
    port.srtp_in, port.srtp_out, port.shares_socket = words[4], words[5], words[6]
    port.own_handbacks, port.other_handbacks = handback.OWN_BURST, handback.OTHER_BURST
    if port.rtcp_fd < 0:
        port.rtcp_mux = 1
    # Posted until it got through, with CLOSED at the latest.
    port.transport_serial = words[7]
    tell_transport(engine, port)


@compiled
def tell_transport(engine: Record, port: Record) -> None:
    if port.transport_serial and post(engine, TRANSPORT_RETURNED, port.slot, port.generation, port.transport_serial, 0):
        port.transport_serial = 0


@compiled
def _connect(engine: Record, port: Record, words: Any) -> None:
    """Takes over what was agreed. A source learned for the same address stays until another is learned."""
    signalled, learn_host = words[2], words[13]
    was_learned = port.remote != port.signalled
    if signalled != port.signalled or learn_host != port.learn_host or not was_learned:
        if signalled != port.remote:
            sockets.close_direct(port)
        source.set_remote(port, signalled)
    port.signalled = signalled
    port.learn_host = learn_host
    port.source_is_fixed = 0
    port.candidate = 0
    source.set_rtcp_remote(port, words[3])
    _take_codec(engine, port, words[4])
    port.encoder, port.decoder = words[14], words[15]
    port.send_type, port.receive_type = words[5], words[6]
    port.send_digits_type, port.receive_digits_type = words[7], words[8]
    if port.receive_digits_type < 0:
        port.has_events = 0
    port.sends, port.receives, port.rtcp_mux = words[9], words[10], words[11]
    if port.packet_samples != words[12]:
        port.packet_samples = words[12]
        port.pending_samples = 0


@compiled
def _take_codec(engine: Record, port: Record, codec: Any) -> None:
    """Another codec may have another clock and another scale: what is counted in them begins anew."""
    if codec == port.codec:
        return
    port.codec = codec
    port.is_anchored = 0
    port.pending_samples = 0
    port.decoded_end = 0
    clock_factor = CLOCK_48K if codec == g711.OPUS else 1
    if clock_factor != port.clock_factor:
        port.clock_factor = clock_factor
        port.sent_base = port.sent_timestamp - engine.tick_position * clock_factor if port.has_sent else port.sent_base
        port.relayed_stream = 0
        port.has_stream = 0
    scale = WIDE if codec in (g711.G722, g711.OPUS) else 1
    if scale != port.scale:
        port.scale = scale
        for ring, is_used in ((port.received, port.received_users), (port.heard, port.heard_users)):
            if is_used:
                open_ring(ring, scale)
        for reader in range(len(port.gap)):
            port.gap[reader] = FADED * scale
    for index in range(HISTORY_SAMPLES):
        port.to_mix[index] = 0
        port.to_phone[index] = 0
    if codec == g711.G722:
        g722.begin(port.g722_in)
        g722.begin(port.g722_out)


@compiled
def hear(state: State, port: Record, kind: Any, heard: Any) -> None:
    """Points the port at another source. One that is not there is silence; the port itself is its phone's echo."""
    engine = state.engine[0]
    if port.hears == HEARS_PORT:
        _leave_speaker(state, port)
    if port.sound_serial:
        post(engine, SOUND_OVER, port.slot, port.generation, port.sound_serial, 0)
        port.sound_serial = 0
    if kind == HEARS_PORT and state.ports[heard].state != LIVE:
        kind = HEARS_SILENCE
    if kind == HEARS_FEED and state.feeds[heard].state != LIVE:
        kind = HEARS_SILENCE
    if kind == HEARS_PORT:
        speaker = state.ports[heard]
        port.next_listener = speaker.first_listener
        speaker.first_listener = port.slot + 1
    port.hears = kind
    port.source = heard
    port.pending_samples = 0
    port.talk_resumes = 1
    port.relayed_stream = 0


@compiled
def _leave_speaker(state: State, port: Record) -> None:
    speaker = state.ports[port.source]
    if speaker.first_listener == port.slot + 1:
        speaker.first_listener = port.next_listener
    else:
        slot = speaker.first_listener - 1
        while slot >= 0 and state.ports[slot].next_listener != port.slot + 1:
            slot = state.ports[slot].next_listener - 1
        if slot >= 0:
            state.ports[slot].next_listener = port.next_listener
    port.next_listener = 0
    if port.transcodes:
        record.use_received(speaker, -1)
        port.transcodes = 0


@compiled
def _join(state: State, port: Record, words: Any) -> None:
    """words: mix + 1 or 0 to leave, and by how many of it, and which, it is heard; -1 for all."""
    number = words[2]
    port.next_mix = number if number > 0 and state.mixes[number - 1].state == LIVE else 0
    port.next_heard_by_count = words[3]
    for index in range(words[3]):
        port.next_heard_by[index] = words[4 + index]
    port.mix_changes = 1 if port.mix or port.next_mix else 0


@compiled
def _detect_tones(engine: Record, port: Record, is_on: Any) -> None:
    if is_on == port.detects_tones:
        return
    port.detects_tones = is_on
    record.use_received(port, 1 if is_on else -1)
    mix.begin_reading(engine, port)
    tones.begin(port.tones, port.tone_window)
    for index in range(HISTORY_SAMPLES):
        port.to_detector[index] = 0


@compiled
def _pass_video(port: Record, words: Any) -> None:
    port.video_low, port.video_high = words[2], words[3]
    port.video_sends, port.video_receives = words[4], words[5]
    port.has_video = 1 if words[2] or words[3] else 0


@compiled
def _close_mix(state: State, number: Any) -> None:
    """Who is in it has left, at once; what recorders still want of it they get."""
    engine = state.engine[0]
    record.end_taps_on(state, number, True)
    listen.end_all_on(state, number, True)
    clips.stop_all(engine, state.mixes[number])
    for index in range(engine.live_count):
        port = state.ports[state.live[index]]
        if port.next_mix == number + 1:
            port.next_mix = 0
        if port.mix == number + 1:
            mix.leave(engine, port)
        port.mix_changes = 1 if port.mix or port.next_mix else 0
        if port.hears == HEARS_MIX and port.source == number:
            hear(state, port, HEARS_SILENCE, 0)
    state.mixes[number].state = CLOSING
    mix.let_go(engine, state.mixes[number], number)


@compiled
def _close_feed(state: State, number: Any) -> None:
    engine = state.engine[0]
    state.feeds[number].state = CLOSING
    for index in range(engine.live_count):
        port = state.ports[state.live[index]]
        if port.hears == HEARS_FEED and port.source == number:
            hear(state, port, HEARS_SILENCE, 0)
    feed.keep_all(state)


@compiled
def _close(state: State, port: Record) -> None:
    """No datagram passes this port any more. What it received is still there for the recorders behind."""
    engine = state.engine[0]
    rtcp.report(engine, port, True)
    sockets.close_direct(port)
    _take_in_no_more(engine, port)
    record.end_taps_on(state, port.slot, False)
    listen.end_all_on(state, port.slot, False)
    hear(state, port, HEARS_SILENCE, 0)
    while port.first_listener:
        hear(state, state.ports[port.first_listener - 1], HEARS_SILENCE, 0)
    mix.leave(engine, port)
    port.mix_changes = 0
    _detect_tones(engine, port, 0)
    port.state = CLOSING
    let_go(engine, port)


@compiled
def let_go(engine: Record, port: Record) -> None:
    """Tells the loop that the sockets are its own again; every tick until it could be told."""
    if post(engine, CLOSED, port.slot, port.generation, 0, 0):
        port.state = DRAINING


@compiled
def free_if_drained(state: State, index: Any) -> Any:
    """Hands the slot at state.live[index] back when no recorder wants it any more; says whether it is gone."""
    engine, port = state.engine[0], state.ports[state.live[index]]
    if port.received_users > 0 or port.heard_users > 0:
        return False
    if not post(engine, FREED, port.slot, port.generation, 0, 0):
        return False
    port.state = FREE
    engine.live_count -= 1
    state.live[index] = state.live[engine.live_count]
    return True
