"""A mixing group: several parties who hear each other, and what is played to all of them.

Mix is what a conference holds. It owns the PCM of the clips it plays while the media thread may read them; all else is
the thread's, reached by commands (media/thread.py). Used on the event loop only.
"""

import asyncio
import itertools
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from media.kernel import layout
from media.player import Clip
from media.thread import MediaThread


class Mix:
    """Who hears it hears all who joined it, but not themselves. Made by Engine.open_mix()."""

    def __init__(self, number: int, thread: MediaThread) -> None:
        self._number = number
        self._thread = thread
        self._is_closed = False
        self._serials = itertools.count(1)
        self._sounds: dict[int, NDArray[np.int16]] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}

    @property
    def number(self) -> int:
        return self._number

    @property
    def rate_hz(self) -> int:
        """Of what is played into it; a clip of more gains nothing."""
        return layout.RATE_HZ

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def sounds_held(self) -> int:
        """Clips whose memory the media thread may still read."""
        return len(self._sounds)

    async def play(self, clip: Clip, *, loops: int = 1) -> None:
        """Everybody who hears the mix hears the clip beside the others. loops 0: without end.

        Clips overlap; beyond layout.MAX_MIX_SOUNDS at once one is not heard and over at once. Returns when it is over
        and when the mix closes; a play that is cancelled fades out. Raises ValueError for a clip of another rate than
        8000 or 16000 Hz.
        """
        serial = self._play(clip, loops)
        if not serial:
            return
        over = self._waiting[serial] = asyncio.get_running_loop().create_future()
        try:
            await over
        finally:
            self._waiting.pop(serial, None)
            if (not over.done() or over.cancelled()) and not self._is_closed:
                self._thread.command(layout.DO_STOP_IN_MIX, self._number, serial)

    def play_nowait(self, clip: Clip, *, loops: int = 1) -> None:
        """As play(), without waiting for the end."""
        self._play(clip, loops)

    def close(self) -> None:
        """Idempotent. Its members leave it; who heard it hears silence; what was played into it is over."""
        if not self._is_closed:
            self._is_closed = True
            self._thread.command(layout.DO_CLOSE_MIX, self._number)
            self._settle_all()

    def release_sound(self, serial: int) -> None:
        """For the engine: the thread has no more use for this PCM."""
        self._sounds.pop(serial, None)
        if (waiting := self._waiting.get(serial)) is not None and not waiting.done():
            waiting.set_result(None)

    def note_closed(self) -> None:
        """For the engine: the thread reads nothing of it any more."""
        self._is_closed = True
        self._sounds.clear()
        self._settle_all()

    def _play(self, clip: Clip, loops: int) -> int:
        """Says under which number the clip's end will be told; 0 if nothing will be heard."""
        samples = _playable(clip)
        if self._is_closed or not len(samples):
            return 0
        serial = next(self._serials)
        self._sounds[serial] = samples
        self._thread.command(
            layout.DO_PLAY_IN_MIX, self._number, samples.ctypes.data, len(samples), max(loops, 0), serial
        )
        return serial

    def _settle_all(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)


@dataclass(frozen=True)
class Mixed:
    """Tap: all that is said in a mix and played into it, in its place in time as Received has it."""

    mix: Mix


def _playable(clip: Clip) -> NDArray[np.int16]:
    """The clip as a mix plays it, at 8 kHz. Raises ValueError for another rate than 8000 or 16000 Hz."""
    if clip.rate_hz == layout.WIDE * layout.RATE_HZ:
        return np.ascontiguousarray(soxr.resample(clip.samples, clip.rate_hz, layout.RATE_HZ), np.int16)
    if clip.rate_hz != layout.RATE_HZ:
        raise ValueError(f"expected a clip of 8000 or 16000 Hz, found {clip.rate_hz}")
    return np.ascontiguousarray(clip.samples, np.int16)
