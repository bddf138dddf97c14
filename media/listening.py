"""Listening to a port while the call goes on: frames of 20 ms from the media thread's memory to whoever iterates.

A Listener copies a frame when it is asked for one; until then frames lie where the thread has put them, and the loop is
woken once a tick for all listeners. Used on the event loop only. What is written there: kernel/listen.py.
"""

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from media.kernel import layout
from media.mix import Mixed
from media.port import Tap, tapped
from media.thread import MediaThread

QUEUED_FRAMES = 250
"""5 s: of what nobody has fetched for longer, the oldest goes."""


class Listener:
    """What a tap sounds like: ``async for frame in listener``.

    A frame: (160,) int16 at 8 kHz, the reader's own; one for every 20 ms on the engine's clock, without a gap. Ends
    when the port closes, after what had come before, and with close(). For one reader at a time.
    Made by Engine.listen().
    """

    def __init__(self, frames: NDArray[np.int16], clock: NDArray[np.int64], on_close: Callable[[], None]) -> None:
        """frames: the thread's, by position. clock: (1,), the position of the tick that runs or was last."""
        self._frames = frames
        self._clock = clock
        self._on_close = on_close
        self._next = -1
        self._ready = -1
        self._has_ended = False
        self._is_closed = False
        self._dropped = 0
        self._waiting: asyncio.Future[None] | None = None

    @property
    def dropped_frames(self) -> int:
        """Frames that went unheard because the reader was too slow."""
        return self._dropped

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> NDArray[np.int16]:
        while (frame := self._take()) is None:
            if self._is_closed or self._has_ended:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return frame

    def close(self) -> None:
        """Idempotent. Ends the iteration at once."""
        if not self._is_closed:
            self._is_closed = True
            self._on_close()
            self._wake()

    def note_ready(self, begin_position: int, position: int) -> None:
        """For the engine: frames up to `position` are there, the first of all at `begin_position`."""
        if self._next < 0:
            self._next = begin_position
        self._ready = max(position, self._next)
        excess = (self._ready - self._next) // layout.FRAME - QUEUED_FRAMES
        if excess > 0:
            self._dropped += excess
            self._next += excess * layout.FRAME
        if self._ready > self._next:
            self._wake()

    def note_over(self, begin_position: int, position: int) -> None:
        """For the engine: that was the last frame; the memory is wanted for others."""
        if begin_position >= 0:
            self.note_ready(begin_position, position)
            self._frames = self._frames.copy() if self._ready > self._next and not self._is_closed else self._frames[:0]
        self._has_ended = True
        self._wake()

    def _take(self) -> NDArray[np.int16] | None:
        while self._next < self._ready and not self._is_closed:
            position = self._next
            self._next += layout.FRAME
            frame = np.array(self._frames[position // layout.FRAME % layout.LISTEN_FRAMES])
            # Read behind the copy. Only a loop that stood still for a second meets a frame written over.
            is_whole = int(self._clock[0]) - position <= layout.LISTEN_FRAMES * layout.FRAME
            if self._has_ended or is_whole:
                return frame
            self._dropped += 1
        return None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Listeners:
    """All listeners of an engine. Decides which listening of the thread's each has."""

    def __init__(self, thread: MediaThread) -> None:
        self._thread = thread
        self._listeners: dict[int, Listener] = {}
        self._free = list(range(len(thread.state.listenings)))[::-1]

    def __len__(self) -> int:
        """Of the thread's listenings, those in use."""
        return len(self._listeners)

    def open(self, tap: Tap) -> Listener | None:
        """None when all are taken."""
        if not self._free:
            return None
        number = self._free.pop()
        state = self._thread.state
        state.listenings[number] = np.zeros((), layout.LISTENING)
        state.listenings[number]["begin_position"] = -1
        listener = Listener(
            state.listened[number],
            state.engine["tick_position"],
            lambda: self._thread.command(layout.DO_STOP_LISTENING, number),
        )
        self._listeners[number] = listener
        self._thread.command(layout.DO_LISTEN, number, *tapped(tap))
        if (tap.mix if isinstance(tap, Mixed) else tap.port).is_closed:
            listener.close()
        return listener

    def note_ready(self, position: int) -> None:
        begun = self._thread.state.listenings["begin_position"]
        for number, listener in self._listeners.items():
            if (begin_position := int(begun[number])) >= 0:
                listener.note_ready(begin_position, position)

    def note_over(self, number: int, position: int) -> None:
        begin_position = int(self._thread.state.listenings[number]["begin_position"])
        self._listeners.pop(number).note_over(begin_position, position)
        self._free.append(number)

    def close(self) -> None:
        """Ends all of them: the thread is gone."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
