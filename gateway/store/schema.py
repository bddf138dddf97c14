"""The tables, how a record becomes a row and back, and how an older database is brought up to date.

Owns the table definitions and MIGRATIONS. Knows no thread and no loop. Times are seconds since 1970 in UTC, structured
values are JSON text; the rest is what it looks like.
Few trees are touched by a write, and those at their ends: rows lie in the order of their sids or positions, legs and
events beside those of the same call, and what is looked for at start only has an index of just those rows.
Editing rule: a change of a table is a new entry of MIGRATIONS with the statements that change a database in use, and
the same change in the table here; never edit an entry that was released.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

from gateway.store.records import (
    FINAL_CALL_STATUSES,
    FINAL_RECORDING_STATUSES,
    CallRecord,
    EventRecord,
    LegRecord,
    OwedCallback,
    RecordingRecord,
)
from signaling.errors import UsageError

RecordT = TypeVar("RecordT")


class Instant(sa.Float[Any]):
    """Seconds since 1970, UTC; an aware datetime in the record."""


class Json(sa.Text):
    """JSON text; a mapping in the record."""


class Words(sa.Text):
    """JSON text; a tuple of strings in the record."""


class Pairs(sa.Text):
    """JSON text; a tuple of (name, value) in the record."""


METADATA: Final = sa.MetaData()


def _column(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Instant(53) if kind is Instant else kind(), nullable=null)


def _partial(name: str, column: str, *, where: str) -> sa.Index:
    """An index of a few rows only: writing the others costs nothing."""
    return sa.Index(name, column, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _not_in(statuses: Sequence[str]) -> str:
    return "status NOT IN ({})".format(", ".join(f"'{status}'" for status in statuses))


UNFINISHED_CALLS: Final = _not_in(FINAL_CALL_STATUSES)
UNFINISHED_RECORDINGS: Final = _not_in(FINAL_RECORDING_STATUSES)
"""Conditions, word for word those of the partial indexes: a bound parameter would keep the index from being used."""

CALLS: Final = sa.Table(
    "calls",
    METADATA,
    sa.Column("sid", sa.Text, primary_key=True),
    _column("account_sid"),
    _column("from_"),
    _column("to"),
    _column("direction"),
    _column("status"),
    _column("date_created", Instant),
    _column("date_updated", Instant),
    _column("start_time", Instant, null=True),
    _column("end_time", Instant, null=True),
    _column("duration_s", sa.Integer, null=True),
    _column("parent_call_sid", null=True),
    _column("phone_number_sid", null=True),
    _column("application_sid", null=True),
    _column("trunk_sid", null=True),
    _column("group_sid", null=True),
    _column("forwarded_from", null=True),
    _column("caller_name", null=True),
    _column("answered_by", null=True),
    _column("stir_verstat", null=True),
    _column("queue_time_ms", sa.Integer),
    _column("status_callback", null=True),
    _column("status_callback_method"),
    _column("status_callback_events", Words),
    _column("sequence", sa.Integer),
    _column("sip_status", sa.Integer, null=True),
    _column("details", Json),
    _partial("calls_by_parent", "parent_call_sid", where="parent_call_sid IS NOT NULL"),
    _partial("calls_unfinished", "status", where=UNFINISHED_CALLS),
    sa.Index("calls_by_account", "account_sid", "sid"),
    sa.Index("calls_by_to", "to", "sid"),
    sa.Index("calls_by_from", "from_", "sid"),
    sqlite_with_rowid=False,
)

LEGS: Final = sa.Table(
    "legs",
    METADATA,
    sa.Column("leg_id", sa.Text, nullable=False),
    sa.Column("call_sid", sa.Text, nullable=False),
    _column("kind"),
    _column("direction"),
    _column("created_at", Instant),
    _column("ringing_at", Instant, null=True),
    _column("answered_at", Instant, null=True),
    _column("ended_at", Instant, null=True),
    _column("identity", null=True),
    _column("device", null=True),
    _column("target", null=True),
    _column("remote_address", null=True),
    _column("sip_call_id", null=True),
    _column("codec", null=True),
    _column("cause", null=True),
    _column("sip_status", sa.Integer, null=True),
    _column("statistics", Json),
    sa.PrimaryKeyConstraint("call_sid", "leg_id"),
    sqlite_with_rowid=False,
)

RECORDINGS: Final = sa.Table(
    "recordings",
    METADATA,
    sa.Column("sid", sa.Text, primary_key=True),
    _column("account_sid"),
    _column("call_sid"),
    _column("source"),
    _column("status"),
    _column("channels", sa.Integer),
    _column("date_created", Instant),
    _column("date_updated", Instant),
    _column("start_time", Instant, null=True),
    sa.Column("duration_s", sa.Float(53), nullable=True),
    _column("conference_sid", null=True),
    _column("track"),
    _column("trim"),
    _column("error_code", sa.Integer, null=True),
    _column("status_callback", null=True),
    _column("status_callback_method"),
    _column("status_callback_events", Words),
    _column("details", Json),
    sa.Index("recordings_by_call", "call_sid"),
    _partial("recordings_unfinished", "status", where=UNFINISHED_RECORDINGS),
    sqlite_with_rowid=False,
)

EVENTS: Final = sa.Table(
    "events",
    METADATA,
    sa.Column("call_sid", sa.Text, nullable=False),
    _column("at", Instant),
    _column("name"),
    _column("level"),
    _column("code", sa.Integer, null=True),
    _column("message"),
    _column("url", null=True),
    _column("line", sa.Integer, null=True),
    _column("column", sa.Integer, null=True),
    _column("leg_id", null=True),
    _column("details", Json),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("call_sid", "position"),
    sqlite_with_rowid=False,
)

OUTBOX: Final = sa.Table(
    "outbox",
    METADATA,
    _column("order_key"),
    _column("url"),
    _column("params", Pairs),
    _column("created_at", Instant),
    _column("method"),
    _column("call_sid"),
    _column("awaits_recording", null=True),
    _column("attempts", sa.Integer),
    _column("due_at", Instant, null=True),
    _column("token"),
    # On SQLite only INTEGER is the table's own order.
    sa.Column(
        "position",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
)

SCHEMA: Final = sa.Table(
    "schema",
    METADATA,
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("readable_from", sa.Integer, nullable=False),
)


class UnreadableRow(ValueError):
    """A row that does not hold what its table promises."""


@dataclass(frozen=True)
class RowMap(Generic[RecordT]):
    """How one kind of record is written and read."""

    table: sa.Table
    encode: Callable[[RecordT], tuple[object, ...]]
    decode: Callable[[Sequence[object]], RecordT]
    columns: tuple[str, ...]


def _encoders(table: sa.Table) -> list[tuple[int, Callable[[Any], object]]]:
    found: list[tuple[int, Callable[[Any], object]]] = []
    for index, column in enumerate(table.columns):
        match column.type:
            case Instant():
                found.append((index, datetime.timestamp))
            case Json():
                found.append((index, _json_object))
            case Words() | Pairs():
                found.append((index, _json_array))
            case _:
                pass
    return found


def _json_object(value: Mapping[str, object]) -> str:
    return _dumps(dict(value)) if value else "{}"


def _json_array(value: Sequence[object]) -> str:
    return _dumps(value)


_dumps: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str).encode


def _decode_instant(value: object) -> datetime:
    if not isinstance(value, (int, float)):
        raise UnreadableRow(f"expected a time, found {type(value).__name__}")
    return datetime.fromtimestamp(value, UTC)


def _decode_json(value: object) -> Mapping[str, object]:
    found = json.loads(_text(value))
    if not isinstance(found, dict):
        raise UnreadableRow(f"expected a JSON object, found {type(value).__name__}")
    return found


def _decode_words(value: object) -> tuple[str, ...]:
    return tuple(_text(word) for word in _array(value))


def _decode_pairs(value: object) -> tuple[tuple[str, str], ...]:
    return tuple((_text(name), _text(text)) for name, text in _array(value))


def _array(value: object) -> list[Any]:
    found = json.loads(_text(value))
    if not isinstance(found, list):
        raise UnreadableRow(f"expected a JSON array, found {type(value).__name__}")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnreadableRow(f"expected text, found {type(value).__name__}")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise UnreadableRow(f"expected an integer, found {type(value).__name__}")
    return value


def _number(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise UnreadableRow(f"expected a number, found {type(value).__name__}")
    return float(value)


def _decoder(column: sa.Column[Any]) -> Callable[[object], object]:
    match column.type:
        case Instant():
            return _decode_instant
        case Json():
            return _decode_json
        case Words():
            return _decode_words
        case Pairs():
            return _decode_pairs
        case sa.Text():
            return _text
        case sa.Integer():
            return _integer
        case sa.Float():
            return _number
        case _:
            raise UsageError(f"expected a column type with a decoder, found {column.type!r} of {column.name}")


def _row_map(record: type[RecordT], table: sa.Table) -> RowMap[RecordT]:
    names = tuple(field.name for field in fields(record))  # type: ignore[arg-type]  # RecordT is always a dataclass
    columns = tuple(column.name for column in table.columns)
    if names != columns:
        raise UsageError(f"expected columns {names} in table {table.name}, found {columns}")
    values = attrgetter(*names)
    encoders = _encoders(table)
    decoders = tuple((column.name, bool(column.nullable), _decoder(column)) for column in table.columns)

    def encode(value: RecordT) -> tuple[object, ...]:
        row = list(values(value))
        for index, encoder in encoders:
            if row[index] is not None:
                row[index] = encoder(row[index])
        return tuple(row)

    def decode(row: Sequence[object]) -> RecordT:
        try:
            return record(
                **{
                    name: None if cell is None and nullable else decoder(cell)
                    for (name, nullable, decoder), cell in zip(decoders, row, strict=True)
                }
            )
        except (ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
            # Without the value: a row may hold a URL with a password.
            found = str(error) if isinstance(error, UnreadableRow) else type(error).__name__
            raise UnreadableRow(f"{table.name}: {found}") from error

    return RowMap(table, encode, decode, columns)


CALL_ROWS: Final = _row_map(CallRecord, CALLS)
LEG_ROWS: Final = _row_map(LegRecord, LEGS)
RECORDING_ROWS: Final = _row_map(RecordingRecord, RECORDINGS)
EVENT_ROWS: Final = _row_map(EventRecord, EVENTS)
OUTBOX_ROWS: Final = _row_map(OwedCallback, OUTBOX)


@dataclass(frozen=True)
class Migration:
    """One step of the schema. readable_from: the oldest version of ours that still works on the result."""

    apply: Callable[[sa.Connection], None]
    readable_from: int


def _index_calls(connection: sa.Connection) -> None:
    for name, column in (("calls_by_account", "account_sid"), ("calls_by_to", '"to"'), ("calls_by_from", "from_")):
        connection.execute(sa.text(f"CREATE INDEX IF NOT EXISTS {name} ON calls ({column}, sid)"))


MIGRATIONS: Final[tuple[Migration, ...]] = (Migration(_index_calls, readable_from=1),)
"""Entry 0 leads from version 1 to version 2, and so on. A fresh database is made by the table definitions."""


class SchemaTooNew(UsageError):
    """The database was written by a newer version that this one cannot work with."""


def migrate(
    engine: sa.Engine,
    *,
    migrations: Sequence[Migration] = MIGRATIONS,
    create: Callable[[sa.Connection], None] = METADATA.create_all,
) -> int:
    """Bring the database to the newest version, each step in a transaction of its own; returns its version.

    A newer database is left alone, and used as long as it says that this version may.
    """
    newest = 1 + len(migrations)
    with engine.begin() as connection:
        SCHEMA.create(connection, checkfirst=True)
        found = connection.execute(sa.select(SCHEMA.c.version, SCHEMA.c.readable_from)).first()
        if found is None:
            create(connection)
            _stamp(connection, newest, readable_from=migrations[-1].readable_from if migrations else 1)
            return newest
    if found.readable_from > newest:
        raise SchemaTooNew(
            f"expected a database that version {newest} can read, "
            f"found version {found.version}, readable from {found.readable_from}"
        )
    for number, migration in enumerate(migrations[found.version - 1 :], start=found.version + 1):
        with engine.begin() as connection:
            migration.apply(connection)
            _stamp(connection, number, readable_from=migration.readable_from)
    return max(int(found.version), newest)


def _stamp(connection: sa.Connection, version: int, *, readable_from: int) -> None:
    connection.execute(sa.delete(SCHEMA))
    connection.execute(sa.insert(SCHEMA).values(version=version, readable_from=readable_from))
