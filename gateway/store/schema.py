"""The tables, and how an older database is brought up to date.

Owns the table definitions and MIGRATIONS. Knows no thread and no loop. What columns are made of is columns.py.
Few trees are touched by a write, and those at their ends: rows lie in the order of their sids or positions, legs and
events beside those of the same call, and what is looked for at start only has an index of just those rows.
Editing rule: a change of a table is a new entry of MIGRATIONS with the statements that change a database in use, and
the same change in the table here; never edit an entry that was released.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from gateway.store.columns import Instant, Json, Pairs, Words, column_of, is_in, not_in, partial_index, row_map
from gateway.store.records import (
    FINAL_CALL_STATUSES,
    FINAL_RECORDING_STATUSES,
    CallRecord,
    ConferenceRecord,
    ConfiguredRecord,
    EventRecord,
    LegRecord,
    OwedCallback,
    QueueRecord,
    RecordingRecord,
)
from gateway.store.timely import untimely
from signaling.errors import UsageError

METADATA: Final = sa.MetaData()

ANSWERED: Final = "completed"
UNFINISHED_CALLS: Final = not_in(FINAL_CALL_STATUSES)
FINISHED_CALLS: Final = is_in(FINAL_CALL_STATUSES)
UNTIMELY_CALLS: Final = untimely(finished=FINISHED_CALLS, answered=ANSWERED)
UNFINISHED_RECORDINGS: Final = not_in(FINAL_RECORDING_STATUSES)
UNFINISHED_CONFERENCES: Final = not_in(("completed",))
NOTIFICATIONS: Final = "code IS NOT NULL AND level IN ('error', 'warning')"
"""Conditions, word for word those of the partial indexes: a bound parameter would keep the index from being used."""


def _of_notifications(name: str, *columns: str) -> sa.Index:
    """Of the few lines of all timelines that are notifications of their account."""
    where = sa.text(NOTIFICATIONS)
    return sa.Index(name, "account_sid", *columns, sqlite_where=where, postgresql_where=where)


def _of_finished_calls(name: str, *columns: str) -> sa.Index:
    """Written once a call, when it is over."""
    where = sa.text(FINISHED_CALLS)
    return sa.Index(name, "account_sid", *columns, "status", "sid", sqlite_where=where, postgresql_where=where)


CALLS: Final = sa.Table(
    "calls",
    METADATA,
    sa.Column("sid", sa.Text, primary_key=True),
    column_of("account_sid"),
    column_of("from_"),
    column_of("to"),
    column_of("direction"),
    column_of("status"),
    column_of("date_created", Instant),
    column_of("date_updated", Instant),
    column_of("start_time", Instant, null=True),
    column_of("end_time", Instant, null=True),
    column_of("duration_s", sa.Integer, null=True),
    column_of("parent_call_sid", null=True),
    column_of("phone_number_sid", null=True),
    column_of("application_sid", null=True),
    column_of("trunk_sid", null=True),
    column_of("group_sid", null=True),
    column_of("forwarded_from", null=True),
    column_of("caller_name", null=True),
    column_of("answered_by", null=True),
    column_of("stir_verstat", null=True),
    column_of("queue_time_ms", sa.Integer),
    column_of("status_callback", null=True),
    column_of("status_callback_method"),
    column_of("status_callback_events", Words),
    column_of("sequence", sa.Integer),
    column_of("sip_status", sa.Integer, null=True),
    column_of("details", Json),
    partial_index("calls_by_parent", "parent_call_sid", where="parent_call_sid IS NOT NULL"),
    partial_index("calls_unfinished", "status", where=UNFINISHED_CALLS),
    sa.Index("calls_by_account", "account_sid", "sid"),
    _of_finished_calls("calls_by_status"),
    _of_finished_calls("calls_by_to", "to"),
    _of_finished_calls("calls_by_from", "from_"),
    _of_finished_calls("calls_by_both", "to", "from_"),
    sa.Index(
        "calls_untimely",
        "status",
        sqlite_where=sa.text(UNTIMELY_CALLS["sqlite"]),
        postgresql_where=sa.text(UNTIMELY_CALLS["postgresql"]),
    ),
    sqlite_with_rowid=False,
)

LEGS: Final = sa.Table(
    "legs",
    METADATA,
    sa.Column("leg_id", sa.Text, nullable=False),
    sa.Column("call_sid", sa.Text, nullable=False),
    column_of("kind"),
    column_of("direction"),
    column_of("created_at", Instant),
    column_of("ringing_at", Instant, null=True),
    column_of("answered_at", Instant, null=True),
    column_of("ended_at", Instant, null=True),
    column_of("identity", null=True),
    column_of("device", null=True),
    column_of("target", null=True),
    column_of("remote_address", null=True),
    column_of("sip_call_id", null=True),
    column_of("codec", null=True),
    column_of("cause", null=True),
    column_of("sip_status", sa.Integer, null=True),
    column_of("statistics", Json),
    sa.PrimaryKeyConstraint("call_sid", "leg_id"),
    sqlite_with_rowid=False,
)

RECORDINGS: Final = sa.Table(
    "recordings",
    METADATA,
    sa.Column("sid", sa.Text, primary_key=True),
    column_of("account_sid"),
    column_of("call_sid"),
    column_of("source"),
    column_of("status"),
    column_of("channels", sa.Integer),
    column_of("date_created", Instant),
    column_of("date_updated", Instant),
    column_of("start_time", Instant, null=True),
    sa.Column("duration_s", sa.Float(53), nullable=True),
    column_of("conference_sid", null=True),
    column_of("track"),
    column_of("trim"),
    column_of("error_code", sa.Integer, null=True),
    column_of("status_callback", null=True),
    column_of("status_callback_method"),
    column_of("status_callback_events", Words),
    column_of("details", Json),
    sa.Index("recordings_by_call", "call_sid"),
    partial_index("recordings_by_conference", "conference_sid", where="conference_sid IS NOT NULL"),
    sa.Index("recordings_by_account", "account_sid", "sid"),
    partial_index("recordings_unfinished", "status", where=UNFINISHED_RECORDINGS),
    sqlite_with_rowid=False,
)

EVENTS: Final = sa.Table(
    "events",
    METADATA,
    sa.Column("call_sid", sa.Text, nullable=False),
    column_of("at", Instant),
    column_of("name"),
    column_of("level"),
    column_of("code", sa.Integer, null=True),
    column_of("message"),
    column_of("url", null=True),
    column_of("line", sa.Integer, null=True),
    column_of("column", sa.Integer, null=True),
    column_of("leg_id", null=True),
    column_of("details", Json),
    sa.Column("position", sa.BigInteger, nullable=False),
    column_of("account_sid", null=True),
    sa.PrimaryKeyConstraint("call_sid", "position"),
    _of_notifications("notifications_by_level", "level", "at", "position"),
    _of_notifications("notifications_by_position", "position"),
    sqlite_with_rowid=False,
)

CONFERENCES: Final = sa.Table(
    "conferences",
    METADATA,
    sa.Column("sid", sa.Text, primary_key=True),
    column_of("account_sid"),
    column_of("friendly_name"),
    column_of("status"),
    column_of("date_created", Instant),
    column_of("date_updated", Instant),
    column_of("region", null=True),
    column_of("reason_conference_ended", null=True),
    column_of("call_sid_ending_conference", null=True),
    column_of("status_callback", null=True),
    column_of("status_callback_method"),
    column_of("status_callback_events", Words),
    column_of("sequence", sa.Integer),
    sa.Index("conferences_by_name", "account_sid", "friendly_name", "sid"),
    sa.Index("conferences_by_account", "account_sid", "sid"),
    partial_index("conferences_unfinished", "status", where=UNFINISHED_CONFERENCES),
    sqlite_with_rowid=False,
)

QUEUES: Final = sa.Table(
    "queues",
    METADATA,
    sa.Column("sid", sa.Text, primary_key=True),
    column_of("account_sid"),
    column_of("friendly_name"),
    column_of("max_size", sa.Integer),
    column_of("date_created", Instant),
    column_of("date_updated", Instant),
    column_of("date_deleted", Instant, null=True),
    sa.Index("queues_by_name", "friendly_name"),
    sqlite_with_rowid=False,
)

CONFIGURED: Final = sa.Table(
    # One table for all kinds: few rows, read whole at start, and searched in memory.
    "configured",
    METADATA,
    sa.Column("sid", sa.Text, primary_key=True),
    column_of("account_sid"),
    column_of("kind"),
    column_of("date_created", Instant),
    column_of("date_updated", Instant),
    column_of("details", Json),
    sqlite_with_rowid=False,
)

OUTBOX: Final = sa.Table(
    "outbox",
    METADATA,
    column_of("order_key"),
    column_of("url"),
    column_of("params", Pairs),
    column_of("created_at", Instant),
    column_of("method"),
    column_of("call_sid"),
    column_of("awaits_recording", null=True),
    column_of("attempts", sa.Integer),
    column_of("due_at", Instant, null=True),
    column_of("token"),
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


CALL_ROWS: Final = row_map(CallRecord, CALLS)
LEG_ROWS: Final = row_map(LegRecord, LEGS)
RECORDING_ROWS: Final = row_map(RecordingRecord, RECORDINGS)
EVENT_ROWS: Final = row_map(EventRecord, EVENTS)
CONFERENCE_ROWS: Final = row_map(ConferenceRecord, CONFERENCES)
QUEUE_ROWS: Final = row_map(QueueRecord, QUEUES)
CONFIGURED_ROWS: Final = row_map(ConfiguredRecord, CONFIGURED)
OUTBOX_ROWS: Final = row_map(OwedCallback, OUTBOX)


@dataclass(frozen=True)
class Migration:
    """One step of the schema. readable_from: the oldest version of ours that still works on the result."""

    apply: Callable[[sa.Connection], None]
    readable_from: int


def _index_calls(connection: sa.Connection) -> None:
    for name, column in (("calls_by_account", "account_sid"), ("calls_by_to", '"to"'), ("calls_by_from", "from_")):
        connection.execute(sa.text(f"CREATE INDEX IF NOT EXISTS {name} ON calls ({column}, sid)"))


def _add_rooms(connection: sa.Connection) -> None:
    for statement in _ROOMS:
        connection.execute(sa.text(statement.format(end=_TABLE_END[connection.dialect.name])))


def _index_call_filters(connection: sa.Connection) -> None:
    for statement in _CALL_FILTERS[connection.dialect.name]:
        connection.execute(sa.text(statement))


_OVER: Final = "status IN ('completed', 'busy', 'failed', 'no-answer', 'canceled')"
_UNTIMELY: Final = (
    f"CREATE INDEX IF NOT EXISTS calls_untimely ON calls (status) WHERE {_OVER}"
    " AND ((start_time IS NOT NULL AND status <> 'completed')"
    " OR (start_time IS NOT NULL AND (substr(sid, 3, 11) > {start} + 60{end}"
    " OR substr(sid, 3, 11) < {start} - 18000{end}))"
    " OR (end_time IS NOT NULL AND (substr(sid, 3, 11) > {over} + 60{end}"
    " OR substr(sid, 3, 11) < {over} - 18000{end})))"
)
_HEX_OF: Final = {
    "sqlite": ("printf('%011x', CAST((", ") * 1000 AS INTEGER))"),
    "postgresql": ("lpad(to_hex(CAST((", ") * 1000 AS BIGINT)), 11, '0')"),
}
_CALL_FILTERS: Final = {
    dialect: (
        "DROP INDEX IF EXISTS calls_by_to",
        "DROP INDEX IF EXISTS calls_by_from",
        f"CREATE INDEX IF NOT EXISTS calls_by_status ON calls (account_sid, status, sid) WHERE {_OVER}",
        f'CREATE INDEX IF NOT EXISTS calls_by_to ON calls (account_sid, "to", status, sid) WHERE {_OVER}',
        f"CREATE INDEX IF NOT EXISTS calls_by_from ON calls (account_sid, from_, status, sid) WHERE {_OVER}",
        f'CREATE INDEX IF NOT EXISTS calls_by_both ON calls (account_sid, "to", from_, status, sid) WHERE {_OVER}',
        _UNTIMELY.format(start=f"{before}start_time", over=f"{before}end_time", end=after),
    )
    for dialect, (before, after) in _HEX_OF.items()
}


def _add_configured(connection: sa.Connection) -> None:
    connection.execute(sa.text(_CONFIGURED.format(end=_TABLE_END[connection.dialect.name])))


_CONFIGURED: Final = (
    "CREATE TABLE IF NOT EXISTS configured (sid TEXT NOT NULL PRIMARY KEY, account_sid TEXT NOT NULL,"
    " kind TEXT NOT NULL, date_created FLOAT NOT NULL, date_updated FLOAT NOT NULL, details TEXT NOT NULL) {end}"
)


def _index_notifications(connection: sa.Connection) -> None:
    # "IF NOT EXISTS" of a column, which SQLite has not.
    if "account_sid" not in {column["name"] for column in sa.inspect(connection).get_columns("events")}:
        connection.execute(sa.text("ALTER TABLE events ADD COLUMN account_sid TEXT"))
    for statement in _NOTIFICATIONS:
        connection.execute(sa.text(statement))


_NOTICED: Final = "code IS NOT NULL AND level IN ('error', 'warning')"
_NOTIFICATIONS: Final = (
    "UPDATE events SET account_sid = (SELECT calls.account_sid FROM calls WHERE calls.sid = events.call_sid)"
    f" WHERE {_NOTICED}",
    f"CREATE INDEX IF NOT EXISTS notifications_by_level ON events (account_sid, level, at, position) WHERE {_NOTICED}",
    f"CREATE INDEX IF NOT EXISTS notifications_by_position ON events (account_sid, position) WHERE {_NOTICED}",
)


def _index_by_account(connection: sa.Connection) -> None:
    for statement in _BY_ACCOUNT:
        connection.execute(sa.text(statement))


_BY_ACCOUNT: Final = (
    "CREATE INDEX IF NOT EXISTS recordings_by_conference ON recordings (conference_sid)"
    " WHERE conference_sid IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS recordings_by_account ON recordings (account_sid, sid)",
    "CREATE INDEX IF NOT EXISTS conferences_by_account ON conferences (account_sid, sid)",
    "DROP INDEX IF EXISTS conferences_by_name",
    "CREATE INDEX conferences_by_name ON conferences (account_sid, friendly_name, sid)",
)

_TABLE_END: Final = {"sqlite": "WITHOUT ROWID", "postgresql": ""}
_ROOMS: Final = (
    "CREATE TABLE IF NOT EXISTS conferences (sid TEXT NOT NULL PRIMARY KEY,"
    " account_sid TEXT NOT NULL, friendly_name TEXT NOT NULL,"
    " status TEXT NOT NULL, date_created FLOAT NOT NULL, date_updated FLOAT NOT NULL,"
    " region TEXT, reason_conference_ended TEXT, call_sid_ending_conference TEXT, status_callback TEXT,"
    " status_callback_method TEXT NOT NULL, status_callback_events TEXT NOT NULL, sequence INTEGER NOT NULL) {end}",
    "CREATE INDEX IF NOT EXISTS conferences_by_name ON conferences (friendly_name)",
    "CREATE INDEX IF NOT EXISTS conferences_unfinished ON conferences (status) WHERE status NOT IN ('completed')",
    "CREATE TABLE IF NOT EXISTS queues (sid TEXT NOT NULL PRIMARY KEY,"
    " account_sid TEXT NOT NULL, friendly_name TEXT NOT NULL,"
    " max_size INTEGER NOT NULL, date_created FLOAT NOT NULL, date_updated FLOAT NOT NULL,"
    " date_deleted FLOAT) {end}",
    "CREATE INDEX IF NOT EXISTS queues_by_name ON queues (friendly_name)",
)

MIGRATIONS: Final[tuple[Migration, ...]] = (
    Migration(_index_calls, readable_from=1),
    Migration(_add_rooms, readable_from=1),
    Migration(_index_call_filters, readable_from=1),
    Migration(_add_configured, readable_from=1),
    Migration(_index_notifications, readable_from=1),
    Migration(_index_by_account, readable_from=1),
)
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
