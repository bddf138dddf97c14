"""Lists of calls as twilio-python reads them, page by page, against a real store and server."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from gateway.dialled_calls import DialledCalls
from gateway.live_calls import LiveCalls
from gateway.outgoing import CallOrder, OutgoingCall
from gateway.rest.auth import Credentials
from gateway.rest.calls import CallsApi
from gateway.rest.dispatch import Ask, RestApi
from gateway.rest.form import Form
from gateway.routing import Router
from gateway.store import Store
from gateway.store.records import CallRecord
from tests.gateway.accounts.peers import directory
from tests.gateway.peers import Scene
from tests.gateway.rest.test_recordings import TOKEN, basic
from tests.gateway.store.records import ACCOUNT, START, call, completed, url_of


class Served:
    def __init__(self, store: Store, base: str, scene: Scene, api: CallsApi) -> None:
        self.api = api
        self.scene = scene
        self.store = store
        self.base = base
        self.client = Client(ACCOUNT, TOKEN)
        self.client.api.base_url = base

    async def add(self, count: int, **more: Any) -> list[CallRecord]:
        """The newest last."""
        records = [replace(completed(call()), **more) for _ in range(count)]
        records.sort(key=lambda record: record.sid)
        await self.store.write(*records)
        return records

    async def get(self, path: str, *, token: str = TOKEN, method: str = "GET") -> tuple[int, str, str]:
        headers = {"Authorization": basic(ACCOUNT, token)}
        url = f"{self.base}/2010-04-01/Accounts/{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as answer:
            return answer.status, answer.content_type, await answer.text()


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    store = await Store.open(url_of(tmp_path))
    placed: list[OutgoingCall] = []
    scene = Scene({})

    def launch(order: CallOrder) -> OutgoingCall:
        placed.append(OutgoingCall(scene.services(), order))
        store.write_soon(placed[-1].progress.record())
        return placed[-1]

    router = Router(scene.configuration)
    api = CallsApi(store=store, calls=LiveCalls(), dialled=DialledCalls(), router=router, launch=launch)
    app = web.Application()
    credentials = Credentials(directory(ACCOUNT, TOKEN))
    app.add_routes(RestApi(api.resources(), credentials=credentials).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield Served(store, f"http://127.0.0.1:{runner.addresses[0][1]}", scene, api)
    await runner.cleanup()
    await store.close()


def sids(records: Any) -> list[str]:
    return [record.sid for record in records]


async def test_call_list_is_read_whole_over_many_pages(served: Served) -> None:
    records = await served.add(5000)
    found = await asyncio.to_thread(served.client.calls.list, page_size=1000)
    assert sids(found) == sids(records)[::-1]


async def test_call_list_pages_forwards_and_backwards_are_the_same(served: Served) -> None:
    records = sids(await served.add(25))[::-1]

    def walk() -> list[list[str]]:
        pages = [served.client.calls.page(page_size=10)]
        while len(pages) < 3:
            following = pages[-1].next_page()
            assert following is not None
            pages.append(following)
        assert pages[-1].next_page() is None
        back = [pages[-1].previous_page()]
        assert back[0] is not None
        back.append(back[0].previous_page())
        assert back[1] is not None and back[1].previous_page() is None
        return [sids(list(page)) for page in (*pages, *back) if page is not None]

    assert await asyncio.to_thread(walk) == [
        records[:10],
        records[10:20],
        records[20:],
        records[10:20],
        records[:10],
    ]


async def test_call_list_stays_whole_while_calls_are_added(served: Served) -> None:
    records = sids(await served.add(20))[::-1]
    page = await asyncio.to_thread(served.client.calls.page, page_size=10)
    await served.add(5)
    following = await asyncio.to_thread(page.next_page)
    assert following is not None and sids(following) == records[10:]


async def test_call_list_filters(served: Served) -> None:
    old = await served.add(2, start_time=START - timedelta(days=2), to="+15550111")
    new = await served.add(2, parent_call_sid="CA" + "1" * 32, status="busy", from_="client:carol")

    def listed(**more: Any) -> set[str]:
        return set(sids(served.client.calls.list(**more)))

    assert await asyncio.to_thread(listed, to="+15550111") == set(sids(old))
    assert await asyncio.to_thread(listed, from_="client:carol") == set(sids(new))
    assert await asyncio.to_thread(listed, status="busy") == set(sids(new))
    assert await asyncio.to_thread(listed, parent_call_sid="CA" + "1" * 32) == set(sids(new))
    assert await asyncio.to_thread(listed, start_time_before=START - timedelta(days=1)) == set(sids(old))
    assert await asyncio.to_thread(listed, start_time_after=START) == set(sids(new))
    assert await asyncio.to_thread(listed, start_time=START.date()) == set(sids(new))
    assert await asyncio.to_thread(listed, limit=3) == set(sids([*old, *new])[1:])


async def test_call_is_read_as_the_helper_expects_it(served: Served) -> None:
    (record,) = await served.add(1)
    found = await asyncio.to_thread(served.client.calls(record.sid).fetch)
    assert (found.sid, found.status, found.duration, found._from) == (record.sid, "completed", "4", "+15550100")
    assert found.start_time == START.replace(microsecond=0)
    assert found.subresource_uris["recordings"].endswith(f"/Calls/{record.sid}/Recordings.json")


async def test_call_list_without_suffix_is_xml(served: Served) -> None:
    (record,) = await served.add(1, to='<&"\x01>')
    status, content_type, text = await served.get(f"{ACCOUNT}/Calls")
    tree = ElementTree.fromstring(text)
    assert (status, content_type, tree.tag) == (200, "application/xml", "TwilioResponse")
    assert tree.findtext("Calls/Call/Sid") == record.sid
    assert tree.findtext("Calls/Call/To") == '<&"\N{REPLACEMENT CHARACTER}>'


async def test_call_of_nobody_and_of_others_is_not_found(served: Served) -> None:
    (stranger,) = await served.add(1, account_sid="AC" + "9" * 32)
    for path in (
        f"{ACCOUNT}/Calls/{stranger.sid}.json",
        f"{ACCOUNT}/Calls/CA{'0' * 32}.json",
        f"{ACCOUNT}/Calls/CA../x.json",
        f"AC{'9' * 32}/Calls.json",
        f"{ACCOUNT}/Nothing.json",
        f"{ACCOUNT}/Calls.yaml",
    ):
        status, _, text = await served.get(path)
        assert (status, '"code": 20404' in text) == (404, True), path
    assert (await served.get(f"{ACCOUNT}/Calls.json", token="wrong"))[0] == 401
    assert (await served.get(f"{ACCOUNT}/Calls.json", method="PUT"))[0] == 405
    with pytest.raises(TwilioRestException):
        await asyncio.to_thread(served.client.calls(stranger.sid).delete)


@pytest.mark.parametrize("token", ["PA", "x", "PC" + "CA" + "0" * 32, "PACA' OR 1=1"])
async def test_call_list_refuses_a_page_token_of_others(served: Served, token: str) -> None:
    status, _, text = await served.get(f"{ACCOUNT}/Calls.json?PageToken={token}")
    assert status == 400 and "21481" in text


async def test_call_that_is_over_can_be_forgotten(served: Served) -> None:
    (record,) = await served.add(1)
    assert await asyncio.to_thread(served.client.calls(record.sid).delete)
    assert await served.store.call(record.sid) is None


async def test_call_asked_for_with_what_has_no_effect_says_so_on_its_record(served: Served) -> None:
    def create(**more: str) -> Any:
        return served.client.calls.create(to="client:bob", from_="client:desk", twiml="<Response/>", **more)

    assert (await asyncio.to_thread(create, machine_detection="Enable")).status == "queued"
    assert served.scene.codes() == []
    await asyncio.to_thread(create, byoc="BY" + "0" * 32, call_reason="delivery")
    assert served.scene.codes() == [13750, 13750]


async def test_call_whose_sid_was_told_is_on_disk(served: Served) -> None:
    (create,) = (each.methods["POST"] for each in served.api.resources() if each.path == "Calls")
    form = Form([("To", "client:bob"), ("From", "client:desk"), ("Twiml", "<Response/>")])
    reply = await create(Ask(account_sid=ACCOUNT, parts={}, form=form, path=""))
    assert isinstance(reply.resource, Mapping)
    kept = await served.store.call(reply.resource["sid"])
    assert kept is not None and (kept.status, kept.to) == ("queued", "client:bob")
