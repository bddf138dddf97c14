"""What goes after a time, and what stays all the same: a real store, real files."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest_asyncio

from gateway.rest.shelf import RecordingShelf
from gateway.rest.sound import RecordingFiles
from gateway.retention import BATCH, Retention
from gateway.sids import first_sid, new_sid
from gateway.store import Store
from gateway.store.records import CallRecord, ConferenceRecord, RecordingRecord
from gateway.store.search import Place, RecordingSearch
from tests.gateway.store.records import ACCOUNT, call, completed, event, leg, owed, recording, url_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=31), NOW - timedelta(days=29)


def sid_of(prefix: str, at: datetime) -> str:
    return first_sid(prefix, at)[:13] + new_sid("")[11:]


def ended(at: datetime) -> CallRecord:
    record = replace(completed(call(sid=sid_of("CA", at))), date_created=at, date_updated=at)
    return replace(record, start_time=at, end_time=at + timedelta(seconds=4))


def made(at: datetime, *, call_sid: str = "") -> RecordingRecord:
    found = recording(call_sid or new_sid("CA"), "completed")
    return replace(found, sid=sid_of("RE", at), date_created=at, date_updated=at)


@dataclass
class House:
    store: Store
    directory: Path
    now: datetime = NOW

    def retention(self, *, calls: int | None = 30, recordings: int | None = 30) -> Retention:
        return Retention(
            store=self.store,
            calls_for=None if calls is None else timedelta(days=calls),
            recordings_for=None if recordings is None else timedelta(days=recordings),
            shelf=RecordingShelf(RecordingFiles(self.directory)),
            now=lambda: self.now,
        )

    async def write_sound(self, *records: RecordingRecord) -> None:
        await self.store.write(*records)
        for record in records:
            await asyncio.to_thread(self.path(record).write_bytes, b"RIFF" + bytes(100))

    def path(self, record: RecordingRecord) -> Path:
        return self.directory / f"{record.sid}.wav"

    async def left(self) -> set[str]:
        return {record.sid for record in await self.store.calls(limit=1000)}

    async def has_sound(self, record: RecordingRecord) -> bool:
        return await asyncio.to_thread(self.path(record).exists)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await Store.open(url_of(tmp_path))
    yield House(store, tmp_path)
    await store.close()


async def test_old_calls_go_with_their_legs_and_timeline_and_young_ones_stay(house: House) -> None:
    old, young = ended(OLD), ended(YOUNG)
    await house.store.write(old, young, leg(old.sid), event(old.sid), leg(young.sid), event(young.sid))
    retention = house.retention()
    await retention.sweep()
    assert await house.left() == {young.sid}
    assert not await house.store.legs(old.sid) and not await house.store.events(old.sid)
    assert await house.store.legs(young.sid) and await house.store.events(young.sid)
    assert retention.forgotten.calls == 1


async def test_nothing_of_a_call_that_runs_or_is_still_owed_goes(house: House) -> None:
    running = replace(ended(OLD), status="in-progress", end_time=None)
    child = replace(ended(OLD), parent_call_sid=running.sid)
    told_later, parent_of_told = ended(OLD), ended(OLD)
    endless = replace(ended(OLD), end_time=YOUNG)
    await house.store.write(running, child, told_later, parent_of_told, endless)
    await house.store.write(owed(told_later.sid), replace(owed("CAchild"), call_sid=parent_of_told.sid))
    await house.retention().sweep()
    assert await house.left() == {running.sid, child.sid, told_later.sid, parent_of_told.sid, endless.sid}


async def test_old_recordings_are_deleted_and_their_rows_go_forty_days_later(house: House) -> None:
    old, young = made(OLD), made(YOUNG)
    await house.write_sound(old, young)
    retention = house.retention(calls=None)
    await retention.sweep()
    found = await house.store.recording(old.sid)
    assert found is not None and (found.status, found.date_updated) == ("deleted", NOW)
    assert (await house.has_sound(old), await house.has_sound(young)) == (False, True)
    assert retention.forgotten.recordings == 1
    house.now += timedelta(days=41)
    await house.retention(calls=None, recordings=None).sweep()
    assert await house.store.recording(old.sid) is None
    assert await house.store.recording(young.sid) == young


async def test_recording_that_a_callback_still_names_stays(house: House) -> None:
    awaited, named = made(OLD), made(OLD)
    running = replace(made(OLD), status="in-progress")
    await house.write_sound(awaited, named, running)
    await house.store.write(replace(owed("CA1"), awaits_recording=awaited.sid), owed(named.call_sid))
    await house.retention().sweep()
    search = RecordingSearch(account_sid=ACCOUNT)
    found, _ = await house.store.search_recordings(search, Place(size=10))
    assert {record.sid for record in found} == {awaited.sid, named.sid, running.sid}


async def test_sound_that_a_crash_left_behind_goes_before_its_row(house: House) -> None:
    gone = replace(made(OLD - timedelta(days=20)), status="deleted")
    await house.write_sound(gone)
    await house.retention(calls=None, recordings=None).sweep()
    assert not await house.has_sound(gone)
    assert await house.store.recording(gone.sid) is None


async def test_row_stays_while_its_sound_cannot_be_removed(house: House) -> None:
    gone = replace(made(OLD - timedelta(days=20)), status="deleted")
    await house.store.write(gone)
    await asyncio.to_thread(house.path(gone).mkdir)
    await house.retention(calls=None).sweep()
    assert await house.store.recording(gone.sid) == gone


async def test_many_go_in_batches_and_the_sweep_ends(house: House) -> None:
    await house.store.write(*(ended(OLD + timedelta(seconds=number)) for number in range(2 * BATCH + 1)))
    retention = house.retention()
    await retention.sweep()
    assert await house.left() == set()
    assert retention.forgotten.calls == 2 * BATCH + 1


async def test_nothing_goes_unless_it_is_asked_for(house: House) -> None:
    old, sound = ended(OLD), made(OLD)
    await house.write_sound(sound)
    await house.store.write(old)
    await house.retention(calls=None, recordings=None).sweep()
    assert await house.left() == {old.sid} and await house.has_sound(sound)


async def test_old_conferences_go_unless_they_run(house: House) -> None:
    over = ConferenceRecord(
        sid=sid_of("CF", OLD),
        account_sid=ACCOUNT,
        friendly_name="standup",
        status="completed",
        date_created=OLD,
        date_updated=OLD,
    )
    running = replace(over, sid=sid_of("CF", OLD), status="in-progress")
    await house.store.write(over, running)
    await house.retention().sweep()
    assert [record.sid for record in await house.store.conferences()] == [running.sid]
