"""What may be forgotten: the queries of retention. Pure.

All begin at the oldest sids and end at the first one that is too young; what an application is still owed a word of is
left out, and so is what belongs to a call that runs.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.sids import first_sid
from gateway.store.records import FINAL_RECORDING_STATUSES
from gateway.store.schema import (
    CALLS,
    CONFERENCES,
    FINISHED_CALLS,
    OUTBOX,
    RECORDINGS,
    UNFINISHED_CALLS,
)

Rows = tuple[sa.ColumnElement[bool] | sa.TextClause, ...]


def _owed(column: "sa.Column[Any]", *, of: "sa.Column[Any]") -> sa.ColumnElement[bool]:
    return column.in_(sa.select(of).where(of.is_not(None)))


def old_calls(before: datetime) -> Rows:
    calls = CALLS.alias("running")
    running = sa.select(calls.c.sid).where(sa.text(UNFINISHED_CALLS.replace("status", "running.status", 1)))
    return (
        CALLS.c.sid < first_sid("CA", before),
        sa.text(FINISHED_CALLS),
        sa.func.coalesce(CALLS.c.end_time, CALLS.c.date_updated) < before.timestamp(),
        sa.or_(CALLS.c.parent_call_sid.is_(None), CALLS.c.parent_call_sid.not_in(running)),
        ~_owed(CALLS.c.sid, of=OUTBOX.c.call_sid),
        ~_owed(CALLS.c.sid, of=OUTBOX.c.order_key),
    )


def old_conferences(before: datetime) -> Rows:
    return (
        CONFERENCES.c.sid < first_sid("CF", before),
        CONFERENCES.c.status == "completed",
        CONFERENCES.c.date_updated < before.timestamp(),
        ~_owed(CONFERENCES.c.sid, of=OUTBOX.c.order_key),
    )


def old_recordings(before: datetime, *, after: str) -> Rows:
    return (
        RECORDINGS.c.sid > after,
        RECORDINGS.c.sid < first_sid("RE", before),
        RECORDINGS.c.status.in_([status for status in FINAL_RECORDING_STATUSES if status != "deleted"]),
        RECORDINGS.c.date_updated < before.timestamp(),
        ~_owed(RECORDINGS.c.sid, of=OUTBOX.c.awaits_recording),
        ~_owed(RECORDINGS.c.call_sid, of=OUTBOX.c.call_sid),
    )


def deleted_recordings(before: datetime, *, after: str) -> Rows:
    return (
        RECORDINGS.c.sid > after,
        RECORDINGS.c.sid < first_sid("RE", before),
        RECORDINGS.c.status == "deleted",
        RECORDINGS.c.date_updated < before.timestamp(),
    )
