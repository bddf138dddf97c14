"""The queues of all accounts: those in which somebody waits now, and the records of all.

A queue is made by the first <Enqueue> that names it and stays on record; who waits in it is known here alone, for as
long as somebody does. All who use a queue at once use one LiveQueue. An account sees its own.
Source: Twilio <Enqueue> (queues are made on demand), <Queue>; Twilio Queue resource (names, sizes).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from gateway.rooms.queue import LiveQueue
from gateway.sids import is_sid, new_sid
from gateway.store import StorageUnavailable, Store
from gateway.store.records import QueueRecord
from media.player import Clip

_log = structlog.get_logger(__name__)

DEFAULT_SIZE: Final = 1000
LARGEST_SIZE: Final = 5000


class QueueExists(Exception):
    """Another queue has that name."""


class QueueInUse(Exception):
    """Somebody waits in the queue, or for somebody to enter it."""


@dataclass(eq=False)
class _Entry:
    """users: verbs that hold the queue now. queue: None until it was found, or if there is none."""

    users: int = 0
    queue: LiveQueue | None = None
    finding: asyncio.Lock = field(default_factory=asyncio.Lock)


_Name = tuple[str, str]
"""Account and friendly name."""


def _name_of(record: QueueRecord) -> _Name:
    return record.account_sid, record.friendly_name


class Queues:
    """music: what is heard by those who wait without a waitUrl. now: wall clock, aware."""

    def __init__(self, *, store: Store, music: Clip, now: Callable[[], datetime]) -> None:
        self._store = store
        self._music = music
        self._now = now
        self._entries: dict[_Name, _Entry] = {}

    def __len__(self) -> int:
        """How many are in use."""
        return len(self._entries)

    def __iter__(self) -> Iterator[LiveQueue]:
        return iter([entry.queue for entry in self._entries.values() if entry.queue is not None])

    def live(self, sid: str) -> LiveQueue | None:
        """The queue of that sid if it is in use now; any other is empty."""
        return next((queue for queue in self if queue.record.sid == sid), None)

    def holds(self, call_sid: str) -> bool:
        """Whether the call waits in a queue."""
        return any(queue.member(call_sid) is not None for queue in self)

    @asynccontextmanager
    async def made(self, name: str, *, account_sid: str, max_size: int | None = None) -> AsyncIterator[LiveQueue]:
        """The queue of that name, which is made if there is none: with room for max_size.

        Raises StorageUnavailable when it cannot be looked up.
        """
        async with self._entry((account_sid, name)) as entry:
            if entry.queue is None:
                entry.queue = self._live(await self._create(account_sid, name, max_size or DEFAULT_SIZE))
            yield entry.queue

    @asynccontextmanager
    async def found(self, name_or_sid: str, *, account_sid: str) -> AsyncIterator[LiveQueue | None]:
        """The queue of that name or sid; None: there is none. Raises StorageUnavailable."""
        name = name_or_sid
        if is_sid("QU", name_or_sid):
            live = self.live(name_or_sid)
            record = await self._store.queue(name_or_sid) if live is None else live.record
            if record is not None and record.account_sid == account_sid:
                name = record.friendly_name
        async with self._entry((account_sid, name)) as entry:
            yield entry.queue

    # What the REST API asks for. Each raises StorageUnavailable.

    async def create(self, name: str, *, account_sid: str, max_size: int = DEFAULT_SIZE) -> QueueRecord:
        """Raises QueueExists."""
        async with self._entry((account_sid, name)) as entry:
            if entry.queue is not None:
                raise QueueExists(name)
            record = await self._create(account_sid, name, max_size)
            entry.queue = self._live(record)
            return record

    async def change(self, record: QueueRecord, *, name: str | None = None, max_size: int | None = None) -> QueueRecord:
        """Rename it, or give it another size; those who wait stay. Raises QueueExists."""
        changed = replace(
            record,
            friendly_name=record.friendly_name if name is None else name,
            max_size=record.max_size if max_size is None else max_size,
            date_updated=self._now(),
        )
        if changed.friendly_name != record.friendly_name:
            async with self._entry(_name_of(changed)) as other:
                if other.queue is not None:
                    raise QueueExists(changed.friendly_name)
        await self._store.write(changed)
        live = self.live(record.sid)
        if live is not None:
            live.record = changed
            if changed.friendly_name != record.friendly_name:
                self._entries[_name_of(changed)] = self._entries.pop(_name_of(record))
        return changed

    async def delete(self, record: QueueRecord) -> None:
        """Raises QueueInUse."""
        if self.live(record.sid) is not None:
            raise QueueInUse(record.friendly_name)
        await self._store.write(replace(record, date_deleted=self._now()))

    @asynccontextmanager
    async def _entry(self, name: "_Name") -> AsyncIterator[_Entry]:
        """The one entry of that name, with its queue if there is one, kept as long as somebody is in here."""
        entry = self._entries.setdefault(name, _Entry())
        entry.users += 1
        try:
            async with entry.finding:
                if entry.queue is None:
                    record = await self._store.queue_named(*name)
                    entry.queue = None if record is None else self._live(record)
            yield entry
        finally:
            entry.users -= 1
            if not entry.users:
                self._forget(entry)

    def _forget(self, entry: _Entry) -> None:
        for name, found in tuple(self._entries.items()):
            if found is entry:
                del self._entries[name]

    def _live(self, record: QueueRecord) -> LiveQueue:
        return LiveQueue(record, music=self._music)

    async def _create(self, account_sid: str, name: str, max_size: int) -> QueueRecord:
        now = self._now()
        record = QueueRecord(
            sid=new_sid("QU"),
            account_sid=account_sid,
            friendly_name=name,
            max_size=min(max_size, LARGEST_SIZE),
            date_created=now,
            date_updated=now,
        )
        try:
            await self._store.write(record)
        except StorageUnavailable as error:
            # The store writes it later; whoever waits need not wait for that.
            _log.warning("queue not written yet", queue_sid=record.sid, reason=str(error))
        return record
