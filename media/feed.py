"""A feed: sound that is written while it is played, by speech synthesis or a media stream.

The PCM lies in memory of the loop's, round and round, that the media thread reads (kernel/feed.py). It grows with what
waits in it, and is kept until the thread has let go of it. Used on the event loop only.
"""

import asyncio

import numpy as np
from numpy.typing import NDArray

from media.kernel import layout
from media.thread import MediaThread

MAX_UNPLAYED_SAMPLES = 60 * layout.RATE_HZ
FIRST_SAMPLES = 1 << 14


class FeedFull(Exception):
    """More sound than a feed holds. Nothing of it was taken; `room` samples would have been."""

    def __init__(self, room: int) -> None:
        super().__init__(f"expected at most {room} samples, {MAX_UNPLAYED_SAMPLES} with those not played yet")
        self.room = room


class Feed:
    """Sound written while it plays, for MediaPort.hear(). Made by Engine.open_feed(), closed by whoever holds it.

    Positions are samples at 8 kHz since the feed was opened. What has been played goes on in every port that hears it,
    at the same position; a feed that no port hears stands still. An empty feed is silence.
    """

    def __init__(self, number: int, record: np.void, thread: MediaThread) -> None:
        self._number = number
        self._record = record
        self._thread = thread
        self._memory = np.empty(FIRST_SAMPLES, np.int16)
        self._outdated: list[NDArray[np.int16]] = []
        self._end = 0
        self._passed = 0
        self._mark = 0
        self._is_closed = False
        self._waiting: dict[asyncio.Future[None], int] = {}

    @property
    def number(self) -> int:
        return self._number

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def written(self) -> int:
        """The position at which what has been written ends."""
        return self._end

    @property
    def played(self) -> int:
        """The position up to which it has been played or cleared. Of a closed feed: when it was closed."""
        if not self._is_closed:
            self._passed = max(self._passed, int(self._record["position"]))
        return self._passed

    @property
    def room(self) -> int:
        """Samples that write() would take."""
        return MAX_UNPLAYED_SAMPLES - (self._end - self.played)

    def write(self, samples: NDArray[np.int16]) -> int:
        """Appends (n,) at 8 kHz and returns the position of its end. All or nothing; of a closed feed nothing.

        Raises FeedFull when more than 60 s would wait to be played.
        """
        if self._is_closed or not len(samples):
            return self._end
        room = self.room
        if len(samples) > room:
            raise FeedFull(room)
        self._release()
        self._provide(self._end - self.played + len(samples) + layout.FRAME)
        _place(self._memory, self._end, samples)
        self._end += len(samples)
        self._tell()
        return self._end

    def clear(self) -> None:
        """What has not been played will not be: the next that is written is the next that is played."""
        if self._is_closed or self.played == self._end:
            return
        self._passed = self._end
        self._thread.command(layout.DO_CLEAR_FEED, self._number, self._end)
        self._replace(FIRST_SAMPLES)
        self._tell()
        self._settle()

    async def wait_played(self, position: int) -> None:
        """Returns when the sound up to `position` has been played or cleared, and when the feed is closed."""
        if self._is_closed or position <= self.played:
            return
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[passed] = position
        self._await_next()
        try:
            await passed
        finally:
            self._waiting.pop(passed, None)

    def close(self) -> None:
        """Idempotent. Who heard it hears silence."""
        if not self._is_closed:
            self._passed = self.played
            self._is_closed = True
            self._thread.command(layout.DO_CLOSE_FEED, self._number)
            self._settle()

    def note_reached(self) -> None:
        """For the engine: the position that was waited for has been played."""
        self._mark = 0
        self._settle()
        self._await_next()

    def _provide(self, samples: int) -> None:
        """Room for so many, with those that wait and the frame that is being played."""
        size = len(self._memory)
        while size < samples:
            size *= 2
        if size == len(self._memory):
            return
        before, start = self._memory, self.played
        self._replace(size)
        waiting = np.arange(start, self._end)
        self._memory[waiting % size] = before[waiting % len(before)]

    def _replace(self, size: int) -> None:
        self._release()
        self._outdated.append(self._memory)
        self._memory = np.empty(size, np.int16)

    def _release(self) -> None:
        """Lets go of earlier memory once the thread reads at the present one."""
        if self._outdated and int(self._record["address"]) == self._memory.ctypes.data:
            self._outdated.clear()

    def _tell(self) -> None:
        self._thread.command(layout.DO_FEED, self._number, self._memory.ctypes.data, len(self._memory), self._end)

    def _await_next(self) -> None:
        """The thread is asked for the nearest of the positions waited for."""
        nearest = min((position for passed, position in self._waiting.items() if not passed.done()), default=0)
        if nearest and nearest != self._mark and not self._is_closed:
            self._mark = nearest
            self._thread.command(layout.DO_AWAIT_FEED, self._number, nearest)

    def _settle(self) -> None:
        played = self.played
        for passed, position in self._waiting.items():
            if (position <= played or self._is_closed) and not passed.done():
                passed.set_result(None)


def _place(memory: NDArray[np.int16], position: int, samples: NDArray[np.int16]) -> None:
    """Where they belong, round and round."""
    start = position % len(memory)
    unwrapped = min(len(samples), len(memory) - start)
    memory[start : start + unwrapped] = samples[:unwrapped]
    memory[: len(samples) - unwrapped] = samples[unwrapped:]


class Feeds:
    """All feeds of an engine, those closed as well until the thread has let go of their memory."""

    def __init__(self, thread: MediaThread) -> None:
        self._thread = thread
        self._feeds: dict[int, Feed] = {}
        self._free = list(range(len(thread.state.feeds)))[::-1]

    def __len__(self) -> int:
        return len(self._feeds)

    def open(self) -> Feed | None:
        """None when all are taken."""
        if not self._free:
            return None
        number = self._free.pop()
        feeds = self._thread.state.feeds
        feeds[number] = np.zeros((), layout.FEED)
        feed = self._feeds[number] = Feed(number, feeds[number], self._thread)
        self._thread.command(layout.DO_OPEN_FEED, number)
        return feed

    def note_reached(self, number: int) -> None:
        self._feeds[number].note_reached()

    def note_closed(self, number: int) -> None:
        del self._feeds[number]
        self._free.append(number)

    def close(self) -> None:
        """Ends all of them: the thread is gone."""
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()
