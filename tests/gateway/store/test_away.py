"""What is written while the database is away, or was when the process died."""

import asyncio
import json
import queue
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.store import StorageUnavailable, Store
from gateway.store.batch import encode
from gateway.store.database import open_engine
from gateway.store.journal import Journal
from gateway.store.records import Operation
from gateway.store.schema import CALLS, OUTBOX, migrate
from gateway.store.writer import Outcome, Submission, Writer
from tests.gateway.store.records import call, completed, event, owed, url_of


class Connection(sqlite3.Connection):
    """One that breaks when its database goes away."""

    database: "Database"

    def cursor(self, *arguments: Any, **named: Any) -> Any:
        if self.database.is_away:
            raise sqlite3.OperationalError("the connection is broken")
        return super().cursor(*arguments, **named)


class Database:
    """A SQLite file that can be taken away, with a writer on it. No loop is involved."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "ringfork.db"
        self.journal = directory / "journal"
        migrate(open_engine(url_of(directory)))
        self.is_away = False
        self.attempts = 0
        self.outcomes: queue.Queue[Outcome] = queue.Queue()
        self._engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=sa.NullPool)
        self.writer = Writer(self._engine, journal=Journal(self.journal), report=self._report, retry_s=0.01)
        self.writer.start(count(1))

    def _connect(self) -> Any:
        self.attempts += 1
        if self.is_away:
            raise sqlite3.OperationalError("database is away")
        connection = sqlite3.connect(self.path, factory=Connection, isolation_level=None)
        connection.database = self
        return connection

    def _report(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.outcomes.put(outcome)

    def write(self, *operations: Operation) -> Exception | None:
        self.writer.submit([Submission(operations)])
        return self.outcomes.get(timeout=5).error

    def rows(self, table: sa.Table) -> list[Any]:
        with sa.create_engine(f"sqlite:///{self.path}", poolclass=sa.NullPool).connect() as connection:
            return list(connection.execute(sa.select(table)).all())

    def come_back(self) -> None:
        self.is_away = False
        while self.writer.is_away:
            self.write()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    yield database
    assert database.writer.stop(5)


def test_writer_database_away_facts_are_safe_and_written_when_it_is_back(database: Database) -> None:
    record = call()
    assert database.write(record, replace(owed(record.sid), position=1)) is None
    database.is_away = True
    assert database.write(completed(record), event(record.sid), replace(owed(record.sid), position=2)) is None
    assert database.write(call()) is None
    assert database.writer.is_away
    assert [row.status for row in database.rows(CALLS)] == ["ringing"]
    assert len(database.journal.read_text().split()) > 0
    database.come_back()
    assert sorted(row.status for row in database.rows(CALLS)) == ["completed", "ringing"]
    assert len(database.rows(OUTBOX)) == 2
    assert not database.journal.exists()


def test_writer_database_away_is_asked_at_most_once_a_pause(database: Database) -> None:
    database.is_away = True
    database.writer._retry_s = 3600.0
    for _ in range(20):
        assert database.write(call()) is None
    assert database.attempts == 1
    database.writer._retry_at = 0.0
    database.come_back()
    assert len(database.rows(CALLS)) == 20


def test_writer_without_database_and_journal_tells_and_keeps(database: Database) -> None:
    database.is_away = True
    database.journal.mkdir()
    assert isinstance(database.write(call()), StorageUnavailable)
    assert isinstance(database.write(call()), StorageUnavailable)
    database.journal.rmdir()
    database.come_back()
    assert len(database.rows(CALLS)) == 2


def test_writer_stop_while_away_leaves_the_journal_for_the_next_start(tmp_path: Path) -> None:
    first = Database(tmp_path)
    record = call()
    first.is_away = True
    assert first.write(record) is None
    assert first.writer.stop(5)
    second = Database(tmp_path)
    second.writer.replay()
    assert [row.sid for row in second.rows(CALLS)] == [record.sid]
    assert second.writer.stop(5)


def test_journal_half_written_and_unreadable_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    first, second = encode([call()], count(1)), encode([call(), event("CA1")], count(1))
    journal.append(first)
    text = path.read_bytes()
    path.write_bytes(text + text[: len(text) // 2])
    for bad in ('{"call": 1}', '{"nonsense": []}', "[]", "\x00\xff", '{"call": [[1, 2'):
        with path.open("ab") as file:
            file.write(b"\n" + bad.encode("latin-1"))
    again = Journal(path)
    again.append(second)
    assert list(again.batches()) == [first, second]
    again.clear()
    journal.close()
    assert list(again.batches()) == []


async def test_store_journal_of_a_killed_process_is_written_at_the_start(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    await store.write(owed("CA1", 0))
    (before,) = await store.owed_callbacks()
    await store.close()
    record = call()
    rows = {statement.value: found for statement, found in encode([record, owed("CA1", 1)], count(1)).items()}
    rows["owed"] = [(*rows["owed"][0][:-1], before.position + 1)]
    lines = json.dumps(rows) + "\n" + json.dumps({"call": [["bad row"]]}) + "\n" + '{"call": [['
    (tmp_path / "ringfork.db.pending").write_text(lines)
    again = await Store.open(url_of(tmp_path))
    assert await again.call(record.sid) == record
    await again.write(owed("CA1", 2))
    numbers = [dict(each.params)["SequenceNumber"] for each in await again.owed_callbacks()]
    assert numbers == ["0", "1", "2"]
    assert not (tmp_path / "ringfork.db.pending").exists()
    await again.close()


async def test_store_locked_database_does_not_keep_anybody_waiting_for_good(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    record = call()
    told: list[str] = []
    store.listen_owed(lambda callbacks: told.extend(each.token for each in callbacks))
    locked = await asyncio.to_thread(_lock, tmp_path / "ringfork.db")
    callback = owed(record.sid)
    async with asyncio.timeout(5):
        await store.write(record, callback)
    assert store.is_away
    assert told == [callback.token]
    assert await store.call(record.sid) is None
    await asyncio.to_thread(locked.rollback)
    await asyncio.to_thread(locked.close)
    async with asyncio.timeout(10):
        while store.is_away:
            await store.flush()
    assert await store.call(record.sid) == record
    await store.close()


def _lock(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def test_store_url_of_something_else_is_refused(tmp_path: Path) -> None:
    from signaling.errors import UsageError

    for url in ("mysql://localhost/x", "sqlite://", "sqlite:///:memory:"):
        with pytest.raises(UsageError):
            await Store.open(url)


async def test_store_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "ringfork.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StorageUnavailable):
        await Store.open(url_of(tmp_path))
    assert path.read_bytes() == b"not a database" * 100
