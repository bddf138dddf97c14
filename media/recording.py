"""A recording from the engine's side: taps in, PCM out of the media thread and into the writer.

Decides nothing about files (media/recorder.py). RecordingDrain is the plain thread that copies finished blocks out of
the media thread's memory: woken about ten times a second whatever the number of recordings, it never waits for a disk.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from media.kernel import layout
from media.mix import Mixed
from media.port import Tap, tapped
from media.recorder import WriterHandle
from media.thread import MediaThread

Channels: TypeAlias = Sequence[Sequence[Tap]]

BLOCKS_PER_COMMAND = layout.COMMAND_WORDS - 2


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What has become of a recording; its file is closed and synced.

    frames: what the file holds. lost_frames: of these, silence in place of what did not get there in time.
    error: why the file ended early; None if it did not.
    """

    path: Path
    rate_hz: int
    channels: int
    frames: int
    duration_s: float
    lost_frames: int
    error: str | None = None


class Recorder:
    """A recording that runs. Made by Engine.record()."""

    def __init__(self, *, number: int, handle: WriterHandle, thread: MediaThread, channels: int) -> None:
        self.number = number
        self._handle = handle
        self._thread = thread
        self._channels = channels
        self._is_stopped = False
        self._all_put = asyncio.Event()
        self._lost_frames = 0

    @property
    def path(self) -> Path:
        return self._handle.path

    def retap(self, channels: Channels) -> None:
        """From now on these taps, in the same file and without a gap. Raises ValueError for another channel count."""
        if len(channels) != self._channels:
            raise ValueError(f"expected {self._channels} channels, found {len(channels)}")
        words = self.tap_words(channels)
        if not self._is_stopped:
            self._thread.command(layout.DO_RETAP, self.number, 0, len(words), *words)

    def skip(self, is_on: bool) -> None:
        """From now on nothing goes into the file, or again what is heard from now on; what lies between is left out."""
        if not self._is_stopped:
            self._thread.command(layout.DO_SKIP, self.number, int(is_on))

    async def stop(self) -> Recorded:
        """Ends with what is heard now. Returns when the file is closed and synced. Idempotent."""
        await self.finish()
        written = await self._handle.close()
        return Recorded(
            path=written.path,
            rate_hz=written.rate_hz,
            channels=written.channels,
            frames=written.frames,
            duration_s=written.duration_s,
            lost_frames=written.dropped_frames + self._lost_frames,
            error=written.error,
        )

    async def finish(self) -> None:
        """For the engine: ends it, and waits until its last block has gone to the writer."""
        if not self._is_stopped:
            self._is_stopped = True
            self._thread.command(layout.DO_STOP_RECORDING, self.number)
        await self._all_put.wait()

    def note_all_put(self, lost_frames: int) -> None:
        """For the engine: the last block has gone to the writer."""
        self._lost_frames = lost_frames
        self._all_put.set()

    @staticmethod
    def tap_words(channels: Channels) -> list[int]:
        """For the engine: a word for each tap. Raises ValueError for more channels or taps than there may be."""
        words = [
            number << 8 | channel << 2 | kind
            for channel, taps in enumerate(channels)
            for number, kind in (tapped(tap) for tap in taps if not _is_closed(tap))
        ]
        if not 0 < len(channels) <= layout.MAX_CHANNELS or len(words) > layout.MAX_TAPS:
            raise ValueError(
                f"expected 1-{layout.MAX_CHANNELS} channels and at most {layout.MAX_TAPS} taps,"
                f" found {len(channels)} and {len(words)}"
            )
        return words


def _is_closed(tap: Tap) -> bool:
    return tap.mix.is_closed if isinstance(tap, Mixed) else tap.port.is_closed


@dataclass
class _Open:
    handle: WriterHandle
    channels: int
    lost_frames: int = 0


class RecordingDrain:
    """The thread that takes blocks from the media thread and gives them to their writers.

    on_over: called in that thread with a recording's number and the frames it lost, when all of it has been put.
    """

    def __init__(self, thread: MediaThread, on_over: Callable[[int, int], None]) -> None:
        self._media = thread
        self._on_over = on_over
        self._open: dict[int, _Open] = {}
        self._thread = threading.Thread(target=self._run, name="recording-drain", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, number: int, handle: WriterHandle, channels: int) -> None:
        """To be called before the recording begins."""
        self._open[number] = _Open(handle, channels)

    def join(self, timeout_s: float) -> None:
        """Waits for the end of the pipe, which the media thread's end brings."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        row_bytes = layout.READY_WORDS * 8
        try:
            while rows := os.read(self._media.ready_fd, layout.READY_BATCH * row_bytes):
                self._take(np.frombuffer(rows, np.int64).reshape(-1, layout.READY_WORDS).tolist())
        finally:
            os.close(self._media.ready_fd)

    def _take(self, rows: list[list[int]]) -> None:
        done: list[int] = []
        over: list[tuple[int, int]] = []
        for number, block, frames, lost in rows:
            recording = self._open[number]
            handle, channels = recording.handle, recording.channels
            if lost:
                recording.lost_frames += lost
                handle.put(np.zeros((lost, channels), np.int16))
            if block == layout.RECORDING_OVER:
                del self._open[number]
                over.append((number, recording.lost_frames))
            else:
                handle.put(self._media.state.blocks[block, : frames * channels].reshape(frames, channels).copy())
                done.append(number << 32 | block)
        for start in range(0, len(done), BLOCKS_PER_COMMAND):
            words = done[start : start + BLOCKS_PER_COMMAND]
            self._media.command_from_thread(layout.DO_RETURN_BLOCKS, len(words), *words)
        # Last: the number may be another recording's as soon as this is told.
        for number, lost_frames in over:
            self._on_over(number, lost_frames)
