"""The warnings and errors of all calls of an account as twilio-python reads them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from gateway.rest.call_events import line_sid
from gateway.rest.errors import RestError
from gateway.rest.notifications import NotificationsApi, mark_of, mark_token
from gateway.sids import new_sid
from gateway.store import Store
from gateway.store.records import DeletedCall, EventRecord
from gateway.store.search import Mark
from tests.gateway.peers import ACCOUNT_SID
from tests.gateway.rest.serving import client_of
from tests.gateway.rooms.house import House, visited
from tests.gateway.store.records import ACCOUNT, START, url_of

OTHER = "AC" + "9" * 32
VOICE = "http://app.example.com/voice"


@dataclass
class Served:
    store: Store
    client: Client

    async def tell(self, code: int, *, level: str = "warning", days: float = 0, **more: Any) -> EventRecord:
        """A problem of a call of its own; as it was written."""
        line = EventRecord(
            **{"call_sid": new_sid("CA"), "account_sid": ACCOUNT, **more},
            at=START + timedelta(days=days),
            name="problem",
            level=level,
            code=code,
        )
        await self.store.write(line)
        return (await self.store.events(line.call_sid))[-1]

    async def codes(self, **filters: Any) -> list[str]:
        return [each.error_code for each in await asyncio.to_thread(self.client.notifications.list, **filters)]


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    store = await Store.open(url_of(tmp_path))
    async with client_of(ACCOUNT, NotificationsApi(store=store).resources()) as client:
        yield Served(store, client)
    await store.close()


async def test_notifications_of_all_calls_are_listed_newest_first_and_fetched_by_sid(served: Served) -> None:
    first = await served.tell(12200)
    webhook = EventRecord(
        call_sid=new_sid("CA"),
        at=START,
        name="webhook",
        url=VOICE,
        details={"method": "GET", "params": [["Digits", "1"]], "body": "<R/>", "content_type": "text/xml"},
    )
    await served.store.write(webhook)
    await served.tell(11200, level="error", days=1, call_sid=webhook.call_sid, url=VOICE, message="no document")
    newest, oldest = await asyncio.to_thread(served.client.notifications.list)
    assert (newest.error_code, newest.log, newest.request_method, newest.request_url) == ("11200", "0", "GET", VOICE)
    assert newest.message_text == "no document" and newest.call_sid == webhook.call_sid
    assert newest.uri == f"/2010-04-01/Accounts/{ACCOUNT}/Notifications/{newest.sid}.json"
    assert (oldest.sid, oldest.log) == (line_sid("NO", first.call_sid, first.position), "1")
    whole = await asyncio.to_thread(newest.fetch)
    assert whole.response_body == "<R/>" and parse_qs(whole.request_variables) == {"Digits": ["1"]}
    assert (await asyncio.to_thread(oldest.fetch)).request_variables is None


async def test_notifications_of_an_account_by_log_and_date(served: Served) -> None:
    await served.tell(1, level="error")
    await served.tell(2, days=1)
    await served.tell(3, days=2)
    await served.tell(4, days=3, level="error")
    await served.tell(5, days=3, level="info")
    day = START.date()
    assert await served.codes() == ["4", "3", "2", "1"]
    assert await served.codes(log=0) == ["4", "1"]
    assert await served.codes(log=1) == ["3", "2"]
    assert await served.codes(message_date=day + timedelta(days=1)) == ["2"]
    assert await served.codes(message_date_after=day + timedelta(days=2)) == ["4", "3"]
    assert await served.codes(message_date_before=day + timedelta(days=1)) == ["2", "1"]
    assert await served.codes(log=0, message_date_before=day + timedelta(days=1)) == ["1"]


async def test_pages_of_an_accounts_notifications_forwards_and_backwards_are_the_same(served: Served) -> None:
    for number in range(5):
        # Three at one moment: their order is that in which they were written.
        await served.tell(number + 1, level="error" if number % 2 else "warning", days=number // 3)

    def walk() -> list[list[str]]:
        first = served.client.notifications.page(page_size=2)
        second = first.next_page()
        third = second.next_page()
        assert third.next_page() is None
        back = third.previous_page()
        return [[each.error_code for each in page] for page in (first, second, third, back, back.previous_page())]

    assert await asyncio.to_thread(walk) == [["5", "4"], ["3", "2"], ["1"], ["3", "2"], ["5", "4"]]


async def test_page_goes_on_where_a_call_was_forgotten_meanwhile(served: Served) -> None:
    for number in range(6):
        await served.tell(number + 1, days=number)
    first = await asyncio.to_thread(served.client.notifications.page, page_size=3)
    (gone,) = [each for each in first if each.error_code == "4"]
    await served.store.write(DeletedCall(gone.call_sid))
    following = await asyncio.to_thread(first.next_page)
    assert [each.error_code for each in following] == ["3", "2", "1"]


async def test_long_list_of_an_account_comes_in_pages_of_a_hundred(served: Served) -> None:
    lines = [
        EventRecord(call_sid=new_sid("CA"), account_sid=ACCOUNT, at=START, name="problem", level="warning", code=number)
        for number in range(230)
    ]
    await served.store.write(*lines)
    page = await asyncio.to_thread(served.client.notifications.page, page_size=1000)
    assert len(list(page)) == 100
    assert len(await served.codes(limit=1000)) == 230


async def test_notification_of_another_account_is_not_there(served: Served) -> None:
    theirs = await served.tell(1, account_sid=OTHER)
    nobodys = await served.tell(2, account_sid=None)
    mine = await served.tell(3)
    assert await served.codes() == ["3"]
    for sid in (
        line_sid("NO", theirs.call_sid, theirs.position),
        line_sid("NO", nobodys.call_sid, nobodys.position),
        line_sid("NO", theirs.call_sid, mine.position),
        line_sid("NO", mine.call_sid, 2**64 - 1),
        "NO" + "0" * 32,
        "x",
    ):
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(served.client.notifications(sid).fetch)
        assert (refused.value.status, refused.value.code) == (404, 20404), sid


async def test_page_token_that_is_none_of_ours_is_refused(served: Served) -> None:
    for token in (f"PA{line_sid('NO', 'CA1', 7)}", "PANO" + "f" * 29 + "000", "PACA" + "0" * 32):
        with pytest.raises(TwilioException, match="21481"):
            await asyncio.to_thread(served.client.notifications.page, page_token=token)


def test_token_leads_back_to_its_place() -> None:
    for at in (START, datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)):
        for position in (0, 2**62):
            mark = Mark(at=at, position=position)
            assert mark_of(mark_token(mark)) == mark
    with pytest.raises(RestError):
        mark_of(mark_token(Mark(at=START, position=2**64 - 1)))


def test_every_warning_and_error_of_a_call_is_told_under_its_account() -> None:
    async def story(house: House) -> None:
        caller = await house.call("alice", "<Dial><Client url='/whisper'>bob</Client></Dial><Sms>x</Sms><Say/>")
        (bob,) = house.dialled
        bob.picks_up()
        await asyncio.sleep(5)
        bob.hangs_up()
        await asyncio.sleep(60)
        assert caller.leg.events.ended is not None

    house = visited(House(), story)
    told = [each for each in house.written if isinstance(each, EventRecord) and each.code is not None]
    assert len({each.call_sid for each in told}) == 2 and len(told) >= 3
    assert {each.account_sid for each in told} == {ACCOUNT_SID}
    mere = [each for each in house.written if isinstance(each, EventRecord) and each.code is None]
    assert mere and {each.account_sid for each in mere} == {None}
