"""Many operations as few statements: what one transaction writes.

Pure. Within a batch the last value of a row wins, so a call that rang, was answered and ended within one batch is one
row; a callback that was both written and settled is none. Tables have no foreign keys: rows are grouped by table,
which keeps the order of all writes to one row. Writing a batch twice leaves what writing it once leaves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.records import (
    CallRecord,
    ConferenceRecord,
    ConfiguredRecord,
    DeferredCallback,
    DeletedCall,
    DeletedConference,
    DeletedConfigured,
    DeletedRecording,
    DraftedEvent,
    EventRecord,
    LegRecord,
    Operation,
    OwedCallback,
    QueueRecord,
    RecordingRecord,
    SettledCallback,
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
    OUTBOX,
    OUTBOX_ROWS,
    QUEUE_ROWS,
    QUEUES,
    RECORDING_ROWS,
    RECORDINGS,
)
from signaling.errors import UsageError

Row = tuple[object, ...]


class Statement(Enum):
    """What a batch may do, in the order in which it is done."""

    PUT_CALL = "call"
    PUT_LEG = "leg"
    PUT_RECORDING = "recording"
    PUT_CONFERENCE = "conference"
    PUT_QUEUE = "queue"
    ADD_EVENT = "event"
    ADD_OWED = "owed"
    DEFER = "defer"
    SETTLE = "settle"
    DELETE_CALL = "delete call"
    DELETE_LEGS = "delete legs"
    DELETE_EVENTS = "delete events"
    DELETE_RECORDING = "delete recording"
    DELETE_CONFERENCE = "delete conference"
    DELETE_CONFIGURED = "delete configured"
    PUT_CONFIGURED = "configured"


Rows = Mapping[Statement, list[Row]]


def encode(operations: Iterable[Operation], positions: Iterator[int]) -> Rows:
    """positions: for events, rising. Raises UsageError, TypeError or AttributeError for what is no operation."""
    calls: dict[str, CallRecord] = {}
    legs: dict[str, LegRecord] = {}
    recordings: dict[str, RecordingRecord] = {}
    conferences: dict[str, ConferenceRecord] = {}
    queues: dict[str, QueueRecord] = {}
    configured: dict[str, ConfiguredRecord | None] = {}
    events: list[EventRecord] = []
    owed: dict[int, Row] = {}
    deferred: dict[int, Row] = {}
    settled: list[Row] = []
    deleted: list[Row] = []
    deleted_recordings: list[Row] = []
    deleted_conferences: list[Row] = []
    for operation in operations:
        match operation:
            case EventRecord():
                events.append(operation)
            case DraftedEvent(make=make):
                events.append(make())
            case CallRecord():
                calls[operation.sid] = operation
            case LegRecord():
                legs[operation.leg_id] = operation
            case OwedCallback(position=position):
                owed[position] = OUTBOX_ROWS.encode(operation)
            case SettledCallback(position):
                deferred.pop(position, None)
                if owed.pop(position, None) is None:
                    settled.append((position,))
            case DeferredCallback(position=position):
                deferred[position] = (operation.attempts, operation.due_at.timestamp(), position)
            case RecordingRecord():
                recordings[operation.sid] = operation
            case ConferenceRecord():
                conferences[operation.sid] = operation
            case QueueRecord():
                queues[operation.sid] = operation
            case DeletedCall(sid):
                deleted.append((sid,))
            case DeletedRecording(sid):
                deleted_recordings.append((sid,))
            case DeletedConference(sid):
                deleted_conferences.append((sid,))
            case ConfiguredRecord():
                configured[operation.sid] = operation
            case DeletedConfigured(sid):
                configured[sid] = None
            case _:
                raise UsageError(f"expected a record or an outbox operation, found {type(operation).__name__}")
    rows: dict[Statement, list[Row]] = {
        Statement.PUT_CALL: [CALL_ROWS.encode(each) for each in calls.values()],
        Statement.PUT_LEG: [LEG_ROWS.encode(each) for each in legs.values()],
        Statement.PUT_RECORDING: [RECORDING_ROWS.encode(each) for each in recordings.values()],
        Statement.PUT_CONFERENCE: [CONFERENCE_ROWS.encode(each) for each in conferences.values()],
        Statement.PUT_QUEUE: [QUEUE_ROWS.encode(each) for each in queues.values()],
        Statement.ADD_EVENT: [_placed(EVENT_ROWS.encode(each), next(positions)) for each in events],
        Statement.ADD_OWED: list(owed.values()),
        Statement.DEFER: list(deferred.values()),
        Statement.SETTLE: settled,
        Statement.DELETE_CALL: deleted,
        Statement.DELETE_LEGS: deleted,
        Statement.DELETE_EVENTS: deleted,
        Statement.DELETE_RECORDING: deleted_recordings,
        Statement.DELETE_CONFERENCE: deleted_conferences,
        Statement.DELETE_CONFIGURED: [(sid,) for sid, each in configured.items() if each is None],
        Statement.PUT_CONFIGURED: [CONFIGURED_ROWS.encode(each) for each in configured.values() if each is not None],
    }
    return {statement: found for statement, found in rows.items() if found}


def _placed(row: Row, position: int) -> Row:
    """An event's row with its position, which stands ahead of the account."""
    return (*row[:-2], position, row[-1])


def scrubbed(rows: Rows) -> Rows:
    """The same rows with text every database takes: no lone surrogate, no NUL."""
    return {
        statement: [tuple(_scrub(cell) if isinstance(cell, str) else cell for cell in row) for row in found]
        for statement, found in rows.items()
    }


def _scrub(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")


def statements(dialect: sa.Dialect) -> Mapping[Statement, str]:
    """The SQL of each statement in the words of one database; parameters by position."""
    this = OUTBOX.c.position == sa.bindparam("of")
    defer = sa.update(OUTBOX).values(attempts=sa.bindparam("n"), due_at=sa.bindparam("due")).where(this)
    return {
        Statement.PUT_CALL: _insert(dialect, CALLS, key=("sid",)),
        Statement.PUT_LEG: _insert(dialect, LEGS, key=("call_sid", "leg_id")),
        Statement.PUT_RECORDING: _insert(dialect, RECORDINGS, key=("sid",)),
        Statement.PUT_CONFERENCE: _insert(dialect, CONFERENCES, key=("sid",)),
        Statement.PUT_QUEUE: _insert(dialect, QUEUES, key=("sid",)),
        Statement.ADD_EVENT: _insert(dialect, EVENTS),
        Statement.ADD_OWED: _insert(dialect, OUTBOX),
        Statement.DEFER: _compiled(dialect, defer, parameters=["n", "due", "of"]),
        Statement.SETTLE: _compiled(dialect, sa.delete(OUTBOX).where(this), parameters=["of"]),
        Statement.DELETE_CALL: _deletion(dialect, CALLS.c.sid),
        Statement.DELETE_LEGS: _deletion(dialect, LEGS.c.call_sid),
        Statement.DELETE_EVENTS: _deletion(dialect, EVENTS.c.call_sid),
        Statement.DELETE_RECORDING: _deletion(dialect, RECORDINGS.c.sid),
        Statement.DELETE_CONFERENCE: _deletion(dialect, CONFERENCES.c.sid),
        Statement.DELETE_CONFIGURED: _deletion(dialect, CONFIGURED.c.sid),
        Statement.PUT_CONFIGURED: _insert(dialect, CONFIGURED, key=("sid",)),
    }


def execute(rows: Rows, *, sql: Mapping[Statement, str], run: Callable[[str, list[Row]], object]) -> None:
    """Write the rows with ``run(statement, many parameters)``, within the caller's transaction."""
    for statement in Statement:
        if found := rows.get(statement):
            run(sql[statement], found)


def _insert(dialect: sa.Dialect, table: sa.Table, *, key: tuple[str, ...] = ()) -> str:
    """An insert that replaces the row of the same key; without one, leaves a row written before as it is."""
    columns = [column.name for column in table.columns]
    if dialect.name == "postgresql":
        insert: Any = postgresql.insert(table)
    else:
        insert = sqlite.insert(table)
    if not key:
        insert = insert.on_conflict_do_nothing()
    else:
        new = {name: insert.excluded[name] for name in columns if name not in key}
        insert = insert.on_conflict_do_update(index_elements=list(key), set_=new)
    return _compiled(dialect, insert, parameters=columns)


def _deletion(dialect: sa.Dialect, column: "sa.Column[str]") -> str:
    of = column == sa.bindparam("of")
    return _compiled(dialect, sa.delete(column.table).where(of), parameters=["of"])


def _compiled(dialect: sa.Dialect, statement: sa.sql.ClauseElement, *, parameters: list[str]) -> str:
    compiled = statement.compile(dialect=dialect)
    found = getattr(compiled, "positiontup", None)
    if found != parameters:
        raise UsageError(f"expected parameters {parameters}, found {found}")
    return str(compiled)
