"""Recordings in an object store: moved there once they are final, read from there, removed from there.

The recordings directory is its own journal. A final ``<sid>.wav`` that lies there is still to be moved; it goes only
after the object was found whole. ``<sid>.gone`` is a removal that is still owed. So whatever is interrupted, by a
crash or by an object store that is away, is done again from what lies on disk, and nothing has to be remembered.
Knows no object store; s3.py does.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import structlog

from gateway.recordings import REPEATED_FOR
from gateway.sids import is_sid
from gateway.store import StorageUnavailable, Store
from gateway.transcription import ORDERED

log = structlog.get_logger(__name__)

SOON_LIMIT: Final = 1_000
TOGETHER: Final = 3
"""Failures in a row after which the object store counts as away."""
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 600.0
LOOK_S: Final = 3600.0
DERIVED_KEPT: Final = timedelta(hours=1)
_GONE: Final = ".gone"
_WAV: Final = ".wav"


@dataclass(frozen=True)
class StoredObject:
    """size in octets; modified: when it was written."""

    size: int
    modified: datetime


class Objects(Protocol):
    """An object store. All raise OSError when it does not do what was asked; FileNotFoundError: no such object."""

    async def put(self, name: str, path: Path) -> None: ...

    async def head(self, name: str) -> StoredObject: ...

    async def read(self, name: str, start: int, count: int) -> bytes: ...

    async def fetch(self, name: str, path: Path) -> None:
        """Write the whole object to that file."""

    async def delete(self, name: str) -> None:
        """Also where there is no such object."""


class Archive:
    """now: wall clock, aware; files' times are of the same one. remove_local: all files of a recording; blocks."""

    def __init__(
        self,
        objects: Objects,
        *,
        directory: Path,
        store: Store,
        remove_local: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._directory = directory
        self._store = store
        self._remove_local = remove_local
        self._now = now
        self._soon: deque[str] = deque()
        self._is_all_due = True
        self._wake = asyncio.Event()
        self._moving: str | None = None
        self._task: asyncio.Task[None] | None = None
        self.moved = 0
        self.failures = 0

    def start(self) -> None:
        """Move what lies in the directory, and from now on what ``keep`` names."""
        self._task = asyncio.create_task(self._run(), name="archive")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def keep(self, sid: str) -> None:
        """This recording is final, and nobody here needs its file any more."""
        if len(self._soon) >= SOON_LIMIT:
            # The directory has them all.
            self._soon.clear()
            self._is_all_due = True
        else:
            self._soon.append(sid)
        self._wake.set()

    async def head(self, sid: str) -> StoredObject:
        return await self._objects.head(sid + _WAV)

    async def read(self, sid: str, start: int, count: int) -> bytes:
        return await self._objects.read(sid + _WAV, start, count)

    async def fetch(self, sid: str, path: Path) -> None:
        await self._objects.fetch(sid + _WAV, path)

    async def owe_removal(self, sid: str) -> None:
        """Before the row says "deleted": from here on the object goes, whatever happens."""
        await asyncio.to_thread(_touch, self._marker(sid))

    async def remove(self, sid: str) -> None:
        """After the row says so. What does not succeed now is tried again until it does."""
        if self._moving == sid:
            # Whoever moves it looks at the marker when it has arrived.
            return
        try:
            await self._objects.delete(sid + _WAV)
        except OSError as error:
            await asyncio.to_thread(_touch, self._marker(sid))
            self._fail("object not removed", sid, error)
            self._is_all_due = True
            self._wake.set()
        else:
            await asyncio.to_thread(self._marker(sid).unlink, missing_ok=True)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            is_well = await self.move_all()
            if is_well:
                pause_s = FIRST_PAUSE_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
                # What was woken for may be one of many.
                self._is_all_due = self._is_all_due or not self._wake.is_set()
                self._wake.clear()
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._is_all_due = True

    async def move_all(self) -> bool:
        """Everything that is due, the oldest first; False when the object store seems to be away."""
        sids = list(self._soon)
        self._soon.clear()
        if self._is_all_due:
            self._is_all_due = False
            sids = await asyncio.to_thread(self._left)
        in_a_row = 0
        is_well = True
        for sid in sids:
            try:
                await self._see_to(sid)
            except (OSError, StorageUnavailable) as error:
                self._fail("recording not moved", sid, error)
                is_well = False
                in_a_row += 1
                if in_a_row >= TOGETHER:
                    break
            else:
                in_a_row = 0
        return is_well

    async def _see_to(self, sid: str) -> None:
        path = self._directory / (sid + _WAV)
        is_owed, is_there = await asyncio.to_thread(lambda: (self._marker(sid).exists(), path.exists()))
        if is_owed or is_there:
            record = await self._store.recording(sid)
            is_deleted = record is None or record.status == "deleted"
            if is_owed:
                await self._settle_removal(sid, is_deleted=is_deleted)
            elif record is not None and record.status == "completed" and is_there:
                is_ordered = ORDERED in record.details and record.date_updated > self._now() - REPEATED_FOR
                if not is_ordered:
                    await self._move(sid, path)

    async def _settle_removal(self, sid: str, *, is_deleted: bool) -> None:
        marker = self._marker(sid)
        if is_deleted:
            await self._objects.delete(sid + _WAV)
            await asyncio.to_thread(self._remove_local, sid)
        elif not await asyncio.to_thread(_is_older, marker, (self._now() - timedelta(minutes=10)).timestamp()):
            # Whoever asked for it is about to write the row.
            return
        await asyncio.to_thread(marker.unlink, missing_ok=True)

    async def _move(self, sid: str, path: Path) -> None:
        self._moving = sid
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
            await self._objects.put(sid + _WAV, path)
            found = await self._objects.head(sid + _WAV)
            if found.size != size:
                raise OSError(f"expected an object of {size} octets, found one of {found.size}")
        finally:
            self._moving = None
        record = await self._store.recording(sid)
        if record is None or record.status == "deleted" or await asyncio.to_thread(self._marker(sid).exists):
            # Deleted while it was under way. The marker stays until the object is gone.
            await asyncio.to_thread(_touch, self._marker(sid))
            await self._settle_removal(sid, is_deleted=record is None or record.status == "deleted")
            return
        await asyncio.to_thread(path.unlink, missing_ok=True)
        self.moved += 1
        log.info("recording moved", recording_sid=sid, octets=size)

    def _left(self) -> list[str]:
        """Sids of files and markers; what was derived of moved recordings goes when nobody asked for it lately."""
        return sorted(set(self._scan()))

    def _scan(self) -> Iterator[str]:
        derived_before = (self._now() - DERIVED_KEPT).timestamp()
        with os.scandir(self._directory) as entries:
            for entry in entries:
                sid, dot, suffix = entry.name.partition(".")
                if not is_sid("RE", sid):
                    continue
                if dot + suffix in (_WAV, _GONE):
                    yield sid
                elif suffix in ("mp3", "mono.wav", "mono.mp3", "peaks.json") or suffix.endswith(".fetched"):
                    path = Path(entry.path)
                    if not (self._directory / (sid + _WAV)).exists() and _is_older(path, derived_before):
                        path.unlink(missing_ok=True)

    def _marker(self, sid: str) -> Path:
        return self._directory / (sid + _GONE)

    def _fail(self, what: str, sid: str, error: Exception) -> None:
        self.failures += 1
        log.warning(what, recording_sid=sid, kind=type(error).__name__, reason=str(error)[:200])


def _touch(path: Path) -> None:
    """A name that survives a power cut."""
    path.touch()
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_older(path: Path, than: float) -> bool:
    try:
        return path.stat().st_mtime < than
    except FileNotFoundError:
        return False
