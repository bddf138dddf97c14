"""Which calls a list holds, whatever is asked for; and that it never walks all calls to find them."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from gateway.store import Store
from gateway.store.batch import Statement, statements
from gateway.store.call_list import call_list
from gateway.store.database import open_engine
from gateway.store.records import FINAL_CALL_STATUSES, CallRecord
from gateway.store.schema import CALL_ROWS, UNTIMELY_CALLS, migrate
from gateway.store.search import Between, CallSearch, Place
from tests.gateway.store.records import call, url_of

ACCOUNT = "AC" + "7" * 32
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = ("+15550100", "+15550101")
PARENT = "CA" + "f" * 32
SPAN = timedelta(days=10)


def calls(count: int, *, seed: int) -> list[CallRecord]:
    """Of ten days, in no order: most as they are, some with times that no clock can have given them."""
    chance = random.Random(seed)

    def moment() -> datetime:
        return BEGIN + chance.random() * SPAN

    def made() -> CallRecord:
        at = moment()
        status = chance.choice([*FINAL_CALL_STATUSES, "queued", "in-progress"])
        sid = f"CA{int(at.timestamp() * 1000):011x}{chance.getrandbits(84):021x}"
        answered_at = at + timedelta(seconds=9) if status in ("completed", "in-progress") else None
        ended_at = at + timedelta(minutes=chance.randrange(600)) if status in FINAL_CALL_STATUSES else None
        if chance.random() < 0.15:
            answered_at, ended_at = chance.choice([None, moment()]), chance.choice([None, moment()])
        return replace(
            call(status, sid=sid),
            account_sid=chance.choice([ACCOUNT, ACCOUNT, "AC" + "9" * 32]),
            to=chance.choice(NUMBERS),
            from_=chance.choice(NUMBERS),
            date_created=at,
            start_time=answered_at,
            end_time=ended_at,
            parent_call_sid=PARENT if chance.random() < 0.1 else None,
        )

    return [made() for _ in range(count)]


def searches(*, seed: int, count: int) -> Iterator[CallSearch]:
    chance = random.Random(seed)

    def between() -> Between:
        ends = sorted(BEGIN + chance.random() * SPAN for _ in range(2))
        shape = chance.randrange(6)
        return Between(start=ends[0] if shape in (0, 1) else None, end=ends[1] if shape in (0, 2) else None)

    for _ in range(count):
        yield CallSearch(
            account_sid=ACCOUNT,
            to=chance.choice([None, NUMBERS[0]]),
            from_=chance.choice([None, NUMBERS[0]]),
            status=chance.choice([None, "completed", "busy", "queued"]),
            parent_call_sid=chance.choice([None, None, None, PARENT]),
            started=between(),
            ended=between(),
        )


def is_wanted(record: CallRecord, search: CallSearch) -> bool:
    def lies(at: datetime | None, between: Between) -> bool:
        if between.is_open:
            return True
        return (
            at is not None
            and (between.start is None or at >= between.start)
            and (between.end is None or at < between.end)
        )

    return (
        record.account_sid == search.account_sid
        and search.to in (None, record.to)
        and search.from_ in (None, record.from_)
        and search.status in (None, record.status)
        and search.parent_call_sid in (None, record.parent_call_sid)
        and lies(record.start_time, search.started)
        and lies(record.end_time, search.ended)
    )


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(url_of(tmp_path))
    yield store
    await store.close()


def check(engine: sa.Engine, *, count: int) -> None:
    """Every list is what walking through all calls would find, page by page, forwards and back."""
    records = sorted(calls(400, seed=7), key=lambda record: record.sid, reverse=True)
    with engine.begin() as connection:
        put = statements(engine.dialect)[Statement.PUT_CALL]
        cursor = connection.connection.cursor()
        cursor.executemany(put, [CALL_ROWS.encode(record) for record in records])
        cursor.close()
    with engine.connect() as connection:

        def page(search: CallSearch, place: Place) -> list[str]:
            query, parameters = call_list(search, place, dialect=engine.dialect.name)
            return [CALL_ROWS.decode(row).sid for row in connection.execute(query, parameters)]

        for search in searches(seed=8, count=count):
            wanted = [record.sid for record in records if is_wanted(record, search)]
            found = page(search, Place(size=30))
            assert found == wanted[:31], search
            while len(found) < len(wanted):
                further = page(search, Place(size=30, after=found[-1]))
                assert further, search
                found += further
            assert found == wanted, search
            if wanted:
                back = page(search, Place(size=5, before=wanted[-1]))
                assert back == wanted[:-1][-6:][::-1], search


def test_call_list_is_what_walking_through_all_calls_would_find(tmp_path: Path) -> None:
    engine = open_engine(url_of(tmp_path))
    migrate(engine)
    check(engine, count=100)
    engine.dispose()


@pytest.mark.parametrize("is_up", [False, True])
def test_call_list_never_walks_all_calls(tmp_path: Path, is_up: bool) -> None:
    engine = open_engine(url_of(tmp_path))
    migrate(engine)
    sid = "CA" + "8" * 32
    with engine.connect() as connection:
        for search in searches(seed=9, count=60):
            for place in (Place(size=50), Place(size=50, before=sid) if is_up else Place(size=50, after=sid)):
                query, parameters = call_list(search, place, dialect="sqlite")
                compiled = query.compile(engine)
                values = tuple(compiled.construct_params(dict(parameters))[name] for name in compiled.positiontup or ())
                steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)]
                walks = [step for step in steps if " calls " in f"{step} "]
                assert walks, steps
                for step in walks:
                    if step == "SEARCH calls USING PRIMARY KEY (sid=?)":
                        continue
                    is_ordered = step.startswith("SEARCH") and "account_sid=?" in step
                    is_short = any(name in step for name in ("calls_unfinished", "calls_untimely", "calls_by_parent"))
                    assert is_ordered or is_short, (search, step)
                    has_bounds = bool(parameters.keys() & {"lowest", "highest"})
                    assert is_short or not has_bounds or "AND sid" in step, (search, step)
    engine.dispose()


async def test_calls_with_times_as_clocks_give_them_are_not_in_the_index_of_the_others(
    store: Store, tmp_path: Path
) -> None:
    """Else that index would grow with all calls, and so would the time a list takes."""
    at = BEGIN
    sid = f"CA{int(at.timestamp() * 1000):011x}{0:021x}"
    usual = replace(call("completed", sid=sid), start_time=at, end_time=at + timedelta(hours=4))
    unanswered = replace(usual, sid=sid[:-1] + "1", status="busy", start_time=None)
    endless = replace(usual, sid=sid[:-1] + "2", end_time=at + timedelta(hours=6))
    backwards = replace(usual, sid=sid[:-1] + "3", start_time=at - timedelta(minutes=2))
    await store.write(usual, unanswered, endless, backwards)

    def untimely() -> list[str]:
        engine = open_engine(url_of(tmp_path))
        with engine.connect() as connection:
            query = f"SELECT sid FROM calls INDEXED BY calls_untimely WHERE {UNTIMELY_CALLS['sqlite']} ORDER BY sid"
            found = [str(row.sid) for row in connection.execute(sa.text(query))]
        engine.dispose()
        return found

    assert await asyncio.to_thread(untimely) == [endless.sid, backwards.sid]
