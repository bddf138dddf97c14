"""Many calls at one gateway at once, each with a document of its own, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from gateway.parameters import CallDirection, CallFacts
from gateway.routing import Script
from gateway.session import CallSession
from gateway.sids import new_sid
from gateway.store.records import CallRecord, OwedCallback, QueueRecord
from signaling.leg import Direction
from tests.gateway.peers import ACCOUNT_SID, PeerLeg, Scene
from tests.virtual_time import run

Documents = Mapping[str, str | Callable[[dict[str, str]], str]]


class Caller:
    """One call and the task that runs it."""

    def __init__(self, session: CallSession, leg: PeerLeg, task: "asyncio.Task[None]") -> None:
        self.session = session
        self.leg = leg
        self.task = task

    @property
    def sid(self) -> str:
        return self.session.facts.sid

    @property
    def hears(self) -> Any:
        return self.leg.media.hears

    @property
    def joined(self) -> Any:
        return self.leg.media.joined

    async def hangs_up(self) -> None:
        self.leg.hangs_up()
        await self.over()

    async def over(self) -> None:
        await asyncio.wait_for(self.task, 3600)


class House(Scene):
    """documents: path -> TwiML; a caller's own is given when it calls. ports: an engine's, for callers with sound."""

    def __init__(self, documents: Documents | None = None, **more: Any) -> None:
        super().__init__(documents or {}, **more)
        self.callers: list[Caller] = []
        self.ports: dict[str, Any] = {}

    def open(self) -> None:
        self.all = self.services()

    async def call(self, name: str, body: str) -> Caller:
        """Somebody calls whose document is ``<Response>body</Response>``; returns when the house has settled."""
        self.documents[f"/{name}"] = f"<Response>{body}</Response>"
        leg = self.leg_type(name, direction=Direction.INBOUND)
        leg.media = self.ports.get(name, leg.media)
        facts = CallFacts(
            sid=new_sid("CA"),
            account_sid=ACCOUNT_SID,
            caller=f"sip:{name}@example.com",
            callee="sip:house@example.com",
            direction=CallDirection.INBOUND,
        )
        session = CallSession(self.all, cast(Any, leg), facts, Script(voice_url=f"http://app.example.com/{name}"))
        caller = Caller(session, leg, asyncio.create_task(session.run()))
        self.callers.append(caller)
        await settle()
        return caller

    def told(self, path: str) -> list[dict[str, str]]:
        """What was posted to a callback, oldest first."""
        return self.owed(path)

    def names(self, path: str) -> list[str]:
        return [told["StatusCallbackEvent"] for told in self.told(path)]

    def asked(self, path: str) -> list[dict[str, str]]:
        """Requests for a document, oldest first."""
        return [dict(each.params) for each in self.requests if each.url.partition("?")[0].endswith(path)]

    def queue_sid(self, name: str) -> str:
        """Of a queue that was made."""
        return [each.sid for each in self.written if isinstance(each, QueueRecord) and each.friendly_name == name][-1]

    def keys(self, path: str) -> set[str]:
        return {each.order_key for each in self.written if isinstance(each, OwedCallback) and each.url.endswith(path)}

    def call_sids(self) -> set[str]:
        """Every call on record, those of dialled parties too."""
        return {each.sid for each in self.written if isinstance(each, CallRecord)}

    def assert_empty(self) -> None:
        assert all(leg.events.ended is not None for leg in self.dialled)
        assert all(caller.leg.events.ended is not None and caller.task.done() for caller in self.callers)
        assert (len(self.all.conferences), len(self.all.queues)) == (0, 0)
        assert all(mix.is_closed for mix in self.mixes)
        assert all(not recording.is_running for recording in self.recordings)
        assert all(listener.is_closed for listener in self.listeners)


async def settle() -> None:
    """Whatever can happen without time going by has happened."""
    await asyncio.sleep(0.01)


def visited(house: House, story: Callable[[House], Awaitable[None]]) -> House:
    """The story, then everybody hangs up; nothing may be left."""

    async def whole() -> None:
        house.open()
        await story(house)
        for caller in house.callers:
            caller.leg.hangs_up()
        await asyncio.gather(*(caller.over() for caller in house.callers))
        await settle()
        house.assert_empty()

    run(whole())
    return house
