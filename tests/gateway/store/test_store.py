"""The store against a real SQLite file."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway.store.batch import Statement, encode
from gateway.store.records import (
    CallRecord,
    ConferenceRecord,
    DeferredCallback,
    DraftedEvent,
    EventRecord,
    OwedCallback,
    QueueRecord,
    SettledCallback,
)
from gateway.store.schema import UNFINISHED_CALLS, UNFINISHED_RECORDINGS
from gateway.store.store import Store
from gateway.store.writer import StorageUnavailable
from tests.gateway.store.records import ACCOUNT, START, call, completed, event, leg, owed, recording, url_of


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(url_of(tmp_path))
    yield store
    await store.close()


async def test_store_record_written_is_read_back_unchanged(store: Store) -> None:
    record = completed(call())
    party, sound = leg(record.sid), recording(record.sid, "completed")
    line = replace(event(record.sid), code=12200, level="warning", line=3, column=7, details={"verb": "Dial"})
    await store.write(record, party, sound, line)
    assert await store.call(record.sid) == record
    assert await store.legs(record.sid) == [party]
    assert await store.recording(sound.sid) == sound
    assert await store.recordings(record.sid) == [sound]
    (found,) = await store.events(record.sid)
    assert replace(found, position=0) == line


async def test_store_conferences_are_found_by_name_and_state_and_queues_until_they_are_deleted(store: Store) -> None:
    room = ConferenceRecord(
        sid="CF" + "1" * 32,
        account_sid=ACCOUNT,
        friendly_name="Room 1",
        status="init",
        date_created=START,
        date_updated=START,
        status_callback_events=("end", "start"),
    )
    over = replace(room, sid="CF" + "0" * 32, status="completed", reason_conference_ended="last-participant-left")
    queue = QueueRecord(
        sid="QU" + "1" * 32,
        account_sid=ACCOUNT,
        friendly_name="support",
        max_size=3,
        date_created=START,
        date_updated=START,
    )
    await store.write(room, over, queue)
    assert await store.conference(room.sid) == room
    assert await store.conferences(friendly_name="Room 1") == [room, over]
    assert await store.conferences(status="completed") == [over]
    assert await store.unfinished_conferences() == [room]
    assert await store.queue_named(ACCOUNT, "support") == await store.queue(queue.sid) == queue
    await store.write(replace(queue, date_deleted=START))
    assert (await store.queue_named(ACCOUNT, "support"), await store.queue(queue.sid), await store.queues()) == (
        None,
        None,
        [],
    )


async def test_store_record_written_again_is_replaced(store: Store) -> None:
    record = call()
    await store.write(record)
    await store.write(completed(record))
    found = await store.call(record.sid)
    assert found is not None
    assert found.status == "completed"
    assert len(await store.calls()) == 1


async def test_store_same_row_twice_in_one_transaction_keeps_the_last(store: Store) -> None:
    record = call()
    await store.write(record, completed(record), replace(record, status="busy"))
    found = await store.call(record.sid)
    assert found is not None
    assert found.status == "busy"


async def test_store_write_soon_keeps_its_order_with_write(store: Store) -> None:
    record = call()
    store.write_soon(record)
    await store.write(completed(record))
    store.write_soon(replace(record, status="failed"))
    await store.flush()
    found = await store.call(record.sid)
    assert found is not None
    assert found.status == "failed"


async def test_store_hundred_writers_share_transactions_and_lose_nothing(store: Store) -> None:
    records = [call() for _ in range(100)]

    async def one_call(record: CallRecord) -> None:
        await store.write(record, event(record.sid))
        store.write_soon(leg(record.sid))
        await store.write(completed(record), event(record.sid, "completed", after_s=4), owed(record.sid))

    await asyncio.gather(*(one_call(record) for record in records))
    assert {found.sid for found in await store.calls(limit=1000)} == {record.sid for record in records}
    assert all(found.status == "completed" for found in await store.calls(limit=1000))
    assert len(await store.owed_callbacks()) == 100
    assert [line.name for line in await store.events(records[50].sid)] == ["ringing", "completed"]
    assert len(await store.legs(records[99].sid)) == 1


async def test_store_written_facts_are_there_after_a_restart(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    record = call()
    store.write_soon(record, owed(record.sid, 0), owed(record.sid, 1))
    await store.close()
    again = await Store.open(url_of(tmp_path))
    await again.write(owed(record.sid, 2))
    found = await again.owed_callbacks()
    assert [dict(each.params)["SequenceNumber"] for each in found] == ["0", "1", "2"]
    assert [found.sid for found in await again.unfinished_calls()] == [record.sid]
    await again.close()


async def test_store_stop_twice_is_harmless(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    await store.close()
    await store.close()
    with pytest.raises(StorageUnavailable):
        await store.call("CA")


async def test_store_unfinished_finds_only_what_nobody_ended(store: Store) -> None:
    left, over = call("in-progress"), completed(call())
    open_file, closed_file = recording(left.sid), recording(over.sid, "completed")
    await store.write(left, over, open_file, closed_file, call("canceled"), call("no-answer"))
    assert [found.sid for found in await store.unfinished_calls()] == [left.sid]
    assert [found.sid for found in await store.unfinished_recordings()] == [open_file.sid]


async def test_store_unfinished_rows_are_found_by_their_index(store: Store, tmp_path: Path) -> None:
    def plans() -> list[str]:
        with sqlite3.connect(tmp_path / "ringfork.db") as raw:
            found = [
                row[3]
                for table, condition in (("calls", UNFINISHED_CALLS), ("recordings", UNFINISHED_RECORDINGS))
                for row in raw.execute(f"EXPLAIN QUERY PLAN SELECT sid FROM {table} WHERE {condition}")
            ]
        raw.close()
        return found

    first, second = await asyncio.to_thread(plans)
    assert "calls_unfinished" in first
    assert "recordings_unfinished" in second


async def test_store_settled_callback_is_gone_and_deferred_one_knows_when(store: Store) -> None:
    await store.write(owed("CA1", 0), owed("CA1", 1))
    first, second = await store.owed_callbacks()
    await store.write(
        SettledCallback(first.position), DeferredCallback(position=second.position, attempts=3, due_at=START)
    )
    found = await store.owed_callbacks()
    assert [(each.token, each.attempts, each.due_at) for each in found] == [(second.token, 3, START)]


async def test_store_callback_settled_before_it_was_written_is_never_a_row(store: Store) -> None:
    told: list[OwedCallback] = []
    store.listen_owed(told.extend)
    await store.write(owed("CA1"))
    rows = encode([told[0], DeferredCallback(position=told[0].position, attempts=1, due_at=START)], count(1))
    assert set(rows) == {Statement.ADD_OWED, Statement.DEFER}
    assert encode([told[0], SettledCallback(told[0].position)], count(1)) == {}


async def test_store_tells_owed_callbacks_once_they_are_safe_and_in_order(store: Store) -> None:
    told: list[OwedCallback] = []
    store.listen_owed(told.extend)
    rows = [owed("CA1", number) for number in range(5)]
    store.write_soon(*rows[:2])
    await store.write(*rows[2:])
    assert [each.token for each in told] == [each.token for each in rows]


async def test_store_bad_operation_costs_only_its_own_submission(store: Store) -> None:
    good, bad = call(), replace(call(), sequence=1 << 70)
    outcomes = await asyncio.gather(store.write(good), store.write(bad), store.write(call()), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), OverflowError, type(None)]
    assert await store.call(good.sid) == good
    assert len(await store.calls()) == 2


@pytest.mark.parametrize("text", ["\udc80\ud800", "nul\0nul", "'; DROP TABLE calls; --", "\u202e\U0001f600\x1b[2J"])
async def test_store_any_text_a_peer_may_send_is_kept(store: Store, text: str) -> None:
    record = replace(call(), caller_name=text)
    await store.write(record)
    found = await store.call(record.sid)
    assert found is not None
    assert found.caller_name is not None
    assert len(found.caller_name) == len(text)


async def test_store_log_never_shows_what_stands_in_a_row(store: Store, tmp_path: Path) -> None:
    secret = "http://user:hunter2@app.example.com/"
    await store.write(replace(call(), status_callback=secret), owed("CA1", url=secret))

    def damage() -> None:
        with sqlite3.connect(tmp_path / "ringfork.db") as raw:
            raw.execute("UPDATE calls SET details = status_callback, date_created = status_callback")
            raw.execute("UPDATE outbox SET params = url")
        raw.close()

    await asyncio.to_thread(damage)
    with capture_logs() as logs:
        await store.unfinished_calls()
        await store.owed_callbacks()
        for bad in (replace(call(), status_callback=secret, sequence=1 << 70), replace(call(), date_updated=secret)):  # type: ignore[arg-type]
            with pytest.raises(Exception, match=".*") as caught:
                await store.write(bad)
            assert "hunter2" not in str(caught.value)
    assert len(logs) == 4
    assert "hunter2" not in str(logs)


async def test_store_unreadable_rows_are_left_out(store: Store, tmp_path: Path) -> None:
    rows = [call() for _ in range(4)]
    await store.write(*rows, owed("CA1"), owed("CA2"))

    def damage() -> None:
        with sqlite3.connect(tmp_path / "ringfork.db") as raw:
            raw.execute("UPDATE calls SET details = '{' WHERE sid = ?", (rows[0].sid,))
            raw.execute("UPDATE calls SET date_created = 'yesterday' WHERE sid = ?", (rows[1].sid,))
            raw.execute("UPDATE calls SET status_callback_events = x'00ff' WHERE sid = ?", (rows[2].sid,))
            raw.execute("UPDATE outbox SET params = '[[1]]' WHERE order_key = 'CA1'")
        raw.close()

    await asyncio.to_thread(damage)
    assert [found.sid for found in await store.unfinished_calls()] == [rows[3].sid]
    assert [found.order_key for found in await store.owed_callbacks()] == ["CA2"]


async def test_store_event_that_is_drafted_has_its_place_and_a_bad_one_costs_nothing_else(store: Store) -> None:
    record = call()
    threads: set[str] = set()

    def words() -> EventRecord:
        threads.add(threading.current_thread().name)
        return event(record.sid, "b")

    def no_words() -> EventRecord:
        raise ValueError("nothing to say")

    store.write_soon(event(record.sid, "a"))
    store.write_soon(DraftedEvent(record.sid, words))
    store.write_soon(DraftedEvent(record.sid, no_words))
    store.write_soon(event(record.sid, "c"))
    await store.flush()
    assert [line.name for line in await store.events(record.sid)] == ["a", "b", "c"]
    assert threads == {"store-writer"}


async def test_store_calls_that_end_together_wait_for_one_transaction_that_holds_all_of_them(store: Store) -> None:
    transactions: list[Sequence[object]] = []
    store.listen_written(transactions.append)
    records = [call() for _ in range(20)]

    async def end(record: CallRecord) -> None:
        store.write_soon(completed(record))
        await store.written()
        found = await store.call(record.sid)
        assert found is not None and found.status == "completed"

    await asyncio.gather(*map(end, records))
    assert [len(operations) for operations in transactions] == [20]
    await store.written()
    assert len(transactions) == 1


async def test_store_tells_what_was_written_when_it_can_be_read_back(store: Store) -> None:
    told: list[object] = []
    store.listen_written(told.extend)
    record = call()
    store.write_soon(record, event(record.sid))
    await store.flush()
    await asyncio.sleep(0)
    assert [type(each).__name__ for each in told] == ["CallRecord", "EventRecord"]
    assert await store.call(record.sid) == record


async def test_store_reads_several_calls_timelines_in_the_order_of_writing(store: Store) -> None:
    one, other, third = call(), call(), call()
    await store.write(event(one.sid, "a"), event(other.sid, "b"), event(third.sid, "x"))
    await store.write(event(one.sid, "c"), leg(other.sid), recording(one.sid), recording(one.sid, "deleted"))
    sids = [one.sid, other.sid]
    assert [line.name for line in await store.events_of(sids, limit=10)] == ["a", "b", "c"]
    assert [line.name for line in await store.events_of(sids, limit=2)] == ["a", "b"]
    assert len(await store.legs_of(sids)) == 1 and len(await store.recordings_of(sids)) == 1
