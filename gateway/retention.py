"""What is forgotten after a time: recordings, then calls and conferences; deleted recordings' rows in any case.

Decides what may go: nothing that runs, nothing of which an application is still owed a word, no child of a call that
runs. It goes in small transactions with pauses between, oldest first, so that calls never wait for it. A recording's
row says "deleted" before its sound goes, so a crash in between leaves sound that nobody can reach, not a row without
sound; what is left is removed once more before the row itself goes.
Source: Twilio Recording resource ("metadata is kept for 40 days").
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from gateway.store import StorageUnavailable, Store
from gateway.store.records import DeletedCall, DeletedConference, DeletedRecording, Operation

log = structlog.get_logger(__name__)

DELETED_KEPT: Final = timedelta(days=40)
BATCH: Final = 100
PAUSE_S: Final = 0.2
FIRST_S: Final = 60.0
EVERY_S: Final = 3600.0


class Shelf(Protocol):
    """Where sound lies. owe_removal: before the row says "deleted"; remove: after, raises OSError, is asked again."""

    async def owe_removal(self, sid: str) -> None: ...

    async def remove(self, sid: str) -> None: ...


@dataclass
class Forgotten:
    """Since the start."""

    calls: int = 0
    recordings: int = 0


class Retention:
    """calls_for, recordings_for: how long after their end they are kept; None: for good."""

    def __init__(
        self,
        *,
        store: Store,
        calls_for: timedelta | None,
        recordings_for: timedelta | None,
        shelf: Shelf,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._calls_for = calls_for
        self._recordings_for = recordings_for
        self._shelf = shelf
        self._now = now
        self._task: asyncio.Task[None] | None = None
        self.forgotten = Forgotten()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.sweep()
            except StorageUnavailable as error:
                log.warning("nothing forgotten for now", reason=str(error))
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> None:
        """Forget all that is due. Raises StorageUnavailable."""
        now = self._now()
        if self._recordings_for is not None:
            await self._delete_recordings(now - self._recordings_for)
        await self._forget_deleted(now - DELETED_KEPT)
        if self._calls_for is not None:
            before = now - self._calls_for
            await self._forget(lambda: self._store.old_calls(before, limit=BATCH), DeletedCall)
            await self._forget(lambda: self._store.old_conferences(before, limit=BATCH), DeletedConference)

    async def _delete_recordings(self, before: datetime) -> None:
        after = ""
        while found := await self._store.old_recordings(before, after=after, limit=BATCH):
            after = found[-1].sid
            now = self._now()
            for each in found:
                await self._shelf.owe_removal(each.sid)
            await self._store.write(*(replace(each, status="deleted", date_updated=now) for each in found))
            self.forgotten.recordings += len(found)
            for each in found:
                await self._erased(each.sid)
            await asyncio.sleep(PAUSE_S)

    async def _forget_deleted(self, before: datetime) -> None:
        """Rows of recordings that were deleted long ago; one whose sound will not go stays."""
        after = ""
        while found := await self._store.deleted_recordings(before, after=after, limit=BATCH):
            after = found[-1].sid
            gone = [each.sid for each in found if await self._erased(each.sid)]
            await self._store.write(*(DeletedRecording(sid) for sid in gone))
            await asyncio.sleep(PAUSE_S)

    async def _forget(self, find: Callable[[], Awaitable[Sequence[str]]], of: Callable[[str], Operation]) -> None:
        last: Sequence[str] = ()
        # The same again: it went to the journal, because the database takes nothing at the moment.
        while (found := await find()) and found != last:
            last = found
            await self._store.write(*(of(sid) for sid in found))
            if of is DeletedCall:
                self.forgotten.calls += len(found)
            await asyncio.sleep(PAUSE_S)

    async def _erased(self, sid: str) -> bool:
        try:
            await self._shelf.remove(sid)
        except OSError as error:
            log.warning("sound of a deleted recording not removed", recording_sid=sid, reason=str(error))
            return False
        return True
