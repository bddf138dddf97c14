"""The state of the media thread: every record, who writes it, and the messages that cross to the event loop.

One writer per field, by turns where a slot changes hands:

* A FREE slot of ports, recordings, listenings and feeds belongs to the event loop. It fills the fields marked [loop]
  and hands the slot over with its OPEN command; from then on the media thread alone writes, until the slot's last event
  hands it back.
* What the loop wants of a LIVE slot it says by a command. Commands go through a pipe, so each is taken whole, in order,
  and what was stored before it is visible after it on every processor; a write also wakes a sleeping thread.
* Facts come back as events through another pipe, recorded PCM through a third, read by a plain thread.
* Any side may read counters at any time: each is one aligned 64-bit word.

A listening's frames lie in State.listened by their position, the oldest overwritten; FRAMES_READY tells once a tick how
far all of them are. A feed's PCM is the loop's: the thread reads below the end it was told, the loop writes beyond that
and where the thread's position has passed a frame ago.

A port goes FREE, LIVE, CLOSING (the loop asked), DRAINING (its sockets are out of the thread's hands and the loop may
close them; recorders still read its last sounds), FREE.

All scalars are int64: one type, no promotion surprises in compiled code. Addresses of the network are one number,
IPv4 << 16 | port, 0 for none. Positions are samples at RATE_HZ since the engine's start; a multiple of FRAME is a tick.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.kernel import g711
from media.kernel.compiled import source_digest
from media.kernel.libc import EVENT_WORDS

Record: TypeAlias = Any
"""One element of a structured array, inside compiled code a pointer to it."""

RATE_HZ = 8000
TICK_NS = 20_000_000
INTAKE_NS = 2_000_000
FRAME = 160
"""Samples of one tick at RATE_HZ."""
WIDE = 2
"""The largest scale: samples of a port's rings and frames for one at RATE_HZ."""
CLOCK_48K = 6
"""Units of a 48 kHz RTP clock for one sample at RATE_HZ."""

RING = 4000
"""Whole frames: what begins at a tick lies in one piece."""
MISSING = -32768
"""A ring's sample that nobody has written. No codec of ours decodes to it."""

RECORD_DELAY = 1920
"""How far behind the clock recorders read: every packet that is at most this late finds its place (240 ms)."""
HISTORY = 960
"""Samples kept behind the recorders: concealment repeats from them."""
AHEAD = RING - RECORD_DELAY - HISTORY - 2 * FRAME
"""How far ahead of the last tick a packet may be placed."""

MAX_DATAGRAM = 2048
MAX_TRAILER = 148
"""Octets SRTP may add: authentication tag, key identifier and SRTCP's index."""
MAX_SSRCS = 8
"""Senders one session may have, over its whole life."""
HANDBACK_HEADER = 4 * 8
"""Before a datagram that goes back to the loop, 4 words: slot, generation, sender, length."""
MAX_BATCH = 256
MAX_PACKET_SAMPLES = 480
MAX_OPUS_SAMPLES = 960
QUEUED_DIGITS = 256
MAX_TAPS = 12
RECEIVED_TAP, HEARD_TAP, MIX_TAP = 0, 1, 2
MAX_MIX_SOUNDS = 8
"""Clips that may sound in one mix at once."""
MAX_HEARD_BY = 10
"""Members of a mix one member may speak to alone."""
SLOT_BITS = 20
"""A port that must be the same still: generation << SLOT_BITS | slot."""
SAID_SPANS = 4
MAX_CHANNELS = 8
BLOCK_FRAMES, BLOCK_SAMPLES = 3200, 6400
"""What a recording collects before it hands it over: 0.4 s, less with more than two channels."""
BLOCKS_PER_RECORDING = 25
LISTEN_FRAMES = 300
"""Frames of a listening that the loop finds: 6 s."""
LATENESS_BINS = 1000
"""Tick lateness in steps of 0.1 ms; the last bin takes the rest."""

HISTORY_SAMPLES = 64
"""What a filter between scales keeps of what it has read."""
G722_WORDS = 128
TONE_WINDOW = 102
"""Samples at RATE_HZ in which tones are looked for (tones.py)."""
TONE_WORDS = 20

FREE, LIVE, CLOSING, DRAINING = 0, 1, 2, 3

HEARS_SILENCE, HEARS_PCM, HEARS_PORT, HEARS_MIX, HEARS_FEED = 0, 1, 2, 3, 4

COMMAND_WORDS = 16
(
    DO_STOP,
    DO_OPEN,
    DO_CONNECT,
    DO_HEAR,
    DO_JOIN,
    DO_DIGITS,
    DO_STOP_DIGITS,
    DO_WATCH,
    DO_CLOSE,
    DO_OPEN_MIX,
    DO_CLOSE_MIX,
    DO_RECORD,
    DO_RETAP,
    DO_STOP_RECORDING,
    DO_RETURN_BLOCKS,
    DO_TRANSPORT,
    DO_SKIP,
    DO_LISTEN,
    DO_STOP_LISTENING,
    DO_OPEN_FEED,
    DO_FEED,
    DO_CLEAR_FEED,
    DO_AWAIT_FEED,
    DO_CLOSE_FEED,
    DO_PLAY_IN_MIX,
    DO_STOP_IN_MIX,
    DO_DETECT_TONES,
    DO_LIMIT_DELAY,
    DO_PASS_VIDEO,
) = range(29)

EVENT_BYTES = 64
EVENT_WORDS_64 = 8
(
    DID_STOP,
    FIRST_PACKET,
    DIGIT,
    SILENCE,
    SOURCE_LEARNED,
    SOUND_OVER,
    DIGITS_SENT,
    CLOSED,
    FREED,
    TRANSPORT_RETURNED,
    TONE_DIGIT,
    FAX_TONE,
    MIX_SOUND_OVER,
    MIX_CLOSED,
    FRAMES_READY,
    LISTENING_OVER,
    FEED_REACHED,
    FEED_CLOSED,
) = range(18)
"""Events, 8 words each: kind, slot, generation, then what the kind says. MIX_*: number for slot.

FRAMES_READY says up to which position, LISTENING_OVER and FEED_* which number and which position.
"""

READY_WORDS = 4
RECORDING_OVER = -1
"""PCM ready, 4 words: recording, block (or RECORDING_OVER), frames, frames lost before them."""
READY_BATCH = 128
"""As many as a pipe takes whole (PIPE_BUF)."""

RECEIVED_READER, HEARD_READER, MIX_READER = 0, 1, 2


def _words(text: str) -> list[tuple[str, type]]:
    return [(name, np.int64) for name in text.split()]


ENGINE = np.dtype(
    [
        # [loop] before the thread starts.
        *_words("start_ns ntp_offset_ns epoll_fd command_fd event_fd ready_fd"),
        *_words("timespec_address commands_address events_address ready_address epoll_address"),
        *_words("octets_address source_address source_length_address output_address control_address option_address"),
        *_words("handback_fd sealed_address sealed_length_address handback_address"),
        *_words("frame_address pcm_address"),
        # The thread's own.
        *_words("now_ns next_tick_ns tick_position stopping live_count recording_count mix_count random"),
        *_words("free_block_count ready_count frame_scale listening_count feed_count mix_sounds recorded_mixes"),
        *_words("ticks packets_in packets_out octets_in octets_out dropped foreign malformed unsent events_lost"),
        *_words("intakes forged handed_back handbacks_lost"),
        ("lateness", np.int64, (LATENESS_BINS,)),
        ("timespec", np.int64, (2,)),
        ("event", np.int64, (EVENT_WORDS_64,)),
        ("ready", np.int64, (READY_BATCH, READY_WORDS)),
        ("commands", np.int64, (64, COMMAND_WORDS)),
        ("epoll_events", np.uint32, (MAX_BATCH + 1, EVENT_WORDS)),
        ("source", np.uint8, (16,)),
        ("source_length", np.int32, (2,)),
        ("option", np.int32, (2,)),
        ("octets", np.uint8, (MAX_DATAGRAM,)),
        ("output", np.uint8, (MAX_DATAGRAM,)),
        ("control", np.uint8, (MAX_DATAGRAM,)),
        ("sealed", np.uint8, (MAX_DATAGRAM + MAX_TRAILER,)),
        ("sealed_length", np.int32, (2,)),
        ("handback_words", np.int64, (HANDBACK_HEADER // 8,)),
        ("handback", np.uint8, (MAX_DATAGRAM,)),
        ("frame", np.int16, (WIDE * FRAME,)),
        ("resampled", np.int16, (WIDE * FRAME,)),
        ("pcm", np.int16, (WIDE * MAX_OPUS_SAMPLES,)),
        ("sum", np.int32, (FRAME,)),
        # [loop] before the thread starts: see g711.py.
        ("decoded", np.int16, (g711.CODECS, 256)),
        ("encoded", np.uint8, (g711.CODECS, 65536)),
        ("transcoded", np.uint8, (g711.CODECS, g711.CODECS, 256)),
        # Makes code compiled from other sources not fit: see compiled.py.
        (f"sources_{source_digest()}", np.int64),
    ],
    align=True,
)

PACKET = np.dtype(
    [
        *_words("length source arrival_ns arrival_position"),
        *_words("payload_type marker sequence timestamp ssrc offset size samples codec position decoded"),
    ],
    align=True,
)
"""The datagram being taken in; its octets are engine.octets. position: of its first sample, or NOWHERE.

samples: its length at RATE_HZ. decoded: whether engine.pcm holds its sound, at the port's scale.
"""

NOWHERE = -(1 << 62)

PORT = np.dtype(
    [
        # Fields that are used together stand together: a port's every cache line is cold when its packet comes.
        # Taking in. [loop]: slot generation rtp_fd. remote: where it sends from and is sent to. direct_fd: sockets.py.
        *_words("state slot generation rtp_fd direct_fd remote source_is_fixed receives rtcp_mux"),
        *_words("has_packets last_packet_ns packets_in octets_in codec receive_type receive_digits_type"),
        *_words("first_listener received_users srtp_in shares_socket has_video"),
        # How its codec counts: RTP clock and ring samples for one at RATE_HZ. coders: addresses, 0 none.
        *_words("clock_factor scale decoder encoder decoded_end transcodes spoken_at"),
        # The stream from the phone: numbers, then its place on our clock (jitter.py).
        *_words("has_stream in_ssrc highest received_in_stream last_transit jitter_q4"),
        *_words("is_anchored highest_timestamp anchor anchored_packets misfits slew in_packet_samples late"),
        *_words("window_ns window_packets window_least window_most window_second spread_0 spread_1 spread_2"),
        *_words("most_delay"),
        # The stream to the phone. [loop]: ssrc remote_address sent_base sent_sequence. relayed_*: which stream of
        # another port is in it, and what is added to its numbers. *_listener: chain of those who hear one port,
        # slot + 1, 0 its end.
        *_words("next_listener sends send_type ssrc remote_address heard_users srtp_out"),
        *_words("relayed_stream relayed_sequence relayed_timestamp sent_sequence sent_timestamp sent_base has_sent"),
        *_words("talk_resumes packets_out octets_out last_sent_ns"),
        ("sockaddr", np.uint8, (16,)),
        # What it hears: kind, and slot | address of PCM | mix | feed. Digits to the phone: digit_sending is code + 1.
        # sound_*: of PCM, in its samples; sound_scale: of these for one at RATE_HZ.
        *_words("hears source digits_count digit_sending pause_steps send_digits_type packet_samples"),
        *_words("digits_head digits_serial digit_step digit_start pending_samples pending_timestamp"),
        *_words("sound_length sound_position sound_loops sound_serial sound_scale"),
        # What it speaks into: mix + 1, 0 none. mix_delay: at which mixes, listenings and other codecs read it.
        # heard_by_count: -1 everybody there, else the ports of heard_by. next_*: from the next tick on (mix.py).
        # *_at: when its frame was last in a mix, which was mixed_into, and when it was last whispered to.
        *_words("mix mix_delay received_listenings heard_by_count mix_changes next_mix next_heard_by_count"),
        *_words("mixed_at mixed_into whispered_at"),
        ("heard_by", np.int64, (MAX_HEARD_BY,)),
        ("next_heard_by", np.int64, (MAX_HEARD_BY,)),
        # For recorders of a mix: into which it spoke (as mix), newest first, and the position from which (said.py).
        *_words("keeps_said"),
        ("said_mix", np.int64, (SAID_SPANS,)),
        ("said_from", np.int64, (SAID_SPANS,)),
        # Tones in what it says (tones.py). tone_told: the last key told as a tone, code + 1, and when.
        *_words("detects_tones has_events event_is_told tone_told tone_told_ns"),
        ("tones", np.int64, (TONE_WORDS,)),
        # Digits from the phone: the last event by its timestamp. carried: length of its earlier segments.
        *_words("digit_has digit_is_open digit_code digit_timestamp digit_duration digit_carried digit_last_ns"),
        *_words("digit_budget"),
        # Housekeeping. rtcp_*: [loop] rtcp_fd rtcp_remote_address. report_*: of the last sender report that came.
        *_words("watch_first_ns watch_silence_ns watch_since_ns"),
        *_words("rtcp_due_ns rtcp_fd rtcp_remote rtcp_remote_address rtcp_packets_sent report_ntp report_ns"),
        ("rtcp_sockaddr", np.uint8, (16,)),
        *_words("far_lost far_jitter rtt_us reports_in"),
        # The source lock (source.py). learn_host: IPv4 the source may be learned from, 0 none. [loop]: local_*.
        ("local_sockaddr", np.uint8, (16,)),
        *_words("local_address signalled learn_host candidate candidate_since_ns candidate_packets"),
        # Seldom.
        *_words("stream first_sequence misfit_sequence received_before expected_before last_least"),
        *_words("lost_before_stream reordered duplicates concealed foreign malformed refused unsent"),
        # SRTP, and what is handed back to the loop in this and the next ticks, from the phone and from others.
        *_words("forged ssrc_count own_handbacks other_handbacks transport_serial"),
        ("ssrcs", np.int64, (MAX_SSRCS,)),
        # Pictures (video.py): payload types agreed, a bit for each, below 64 and from there on; which ways they go;
        # packets; octets that still may pass.
        *_words("video_low video_high video_sends video_receives video_in video_out video_dropped video_room video_ns"),
        ("gap", np.int64, (3,)),
        ("period", np.int64, (3,)),
        # Not zeroed with the rest (PORT_SCALAR_BYTES): cleared when they come into use.
        ("digits", np.uint8, (QUEUED_DIGITS,)),
        ("pending", np.uint8, (MAX_PACKET_SAMPLES + FRAME,)),
        # What it says this tick, at its scale and at its mix's; what filters between scales remember.
        ("spoken", np.int16, (WIDE * FRAME,)),
        ("mix_frame", np.int16, (WIDE * FRAME,)),
        ("to_mix", np.int16, (HISTORY_SAMPLES,)),
        ("to_phone", np.int16, (HISTORY_SAMPLES,)),
        ("to_detector", np.int16, (HISTORY_SAMPLES,)),
        ("tone_window", np.int16, (TONE_WINDOW,)),
        ("whispered", np.int16, (WIDE * FRAME,)),
        ("g722_in", np.int64, (G722_WORDS,)),
        ("g722_out", np.int64, (G722_WORDS,)),
        ("received", np.int16, (WIDE * RING,)),
        ("heard", np.int16, (WIDE * RING,)),
    ],
    align=True,
)


def offset_of(record: np.dtype[np.void], field: str) -> int:
    assert record.fields is not None
    return record.fields[field][1]


PORT_SCALAR_BYTES = offset_of(PORT, "digits")
"""What is zeroed for a new port; the rest is cleared when it comes into use, so that unused memory stays untouched."""

MIX = np.dtype(
    [
        *_words("state scale sounds sounds_on total_at"),
        ("sound_address", np.int64, (MAX_MIX_SOUNDS,)),
        ("sound_length", np.int64, (MAX_MIX_SOUNDS,)),
        ("sound_position", np.int64, (MAX_MIX_SOUNDS,)),
        ("sound_loops", np.int64, (MAX_MIX_SOUNDS,)),
        ("sound_serial", np.int64, (MAX_MIX_SOUNDS,)),
        # What is said in it and played into it in the tick total_at; played: at RATE_HZ.
        ("total", np.int32, (WIDE * FRAME,)),
        ("played", np.int16, (FRAME,)),
        ("played_before", np.int16, (HISTORY_SAMPLES,)),
        # Recordings of it by their scale, and for them the clips, and all that was said RECORD_DELAY ago (said.py).
        *_words("narrow_users wide_users"),
        ("clips", np.int16, (RING,)),
        ("said_narrow", np.int32, (FRAME,)),
        ("said_wide", np.int32, (WIDE * FRAME,)),
    ],
    align=True,
)
"""FREE, LIVE, or CLOSING until no recorder wants it and the loop could be told; the number is the loop's again then.

sounds: clips in it; a place with sound_serial 0 is empty. sounds_on: the tick before had some.
"""

RECORDING = np.dtype(
    [
        *_words("state channels scale position end_position skip_from skip_to"),
        *_words("block filled lost held_blocks lost_frames taps"),
        ("tap_slot", np.int64, (MAX_TAPS,)),
        ("tap_kind", np.int64, (MAX_TAPS,)),
        ("tap_channel", np.int64, (MAX_TAPS,)),
        ("tap_from", np.int64, (MAX_TAPS,)),
        ("tap_to", np.int64, (MAX_TAPS,)),
    ],
    align=True,
)
"""[loop] zeroes it before RECORD, and gets it back with RECORDING_OVER."""

NEVER = 1 << 62

LISTENING = np.dtype(
    [
        *_words("state slot kind scale delay begin_position end_position"),
        ("gap", np.int64, (1,)),
        ("period", np.int64, (1,)),
        ("history", np.int16, (HISTORY_SAMPLES,)),
    ],
    align=True,
)
"""A tap of the loop's. delay: at which it reads what the port hears. Its frame of position p is number
p / FRAME % LISTEN_FRAMES of State.listened.

[loop] zeroes it before LISTEN, but for begin_position, which is below 0 until the thread has begun; gets it back with
LISTENING_OVER.
"""

FEED = np.dtype([*_words("state address size end position taken taken_at is_dry mark")], align=True)
"""PCM to be played, `size` samples at `address`: that of position p is sample p % size. end: where it ends for now.

position: of what is played next; taken: how much of this tick's frame it has. mark: the position the loop waits for.
[loop] zeroes it before OPEN_FEED, and gets it back, with its memory, with FEED_CLOSED.
"""


class State(NamedTuple):
    """All arrays of one engine. live: slots in use; blocks: PCM of recordings, (block, samples), in turns.

    listened: frames of listenings, (listening, frame, sample).
    """

    engine: NDArray[np.void]
    packet: NDArray[np.void]
    ports: NDArray[np.void]
    live: NDArray[np.int64]
    mixes: NDArray[np.void]
    recordings: NDArray[np.void]
    live_recordings: NDArray[np.int64]
    blocks: NDArray[np.int16]
    free_blocks: NDArray[np.int64]
    listenings: NDArray[np.void]
    live_listenings: NDArray[np.int64]
    listened: NDArray[np.int16]
    feeds: NDArray[np.void]
    live_feeds: NDArray[np.int64]


def new_state(
    *, ports: int, mixes: int, recordings: int, blocks: int, start_ns: int, listenings: int = 1, feeds: int = 1
) -> State:
    """State of an engine at rest. Memory is zero pages of the system until a slot is used."""
    state = State(
        engine=np.zeros(1, ENGINE),
        packet=np.zeros(1, PACKET),
        ports=np.zeros(ports, PORT),
        live=np.zeros(ports, np.int64),
        mixes=np.zeros(mixes, MIX),
        recordings=np.zeros(recordings, RECORDING),
        live_recordings=np.zeros(recordings, np.int64),
        blocks=np.zeros((blocks, BLOCK_SAMPLES), np.int16),
        free_blocks=np.arange(blocks, dtype=np.int64)[::-1].copy(),
        listenings=np.zeros(listenings, LISTENING),
        live_listenings=np.zeros(listenings, np.int64),
        listened=np.zeros((listenings, LISTEN_FRAMES, FRAME), np.int16),
        feeds=np.zeros(feeds, FEED),
        live_feeds=np.zeros(feeds, np.int64),
    )
    engine = state.engine
    for name in ("timespec", "commands", "event", "ready", "epoll_events", "octets", "source", "source_length"):
        _note_address(engine, name)
    for name in ("output", "control", "option", "sealed", "sealed_length", "handback", "frame", "pcm"):
        _note_address(engine, name)
    engine["start_ns"] = start_ns
    engine["free_block_count"] = blocks
    engine["random"] = start_ns & 0x7FFFFFFF
    engine["decoded"][0], engine["encoded"][0], engine["transcoded"][0] = g711.tables()
    return state


_ADDRESS_OF = {"event": "events_address", "epoll_events": "epoll_address"}


def _note_address(engine: NDArray[np.void], name: str) -> None:
    engine[_ADDRESS_OF.get(name, f"{name}_address")] = engine[name].ctypes.data
