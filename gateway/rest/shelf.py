"""Where a recording's sound is found, for whoever reads or deletes it: on disk, else in the archive.

A file on disk goes before an object: it is there until the object was found whole. Other formats of an archived
recording are made from a copy that is fetched for it, and kept on disk for a while.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from gateway.archive import Archive
from gateway.rest.ranges import Readable
from gateway.rest.sound import LOWEST_WAV, RecordingFiles, SoundFormat
from gateway.sids import new_sid

OBJECT_PIECE: Final = 512 * 1024


@dataclass(frozen=True)
class ArchivedSound:
    archive: Archive
    sid: str
    size: int
    modified_ns: int

    async def read(self, start: int, count: int) -> bytes:
        return await self.archive.read(self.sid, start, min(OBJECT_PIECE, count))

    def close(self) -> None:
        """Nothing is held between two reads."""


class RecordingShelf:
    """archive None: all sound is on disk."""

    def __init__(self, files: RecordingFiles, archive: Archive | None = None) -> None:
        self._files = files
        self._archive = archive
        # One conversion at a time: it takes a core for seconds, and calls need it more.
        self._converting = asyncio.Semaphore(1)
        self._outlining = asyncio.Semaphore(1)

    async def is_readable(self, sid: str) -> bool:
        """Whether the recording's sound is there."""
        if await asyncio.to_thread(self._files.is_readable, sid):
            return True
        if self._archive is None:
            return False
        try:
            return (await self._archive.head(sid)).size >= LOWEST_WAV
        except OSError:
            return False

    async def open(self, sid: str, made: SoundFormat, *, is_mixed: bool) -> Readable:
        """The sound in that format; whoever asked closes it. Raises OSError, FileNotFoundError where there is none,
        soundfile.LibsndfileError when it cannot be converted.
        """
        is_as_it_is = made is SoundFormat.WAV and not is_mixed
        try:
            return await asyncio.to_thread(self._files.open, sid, made, is_mixed=is_mixed)
        except FileNotFoundError:
            if is_as_it_is and self._archive is None:
                raise
        if is_as_it_is:
            return await self._archived(sid)
        async with self._converting:
            await self._make(sid, partial(self._files.make, sid, made, is_mixed=is_mixed))
        return await asyncio.to_thread(self._files.open, sid, made, is_mixed=is_mixed)

    async def open_outline(self, sid: str) -> Readable:
        """Its outline as JSON (``RecordingFiles.open_peaks``). As ``open``."""
        with suppress(FileNotFoundError):
            return await asyncio.to_thread(self._files.open_peaks, sid)
        # Not behind a conversion, which may take long.
        async with self._outlining:
            await self._make(sid, partial(self._files.make_peaks, sid))
        return await asyncio.to_thread(self._files.open_peaks, sid)

    async def owe_removal(self, sid: str) -> None:
        """Before the recording's row says "deleted"."""
        if self._archive is not None:
            await self._archive.owe_removal(sid)

    async def remove(self, sid: str) -> None:
        """After it says so: the sound and everything made of it. Raises OSError when the disk does not let go."""
        await asyncio.to_thread(self._files.remove, sid)
        if self._archive is not None:
            await self._archive.remove(sid)

    async def _archived(self, sid: str) -> ArchivedSound:
        assert self._archive is not None
        found = await self._archive.head(sid)
        return ArchivedSound(self._archive, sid, found.size, int(found.modified.timestamp() * 10**9))

    async def _make(self, sid: str, make: Callable[..., None]) -> None:
        """make: of the recording on disk, or of ``source``."""
        try:
            await asyncio.to_thread(make)
        except FileNotFoundError:
            if self._archive is None:
                raise
            copy: Path = self._files.directory / f"{sid}.{new_sid('')}.fetched"
            try:
                await self._archive.fetch(sid, copy)
                await asyncio.to_thread(make, source=copy)
            finally:
                await asyncio.to_thread(copy.unlink, missing_ok=True)
