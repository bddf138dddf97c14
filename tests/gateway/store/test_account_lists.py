"""Lists of recordings and conferences: what they hold, and that they are found without walking everybody's."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.sids import new_sid
from gateway.store import Store
from gateway.store.database import open_engine
from gateway.store.records import ConferenceRecord, RecordingRecord
from gateway.store.search import Between, ConferenceSearch, Place, RecordingSearch
from tests.gateway.store.records import START, recording, url_of

SPAN_S = 86_400 * 10
CALL, ROOM = "CA" + "c" * 32, "CF" + "c" * 32


def sid_of(prefix: str, at_s: float, chance: random.Random) -> str:
    return f"{prefix}{int(at_s * 1000):011x}{chance.getrandbits(84):021x}"


def recordings(account_sid: str, count: int, *, seed: int) -> list[RecordingRecord]:
    """Of ten days, in no order, each with a sid that was made a moment ahead of it."""
    chance = random.Random(seed)

    def made() -> RecordingRecord:
        at = START + timedelta(seconds=chance.random() * SPAN_S)
        return replace(
            recording(chance.choice([CALL, new_sid("CA"), new_sid("CA")]), chance.choice(["completed", "deleted"])),
            sid=sid_of("RE", at.timestamp() - chance.random(), chance),
            account_sid=chance.choice([account_sid, account_sid, new_sid("AC")]),
            conference_sid=chance.choice([None, ROOM]),
            date_created=at,
            date_updated=at,
        )

    return [made() for _ in range(count)]


def conferences(account_sid: str, count: int, *, seed: int) -> list[ConferenceRecord]:
    chance = random.Random(seed)

    def made() -> ConferenceRecord:
        at = START + timedelta(seconds=chance.random() * SPAN_S)
        return ConferenceRecord(
            sid=sid_of("CF", at.timestamp() - chance.random(), chance),
            account_sid=chance.choice([account_sid, account_sid, new_sid("AC")]),
            friendly_name=chance.choice(["standup", "room"]),
            status="completed",
            date_created=at,
            date_updated=at,
        )

    return [made() for _ in range(count)]


def between(chance: random.Random) -> Between:
    ends = sorted(START + timedelta(seconds=chance.random() * SPAN_S) for _ in range(2))
    shape = chance.randrange(4)
    return Between(start=ends[0] if shape in (0, 1) else None, end=ends[1] if shape in (0, 2) else None)


def searches(account_sid: str, *, seed: int, count: int) -> Iterator[RecordingSearch | ConferenceSearch]:
    chance = random.Random(seed)
    for _ in range(count):
        yield RecordingSearch(
            account_sid=account_sid,
            call_sid=chance.choice([None, None, CALL]),
            conference_sid=chance.choice([None, None, ROOM]),
            created=between(chance),
            with_deleted=chance.random() < 0.5,
        )
        yield ConferenceSearch(
            account_sid=account_sid, friendly_name=chance.choice([None, None, "room"]), created=between(chance)
        )


def is_wanted(record: Any, search: RecordingSearch | ConferenceSearch) -> bool:
    start, end = search.created.start, search.created.end
    if (start is not None and record.date_created < start) or (end is not None and record.date_created >= end):
        return False
    if record.account_sid != search.account_sid:
        return False
    match search:
        case RecordingSearch():
            return (
                search.call_sid in (None, record.call_sid)
                and search.conference_sid in (None, record.conference_sid)
                and (search.with_deleted or record.status != "deleted")
            )
        case ConferenceSearch():
            return search.friendly_name in (None, record.friendly_name)


async def check(store: Store, *, count: int) -> None:
    """Every list is what walking through all rows would find, page by page, forwards and back."""
    account_sid = new_sid("AC")
    sounds, rooms = recordings(account_sid, 250, seed=1), conferences(account_sid, 150, seed=2)
    await store.write(*sounds, *rooms)
    for search in searches(account_sid, seed=3, count=count):
        all_rows: list[Any] = [*(sounds if isinstance(search, RecordingSearch) else rooms)]
        list_of: Any = store.search_recordings if isinstance(search, RecordingSearch) else store.search_conferences
        wanted = sorted((row for row in all_rows if is_wanted(row, search)), key=lambda row: str(row.sid), reverse=True)
        found, has_more = await list_of(search, Place(size=20))
        assert has_more == (len(wanted) > 20), search
        while has_more:
            further, has_more = await list_of(search, Place(size=20, after=found[-1].sid))
            found += further
        assert found == wanted, search
        if wanted:
            back, _ = await list_of(search, Place(size=7, before=wanted[-1].sid))
            assert back == wanted[:-1][-7:], search


async def test_account_lists_are_what_walking_through_all_rows_would_find(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    try:
        await check(store, count=25)
    finally:
        await store.close()


def expected_steps(search: RecordingSearch | ConferenceSearch, *, is_bound: bool) -> list[str]:
    """One of these: the account's own, or those of one call, conference or name."""
    rows = "account_sid=? AND sid" if is_bound else "account_sid=?"
    match search:
        case RecordingSearch(call_sid=None, conference_sid=None):
            return [f"recordings_by_account ({rows}"]
        case RecordingSearch():
            narrow = {"recordings_by_call (call_sid=?": search.call_sid}
            narrow |= {"recordings_by_conference (conference_sid=?": search.conference_sid}
            return [step for step, wanted in narrow.items() if wanted is not None]
        case ConferenceSearch(friendly_name=None):
            return [f"conferences_by_account ({rows}"]
        case ConferenceSearch():
            return ["conferences_by_name (account_sid=? AND friendly_name=?"]


@pytest.mark.parametrize("way", ["first", "after", "before"])
async def test_account_lists_never_walk_the_rows_of_all_accounts(tmp_path: Path, way: str) -> None:
    store = await Store.open(url_of(tmp_path))
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, text: str, parameters: object, *_more: object) -> None:
        asked.append((text, parameters))

    sa.event.listen(store._engine, "before_cursor_execute", note)
    wanted = list(searches(new_sid("AC"), seed=4, count=30))
    for search in wanted:
        is_recording = isinstance(search, RecordingSearch)
        sid = sid_of("RE" if is_recording else "CF", START.timestamp() + SPAN_S / 2, random.Random(5))
        place = Place(size=50, **({} if way == "first" else {way: sid}))
        list_of: Any = store.search_recordings if is_recording else store.search_conferences
        await list_of(search, place)
    await store.close()
    steps = await asyncio.to_thread(plans, url_of(tmp_path), [each for each in asked if "LIMIT" in each[0]])
    for search, step in zip(wanted, steps, strict=True):
        expected = expected_steps(search, is_bound=way != "first" or not search.created.is_open)
        assert step.startswith("SEARCH") and any(each in step for each in expected), (search, step)


def plans(url: str, queries: list[tuple[str, Any]]) -> list[str]:
    """Of each query its only step."""
    engine = open_engine(url)
    found = []
    with engine.connect() as connection:
        for text, parameters in queries:
            (step,) = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters).all()
            found.append(str(step[3]))
    engine.dispose()
    return found
