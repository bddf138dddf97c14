"""The same store on PostgreSQL: a server of the test's own, stopped and started under it.

Needs the programs of a PostgreSQL server and the ``postgres`` extra; without them there is nothing to test.
"""

import asyncio
import importlib.util
import os
import random
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
import pytest_asyncio

from gateway.sids import new_sid
from gateway.store import StorageUnavailable, Store
from gateway.store.database import open_engine
from gateway.store.records import ConfiguredRecord, DeferredCallback, DeletedConfigured, SettledCallback
from tests.gateway.store import test_account_lists as account_lists
from tests.gateway.store import test_notifications as notifications
from tests.gateway.store.records import START, call, completed, event, leg, owed, recording
from tests.gateway.store.test_call_list import check

# Debian keeps the server's programs out of the way, one folder a version.
PROGRAMS = os.pathsep.join(
    [*(str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))), os.environ["PATH"]]
)

pytestmark = pytest.mark.skipif(
    shutil.which("initdb", path=PROGRAMS) is None or importlib.util.find_spec("psycopg") is None,
    reason="no PostgreSQL server or no driver here",
)


def lasting_port() -> int:
    """Free now, and below those the system gives to anybody's connections: it must be free after a restart too."""
    for port in random.sample(range(10_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


class Server:
    """A PostgreSQL server on loopback. PostgreSQL refuses to run as root, so it runs as nobody then."""

    def __init__(self, directory: Path) -> None:
        self._user = "nobody" if os.geteuid() == 0 else None
        self._data = directory / "data"
        self.port = lasting_port()
        if self._user is not None:
            shutil.chown(directory, self._user)
            for parent in directory.parents:
                if parent.stat().st_uid == 0 and parent.name.startswith(("pytest-", "popen-")):
                    parent.chmod(0o755)
        self._run("initdb", "-D", str(self._data), "-U", "ringfork", "-A", "trust", "-N", "-E", "UTF8")

    @property
    def url(self) -> str:
        return f"postgresql://ringfork@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -k {self._data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._data / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop")

    def _run(self, *command: str) -> None:
        program = shutil.which(command[0], path=PROGRAMS)
        assert program is not None
        subprocess.run([program, *command[1:]], check=True, user=self._user, cwd="/", capture_output=True, timeout=50)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture
async def store(server: Server, tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(server.url, journal=tmp_path / "journal")
    yield store
    await store.close()


async def test_postgres_records_are_read_back_unchanged(store: Store) -> None:
    record = completed(call())
    party, sound = leg(record.sid), recording(record.sid, "completed")
    await store.write(call(sid=record.sid), replace(party, codec=None))
    await store.write(record, party, sound, event(record.sid), event(record.sid, "completed", after_s=4))
    assert await store.call(record.sid) == record
    assert await store.legs(record.sid) == [party]
    assert await store.recordings(record.sid) == [sound]
    assert [found.name for found in await store.events(record.sid)] == ["ringing", "completed"]
    assert record.sid not in {found.sid for found in await store.unfinished_calls()}


async def test_postgres_keeps_what_was_configured_over_rest(store: Store) -> None:
    record = ConfiguredRecord(
        sid=new_sid("AP"),
        account_sid=new_sid("AC"),
        kind="application",
        date_created=START,
        date_updated=START,
        details={"friendly_name": "ä", "allowed": ["+46"]},
    )
    changed = replace(record, details={"friendly_name": "b"})
    await store.write(record)
    assert record in await store.configured()
    await store.write(changed)
    assert changed in await store.configured()
    await store.write(DeletedConfigured(record.sid))
    assert record.sid not in {found.sid for found in await store.configured()}


async def test_postgres_call_list_is_what_walking_through_all_calls_would_find(store: Store, server: Server) -> None:
    def checked() -> None:
        engine = open_engine(server.url)
        check(engine, count=40)
        engine.dispose()

    await asyncio.to_thread(checked)
    assert not store.is_away


async def test_postgres_notifications_are_what_walking_through_all_lines_would_find(store: Store) -> None:
    await notifications.check(store, count=4)


async def test_postgres_account_lists_are_what_walking_through_all_rows_would_find(store: Store) -> None:
    await account_lists.check(store, count=4)


async def test_postgres_notifications_are_found_by_their_indexes(store: Store, server: Server) -> None:
    def checked() -> None:
        engine = open_engine(server.url)
        for search, steps in notifications.plans(engine):
            text = "\n".join(steps)
            assert "notifications_by_level" in text and "Seq Scan" not in text, (search, text)
        engine.dispose()

    await asyncio.to_thread(checked)
    assert not store.is_away


async def test_postgres_notifications_of_an_older_database_are_their_accounts(server: Server, tmp_path: Path) -> None:
    await notifications.check_migration(server.url, tmp_path / "journal")


async def test_postgres_text_it_refuses_is_kept_all_the_same(store: Store) -> None:
    record = replace(call(), caller_name="nul\0\udc80")
    await store.write(record)
    found = await store.call(record.sid)
    assert found is not None
    assert found.caller_name == "nul\N{REPLACEMENT CHARACTER}?"


async def test_postgres_bad_record_costs_only_itself(store: Store) -> None:
    good, bad = call(), replace(call(), sequence=1 << 70)
    outcomes = await asyncio.gather(store.write(good), store.write(bad), return_exceptions=True)
    assert outcomes[0] is None
    assert isinstance(outcomes[1], Exception)
    assert not store.is_away
    assert await store.call(good.sid) == good


async def test_postgres_owed_callbacks_are_settled_and_deferred(store: Store) -> None:
    await store.write(*(owed("CA1", number) for number in range(3)))
    first, second, _ = await store.owed_callbacks()
    await store.write(
        SettledCallback(first.position), DeferredCallback(position=second.position, attempts=2, due_at=START)
    )
    found = await store.owed_callbacks()
    assert [(each.attempts, dict(each.params)["SequenceNumber"]) for each in found] == [(2, "1"), (0, "2")]
    await store.write(*(SettledCallback(each.position) for each in found))


async def test_postgres_gone_and_back_loses_nothing_and_keeps_nobody_waiting(store: Store, server: Server) -> None:
    first = call()
    await store.write(first)
    await asyncio.to_thread(server.stop)
    record = completed(call())
    began = monotonic()
    await store.write(record, event(record.sid), owed(record.sid))
    with pytest.raises(StorageUnavailable):
        await store.call(record.sid)
    assert monotonic() - began < 5
    assert store.is_away
    for _ in range(50):
        await store.write(event(record.sid))
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(10):
        while store.is_away:
            await store.flush()
    assert await store.call(record.sid) == record
    assert len(await store.events(record.sid)) == 51
    assert await store.call(first.sid) == first
    assert [each.call_sid for each in await store.owed_callbacks()] == [record.sid]


async def test_postgres_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        await Store.open("postgresql://ringfork@127.0.0.1:1/postgres", journal=tmp_path / "journal")
