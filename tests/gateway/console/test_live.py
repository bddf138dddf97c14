"""What listeners hear: their own account's, once, and never so much that a slow one costs anybody anything."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from gateway.console.live import MOST_LISTENERS, MOST_OF_ACCOUNT, MOST_WAITING, Audience, Listener
from gateway.sids import new_sid
from tests.gateway.store.records import ACCOUNT, call, event, leg, recording
from tests.virtual_time import run

OTHER = "AC" + "9" * 32


class Ear:
    def __init__(self, audience: Audience, *, account: str = ACCOUNT, call_sid: str | None = None) -> None:
        self.is_cut = False
        self.listener = Listener(account, call_sid, cut=self._cut)
        self.has_joined = audience.join(self.listener)

    def _cut(self) -> None:
        self.is_cut = True

    def heard(self) -> list[tuple[str, Any]]:
        found = []
        while not self.listener.queue.empty():
            message = self.listener.queue.get_nowait()
            if message is None:
                found.append(("over", None))
                continue
            kind, rows, *_ = message.decode().split("\n")
            found.append((kind.removeprefix("event: "), json.loads(rows.removeprefix("data: "))))
        return found


async def soon() -> None:
    await asyncio.sleep(1)


def test_live_account_hears_of_its_own_calls_and_recordings_only() -> None:
    async def scene() -> None:
        audience = Audience()
        own, stranger = Ear(audience), Ear(audience, account=OTHER)
        record = call()
        audience.written([record, event(record.sid), leg(record.sid), recording(record.sid)])
        await soon()
        assert [kind for kind, _ in own.heard()] == ["call", "recording"]
        assert stranger.heard() == []

    run(scene())


def test_live_changes_of_a_moment_are_told_once_with_the_last_value() -> None:
    async def scene() -> None:
        audience = Audience()
        ear = Ear(audience)
        record = call("ringing")
        audience.written([record])
        audience.written([replace(record, status="in-progress")])
        audience.presence_changed()
        audience.presence_changed()
        await soon()
        (kind, row), presence = ear.heard()
        assert (kind, row["status"]) == ("call", "in-progress")
        assert presence == ("presence", {})

    run(scene())


def test_live_page_of_a_call_hears_of_its_story_and_its_childrens() -> None:
    async def scene() -> None:
        audience = Audience()
        parent, known, later = call(), call(), call()
        page, list_ = Ear(audience, call_sid=parent.sid), Ear(audience)
        page.listener.children.add(known.sid)
        audience.written([replace(later, parent_call_sid=parent.sid)])
        await soon()
        page.heard(), list_.heard()
        audience.written([event(parent.sid), event(parent.sid), event(known.sid), event(later.sid)])
        audience.written([event(new_sid("CA"))])
        await soon()
        told = [row["call_sid"] for kind, row in page.heard() if kind == "story"]
        assert told == [parent.sid, known.sid, later.sid]
        assert list_.heard() == []

    run(scene())


def test_live_listener_that_does_not_read_is_cut_off_and_others_go_on() -> None:
    async def scene() -> None:
        audience = Audience()
        slow, quick = Ear(audience), Ear(audience)
        for _ in range(MOST_WAITING + 1):
            audience.written([call()])
            await soon()
            assert len(quick.heard()) == 1
        assert slow.is_cut and not quick.is_cut
        assert len(audience) == 1
        assert slow.listener.queue.qsize() == MOST_WAITING

    run(scene())


def test_live_text_of_strangers_cannot_end_a_message() -> None:
    async def scene() -> None:
        audience = Audience()
        ear = Ear(audience)
        audience.written([replace(call(), from_="a\n\nevent: call\r\ndata: {}\u2028")])
        await soon()
        ((_, row),) = ear.heard()
        assert row["from"] == "a\n\nevent: call\r\ndata: {}\u2028"

    run(scene())


def test_live_listeners_are_bounded_for_an_account_and_in_all() -> None:
    async def scene() -> None:
        audience = Audience()
        own = [Ear(audience).has_joined for _ in range(MOST_OF_ACCOUNT + 1)]
        assert own.count(True) == MOST_OF_ACCOUNT
        others = [Ear(audience, account=f"AC{number:032}").has_joined for number in range(MOST_LISTENERS)]
        assert others.count(True) == MOST_LISTENERS - MOST_OF_ACCOUNT

    run(scene())


def test_live_nothing_is_gathered_while_nobody_listens_and_all_is_over_at_the_end() -> None:
    async def scene() -> None:
        audience = Audience()
        audience.written([call()])
        audience.presence_changed()
        ear = Ear(audience)
        await soon()
        assert ear.heard() == []
        audience.written([call()])
        audience.close()
        await soon()
        assert ear.heard() == [("over", None)]
        assert not Ear(audience).has_joined

    run(scene())
