"""Records of calls, legs, events and recordings, and what applications are owed: the loop's side of the database.

Owns the engine, the writer and the readers' threads; nothing here blocks the loop. ``write`` returns when the facts
are safe, ``write_soon`` does not wait; both keep the order of the calls. A row that cannot be read is left out with
one line in the log: one bad record never keeps anybody from the others.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from time import time_ns
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import structlog

from gateway.sids import first_sid
from gateway.store import oldest
from gateway.store.call_list import call_list
from gateway.store.columns import RowMap, UnreadableRow
from gateway.store.database import ANSWER_S, journal_path, open_engine
from gateway.store.journal import Journal
from gateway.store.records import (
    CallRecord,
    ConferenceRecord,
    ConfiguredRecord,
    EventRecord,
    LegRecord,
    Operation,
    OwedCallback,
    QueueRecord,
    RecordingRecord,
)
from gateway.store.schema import (
    CALL_ROWS,
    CALLS,
    CONFERENCE_ROWS,
    CONFERENCES,
    CONFIGURED,
    CONFIGURED_ROWS,
    EVENT_ROWS,
    EVENTS,
    LEG_ROWS,
    LEGS,
    NOTIFICATIONS,
    OUTBOX,
    OUTBOX_ROWS,
    QUEUE_ROWS,
    QUEUES,
    RECORDING_ROWS,
    RECORDINGS,
    UNFINISHED_CALLS,
    UNFINISHED_CONFERENCES,
    UNFINISHED_RECORDINGS,
    migrate,
)
from gateway.store.search import (
    CallSearch,
    ConferenceSearch,
    EventSearch,
    NotificationSearch,
    Place,
    QueueSearch,
    RecordingSearch,
    Window,
)
from gateway.store.writer import Outcome, StorageUnavailable, Submission, Writer

_log = structlog.get_logger()

RecordT = TypeVar("RecordT")
ResultT = TypeVar("ResultT")
OwedListener = Callable[[Sequence[OwedCallback]], None]
WrittenListener = Callable[[Sequence[Operation]], None]

READERS: Final = 2
SPACING_S: Final = 0.03
LINGER_S: Final = 0.1
STOP_S: Final = 10.0
START_S: Final = 30.0


class Store:
    """Made by ``await Store.open(url)``."""

    def __init__(self, engine: sa.Engine, readers: ThreadPoolExecutor, *, journal: Journal) -> None:
        self._engine = engine
        self._readers = readers
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._on_owed: OwedListener | None = None
        self._on_written: WrittenListener | None = None
        self._positions = count(1)
        self._gathered: list[Submission] = []
        self._outstanding = 0
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._writer = Writer(engine, journal=journal, report=self._report_from_thread)

    @staticmethod
    async def open(url: str, *, journal: Path | None = None) -> "Store":
        """Open the database, bring its schema up to date, write what the journal still holds.

        url: ``sqlite:///file`` or ``postgresql://…``. journal: where records wait while the database is away.
        Raises UsageError for another url, StorageUnavailable when the database does not answer, SchemaTooNew when it
        is a newer version's.
        """
        loop = asyncio.get_running_loop()
        readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        with contextlib.ExitStack() as undo:
            undo.callback(readers.shutdown, wait=False)
            engine = await loop.run_in_executor(readers, open_engine, url)
            store = Store(engine, readers, journal=Journal(journal or journal_path(url)))
            await store._read(store._begin, timeout_s=None)
            undo.pop_all()
        return store

    async def close(self) -> None:
        """Write everything submitted so far, then close. Idempotent."""
        if self._closed:
            return
        self._hand_over()
        self._closed = True
        finished = await self._loop.run_in_executor(self._readers, self._writer.stop, STOP_S)
        if not finished:
            _log.error("storage still busy at the end", waited_s=STOP_S)
        # Outcomes of the last batch were handed to the loop before the thread ended; let them arrive.
        await asyncio.sleep(0)
        await self._loop.run_in_executor(self._readers, self._engine.dispose)
        self._readers.shutdown(wait=False)

    @property
    def is_away(self) -> bool:
        """Whether facts go to the journal because the database does not take them."""
        return self._writer.is_away

    def listen_owed(self, listener: OwedListener) -> None:
        """listener: called on the loop with callbacks as soon as they are safe, in the order they were written."""
        self._on_owed = listener

    def listen_written(self, listener: WrittenListener) -> None:
        """listener: called on the loop with every operation as soon as it can be read back, in order."""
        self._on_written = listener

    def write(self, *operations: Operation) -> "asyncio.Future[None]":
        """Write in one transaction. Await the result to know that the facts are safe; it may also be dropped.

        Raises StorageUnavailable (from the await) when neither database nor journal took them; they are kept and
        written later all the same.
        """
        self._check_open()
        future: asyncio.Future[None] = self._loop.create_future()
        self._submit(Submission(self._placed(operations), future), urgent=True)
        return future

    def write_soon(self, *operations: Operation) -> None:
        """Write in one transaction within a moment, in order with everything else; a failure is logged."""
        self._check_open()
        is_owed = OwedCallback in map(type, operations)
        self._submit(Submission(self._placed(operations) if is_owed else operations), urgent=is_owed)

    async def flush(self) -> None:
        """Returns when everything submitted before is safe; at once where that is so already."""
        await self._all_safe(urgent=True)

    async def written(self) -> None:
        """As flush(), for who need not hurry: what was submitted before goes its usual way, and no sooner."""
        await self._all_safe(urgent=False)

    async def _all_safe(self, *, urgent: bool) -> None:
        self._check_open()
        if self._outstanding:
            future: asyncio.Future[None] = self._loop.create_future()
            self._submit(Submission((), future), urgent=urgent)
            await future
        else:
            # Whoever asks again and again must not keep others from running.
            await asyncio.sleep(0)

    async def call(self, sid: str) -> CallRecord | None:
        return await self._one(CALL_ROWS, CALLS.c.sid == sid)

    async def calls(self, *, parent_call_sid: str | None = None, limit: int = 50) -> list[CallRecord]:
        """Newest first."""
        conditions = [] if parent_call_sid is None else [CALLS.c.parent_call_sid == parent_call_sid]
        return await self._many(CALL_ROWS, *conditions, order=(CALLS.c.sid.desc(),), limit=limit)

    async def search_calls(self, search: CallSearch, place: Place) -> tuple[list[CallRecord], bool]:
        """The page's calls, newest first, and whether there are more in the direction it was asked for."""
        query, parameters = call_list(search, place, dialect=self._engine.dialect.name)
        found = await self._read(self._select, query, CALL_ROWS, parameters)
        is_up = place.before is not None
        page = found[: place.size]
        return page[::-1] if is_up else page, len(found) > place.size

    async def search_recordings(self, search: RecordingSearch, place: Place) -> tuple[list[RecordingRecord], bool]:
        """As search_calls."""
        return await self._page(RECORDING_ROWS, RECORDINGS.c.sid, search.conditions(), place, search.window)

    async def search_conferences(self, search: ConferenceSearch, place: Place) -> tuple[list[ConferenceRecord], bool]:
        """As search_calls."""
        return await self._page(CONFERENCE_ROWS, CONFERENCES.c.sid, search.conditions(), place, search.window)

    async def search_queues(self, search: QueueSearch, place: Place) -> tuple[list[QueueRecord], bool]:
        """As search_calls."""
        return await self._page(QUEUE_ROWS, QUEUES.c.sid, search.conditions(), place)

    async def unfinished_calls(self) -> list[CallRecord]:
        """Calls that nobody ended: at start, what a crash left behind. Oldest first."""
        return await self._many(CALL_ROWS, sa.text(UNFINISHED_CALLS), order=(CALLS.c.sid,), timeout_s=START_S)

    async def legs(self, call_sid: str) -> list[LegRecord]:
        return await self._many(LEG_ROWS, LEGS.c.call_sid == call_sid, order=(LEGS.c.created_at,))

    async def recording(self, sid: str) -> RecordingRecord | None:
        return await self._one(RECORDING_ROWS, RECORDINGS.c.sid == sid)

    async def recordings(self, call_sid: str | None = None, *, limit: int = 50) -> list[RecordingRecord]:
        """Newest first."""
        conditions = [] if call_sid is None else [RECORDINGS.c.call_sid == call_sid]
        return await self._many(RECORDING_ROWS, *conditions, order=(RECORDINGS.c.sid.desc(),), limit=limit)

    async def unfinished_recordings(self) -> list[RecordingRecord]:
        """Recordings that nobody completed: at start, what a crash left behind. Oldest first."""
        condition = sa.text(UNFINISHED_RECORDINGS)
        return await self._many(RECORDING_ROWS, condition, order=(RECORDINGS.c.sid,), timeout_s=START_S)

    async def untranscribed_recordings(self, *, since: datetime) -> list[RecordingRecord]:
        """Recordings made since then that are complete or absent, and whose transcription is still ordered."""
        conditions = [
            RECORDINGS.c.sid >= first_sid("RE", since),
            RECORDINGS.c.status.in_(("completed", "absent")),
            RECORDINGS.c.details.contains('"transcription"'),
        ]
        return await self._many(RECORDING_ROWS, *conditions, order=(RECORDINGS.c.sid,), timeout_s=START_S)

    async def old_recordings(self, before: datetime, *, after: str, limit: int) -> list[RecordingRecord]:
        """Final ones of before then whose turn has come, oldest first, behind ``after``."""
        conditions = oldest.old_recordings(before, after=after)
        return await self._many(RECORDING_ROWS, *conditions, order=(RECORDINGS.c.sid,), limit=limit, timeout_s=START_S)

    async def deleted_recordings(self, before: datetime, *, after: str, limit: int) -> list[RecordingRecord]:
        """Those that were deleted before then, oldest first, behind ``after``."""
        conditions = oldest.deleted_recordings(before, after=after)
        return await self._many(RECORDING_ROWS, *conditions, order=(RECORDINGS.c.sid,), limit=limit, timeout_s=START_S)

    async def old_calls(self, before: datetime, *, limit: int) -> list[str]:
        """Sids of calls that ended before then and that nothing keeps, oldest first."""
        conditions = oldest.old_calls(before)
        found = await self._many(CALL_ROWS, *conditions, order=(CALLS.c.sid,), limit=limit, timeout_s=START_S)
        return [record.sid for record in found]

    async def old_conferences(self, before: datetime, *, limit: int) -> list[str]:
        """As old_calls."""
        conditions = oldest.old_conferences(before)
        order = (CONFERENCES.c.sid,)
        found = await self._many(CONFERENCE_ROWS, *conditions, order=order, limit=limit, timeout_s=START_S)
        return [record.sid for record in found]

    async def conference(self, sid: str) -> ConferenceRecord | None:
        return await self._one(CONFERENCE_ROWS, CONFERENCES.c.sid == sid)

    async def conferences(
        self, *, friendly_name: str | None = None, status: str | None = None, limit: int = 50
    ) -> list[ConferenceRecord]:
        """Newest first."""
        conditions = [] if friendly_name is None else [CONFERENCES.c.friendly_name == friendly_name]
        conditions += [] if status is None else [CONFERENCES.c.status == status]
        return await self._many(CONFERENCE_ROWS, *conditions, order=(CONFERENCES.c.sid.desc(),), limit=limit)

    async def unfinished_conferences(self) -> list[ConferenceRecord]:
        """Conferences that nobody ended: at start, what a crash left behind. Oldest first."""
        condition = sa.text(UNFINISHED_CONFERENCES)
        return await self._many(CONFERENCE_ROWS, condition, order=(CONFERENCES.c.sid,), timeout_s=START_S)

    async def queue(self, sid: str) -> QueueRecord | None:
        """One in use; a deleted queue is none."""
        return await self._one(QUEUE_ROWS, sa.and_(QUEUES.c.sid == sid, QUEUES.c.date_deleted.is_(None)))

    async def queue_named(self, account_sid: str, name: str) -> QueueRecord | None:
        """One in use; a deleted queue is none."""
        condition = sa.and_(
            QUEUES.c.friendly_name == name, QUEUES.c.account_sid == account_sid, QUEUES.c.date_deleted.is_(None)
        )
        return await self._one(QUEUE_ROWS, condition)

    async def configured(self) -> list[ConfiguredRecord]:
        """Everything, oldest first."""
        return await self._many(CONFIGURED_ROWS, order=(CONFIGURED.c.date_created, CONFIGURED.c.sid), timeout_s=START_S)

    async def queues(self, *, limit: int = 50) -> list[QueueRecord]:
        """Those in use, newest first."""
        return await self._many(QUEUE_ROWS, QUEUES.c.date_deleted.is_(None), order=(QUEUES.c.sid.desc(),), limit=limit)

    async def events(self, call_sid: str) -> list[EventRecord]:
        """The call's timeline, oldest first."""
        return await self._many(EVENT_ROWS, EVENTS.c.call_sid == call_sid, order=(EVENTS.c.position,))

    async def events_of(self, call_sids: Sequence[str], *, limit: int) -> list[EventRecord]:
        """The timelines of several calls, in the order in which their lines were written."""
        return await self._many(EVENT_ROWS, EVENTS.c.call_sid.in_(call_sids), order=(EVENTS.c.position,), limit=limit)

    async def search_events(self, search: EventSearch, *, size: int) -> tuple[list[EventRecord], bool]:
        """Newest first, those next above search.above where that is given; and whether there are more that way."""
        is_back = search.above is not None
        order = EVENTS.c.position.asc() if is_back else EVENTS.c.position.desc()
        found = await self._many(EVENT_ROWS, *search.conditions(), order=(order,), limit=size + 1)
        return found[:size][:: -1 if is_back else 1], len(found) > size

    async def search_notifications(self, search: NotificationSearch, *, size: int) -> tuple[list[EventRecord], bool]:
        """Newest first, those next ahead of search.ahead where that is given; and whether there are more that way."""
        is_back = search.ahead is not None
        order = [column.asc() if is_back else column.desc() for column in (EVENTS.c.at, EVENTS.c.position)]
        found: list[EventRecord] = []
        for level in search.levels:
            found += await self._many(EVENT_ROWS, *search.conditions(level), order=order, limit=size + 1)
        found.sort(key=lambda line: (line.at, line.position), reverse=not is_back)
        return found[:size][:: -1 if is_back else 1], len(found) > size

    async def notifications_at(self, account_sid: str, position: int) -> list[EventRecord]:
        """The account's notification at this position; of two processes on one database it may be two."""
        here = EVENTS.c.position == position
        return await self._many(EVENT_ROWS, EVENTS.c.account_sid == account_sid, here, sa.text(NOTIFICATIONS), limit=10)

    async def legs_of(self, call_sids: Sequence[str]) -> list[LegRecord]:
        return await self._many(LEG_ROWS, LEGS.c.call_sid.in_(call_sids), order=(LEGS.c.created_at,))

    async def recordings_of(self, call_sids: Sequence[str], *, limit: int = 200) -> list[RecordingRecord]:
        """Oldest first, without those that were deleted."""
        conditions = (RECORDINGS.c.call_sid.in_(call_sids), RECORDINGS.c.status != "deleted")
        return await self._many(RECORDING_ROWS, *conditions, order=(RECORDINGS.c.sid,), limit=limit)

    async def owed_callbacks(self, *, after: int = 0, limit: int = 1000) -> list[OwedCallback]:
        """Callbacks still owed with a position above ``after``, in the order they were written."""
        condition = OUTBOX.c.position > after
        return await self._many(OUTBOX_ROWS, condition, order=(OUTBOX.c.position,), limit=limit)

    async def _one(self, rows: RowMap[RecordT], condition: sa.ColumnElement[bool]) -> RecordT | None:
        found = await self._many(rows, condition, limit=1)
        return found[0] if found else None

    async def _page(
        self,
        rows: RowMap[RecordT],
        key: "sa.Column[str]",
        conditions: Iterable[sa.ColumnElement[bool]],
        place: Place,
        window: Window = Window(),  # noqa: B008  # frozen
    ) -> tuple[list[RecordT], bool]:
        wanted, within, is_back = list(conditions), window.within(place), place.before is not None
        if within.lowest is not None:
            wanted.append(key > within.lowest)
        if within.highest is not None:
            wanted.append(key < within.highest)
        order = key.asc() if is_back else key.desc()
        found = await self._many(rows, *wanted, order=(order,), limit=place.size + 1)
        return found[: place.size][:: -1 if is_back else 1], len(found) > place.size

    async def _many(
        self,
        rows: RowMap[RecordT],
        *conditions: sa.ColumnElement[bool] | sa.TextClause,
        order: Sequence[Any] = (),
        limit: int | None = None,
        timeout_s: float = ANSWER_S,
    ) -> list[RecordT]:
        # Cells come as the driver gives them: a bad one must cost its own row, not the whole answer.
        raw = [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in rows.table.columns]
        query = sa.select(*raw).where(*conditions).order_by(*order).limit(limit)
        return await self._read(self._select, query, rows, timeout_s=timeout_s)

    def _select(
        self, query: sa.Select[Any], rows: RowMap[RecordT], parameters: Mapping[str, object] | None = None
    ) -> list[RecordT]:
        with self._engine.connect() as connection:
            found = connection.execute(query, parameters).all()
        records = []
        for row in found:
            try:
                records.append(rows.decode(row))
            except UnreadableRow as error:
                _log.error("unreadable record left out", reason=str(error))
        return records

    async def _read(
        self, function: Callable[..., ResultT], *arguments: Any, timeout_s: float | None = ANSWER_S
    ) -> ResultT:
        self._check_open()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._loop.run_in_executor(self._readers, function, *arguments)
        except TimeoutError:
            raise StorageUnavailable(f"expected an answer of the database in {timeout_s} s, found none") from None
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            reason = getattr(error, "orig", None) or error
            raise StorageUnavailable(f"expected an answer of the database, found {reason}") from error

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("expected an open store, found a closed one")

    def _submit(self, submission: Submission, *, urgent: bool) -> None:
        """Hand over soon, together with what others write meanwhile.

        The first urgent one after a quiet moment goes at once; under load a transaction begins ``SPACING_S`` after the
        one before. What nobody waits for, here or at the receiver of a callback, gathers for ``LINGER_S``.
        """
        self._gathered.append(submission)
        self._outstanding += 1
        if self._flush_timer is not None and not urgent:
            # Whatever it was set for, it is due sooner than one set now would be.
            return
        now = self._loop.time()
        due_at = max(now, self._flushed_at + SPACING_S) if urgent else now + LINGER_S
        if self._flush_timer is not None:
            if self._flush_timer.when() <= due_at:
                return
            self._flush_timer.cancel()
        self._flush_timer = self._loop.call_at(due_at, self._hand_over)

    def _hand_over(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._gathered:
            self._flushed_at = self._loop.time()
            self._writer.submit(self._gathered)
            self._gathered = []

    def _placed(self, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
        """Callbacks get their position here: submissions are written in the order of these calls."""
        return tuple(
            replace(each, position=next(self._positions)) if isinstance(each, OwedCallback) else each
            for each in operations
        )

    def _begin(self) -> None:
        migrate(self._engine)
        self._writer.replay()
        with self._engine.connect() as connection:
            newest = connection.execute(sa.select(sa.func.max(OUTBOX.c.position))).scalar()
        # Above everything that is still owed, and by the clock above the events of earlier runs.
        self._positions = count(max(int(newest or 0) + 1, time_ns() // 1000))
        self._writer.start(self._positions)

    def _report_from_thread(self, outcomes: list[Outcome]) -> None:
        # A loop that is closed already has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._report, outcomes)

    def _report(self, outcomes: list[Outcome]) -> None:
        owed: list[OwedCallback] = []
        for outcome in outcomes:
            self._outstanding -= len(outcome.submissions)
            for submission in outcome.submissions:
                if submission.context is not None:
                    _settle(submission.context, outcome.error)
                elif outcome.error is not None:
                    _log.error("record not written", reason=str(outcome.error))
            if outcome.error is not None and not isinstance(outcome.error, StorageUnavailable):
                continue
            operations = [each for submission in outcome.submissions for each in submission.operations]
            owed += [each for each in operations if isinstance(each, OwedCallback)]
            if outcome.error is None and self._on_written is not None:
                self._on_written(operations)
        if owed and self._on_owed is not None:
            self._on_owed(owed)


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
