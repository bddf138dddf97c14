"""A call's events and notifications as twilio-python reads them, against a real store and server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from twilio.rest import Client

from gateway.dialled_calls import DialledCalls
from gateway.live_calls import LiveCalls
from gateway.rest.auth import Credentials
from gateway.rest.call_events import CallEventsApi, line_sid, position_of
from gateway.rest.dispatch import RestApi
from gateway.store import Store
from gateway.store.records import CallRecord, EventRecord
from tests.gateway.accounts.peers import directory
from tests.gateway.rest.test_recordings import TOKEN, basic
from tests.gateway.store.records import ACCOUNT, START, call, completed, url_of

VOICE = "http://app.example.com/voice"


@dataclass
class Served:
    """record: a call of the account that is over. other: another one."""

    store: Store
    base: str
    record: CallRecord
    other: CallRecord

    @property
    def call(self) -> Any:
        client = Client(ACCOUNT, TOKEN)
        client.api.base_url = self.base
        return client.calls(self.record.sid)

    def problem(self, code: int | None, *, level: str = "warning", days: int = 0, **more: Any) -> EventRecord:
        at = START + timedelta(days=days)
        return EventRecord(call_sid=self.record.sid, at=at, name="problem", level=level, code=code, **more)

    def webhook(self, url: str = VOICE, **details: object) -> EventRecord:
        return EventRecord(call_sid=self.record.sid, at=START, name="webhook", url=url, details=details)

    async def get(self, path: str) -> tuple[int, str]:
        headers = {"Authorization": basic(ACCOUNT, TOKEN)}
        url = f"{self.base}/2010-04-01/Accounts/{ACCOUNT}/{path}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return answer.status, await answer.text()


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    store = await Store.open(url_of(tmp_path))
    record, other = completed(call()), completed(call())
    await store.write(record, other)
    api = CallEventsApi(store=store, calls=LiveCalls(), dialled=DialledCalls())
    app = web.Application()
    app.add_routes(RestApi(api.resources(), credentials=Credentials(directory(ACCOUNT, TOKEN))).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Served(store, f"http://127.0.0.1:{runner.addresses[0][1]}", record, other)
    await runner.cleanup()
    await store.close()


async def test_events_are_the_exchanges_with_the_application(served: Served) -> None:
    params = [["CallSid", served.record.sid], ["Digits", "1"]]
    answered = served.webhook(
        method="POST", params=params, status=200, took_ms=12, content_type="text/xml", body="<R/>"
    )
    failed = replace(served.webhook("http://app.example.com/other", method="GET", params=[]), code=11200)
    await served.store.write(answered, served.problem(12200), failed)
    newest, oldest = await asyncio.to_thread(served.call.events.list)
    assert oldest.request == {"method": "POST", "url": VOICE, "parameters": dict(params)}
    assert oldest.response["response_code"] == 200 and oldest.response["response_body"] == "<R/>"
    assert oldest.response["request_duration"] == 12 and oldest.response["content_type"] == "text/xml"
    assert newest.request["method"] == "GET" and newest.response["response_code"] is None
    assert newest.response["error_code"] == "11200"


async def test_notification_tells_of_the_request_it_is_about(served: Served) -> None:
    asked: dict[str, Any] = {"method": "POST", "status": 200, "content_type": "text/xml"}
    await served.store.write(
        served.webhook(**asked, params=[["Digits", "1"]], body="<First/>"),
        served.webhook("http://app.example.com/other", method="GET", params=[], body="<Other/>"),
        served.problem(12100, level="error", url=VOICE, message="no document"),
        served.webhook(**asked, params=[["Digits", "2"]], body="<Second/>"),
        served.problem(13750),
    )
    warning, error = await asyncio.to_thread(served.call.notifications.list)
    assert (error.error_code, error.log, error.request_method, error.request_url) == ("12100", "0", "POST", VOICE)
    assert error.message_text == "no document" and error.message_date == START.replace(microsecond=0)
    assert error.response_body is None
    assert (warning.error_code, warning.log, warning.request_method) == ("13750", "1", None)
    whole = await asyncio.to_thread(error.fetch)
    assert whole.response_body == "<First/>" and parse_qs(whole.request_variables) == {"Digits": ["1"]}
    assert parse_qs(whole.response_headers) == {"Content-Type": ["text/xml"]}
    assert (await asyncio.to_thread(warning.fetch)).request_variables is None


async def test_notifications_are_what_has_a_code_and_is_no_mere_line(served: Served) -> None:
    await served.store.write(served.problem(None), served.problem(11200, level="info"), served.problem(12200))
    assert [each.error_code for each in await asyncio.to_thread(served.call.notifications.list)] == ["12200"]


async def test_notifications_by_log_and_date(served: Served) -> None:
    await served.store.write(
        served.problem(1, level="error"),
        served.problem(2, days=1),
        served.problem(3, days=2),
        served.problem(4, days=3),
    )

    async def codes(**filters: Any) -> list[str]:
        return [each.error_code for each in await asyncio.to_thread(served.call.notifications.list, **filters)]

    day = START.date()
    assert await codes() == ["4", "3", "2", "1"]
    assert await codes(log=0) == ["1"]
    assert await codes(log=1) == ["4", "3", "2"]
    assert await codes(message_date=day + timedelta(days=1)) == ["2"]
    assert await codes(message_date_after=day + timedelta(days=2)) == ["4", "3"]


@pytest.mark.parametrize("listed", ["events", "notifications"])
async def test_pages_forwards_and_backwards_are_the_same(served: Served, listed: str) -> None:
    for number in range(5):
        await served.store.write(served.problem(number + 1), served.webhook(f"http://app.example.com/{number}"))

    def shown(page: Any) -> list[str]:
        return [each.request["url"][-1] if listed == "events" else str(int(each.error_code) - 1) for each in page]

    def walk() -> list[list[str]]:
        first = getattr(served.call, listed).page(page_size=2)
        second = first.next_page()
        third = second.next_page()
        assert third.next_page() is None
        back = third.previous_page()
        return [shown(page) for page in (first, second, third, back, back.previous_page())]

    assert await asyncio.to_thread(walk) == [["4", "3"], ["2", "1"], ["0"], ["2", "1"], ["4", "3"]]


async def test_long_list_comes_in_pages_of_a_hundred_whatever_is_asked_for(served: Served) -> None:
    await served.store.write(*(served.webhook(f"http://app.example.com/{number}") for number in range(250)))
    page = await asyncio.to_thread(served.call.events.page, page_size=1000)
    assert len(list(page)) == 100
    assert len(await asyncio.to_thread(served.call.events.list, limit=1000)) == 250


async def test_what_is_not_of_this_call_is_not_found(served: Served) -> None:
    await served.store.write(served.problem(12200), served.webhook())
    warning, webhook = await served.store.events(served.record.sid)
    mine, other = served.record.sid, served.other.sid
    own = line_sid("NO", mine, warning.position)
    assert (await served.get(f"Calls/{mine}/Notifications/{own}.json"))[0] == 200
    for path in (
        f"Calls/{other}/Notifications/{own}.json",
        f"Calls/{mine}/Notifications/{line_sid('NO', mine, webhook.position)}.json",
        f"Calls/{mine}/Notifications/{line_sid('NO', mine, 2**64 - 1)}.json",
        f"Calls/{mine}/Notifications/NO{'0' * 32}.json",
        f"Calls/{mine}/Notifications/x.json",
        f"Calls/CA{'0' * 32}/Notifications.json",
        f"Calls/CA{'0' * 32}/Events.json",
        "Calls/x/Events.json",
    ):
        status, text = await served.get(path)
        assert (status, '"code":20404' in text.replace(" ", "")) == (404, True), path
    for token in (f"PA{line_sid('NO', other, 7)}", f"PB{line_sid('NO', mine, 2**63)}", f"PA{mine}"):
        status, text = await served.get(f"Calls/{mine}/Notifications.json?PageToken={token}")
        assert status == 400 and "21481" in text, token


async def test_secret_in_the_address_of_a_notification_is_not_shown(served: Served) -> None:
    await served.store.write(served.problem(11200, url="http://user:open-sesame@app.example.com/voice"))
    assert "open-sesame" not in (await served.get(f"Calls/{served.record.sid}/Notifications.json"))[1]


async def test_name_of_a_parameter_cannot_break_the_xml(served: Served) -> None:
    await served.store.write(served.webhook(method="POST", params=[["1><x y='", "<&"], ["", "z"]]))
    status, text = await served.get(f"Calls/{served.record.sid}/Events")
    parameters = ElementTree.fromstring(text).find("Events/Event/Request/Parameters")
    assert status == 200 and parameters is not None
    assert [each.text for each in parameters] == ["<&", "z"]


def test_sid_of_a_line_leads_back_to_its_position_in_its_call_alone() -> None:
    call_sid = "CA" + "1" * 32
    for position in (0, 1, 2**62):
        assert position_of(line_sid("NO", call_sid, position), "NO", call_sid) == position
        assert position_of(line_sid("NO", call_sid, position), "NO", "CA" + "2" * 32) is None
        assert position_of(line_sid("NO", call_sid, position), "EV", call_sid) is None
    assert line_sid("NO", call_sid, 9) < line_sid("NO", call_sid, 10) < line_sid("NO", call_sid, 300)
