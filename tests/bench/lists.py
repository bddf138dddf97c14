"""Lists of calls over HTTP, among many rows: every combination of the API's filters, the first page and deep ones.

Rows are those of three months: numbers that take most calls and many that take few, states that are frequent and some
that are rare, and a handful of calls that are still up. Server, client and database's readers are one process here.
"""

import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import aiohttp
import sqlalchemy as sa
from aiohttp import web

from gateway.config import Configuration
from gateway.dialled_calls import DialledCalls
from gateway.live_calls import LiveCalls
from gateway.rest.auth import Credentials
from gateway.rest.calls import CallsApi
from gateway.rest.dispatch import RestApi
from gateway.routing import Router
from gateway.store import Store
from gateway.store.batch import Statement, statements
from gateway.store.database import open_engine
from gateway.store.records import CallRecord
from gateway.store.schema import CALL_ROWS, CALLS, migrate
from tests.bench.daemon import ACCOUNT
from tests.bench.figures import percentile_of
from tests.bench.process import BenchError
from tests.bench.report import Goal, Report, build
from tests.bench.window import Window
from tests.gateway.accounts import peers as accounts
from tests.gateway.rest.test_recordings import basic

AIM_MS = 50.0
PAGE = 50
ROUNDS = 5
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAYS: Final = 90
BUSY_NUMBERS: Final = ("+15550100", "+15550101")
BUSY_CALLERS: Final = ("+15550102", "client:desk")
RARE: Final = "+15550199"
PARENT: Final = "CA" + "f" * 32
STATUSES: Final = {"completed": 700, "no-answer": 150, "busy": 99, "canceled": 50, "failed": 1}
LIVE: Final = 200
_TOKEN: Final = "bench-bench-bench"
_BATCH: Final = 20_000


@dataclass(frozen=True)
class Asked:
    """filters: as in the URL. is_deep: a page from the middle of all calls."""

    filters: tuple[tuple[str, str], ...]
    is_deep: bool

    def __str__(self) -> str:
        named = " ".join(f"{name}={value}" for name, value in self.filters) or "all"
        return f"{named}{' (deep)' if self.is_deep else ''}"


async def measure_lists(*, rows: int, storage: str | None, run: Path) -> Report:
    """storage: of a database that may hold the rows of an earlier run; None: a SQLite file in the run's directory."""
    url = storage or f"sqlite:///{run / 'ringfork.db'}"
    middle = _fill(url, rows)
    window = Window(os.getpid(), os.getpid())
    times_ms: dict[Asked, list[float]] = {}
    async with _served(url) as (session, base):
        await window.idle(0.5)
        await window.begin()
        for asked in _questions():
            page = [("PageSize", str(PAGE)), *([("PageToken", f"PA{middle}")] if asked.is_deep else [])]
            address = f"{base}?{urlencode([*asked.filters, *page])}"
            for _ in range(ROUNDS):
                times_ms.setdefault(asked, []).append(await _time_ms(session, address))
        window.end()
    return _report(window, rows, url, times_ms)


def _questions() -> Iterator[Asked]:
    day, month = BEGIN + timedelta(days=40), BEGIN + timedelta(days=30)
    spans: tuple[tuple[tuple[str, str], ...], ...] = (
        (),
        (("StartTime", f"{day:%Y-%m-%d}"),),
        (("StartTime>", f"{BEGIN:%Y-%m-%d}"), ("StartTime<", f"{month:%Y-%m-%d}")),
        (
            ("StartTime>", f"{day:%Y-%m-%dT%H:%M:%SZ}"),
            ("StartTime<", f"{day + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"),
        ),
        (("EndTime<", f"{month:%Y-%m-%d}"),),
        (("StartTime>", f"{BEGIN + timedelta(days=DAYS + 1):%Y-%m-%d}"),),
    )
    for to, caller, status, span, is_deep in itertools.product(
        (None, BUSY_NUMBERS[0], RARE),
        (None, BUSY_CALLERS[0], RARE),
        (None, "completed", "failed", "in-progress"),
        spans,
        (False, True),
    ):
        named = (("To", to), ("From", caller), ("Status", status))
        yield Asked((*((name, value) for name, value in named if value is not None), *span), is_deep)
    yield Asked((("ParentCallSid", PARENT),), False)
    yield Asked((("ParentCallSid", PARENT), ("Status", "busy")), False)


async def _time_ms(session: aiohttp.ClientSession, address: str) -> float:
    began = time.perf_counter()
    async with session.get(address) as answer:
        text = await answer.read()
    taken_ms = (time.perf_counter() - began) * 1000
    if answer.status != 200:
        raise BenchError(f"expected a list, found {answer.status}: {text[:200]!r}")
    return taken_ms


@asynccontextmanager
async def _served(url: str) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    store = await Store.open(url)
    router = Router(Configuration.model_validate({"account": {"sid": ACCOUNT, "auth_token": _TOKEN}}))
    api = CallsApi(store=store, calls=LiveCalls(), dialled=DialledCalls(), router=router, launch=lambda _order: None)
    app = web.Application()
    credentials = Credentials(accounts.directory(ACCOUNT, _TOKEN))
    app.add_routes(RestApi(api.resources(), credentials=credentials).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    try:
        async with aiohttp.ClientSession(headers={"Authorization": basic(ACCOUNT, _TOKEN)}) as session:
            yield session, base
    finally:
        await runner.cleanup()
        await store.close()


def _fill(url: str, rows: int) -> str:
    """Write the rows, unless they are there; answers a sid from their middle."""
    engine = open_engine(url)
    migrate(engine)
    with engine.connect() as connection:
        found = connection.execute(sa.select(sa.func.count()).select_from(CALLS)).scalar_one()
    if found not in (0, rows):
        raise BenchError(f"expected an empty database or one of {rows} calls, found {found}")
    if not found:
        raw = engine.raw_connection()
        cursor = raw.cursor()
        put = statements(engine.dialect)[Statement.PUT_CALL]
        made = _calls(rows)
        while batch := [CALL_ROWS.encode(each) for each in itertools.islice(made, _BATCH)]:
            if engine.dialect.name == "sqlite":
                cursor.execute("BEGIN")
            cursor.executemany(put, batch)
            raw.commit()
        raw.close()
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(sa.text("ANALYZE calls"))
    engine.dispose()
    return _sid(BEGIN + timedelta(days=DAYS / 2), random.Random(0))


def _calls(rows: int) -> Iterator[CallRecord]:
    """Spread evenly; the last ones are up."""
    chance = random.Random(1)
    for number in range(rows):
        at = BEGIN + timedelta(days=DAYS * number / rows)
        status = "in-progress" if number >= rows - LIVE else chance.choices([*STATUSES], [*STATUSES.values()])[0]
        answered_at = at + timedelta(seconds=chance.uniform(2, 30)) if status in ("completed", "in-progress") else None
        talked = timedelta(seconds=chance.expovariate(1 / 180))
        record = CallRecord(
            sid=_sid(at, chance),
            account_sid=ACCOUNT,
            from_=_number(chance, BUSY_CALLERS),
            to=_number(chance, BUSY_NUMBERS),
            direction="inbound",
            status=status,
            date_created=at,
            date_updated=at,
            start_time=answered_at,
            details={"voice_url": "https://app.example.com/voice"},
            parent_call_sid=PARENT if number % (rows // 100 or 1) == 0 else None,
        )
        yield record if status == "in-progress" else replace(record, end_time=(answered_at or at) + talked)


def _number(chance: random.Random, busy: tuple[str, str]) -> str:
    if chance.random() < 0.6:
        return chance.choice(busy)
    return RARE if chance.random() < 0.0001 else f"+1555{chance.randrange(200_000):07}"


def _sid(at: datetime, chance: random.Random) -> str:
    return f"CA{int(at.timestamp() * 1000):011x}{chance.getrandbits(84):021x}"


def _report(window: Window, rows: int, url: str, times_ms: dict[Asked, list[float]]) -> Report:
    """Of the rounds of each question the median counts: the machine may do something else in one of them."""
    typical = {asked: percentile_of(times, 0.5) or 0.0 for asked, times in times_ms.items()}
    best = {asked: min(times) for asked, times in times_ms.items()}
    slowest = sorted(typical, key=lambda asked: typical[asked], reverse=True)
    every = [each for times in times_ms.values() for each in times]
    report = build(
        bench="lists",
        load={
            "rows": rows,
            "database": sa.make_url(url).get_backend_name(),
            "questions": len(typical),
            "rounds": ROUNDS,
        },
        window=window,
        calls=1,
        rtp=None,
        drops=(0, 0),
        statistics={
            "median_ms": round(percentile_of(list(typical.values()), 0.5) or 0, 1),
            "slowest_of_the_best_ms": round(max(best.values()), 1),
            "best_p50_ms": round(percentile_of(list(best.values()), 0.5) or 0, 1),
            "single_answer_p99_ms": round(percentile_of(every, 0.99) or 0, 1),
            "slowest": {str(asked): round(typical[asked], 1) for asked in slowest[:10]},
        },
    )
    worst = round(typical[slowest[0]], 1)
    goal = Goal(
        name=f"list of {PAGE}, the slowest question",
        aim=f"≤ {AIM_MS:g} ms",
        measured=worst,
        reached=worst <= AIM_MS,
    )
    return replace(report, goals=(goal,))
