"""Recordings on their way to the disk: blocks of PCM in, WAV files out that survive the death of the process.

Decides when what was recorded is written (every 0.5 s), made durable (every second) and given up (a disk error, or more
than 10 s that the disk did not take). Owns the files while they grow. Who cuts the blocks is media/engine.py; repairing
what a killed process left is media/wav.py.

A file is right after every write: samples first, then the sizes in its header. So a kill costs what was not yet
written, a power cut what was not yet synced. What a slow disk made us drop is silence of the same length in the file
(a hole, which costs no writing): the time line of the call holds. A disk error ends that one recording where it is.

Appends with pwritev rather than through soundfile: half a second of two channels costs 15 us against 23 us there,
148 us with flush and header update; a full disk says ENOSPC where libsndfile says nothing, and it cannot make a hole.
"""

import asyncio
import errno
import math
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media import wav
from media.crew import Crew, Job
from media.disk import Disk, LocalDisk, explain, finish, sync_directory

__all__ = ["RecordingWriter", "WriterHandle", "WriterStatistics", "Written", "finish"]

WRITE_PERIOD_S = 0.5
WRITE_PHASES = 2
WRITES_PER_SYNC = 2
BACKLOG_S = 10.0
STOP_S = 10.0
MAX_BUFFERS = 512


@dataclass(frozen=True, kw_only=True)
class Written:
    """What has become of a recording; its file is closed and synced.

    frames: what the file holds. dropped_frames: of these, silence in place of what the disk was too slow for; after an
    error also what came later and is in no file. error: why the recording ended early, None if it did not.
    """

    path: Path
    rate_hz: int
    channels: int
    frames: int
    dropped_frames: int = 0
    error: str | None = None

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate_hz


@dataclass(frozen=True, kw_only=True)
class WriterStatistics:
    """open: recordings not yet closed. slowest_sync_s: longest wait for the disk since the last look."""

    open: int
    failed: int
    dropped_frames: int
    slowest_sync_s: float


class RecordingWriter:
    """Writes any number of recordings on a few threads. start() before the first open(), stop() at the end."""

    def __init__(
        self,
        *,
        write_period_s: float = WRITE_PERIOD_S,
        backlog_s: float = BACKLOG_S,
        disk: Disk | None = None,
    ) -> None:
        self.disk: Disk = LocalDisk() if disk is None else disk
        self._backlog_s = backlog_s
        self._lock = threading.Lock()
        self._phases: list[set[WriterHandle]] = [set() for _ in range(WRITE_PHASES)]
        self._turn = 0
        self._next_phase = 0
        self._new_directories: set[Path] = set()
        self._failed = 0
        self._dropped_frames = 0
        self._slowest_sync_s = 0.0
        self._is_running = False
        self.writers = Crew("recording-write", self._due_writes, workers=4, beat_s=write_period_s / WRITE_PHASES)
        self.syncers = Crew("recording-sync", lambda: None, workers=2, beat_s=math.inf)

    def start(self) -> None:
        with self._lock:
            self._is_running = True
        self.writers.start()
        self.syncers.start()

    def open(self, path: Path, *, rate_hz: int, channels: int) -> "WriterHandle":
        """Begins a recording; never waits for the disk. The directory must exist, the file must not.

        A file that cannot be made is told by close(), like every disk error.
        """
        handle = WriterHandle(self, path, rate_hz=rate_hz, channels=channels, backlog_s=self._backlog_s)
        with self._lock:
            if not self._is_running:
                raise RuntimeError("expected a running RecordingWriter, found one not started or stopped")
            self._phases[self._next_phase].add(handle)
            self._next_phase = (self._next_phase + 1) % WRITE_PHASES
        self.writers.wake()
        return handle

    async def stop(self) -> None:
        """Closes every recording still open and ends the threads. Idempotent.

        After STOP_S a disk that does not answer is left alone: its recordings end with an error.
        """
        await asyncio.to_thread(self._stop)

    def statistics(self) -> WriterStatistics:
        with self._lock:
            slowest_s, self._slowest_sync_s = self._slowest_sync_s, 0.0
            is_open = sum(map(len, self._phases))
            return WriterStatistics(
                open=is_open, failed=self._failed, dropped_frames=self._dropped_frames, slowest_sync_s=slowest_s
            )

    def _handles(self) -> "list[WriterHandle]":
        with self._lock:
            return [handle for phase in self._phases for handle in phase]

    def _due_writes(self) -> Iterable[Job] | None:
        """Half of the recordings at each beat; behind every second write of a half, its sync."""
        with self._lock:
            if not any(self._phases):
                return None
            self._turn = (self._turn + 1) % (WRITE_PHASES * WRITES_PER_SYNC)
            handles = list(self._phases[self._turn % WRITE_PHASES])
        jobs: list[Job] = [handle.write for handle in handles if handle.claim_write()]
        if self._turn < WRITE_PHASES:
            jobs.append(partial(self.syncers.submit, partial(self._sync_together, handles)))
        return jobs

    def _sync_together(self, handles: "list[WriterHandle]") -> None:
        """Syncer thread: all files are on their way to the disk before the first is waited for.

        So the disk gets them in one sorted batch, and the first wait commits a journal that holds the sizes of all:
        a third of the waits of one file after the other, and on a spinning disk the difference between works and not.
        """
        with self._lock:
            directories, self._new_directories = self._new_directories, set()
        for directory in directories:
            sync_directory(directory)
        claimed = [handle for handle in handles if handle.claim_sync()]
        for handle in claimed:
            handle.begin_sync()
        self.syncers.submit(*(handle.sync for handle in claimed))

    def note_created(self, path: Path) -> None:
        with self._lock:
            self._new_directories.add(path.parent)

    def note_sync(self, seconds: float) -> None:
        self._slowest_sync_s = max(self._slowest_sync_s, seconds)

    def note_closed(self, handle: "WriterHandle", written: Written) -> None:
        with self._lock:
            for phase in self._phases:
                if handle in phase:
                    phase.remove(handle)
                    self._failed += written.error is not None
                    self._dropped_frames += written.dropped_frames

    def _stop(self) -> None:
        with self._lock:
            self._is_running = False
        deadline = time.monotonic() + STOP_S
        for handle in self._handles():
            handle.begin_close()
        # The writers' last jobs give the syncers theirs.
        self.writers.finish()
        in_time = self.writers.join(deadline)
        self.syncers.finish()
        if not (self.syncers.join(deadline) and in_time):
            for handle in self._handles():
                handle.give_up(f"the disk did not answer within {STOP_S:.0f} s")


class WriterHandle:
    """One recording being written. put() from one thread; close() from the event loop."""

    def __init__(self, writer: RecordingWriter, path: Path, *, rate_hz: int, channels: int, backlog_s: float) -> None:
        self.path = path
        self.rate_hz = rate_hz
        self.channels = channels
        self._writer = writer
        self._disk = writer.disk
        self._frame_bytes = channels * wav.SAMPLE_BYTES
        self._backlog_frames = int(backlog_s * rate_hz)
        # Written by the thread that calls put().
        self._blocks: deque[NDArray[np.int16] | int] = deque()
        self._accepted_frames = 0
        self._gap_frames = 0
        self._dropped_frames = 0
        # Written by whichever writer thread holds _writing.
        self._writing = threading.Lock()
        self._file: int | None = None
        self._taken_frames = 0
        self._end = wav.HEADER_BYTES
        self._error: str | None = None
        self._is_write_queued = False
        # Written by whichever syncer thread holds _syncing.
        self._syncing = threading.Lock()
        self._is_unsynced = False
        self._is_sync_queued = False
        self._is_closing = False
        self._result: Future[Written] = Future()

    @property
    def error(self) -> str | None:
        """Why nothing more is written; None while all is well."""
        return self._error

    def put(self, block: NDArray[np.int16]) -> None:
        """Takes over a block, (frames, channels) interleaved: its caller does not touch it any more. Never waits.

        With the backlog full the block becomes silence of its length and is counted as dropped.
        """
        frames, channels = block.shape
        if channels != self.channels or block.dtype != np.int16:
            raise ValueError(f"expected (frames, {self.channels}) of int16, found {block.shape} of {block.dtype}")
        if self._error is not None or self._is_closing:
            self._dropped_frames += frames
        elif self._accepted_frames - self._taken_frames + frames > self._backlog_frames:
            self._gap_frames += frames
            self._dropped_frames += frames
        else:
            if self._gap_frames:
                self._blocks.append(self._gap_frames)
                self._gap_frames = 0
            self._accepted_frames += frames
            self._blocks.append(block)

    async def close(self) -> Written:
        """Writes what is left, syncs and closes the file; the end of the recording. Idempotent.

        A caller that is cancelled here only stops waiting: the file is closed all the same.
        """
        self.begin_close()
        return await asyncio.shield(asyncio.wrap_future(self._result))

    def begin_close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._writer.writers.submit(self._write_last)

    def give_up(self, error: str) -> None:
        """Answers close() though the file is still in the disk's hands."""
        self._error = self._error or error
        self._settle()

    def claim_write(self) -> bool:
        """Whether a write is worth queueing; then it counts as queued."""
        is_due = bool(self._blocks) or self._file is None
        if is_due and not (self._is_write_queued or self._is_closing or self._error):
            self._is_write_queued = True
            return True
        return False

    def claim_sync(self) -> bool:
        if self._is_unsynced and not (self._is_sync_queued or self._is_closing):
            self._is_sync_queued = True
            return True
        return False

    def write(self) -> None:
        """Writer thread: everything put so far goes into the file, then the header says so."""
        with self._writing:
            if self._error is None:
                try:
                    self._append_all()
                except OSError as error:
                    self._fail(error)
            self._is_write_queued = False

    def _write_last(self) -> None:
        self.write()
        if self._gap_frames and self._error is None:
            self._blocks.append(self._gap_frames)
            self.write()
        self._writer.syncers.submit(self._close)

    def begin_sync(self) -> None:
        """Syncer thread: the kernel begins to write the file out; nobody waits for it."""
        with self._syncing:
            if self._file is not None:
                self._disk.begin_sync(self._file)

    def sync(self) -> None:
        """Syncer thread: what is written survives a power cut from here on."""
        with self._syncing:
            if self._file is not None and self._is_unsynced:
                self._is_unsynced = False
                begun = time.monotonic()
                try:
                    self._disk.sync(self._file)
                except OSError as error:
                    # The kernel tells of a lost write once and forgets it: a second try would succeed and mean nothing.
                    with self._writing:
                        self._fail(error)
                self._writer.note_sync(time.monotonic() - begun)
            self._is_sync_queued = False

    def _close(self) -> None:
        self.sync()
        with self._syncing, self._writing:
            if self._file is not None:
                with suppress(OSError):
                    self._disk.close(self._file)
                self._file = None
                sync_directory(self.path.parent)
        self._settle()

    def _settle(self) -> None:
        written = Written(
            path=self.path,
            rate_hz=self.rate_hz,
            channels=self.channels,
            frames=(self._end - wav.HEADER_BYTES) // self._frame_bytes,
            dropped_frames=self._dropped_frames + self._accepted_frames - self._taken_frames,
            error=self._error,
        )
        self._writer.note_closed(self, written)
        with suppress(InvalidStateError):
            self._result.set_result(written)

    def _append_all(self) -> None:
        if self._file is None:
            self._create()
        buffers: list[memoryview] = []
        is_hole_last = False
        while self._blocks:
            item = self._blocks.popleft()
            if is_hole_last := isinstance(item, int):
                self._append(buffers)
                self._end = self._end_after(item * self._frame_bytes)
                buffers = []
            else:
                buffers.append(np.ascontiguousarray(item, dtype="<i2").data)
                if len(buffers) == MAX_BUFFERS:
                    self._append(buffers)
                    buffers = []
        self._append(buffers)
        assert self._file is not None
        if is_hole_last:
            self._disk.resize(self._file, self._end)
        self._disk.patch(self._file, self._header())
        self._is_unsynced = True

    def _append(self, buffers: list[memoryview]) -> None:
        if not buffers:
            return
        assert self._file is not None
        end = self._end_after(sum(buffer.nbytes for buffer in buffers))
        self._disk.append(self._file, buffers, self._end)
        self._taken_frames += (end - self._end) // self._frame_bytes
        self._end = end

    def _end_after(self, size: int) -> int:
        if self._end + size > wav.MAX_DATA_BYTES:
            raise OSError(errno.EFBIG, "a WAV file holds no more than 4 GiB")
        return self._end + size

    def _create(self) -> None:
        self._file = self._disk.create(self.path, self._header())
        self._writer.note_created(self.path)

    def _header(self) -> bytes:
        return wav.header(rate_hz=self.rate_hz, channels=self.channels, data_bytes=self._end - wav.HEADER_BYTES)

    def _fail(self, error: OSError) -> None:
        """Ends the recording with the whole frames that reached the file."""
        self._error = explain(error)
        self._blocks.clear()
        if self._file is None:
            return
        with suppress(OSError):
            more_frames = max(self._disk.size(self._file) - self._end, 0) // self._frame_bytes
            self._end += more_frames * self._frame_bytes
            self._taken_frames += more_frames
            self._disk.resize(self._file, self._end)
            self._disk.patch(self._file, self._header())
            self._is_unsynced = True
