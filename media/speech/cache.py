"""Speech that was made before, on disk: named by what was said, bounded, the least recently heard goes first.

Files appear whole or not at all, so that a killed process leaves at worst a temporary one, which the next start
removes; one that does not read is made again. When the disk is full or broken, speech is made anew each time, and the
log says so once. Spoken text may be private, so only the daemon's own user may read it, and names are digests.
Blocking: called through asyncio.to_thread only. One process per directory.
Source: rename(2).
"""

import contextlib
import logging
import os
import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

SUFFIX: Final = ".wav"
_PART: Final = ".part"

_log = logging.getLogger(__name__)


class SpeechFiles:
    """capacity: bytes of all files; 0 keeps nothing. Thread-safe."""

    def __init__(self, directory: Path, *, capacity: int) -> None:
        self._directory = directory
        self._capacity = capacity
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] | None = None
        self._total = 0
        self._has_complained = False

    @property
    def total_bytes(self) -> int:
        return self._total

    def find(self, digest: str) -> Path | None:
        """The file, now the most recently heard."""
        with self._lock:
            sizes = self._known()
            if digest not in sizes:
                return None
            path = self._path(digest)
            try:
                os.utime(path)
            except OSError:
                self._total -= sizes.pop(digest)
                return None
            sizes.move_to_end(digest)
            return path

    def keep(self, digest: str, octets: bytes) -> None:
        """Never raises OSError: what cannot be kept is made again."""
        if len(octets) > self._capacity:
            return
        with self._lock:
            sizes = self._known()
            part = self._directory / f"{digest}.{secrets.token_hex(4)}{_PART}"
            try:
                file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(file, "wb") as stream:
                    stream.write(octets)
                part.replace(self._path(digest))
            except OSError as error:
                with contextlib.suppress(OSError):
                    part.unlink()
                self._complain(error)
                return
            self._total += len(octets) - sizes.pop(digest, 0)
            sizes[digest] = len(octets)
            while self._total > self._capacity:
                self._remove(next(iter(sizes)))

    def drop(self, digest: str) -> None:
        """For a file that does not read."""
        with self._lock:
            if digest in self._known():
                self._remove(digest)

    def _remove(self, digest: str) -> None:
        assert self._sizes is not None
        self._total -= self._sizes.pop(digest)
        with contextlib.suppress(OSError):
            self._path(digest).unlink()

    def _known(self) -> "OrderedDict[str, int]":
        """What is there, the least recently heard first; read once."""
        if self._sizes is None:
            self._sizes = OrderedDict()
            if self._capacity:
                try:
                    self._read(self._sizes)
                except OSError as error:
                    self._complain(error)
        return self._sizes

    def _read(self, sizes: "OrderedDict[str, int]") -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        found: list[tuple[float, str, int]] = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                name, suffix = os.path.splitext(entry.name)
                if suffix == _PART:
                    Path(entry.path).unlink(missing_ok=True)
                elif suffix == SUFFIX and entry.is_file(follow_symlinks=False):
                    status = entry.stat()
                    found.append((status.st_mtime, name, status.st_size))
        for _, name, size in sorted(found):
            sizes[name] = size
            self._total += size
        while self._total > self._capacity:
            self._remove(next(iter(sizes)))

    def _path(self, digest: str) -> Path:
        return self._directory / (digest + SUFFIX)

    def _complain(self, error: OSError) -> None:
        if not self._has_complained:
            self._has_complained = True
            _log.warning("speech is not kept in %s: %s", self._directory, error.strerror or error)
