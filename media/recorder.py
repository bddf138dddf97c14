"""Recordings on their way to the disk: blocks of PCM in, WAV files out that survive the death of the process.

Decides when what was recorded is written (every 0.4 s), made durable (every second) and given up (a disk error, or more
than 10 s that the disk did not take). Owns the files while they grow. Who cuts the blocks is media/engine.py; repairing
what a killed process left is media/wav.py.

A file is right after every write: samples first, then the sizes in its header. So a kill costs what was not yet
written, a power cut what was not yet synced. What a slow disk made us drop is silence of the same length in the file
(a hole, which costs no writing): the time line of the call holds. A disk error ends that one recording where it is.

Appends with pwritev rather than through soundfile: both take the same CPU, but after a full disk we know the error and
the bytes that got there and can close the file properly, where libsndfile leaves a header that promises too much; and
a hole cannot be written through it.
"""

import asyncio
import contextlib
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media import wav
from media.crew import Crew, Job

WRITE_PERIOD_S = 0.4
WRITE_PHASES = 2
SYNC_PERIOD_S = 1.0
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
        sync_period_s: float = SYNC_PERIOD_S,
        backlog_s: float = BACKLOG_S,
    ) -> None:
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
        self.syncers = Crew("recording-sync", self._due_syncs, workers=2, beat_s=sync_period_s)

    def start(self) -> None:
        self._is_running = True
        self.writers.start()
        self.syncers.start()

    def open(self, path: Path, *, rate_hz: int, channels: int) -> "WriterHandle":
        """Begins a recording; never waits for the disk. The directory must exist, the file must not.

        A file that cannot be made is told by close(), like every disk error.
        """
        if not self._is_running:
            raise RuntimeError("expected a running RecordingWriter, found one not started or stopped")
        handle = WriterHandle(self, path, rate_hz=rate_hz, channels=channels, backlog_s=self._backlog_s)
        with self._lock:
            self._phases[self._next_phase].add(handle)
            self._next_phase = (self._next_phase + 1) % WRITE_PHASES
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

    def _due_writes(self) -> Iterable[Job]:
        with self._lock:
            self._turn = (self._turn + 1) % WRITE_PHASES
            return [handle.write for handle in self._phases[self._turn] if handle.claim_write()]

    def _due_syncs(self) -> Iterable[Job]:
        with self._lock:
            directories, self._new_directories = self._new_directories, set()
        jobs: list[Job] = [handle.sync for handle in self._handles() if handle.claim_sync()]
        jobs.extend(partial(_sync_directory_quietly, directory) for directory in directories)
        return jobs

    def note_created(self, path: Path) -> None:
        with self._lock:
            self._new_directories.add(path.parent)

    def note_sync(self, seconds: float) -> None:
        self._slowest_sync_s = max(self._slowest_sync_s, seconds)

    def note_closed(self, handle: "WriterHandle", written: Written) -> None:
        with self._lock:
            for phase in self._phases:
                phase.discard(handle)
            self._failed += written.error is not None
            self._dropped_frames += written.dropped_frames

    def _stop(self) -> None:
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
        self._frame_bytes = channels * wav.SAMPLE_BYTES
        self._backlog_frames = int(backlog_s * rate_hz)
        # Written by the thread that calls put().
        self._blocks: deque[NDArray[np.int16] | int] = deque()
        self._accepted_frames = 0
        self._gap_frames = 0
        self._dropped_frames = 0
        # Written by whichever writer thread holds _writing.
        self._writing = threading.Lock()
        self._descriptor: int | None = None
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
        if channels != self.channels:
            raise ValueError(f"expected (frames, {self.channels}), found {block.shape}")
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
        is_due = bool(self._blocks) or self._descriptor is None
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
            self._is_write_queued = False
            if self._error is None:
                try:
                    self._append_all()
                except OSError as error:
                    self._fail(error)

    def _write_last(self) -> None:
        self.write()
        if self._gap_frames and self._error is None:
            self._blocks.append(self._gap_frames)
            self.write()
        self._writer.syncers.submit(self._close)

    def sync(self) -> None:
        """Syncer thread: what is written survives a power cut from here on."""
        with self._syncing:
            self._is_sync_queued = False
            if self._descriptor is None or not self._is_unsynced:
                return
            self._is_unsynced = False
            begun = time.monotonic()
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                # The kernel reports a lost write once and forgets it: trying again would succeed and mean nothing.
                with self._writing:
                    self._fail(error)
            self._writer.note_sync(time.monotonic() - begun)

    def _close(self) -> None:
        self.sync()
        with self._syncing, self._writing:
            if self._descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(self._descriptor)
                self._descriptor = None
                _sync_directory_quietly(self.path.parent)
        self._settle()

    def _settle(self) -> None:
        written = Written(
            path=self.path,
            rate_hz=self.rate_hz,
            channels=self.channels,
            frames=(self._end - wav.HEADER_BYTES) // self._frame_bytes,
            dropped_frames=self._dropped_frames,
            error=self._error,
        )
        self._writer.note_closed(self, written)
        with contextlib.suppress(asyncio.InvalidStateError):
            self._result.set_result(written)

    def _append_all(self) -> None:
        if self._descriptor is None:
            self._create()
        buffers: list[memoryview] = []
        is_hole_last = False
        while self._blocks:
            item = self._blocks.popleft()
            if is_hole_last := isinstance(item, int):
                self._append(buffers)
                self._end += item * self._frame_bytes
                buffers = []
            else:
                buffers.append(np.ascontiguousarray(item, dtype="<i2").data)
                if len(buffers) == MAX_BUFFERS:
                    self._append(buffers)
                    buffers = []
        self._append(buffers)
        assert self._descriptor is not None
        if is_hole_last:
            os.ftruncate(self._descriptor, self._end)
        os.pwrite(self._descriptor, self._header(), 0)
        self._is_unsynced = True

    def _append(self, buffers: list[memoryview]) -> None:
        if not buffers:
            return
        assert self._descriptor is not None
        size = sum(buffer.nbytes for buffer in buffers)
        if self._end + size > wav.MAX_DATA_BYTES:
            raise OSError(errno.EFBIG, "a WAV file holds 4 GiB")
        done = os.pwritev(self._descriptor, buffers, self._end)
        if done < size:
            rest = memoryview(b"".join(buffer.tobytes() for buffer in buffers))
            while done < size:
                done += os.pwrite(self._descriptor, rest[done:], self._end + done)
        self._end += size
        self._taken_frames += size // self._frame_bytes

    def _create(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o640)
        try:
            os.pwrite(descriptor, self._header(), 0)
        except OSError:
            os.close(descriptor)
            self.path.unlink()
            raise
        self._descriptor = descriptor
        self._writer.note_created(self.path)

    def _header(self) -> bytes:
        return wav.header(rate_hz=self.rate_hz, channels=self.channels, data_bytes=self._end - wav.HEADER_BYTES)

    def _fail(self, error: OSError) -> None:
        """Ends the recording with the whole frames that reached the file."""
        self._error = f"{error.strerror} ({errno.errorcode.get(error.errno or 0, 'no errno')})"
        self._blocks.clear()
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            there = max(os.fstat(self._descriptor).st_size - wav.HEADER_BYTES, 0)
            self._end = wav.HEADER_BYTES + there - there % self._frame_bytes
            os.ftruncate(self._descriptor, self._end)
            os.pwrite(self._descriptor, self._header(), 0)
            self._is_unsynced = True


async def finish(part: Path, final: Path) -> None:
    """Gives a closed recording its last name, durably: after this a power cut finds it there and nowhere else.

    Done once already (part gone, final there) is done. Raises OSError.
    """
    await asyncio.to_thread(_rename, part, final)


def _rename(part: Path, final: Path) -> None:
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if final.exists():
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(part, final)
    for directory in {part.parent, final.parent}:
        _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory_quietly(directory: Path) -> None:
    """Some network file systems cannot sync a directory; the recording is no worse for it than they are."""
    with contextlib.suppress(OSError):
        _sync_directory(directory)
