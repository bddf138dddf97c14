"""Disks to put under a RecordingWriter: real files behind a gate, a limit or a witness."""

import errno
import threading
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from media.disk import LocalDisk


@dataclass
class WitnessedDisk(LocalDisk):
    """Notes what is asked of it, by file name, and how many frames another reader finds after every write."""

    names: dict[int, Path] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    readable_frames: list[int] = field(default_factory=list)
    has_synced: threading.Event = field(default_factory=threading.Event)
    has_written: threading.Event = field(default_factory=threading.Event)

    def create(self, path: Path, start: bytes) -> int:
        file = super().create(path, start)
        self.names[file] = path
        self.asked.append(("create", path.name))
        return file

    def patch(self, file: int, start: bytes) -> None:
        super().patch(file, start)
        self.asked.append(("write", self.names[file].name))
        with wave.open(str(self.names[file])) as found:
            self.readable_frames.append(found.getnframes())
        self.has_written.set()

    def begin_sync(self, file: int) -> None:
        super().begin_sync(file)
        self.asked.append(("begin", self.names[file].name))

    def sync(self, file: int) -> None:
        super().sync(file)
        self.asked.append(("sync", self.names[file].name))
        self.has_synced.set()


@dataclass
class GatedDisk(LocalDisk):
    """Appending to a file whose name begins with "slow" waits until the gate is opened."""

    gate: threading.Event = field(default_factory=threading.Event)
    is_waiting: threading.Event = field(default_factory=threading.Event)
    has_written: threading.Event = field(default_factory=threading.Event)
    slow: set[int] = field(default_factory=set)

    def create(self, path: Path, start: bytes) -> int:
        file = super().create(path, start)
        if path.name.startswith("slow"):
            self.slow.add(file)
        return file

    def append(self, file: int, buffers: Sequence[memoryview], offset: int) -> None:
        if file in self.slow:
            self.is_waiting.set()
            self.gate.wait(30)
        super().append(file, buffers, offset)

    def patch(self, file: int, start: bytes) -> None:
        super().patch(file, start)
        self.has_written.set()

    def close(self, file: int) -> None:
        self.slow.discard(file)
        super().close(file)


@dataclass
class SmallDisk(LocalDisk):
    """Takes `room` bytes of sound in all, the last of them in the middle of a write; then it is full, or broken."""

    room: int
    error: int = errno.ENOSPC
    is_full: threading.Event = field(default_factory=threading.Event)

    def append(self, file: int, buffers: Sequence[memoryview], offset: int) -> None:
        whole = b"".join(buffers)
        taken = whole[: self.room]
        super().append(file, [memoryview(taken)], offset)
        self.room -= len(taken)
        if len(taken) < len(whole):
            self.is_full.set()
            raise OSError(self.error, "no more room on this disk")


@dataclass
class BrokenDisk(LocalDisk):
    """One of its operations fails; `fail` says which."""

    fail: str
    error: int = errno.EIO
    has_failed: threading.Event = field(default_factory=threading.Event)

    def create(self, path: Path, start: bytes) -> int:
        self._reach("create")
        return super().create(path, start)

    def patch(self, file: int, start: bytes) -> None:
        self._reach("patch")
        super().patch(file, start)

    def sync(self, file: int) -> None:
        self._reach("sync")
        super().sync(file)

    def _reach(self, step: str) -> None:
        if step == self.fail:
            self.has_failed.set()
            raise OSError(self.error, "broken")
