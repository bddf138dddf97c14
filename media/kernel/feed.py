"""Feeds: PCM that the event loop writes while it plays. Every tick one frame of each that is heard.

All ports that hear a feed hear the same frame. A feed that ran dry is silence, and lets one tick pass before it goes
on, unless more than a frame waits then: a writer in real time is not always on time.
"""

from typing import Any

from media.kernel.compiled import compiled
from media.kernel.events import post
from media.kernel.layout import CLOSING, FEED_CLOSED, FEED_REACHED, FRAME, FREE, LIVE, NEVER, Record, State
from media.kernel.libc import sample_at


@compiled
def begin(state: State, number: Any) -> None:
    engine, feed = state.engine[0], state.feeds[number]
    feed.state = LIVE
    feed.is_dry = 1
    feed.mark = NEVER
    state.live_feeds[engine.feed_count] = number
    engine.feed_count += 1


@compiled
def extend(feed: Record, address: Any, size: Any, end: Any) -> None:
    """There is sound up to position `end` now, in the `size` samples from `address`, round and round.

    Another address is a promise not to read at the one before.
    """
    feed.address, feed.size, feed.end = address, size, end


@compiled
def take_frame(engine: Record, feed: Record) -> None:
    """What is played in this tick, at 8 kHz, into engine.frame."""
    if feed.taken_at != engine.tick_position:
        feed.taken_at = engine.tick_position
        _advance(feed)
    frame, start = engine.frame, feed.position - feed.taken
    for index in range(feed.taken):
        frame[index] = max(sample_at(feed.address, (start + index) % feed.size), -32767)
    for index in range(feed.taken, FRAME):
        frame[index] = 0


@compiled
def _advance(feed: Record) -> None:
    left = feed.end - feed.position
    waits = feed.is_dry and left < 2 * FRAME
    feed.is_dry = left == 0
    feed.taken = 0 if waits else min(left, FRAME)
    feed.position += feed.taken


@compiled
def keep_all(state: State) -> None:
    """Tells the loop what it waits for: a position reached, memory that is its own again; until it could be told."""
    engine = state.engine[0]
    index = 0
    while index < engine.feed_count:
        number = state.live_feeds[index]
        feed = state.feeds[number]
        if feed.state == CLOSING and post(engine, FEED_CLOSED, 0, 0, number, 0):
            feed.state = FREE
            engine.feed_count -= 1
            state.live_feeds[index] = state.live_feeds[engine.feed_count]
            continue
        if feed.position >= feed.mark and post(engine, FEED_REACHED, 0, 0, number, feed.position):
            feed.mark = NEVER
        index += 1
