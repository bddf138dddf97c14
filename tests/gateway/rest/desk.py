"""A house whose calls are driven over REST, in virtual time: requests go to the handlers, answers come as resources."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from gateway.live_calls import LiveCalls
from gateway.outgoing import CallOrder, OutgoingCall
from gateway.rest.calls import CallsApi
from gateway.rest.conferences import ConferencesApi
from gateway.rest.dispatch import ROOT, Ask, Resource
from gateway.rest.errors import RestError
from gateway.rest.form import Form
from gateway.rest.live import LiveParties
from gateway.rest.messages import MessagesApi
from gateway.rest.paging import Page
from gateway.rest.streams import StreamsApi
from gateway.session import CallSession
from gateway.store.records import CallRecord, ConferenceRecord, Operation
from tests.gateway.peers import ACCOUNT_SID, PeerLeg
from tests.gateway.rooms.house import Caller, House, settle
from tests.virtual_time import run


class Shelf:
    """What handlers ask of a store, out of what was written."""

    def __init__(self, written: Sequence[Operation]) -> None:
        self._written = written

    async def flush(self) -> None:
        pass

    async def conference(self, sid: str) -> ConferenceRecord | None:
        found = (each for each in self._written[::-1] if isinstance(each, ConferenceRecord) and each.sid == sid)
        return next(found, None)

    async def call(self, sid: str) -> CallRecord | None:
        return next((each for each in self._written[::-1] if isinstance(each, CallRecord) and each.sid == sid), None)


class Desk(House):
    """calls: those that run. launched: those that were placed, each with its task."""

    def __init__(self, documents: Any = None, **more: Any) -> None:
        super().__init__(documents, **more)
        self.calls = LiveCalls()
        self.launched: list[tuple[OutgoingCall, asyncio.Task[None]]] = []
        self.has_room = True

    def open(self) -> None:
        super().open()
        store = cast(Any, Shelf(self.written))
        calls = CallsApi(
            store=store, calls=self.calls, dialled=self.children, router=self.all.router, launch=self.launch
        )
        rooms = ConferencesApi(store=store, services=self.all, calls=self.calls, launch=self.launch)
        parties = LiveParties(store=store, calls=self.calls, dialled=self.children)
        streams = StreamsApi(parties=parties, beside=self.beside)
        messages = MessagesApi(parties=parties, services=self.all)
        apis = (calls, rooms, streams, messages)
        self.resources: Sequence[Resource] = [resource for api in apis for resource in api.resources()]

    def launch(self, order: CallOrder) -> OutgoingCall | None:
        if not self.has_room:
            return None
        call = OutgoingCall(self.all, order)
        call.accept()
        self.calls.add(call)
        self.launched.append((call, asyncio.create_task(self._run(call))))
        return call

    def launch_session(self, session: CallSession) -> None:
        super().launch_session(session)
        self.calls.add(session)
        self.moved[-1][1].add_done_callback(lambda _task: self.calls.remove(session))

    async def _run(self, call: OutgoingCall) -> None:
        try:
            await call.run()
        finally:
            self.calls.remove(call)

    async def call(self, name: str, body: str) -> Caller:
        caller = await super().call(name, body)
        self.calls.add(caller.session)
        caller.task.add_done_callback(lambda _task: self.calls.remove(caller.session))
        return caller

    async def ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None, *, account_sid: str = ACCOUNT_SID
    ) -> Any:
        """The resource of the answer; of a list its rows; None for an empty one. Raises RestError."""
        for resource in self.resources:
            found = resource.pattern.fullmatch(path)
            if found is not None:
                ask = Ask(
                    account_sid=account_sid,
                    parts=found.groupdict(),
                    form=Form((form or {}).items()),
                    path=f"{ROOT}/Accounts/{account_sid}/{path}",
                )
                reply = await resource.methods[method](ask)
                await settle()
                return list(reply.resource.rows) if isinstance(reply.resource, Page) else reply.resource
        raise AssertionError(f"no resource {path}")

    async def refusal(
        self, method: str, path: str, form: Mapping[str, str] | None = None, *, account_sid: str = ACCOUNT_SID
    ) -> tuple[int, int]:
        """Status and code of a request that is refused."""
        try:
            await self.ask(method, path, form, account_sid=account_sid)
        except RestError as error:
            return error.status, error.code
        raise AssertionError(f"{method} {path} was not refused")

    async def rung(self, count: int) -> PeerLeg:
        """The leg that was dialled as the count-th, from 0."""
        while len(self.dialled) <= count:
            await settle()
        return self.dialled[count]


DeskT = TypeVar("DeskT", bound=Desk)


def asked(desk: DeskT, story: Callable[[DeskT], Awaitable[None]]) -> DeskT:
    """The story, then everybody hangs up; nothing may be left."""

    async def whole() -> None:
        desk.open()
        await story(desk)
        for leg in [*(caller.leg for caller in desk.callers), *desk.dialled]:
            leg.hangs_up()
        tasks = [*(caller.task for caller in desk.callers), *(task for _, task in [*desk.launched, *desk.moved])]
        await asyncio.wait_for(asyncio.gather(*tasks), 3600)
        await settle()
        desk.assert_empty()
        assert len(desk.calls) == 0
        assert all(call.status.is_final for call, _ in desk.launched)
        assert all(leg.events.ended is not None for leg in desk.dialled)

    run(whole())
    return desk
