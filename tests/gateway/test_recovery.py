"""Calls that a killed process left open: how they end on the record, and what is told of them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.recovery import end_unfinished_calls
from gateway.store import Store
from gateway.store.records import CallRecord, RecordingRecord
from tests.gateway.store.records import START, call, recording, url_of

DIED_AT = START + timedelta(seconds=61)
NOW = START + timedelta(hours=1)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(url_of(tmp_path))
    yield store
    await store.close()


def subscribed(record: CallRecord, *, sequence: int, is_answered: bool = False) -> CallRecord:
    return replace(
        record,
        status_callback="http://app.example.com/status",
        status_callback_events=("completed",),
        sequence=sequence,
        start_time=START + timedelta(seconds=10) if is_answered else None,
    )


def placed(status: str, *, sequence: int, is_answered: bool = False) -> CallRecord:
    record = replace(call(status), direction="outbound-api")
    return subscribed(record, sequence=sequence, is_answered=is_answered)


async def ended(store: Store, died_at: datetime | None = DIED_AT) -> int:
    return await end_unfinished_calls(
        store,
        died_at=died_at,
        recording_url=lambda record: f"https://calls.example.com/{record.sid}",
        now=lambda: NOW,
    )


async def told(store: Store) -> dict[str, str]:
    """The only callback that is owed."""
    (owed,) = await store.owed_callbacks()
    return dict(owed.params)


async def test_recovery_running_call_is_completed_when_the_process_died_and_told_once(store: Store) -> None:
    record = placed("in-progress", sequence=3, is_answered=True)
    await store.write(record)
    assert (await ended(store), await ended(store)) == (1, 0)
    kept = await store.call(record.sid)
    assert kept is not None
    assert (kept.status, kept.duration_s, kept.end_time) == ("completed", 51, DIED_AT)
    completed = await told(store)
    assert (completed["CallStatus"], completed["CallDuration"], completed["Duration"]) == ("completed", "51", "1")
    assert (completed["SequenceNumber"], completed["Direction"]) == ("3", "outbound-api")
    assert "RecordingSid" not in completed
    (noted,) = await store.events(record.sid)
    assert (noted.name, noted.level) == ("recovered", "warning")


@pytest.mark.parametrize(("status", "sequence"), [("queued", 0), ("queued", 1), ("ringing", 2)])
async def test_recovery_call_nobody_answered_has_failed_and_is_told(store: Store, status: str, sequence: int) -> None:
    record = placed(status, sequence=sequence)
    await store.write(record)
    assert await ended(store) == 1
    kept = await store.call(record.sid)
    assert kept is not None
    assert (kept.status, kept.duration_s, kept.end_time) == ("failed", None, DIED_AT)
    completed = await told(store)
    assert (completed["CallStatus"], completed["CallDuration"]) == ("failed", "0")
    assert completed["SequenceNumber"] == str(sequence)


async def test_recovery_inbound_call_has_one_event_whatever_happened_before(store: Store) -> None:
    await store.write(subscribed(call("in-progress"), sequence=1, is_answered=True))
    await ended(store)
    assert (await told(store))["SequenceNumber"] == "0"


async def test_recovery_call_nobody_asked_about_is_ended_in_silence(store: Store) -> None:
    await store.write(replace(placed("in-progress", sequence=3, is_answered=True), status_callback_events=()))
    assert await ended(store) == 1
    assert await store.owed_callbacks() == []


async def test_recovery_never_ends_a_call_before_it_began_or_in_the_future(store: Store) -> None:
    early, late = (placed("in-progress", sequence=3, is_answered=True) for _ in range(2))
    await store.write(early)
    await ended(store, died_at=START)
    await store.write(late)
    await ended(store, died_at=NOW + timedelta(days=1))
    ends = [(kept.end_time, kept.duration_s) for sid in (early.sid, late.sid) if (kept := await store.call(sid))]
    assert ends == [(START + timedelta(seconds=10), 0), (NOW, 3590)]


def made_at(record: RecordingRecord, after_s: float) -> RecordingRecord:
    return replace(record, start_time=START + timedelta(seconds=after_s))


async def test_recovery_names_the_recording_of_the_whole_call(store: Store) -> None:
    record = placed("in-progress", sequence=3, is_answered=True)
    of_verb = made_at(replace(recording(record.sid), source="RecordVerb"), 10)
    of_call = made_at(replace(recording(record.sid), source="OutboundAPI"), 11)
    of_rest = made_at(replace(recording(record.sid, "completed"), source="StartCallRecordingAPI"), 20)
    await store.write(record, of_verb, of_call, of_rest)
    await ended(store)
    completed = await told(store)
    assert (completed["RecordingSid"], completed["RecordingDuration"]) == (of_call.sid, "50")
    assert completed["RecordingUrl"] == f"https://calls.example.com/{of_call.sid}"


async def test_recovery_names_the_recording_of_the_dial_to_whom_it_dialled(store: Store) -> None:
    parent = replace(call("in-progress"), start_time=START)
    child = replace(placed("in-progress", sequence=3, is_answered=True), parent_call_sid=parent.sid)
    before, of_dial = recording(parent.sid, "completed"), made_at(recording(parent.sid), 31)
    await store.write(parent, child, before, of_dial)
    await ended(store)
    completed = await told(store)
    assert (completed["CallSid"], completed["RecordingSid"]) == (child.sid, of_dial.sid)
    assert completed["RecordingDuration"] == "30"
