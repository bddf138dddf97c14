"""An account's warnings and errors: what a list holds, and that none of it is found by walking all timelines."""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.sids import new_sid
from gateway.store import Store
from gateway.store.database import journal_path, open_engine
from gateway.store.records import DeletedCall, EventRecord
from gateway.store.schema import EVENTS, NOTIFICATIONS, migrate
from gateway.store.search import Between, Mark, NotificationSearch
from tests.gateway.store.records import START, call, completed, url_of

LEVELS = ("error", "warning")
WITHOUT_ACCOUNT = 5  # the last version whose events had none
SPAN_S = 86_400 * 10


def lines(account_sid: str, count: int, *, seed: int) -> list[EventRecord]:
    """Of ten days, in no order, some at the same moment; those of others and mere lines among them."""
    chance = random.Random(seed)
    moments = [
        START + timedelta(seconds=chance.randrange(SPAN_S), microseconds=chance.randrange(10**6)) for _ in "x" * 9
    ]

    def made() -> EventRecord:
        at = chance.choice(moments) if chance.random() < 0.3 else START + timedelta(seconds=chance.random() * SPAN_S)
        return EventRecord(
            call_sid=new_sid("CA"),
            account_sid=chance.choice([account_sid, account_sid, new_sid("AC")]),
            at=at,
            name="problem",
            level=chance.choice([*LEVELS, *LEVELS, "info"]),
            code=chance.choice([12200, 11200, None]),
        )

    return [made() for _ in range(count)]


def searches(account_sid: str, *, seed: int, count: int) -> Iterator[NotificationSearch]:
    chance = random.Random(seed)
    for _ in range(count):
        ends = sorted(START + timedelta(seconds=chance.random() * SPAN_S) for _ in range(2))
        shape = chance.randrange(5)
        yield NotificationSearch(
            account_sid=account_sid,
            levels=chance.choice([LEVELS, LEVELS[:1], LEVELS[1:]]),
            at=Between(start=ends[0] if shape in (0, 1) else None, end=ends[1] if shape in (0, 2) else None),
        )


def is_wanted(line: EventRecord, search: NotificationSearch) -> bool:
    start, end = search.at.start, search.at.end
    return (
        line.account_sid == search.account_sid
        and line.code is not None
        and line.level in search.levels
        and (start is None or line.at >= start)
        and (end is None or line.at < end)
    )


def mark(line: EventRecord) -> Mark:
    return Mark(at=line.at, position=line.position)


async def check(store: Store, *, count: int) -> None:
    """Every list is what walking through all lines would find, page by page, forwards and back."""
    account_sid = new_sid("AC")
    written = lines(account_sid, 300, seed=3)
    await store.write(*written)
    placed = await store.events_of([line.call_sid for line in written], limit=len(written))
    assert [replace(line, position=0) for line in placed] == written
    placed.sort(key=lambda line: (line.at, line.position), reverse=True)
    for search in searches(account_sid, seed=4, count=count):
        wanted = [line for line in placed if is_wanted(line, search)]
        found, has_more = await store.search_notifications(search, size=20)
        assert (found, has_more) == (wanted[:20], len(wanted) > 20), search
        while has_more:
            further, has_more = await store.search_notifications(replace(search, behind=mark(found[-1])), size=20)
            found += further
        assert found == wanted, search
        if wanted:
            back, has_more = await store.search_notifications(replace(search, ahead=mark(wanted[-1])), size=7)
            assert (back, has_more) == (wanted[:-1][-7:], len(wanted) > 8), search
    (one,) = await store.notifications_at(account_sid, wanted[0].position)
    assert one == wanted[0]
    assert await store.notifications_at(new_sid("AC"), wanted[0].position) == []


async def test_notifications_are_what_walking_through_all_lines_would_find(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    try:
        await check(store, count=15)
    finally:
        await store.close()


def plan(connection: sa.Connection, query: sa.Select[tuple[int]]) -> list[str]:
    """How the database would go about it, a step a line."""
    compiled = query.compile(connection.engine, compile_kwargs={"literal_binds": True})
    if connection.dialect.name == "sqlite":
        return [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]
    # Of a small table it would read all, whatever there is.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    return [str(row[0]).strip() for row in connection.exec_driver_sql(f"EXPLAIN {compiled}")]


def plans(engine: sa.Engine) -> Iterator[tuple[NotificationSearch, list[str]]]:
    """Of lists at any place, towards older and newer ones; at last that of a single one, under no search."""
    at = START + timedelta(days=5)
    with engine.connect() as connection:
        for search in searches(new_sid("AC"), seed=5, count=40):
            for place in (
                search,
                replace(search, behind=Mark(at=at, position=5)),
                replace(search, ahead=Mark(at=at, position=5)),
            ):
                order = [column.asc() if place.ahead else column.desc() for column in (EVENTS.c.at, EVENTS.c.position)]
                for level in place.levels:
                    query = sa.select(EVENTS.c.position).where(*place.conditions(level)).order_by(*order).limit(51)
                    yield place, plan(connection, query)


def test_notifications_are_never_found_by_walking_all_timelines(tmp_path: Path) -> None:
    engine = open_engine(url_of(tmp_path))
    migrate(engine)
    for search, steps in plans(engine):
        (step,) = steps
        assert step.startswith("SEARCH") and "notifications_by_level (account_sid=? AND level=?" in step, (search, step)
        is_bound = search.at.start or search.at.end or search.behind or search.ahead
        assert not is_bound or "at" in step.partition("level=?")[2], (search, step)
    with engine.connect() as connection:
        one = sa.select(EVENTS.c.position).where(
            EVENTS.c.account_sid == "AC1", EVENTS.c.position == 7, sa.text(NOTIFICATIONS)
        )
        (step,) = plan(connection, one)
        assert "notifications_by_position (account_sid=? AND position=?)" in step
    engine.dispose()


async def test_notifications_of_a_deleted_call_are_gone(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    record = completed(call())
    line = EventRecord(
        call_sid=record.sid, account_sid=record.account_sid, at=START, name="problem", level="error", code=11200
    )
    await store.write(record, line)
    search = NotificationSearch(account_sid=record.account_sid, levels=LEVELS)
    assert len((await store.search_notifications(search, size=5))[0]) == 1
    await store.write(DeletedCall(record.sid))
    assert await store.search_notifications(search, size=5) == ([], False)
    await store.close()


async def check_migration(url: str, journal: Path) -> None:
    """Those of a database of before the column was there are found by their calls' account."""
    account_sid = new_sid("AC")
    record = replace(completed(call()), account_sid=account_sid)
    line = EventRecord(call_sid=record.sid, at=START, name="problem", level="warning", code=12200)
    store = await Store.open(url, journal=journal)
    await store.write(record, line, replace(line, code=None), replace(line, call_sid=new_sid("CA")))
    await store.close()

    def put_back() -> None:
        engine = open_engine(url)
        with engine.begin() as connection:
            for name in ("notifications_by_level", "notifications_by_position"):
                connection.exec_driver_sql(f"DROP INDEX {name}")
            connection.exec_driver_sql("ALTER TABLE events DROP COLUMN account_sid")
            connection.exec_driver_sql(f"UPDATE schema SET version = {WITHOUT_ACCOUNT}")
        engine.dispose()

    await asyncio.to_thread(put_back)
    store = await Store.open(url, journal=journal)
    found, _ = await store.search_notifications(NotificationSearch(account_sid=account_sid, levels=LEVELS), size=5)
    assert [(each.call_sid, each.code) for each in found] == [(record.sid, 12200)]
    await store.close()


async def test_notifications_of_an_older_database_are_their_accounts(tmp_path: Path) -> None:
    await check_migration(url_of(tmp_path), tmp_path / "journal")


@pytest.fixture
def older_line() -> list[object]:
    """A row of the journal as it was before events had an account."""
    return ["CA" + "7" * 32, START.timestamp(), "ringing", "info", None, "", None, None, None, None, "{}", 11]


async def test_journal_of_an_older_version_is_read(tmp_path: Path, older_line: list[object]) -> None:
    url = url_of(tmp_path)
    journal_path(url).write_text(json.dumps({"event": [older_line]}) + "\n")
    store = await Store.open(url)
    (found,) = await store.events(str(older_line[0]))
    assert (found.name, found.position, found.account_sid) == ("ringing", 11, None)
    await store.close()
