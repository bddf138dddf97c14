"""Owed callbacks against a real SQLite file; time is stepped, receivers are recorders or real web servers."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest_asyncio
from aiohttp import web

from gateway.store.records import NOTIFICATION, USER_MESSAGE, EventRecord, OwedCallback
from gateway.store.store import Store
from gateway.webhooks.client import Fetched, Request
from gateway.webhooks.errors import FetchCode, FetchError, Retry
from gateway.webhooks.outbox import Outbox
from tests.gateway.store.records import START, call, owed, url_of
from tests.gateway.webhooks.application import Seen, closed_port, running_application, webhook_client

ONE, TWO = "http://one.example.com/status", "http://two.example.com/status"


class Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.is_live = True

    def cancel(self) -> None:
        self.is_live = False


class SteppedTime:
    """Wall clock and timers, moved by the test."""

    def __init__(self) -> None:
        self.at = START.timestamp()
        self.step = timedelta()
        self._timers: list[tuple[float, int, Timer]] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC) + self.step

    def time(self) -> float:
        return self.at

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (self.at + delay_s, id(timer), timer))
        return timer

    async def pass_by(self, seconds: float) -> None:
        end = self.at + seconds
        await settled()
        while self._timers and self._timers[0][0] <= end:
            at, _, timer = heapq.heappop(self._timers)
            if timer.is_live:
                self.at = max(self.at, at)
                timer.callback()
                await settled()
        self.at = end


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Receiver:
    """A recorder of requests. outcomes: what the next requests meet; then everything is delivered."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.outcomes: list[FetchError | Fetched] = []
        self.away: set[str] = set()

    async def fetch(self, request: Request) -> Fetched:
        self.requests.append(request)
        if request.url in self.away:
            raise refused(request.url)
        outcome = self.outcomes.pop(0) if self.outcomes else reply()
        if isinstance(outcome, FetchError):
            raise outcome
        return outcome

    def numbers(self, key: str) -> list[str]:
        found = [dict(request.params) for request in self.requests if request.call_sid == key]
        return [params["SequenceNumber"] for params in found]


def reply(body: bytes = b"", content_type: str = "") -> Fetched:
    return Fetched(body=body, content_type=content_type, charset=None, status=200, url=ONE, base_url=ONE)


def refused(url: str = ONE) -> FetchError:
    return FetchError(FetchCode.CONNECTION_REFUSED, url, "connection refused", kind=Retry.CONNECT)


def status(number: int) -> FetchError:
    kind = Retry.SERVER_ERROR if number >= 500 else Retry.CLIENT_ERROR
    return FetchError(FetchCode.ERROR_STATUS, ONE, f"found {number}", kind=kind, http_status=number)


class Desk:
    """An outbox with everything around it; ``restart`` is what a killed process and its successor see."""

    def __init__(self, directory: Path, store: Store) -> None:
        self.time = SteppedTime()
        self.receiver = Receiver()
        self.readable: set[str] = set()
        self.store = store
        self._directory = directory
        self.outbox = self._outbox()

    def _outbox(self, capacity: int = 5000) -> Outbox:
        async def recording_ready(sid: str) -> bool:
            return sid in self.readable

        return Outbox(
            store=self.store,
            sender=self.receiver,
            recording_ready=recording_ready,
            now=self.time.now,
            timers=self.time,
            capacity=capacity,
        )

    async def owe(self, *callbacks: OwedCallback) -> None:
        await self.store.write(*callbacks)
        await settled()

    async def restart(self, *, capacity: int = 5000) -> None:
        await self.outbox.close(grace_s=0)
        await self.store.close()
        self.store = await Store.open(url_of(self._directory))
        self.outbox = self._outbox(capacity)
        await self.outbox.start()
        await settled()

    async def left(self) -> list[OwedCallback]:
        await self.store.flush()
        return await self.store.owed_callbacks()

    async def problems(self, call_sid: str) -> list[EventRecord]:
        await self.store.flush()
        return [event for event in await self.store.events(call_sid) if event.code in (15003, 13807, 32711)]


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path, await Store.open(url_of(tmp_path)))
    await desk.outbox.start()
    yield desk
    await desk.outbox.close(grace_s=0)
    await desk.store.close()


async def test_outbox_callback_leaves_as_soon_as_it_is_written(desk: Desk) -> None:
    row = owed("CA1")
    await desk.owe(row)
    (request,) = desk.receiver.requests
    assert (request.url, request.method, request.params, request.token) == (row.url, "POST", row.params, row.token)
    assert await desk.left() == []
    assert await desk.problems("CA1") == []
    assert desk.outbox.waiting == 0


async def test_outbox_away_receiver_gets_everything_in_order_when_it_is_back(desk: Desk) -> None:
    desk.receiver.away = {ONE}
    keys = [f"CA{number}" for number in range(20)]
    for number in range(4):
        await desk.owe(*(owed(key, number, url=ONE) for key in keys))
        await desk.time.pass_by(3.0)
    await desk.time.pass_by(600.0)
    tries = len(desk.receiver.requests)
    assert tries < 50
    assert len(await desk.left()) == 80
    desk.receiver.away = set()
    desk.receiver.requests.clear()
    await desk.time.pass_by(60.0)
    assert {key: desk.receiver.numbers(key) for key in keys} == {key: ["0", "1", "2", "3"] for key in keys}
    assert await desk.left() == []


async def test_outbox_every_attempt_carries_the_same_token(desk: Desk) -> None:
    row = owed("CA1")
    desk.receiver.outcomes = [refused(), status(503), FetchError(FetchCode.TOTAL_TIMEOUT, ONE, "late", kind=Retry.READ)]
    await desk.owe(row)
    await desk.time.pass_by(60.0)
    assert [request.token for request in desk.receiver.requests] == [row.token] * 4
    assert await desk.left() == []


async def test_outbox_server_error_holds_up_its_own_lane_only(desk: Desk) -> None:
    desk.receiver.outcomes = [status(500)]
    await desk.owe(owed("CA1", 0, url=ONE))
    await desk.owe(owed("CA1", 1, url=ONE), owed("CA2", 0, url=ONE))
    assert desk.receiver.numbers("CA1") == ["0"]
    assert desk.receiver.numbers("CA2") == ["0"]
    await desk.time.pass_by(1.0)
    assert desk.receiver.numbers("CA1") == ["0", "0", "1"]


async def test_outbox_client_error_is_final_and_recorded(desk: Desk) -> None:
    desk.receiver.outcomes = [status(404)]
    url = "http://user:secret@one.example.com/status#rc=2"
    await desk.owe(owed("CA1", 0, url=url), owed("CA1", 1, url=url))
    assert desk.receiver.numbers("CA1") == ["0", "1"]
    assert await desk.left() == []
    (problem,) = await desk.problems("CA1")
    assert (problem.level, problem.url, "404" in problem.message) == ("warning", ONE, True)


async def test_outbox_client_notification_that_fails_is_an_error_of_its_own(desk: Desk) -> None:
    desk.receiver.outcomes = [status(404)]
    await desk.owe(replace(owed("CA1", 0), order_key=f"CA1{NOTIFICATION}"))
    (problem,) = await desk.problems("CA1")
    assert (problem.code, problem.level) == (13807, "error")


async def test_outbox_message_of_a_client_that_fails_is_a_warning_of_its_own(desk: Desk) -> None:
    desk.receiver.outcomes = [status(404)]
    await desk.owe(replace(owed("CA1", 0), order_key=f"ZY1{USER_MESSAGE}"))
    (problem,) = await desk.problems("CA1")
    assert (problem.code, problem.level) == (32711, "warning")


async def test_outbox_reply_that_is_no_document_is_delivered_and_recorded(desk: Desk) -> None:
    desk.receiver.outcomes = [reply(b"<Response/>", "text/xml"), reply(b"OK", "text/html"), reply(b" \n", "text/plain")]
    await desk.owe(*(owed("CA1", number) for number in range(3)))
    assert len(desk.receiver.requests) == 3
    assert len(await desk.problems("CA1")) == 1


async def test_outbox_address_that_may_not_be_called_is_final(desk: Desk) -> None:
    desk.receiver.outcomes = [FetchError(FetchCode.RETRIEVAL_FAILURE, ONE, "may not be called")]
    await desk.owe(owed("CA1"))
    await desk.time.pass_by(3600.0)
    assert len(desk.receiver.requests) == 1
    assert len(await desk.problems("CA1")) == 1


async def test_outbox_gives_up_after_a_day_and_says_so(desk: Desk) -> None:
    desk.receiver.away = {ONE}
    await desk.owe(owed("CA1", 0, url=ONE), owed("CA1", 1, url=ONE), owed("CA2", 0, url=ONE))
    await desk.time.pass_by(24 * 3600.0 + 600.0)
    assert await desk.left() == []
    assert desk.outbox.waiting == 0
    assert [problem.level for problem in await desk.problems("CA1")] == ["error", "error"]
    assert len(await desk.problems("CA2")) == 1


async def test_outbox_gives_up_after_a_day_of_server_errors(desk: Desk) -> None:
    desk.receiver.outcomes = [status(500)] * 1000
    await desk.owe(owed("CA1"))
    await desk.time.pass_by(25 * 3600.0)
    assert await desk.left() == []
    assert [problem.level for problem in await desk.problems("CA1")] == ["error"]
    assert 250 < len(desk.receiver.requests) < 320


async def test_outbox_recording_callback_waits_until_the_file_can_be_read(desk: Desk) -> None:
    row = replace(owed("CA1"), awaits_recording="RE1")
    await desk.owe(row)
    await desk.time.pass_by(120.0)
    assert desk.receiver.requests == []
    desk.readable.add("RE1")
    await desk.time.pass_by(31.0)
    assert [request.token for request in desk.receiver.requests] == [row.token]


async def test_outbox_restart_goes_on_where_it_was(desk: Desk) -> None:
    desk.receiver.away = {ONE}
    await desk.owe(owed("CA1", 0, url=ONE), owed("CA1", 1, url=ONE), owed("CA2", 0, url=ONE), owed("CA1", 0, url=TWO))
    tokens = {row.token for row in await desk.left()}
    assert len(tokens) == 3
    desk.receiver.away = set()
    desk.receiver.requests.clear()
    await desk.restart()
    await desk.owe(owed("CA1", 2, url=ONE))
    await desk.time.pass_by(300.0)
    assert desk.receiver.numbers("CA1") == ["0", "1", "2"]
    assert tokens < {request.token for request in desk.receiver.requests}
    assert await desk.left() == []


async def test_outbox_restart_in_the_middle_of_a_request_sends_it_again_with_its_token(desk: Desk) -> None:
    started = asyncio.Event()

    class Silent:
        async def fetch(self, request: Request) -> Fetched:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    desk.outbox._sender = Silent()
    row = owed("CA1")
    await desk.owe(row)
    await started.wait()
    await desk.restart()
    assert [request.token for request in desk.receiver.requests] == [row.token]


async def test_outbox_more_than_it_holds_stays_in_the_store_and_is_sent_in_order(desk: Desk) -> None:
    await desk.restart(capacity=10)
    desk.receiver.away = {ONE}
    await desk.owe(*(owed("CA1", number, url=ONE) for number in range(8)))
    await desk.owe(*(owed("CA2", number, url=ONE) for number in range(30)))
    await desk.owe(*(owed("CA1", number, url=ONE) for number in range(8, 10)))
    assert desk.outbox.waiting <= 10
    desk.receiver.away = set()
    desk.receiver.requests.clear()
    for _ in range(20):
        await desk.time.pass_by(10.0)
        await desk.store.flush()
    assert desk.receiver.numbers("CA1") == [str(number) for number in range(10)]
    assert desk.receiver.numbers("CA2") == [str(number) for number in range(30)]
    assert await desk.left() == []


async def test_outbox_fact_and_callback_are_one_transaction(desk: Desk) -> None:
    desk.receiver.away = {ONE}
    record = call()
    await desk.owe(owed(record.sid, url=ONE))
    future = desk.store.write(record, owed(record.sid, 1, url=ONE))
    await desk.outbox.close()
    await desk.store.close()
    await future
    again = await Store.open(url_of(desk._directory))
    assert await again.call(record.sid) == record
    assert len(await again.owed_callbacks()) == 2
    await again.close()


async def test_outbox_healthy_receiver_is_served_at_once_beside_a_silent_and_a_dead_one(tmp_path: Path) -> None:
    """R-06 in small: real servers, real time."""
    released, arrived = asyncio.Event(), asyncio.Event()

    async def silent(_: Seen) -> web.Response:
        await released.wait()
        return web.Response(status=204)

    def noted(_: Seen) -> web.Response:
        arrived.set()
        return web.Response(status=204)

    async def ready(_: str) -> bool:
        return True

    async with running_application() as healthy, running_application() as hung, webhook_client() as client:
        hung.answers["/status"] = silent
        healthy.answers["/status"] = noted
        store = await Store.open(url_of(tmp_path))
        outbox = Outbox(store=store, sender=client, recording_ready=ready, now=lambda: datetime.now(UTC))
        await outbox.start()
        now = datetime.now(UTC)
        dead = f"http://127.0.0.1:{closed_port()}/status"
        for number in range(50):
            bad = [owed(f"CA{number}", 0, url=dead), owed(f"CA{number}", 0, url=hung.url("/status"))]
            await store.write(*(replace(row, created_at=now) for row in bad))
        for number in range(20):
            arrived.clear()
            await store.write(replace(owed(f"CA{number}", 1, url=healthy.url("/status")), created_at=now))
            # The silent one is let go only behind this: whoever waits for it waits in vain.
            async with asyncio.timeout(5.0):
                await arrived.wait()
        released.set()
        await outbox.close()
        await store.close()


async def test_outbox_step_of_the_wall_clock_neither_delays_nor_gives_up(desk: Desk) -> None:
    desk.receiver.away = {ONE}
    await desk.owe(owed("CA1", 0, url=ONE))
    for step in (timedelta(days=365), timedelta(hours=-5)):
        desk.time.step = step
        await desk.time.pass_by(5.0)
    assert await desk.problems("CA1") == []
    desk.receiver.away = set()
    await desk.time.pass_by(10.0)
    assert await desk.left() == []


async def test_outbox_tells_a_day_by_the_age_of_the_callback(desk: Desk) -> None:
    old = replace(owed("CA1", url=ONE), created_at=START - timedelta(hours=25))
    desk.receiver.away = {ONE}
    await desk.owe(old)
    assert await desk.left() == []
    assert len(desk.receiver.requests) == 1
