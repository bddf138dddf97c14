"""Queues and those who wait in them: made, listed, renamed, deleted; taken out to a document.

Source: rest-api.md 6 of the specification; Twilio Queue and Member resources.
"""

from typing import Any, Final

from gateway.parameters import rfc2822, whole_seconds
from gateway.rest.calls import place_of
from gateway.rest.conferences import BAD_METHOD, BAD_URL
from gateway.rest.dispatch import ROOT, Ask, Reply, Resource
from gateway.rest.errors import RestError, not_found
from gateway.rest.form import bad_parameter
from gateway.rest.paging import Page, asked_page, paged
from gateway.rooms.queue import LiveQueue, Membership
from gateway.rooms.queues import DEFAULT_SIZE, LARGEST_SIZE, QueueExists, QueueInUse, Queues
from gateway.services import Services
from gateway.sids import is_sid
from gateway.store import Store
from gateway.store.records import QueueRecord
from gateway.store.search import QueueSearch
from gateway.verbs.outcome import Fetch

FRONT: Final = "Front"
MAX_NAME: Final = 64
NAME_TAKEN: Final = 22003
NOT_EMPTY: Final = 22002
BAD_NAME: Final = 22000


class QueuesApi:
    def __init__(self, *, store: Store, queues: Queues, services: Services) -> None:
        self._store = store
        self._queues = queues
        self._services = services

    def resources(self) -> list[Resource]:
        one = {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}
        return [
            Resource("Queues", {"GET": self._list, "POST": self._create}),
            Resource("Queues/{queue_sid}", one),
            Resource("Queues/{queue_sid}/Members", {"GET": self._members}),
            Resource("Queues/{queue_sid}/Members/{call_sid}", {"GET": self._member, "POST": self._dequeue}),
        ]

    async def _list(self, ask: Ask) -> Reply:
        asked = asked_page(ask.form)
        await self._store.flush()
        found, has_more = await self._store.search_queues(QueueSearch(account_sid=ask.account_sid), place_of(asked))
        page = Page(
            key="queues",
            rows=[self._shown(record) for record in found],
            sids=[record.sid for record in found],
            has_more=has_more,
            asked=asked,
        )
        return Reply(resource=page)

    async def _create(self, ask: Ask) -> Reply:
        name = ask.form.required("FriendlyName", code=BAD_NAME, longest=MAX_NAME)
        size = ask.form.integer("MaxSize", default=DEFAULT_SIZE, lowest=1, highest=LARGEST_SIZE)
        assert size is not None
        try:
            record = await self._queues.create(name, account_sid=ask.account_sid, max_size=size)
        except QueueExists:
            raise RestError(409, NAME_TAKEN, f"There is a queue named {name!r} already") from None
        return self._reply(record, status=201)

    async def _fetch(self, ask: Ask) -> Reply:
        return self._reply(await self._record(ask))

    async def _update(self, ask: Ask) -> Reply:
        record = await self._record(ask)
        name = ask.form.text("FriendlyName", longest=MAX_NAME, code=BAD_NAME)
        size = ask.form.integer("MaxSize", default=None, lowest=1, highest=LARGEST_SIZE)
        try:
            changed = await self._queues.change(record, name=name, max_size=size)
        except QueueExists:
            raise RestError(409, NAME_TAKEN, f"There is a queue named {name!r} already") from None
        return self._reply(changed)

    async def _delete(self, ask: Ask) -> Reply:
        try:
            await self._queues.delete(await self._record(ask))
        except QueueInUse:
            raise bad_parameter(NOT_EMPTY, "A queue can be deleted when nobody waits in it") from None
        return Reply()

    async def _members(self, ask: Ask) -> Reply:
        asked = asked_page(ask.form)
        record = await self._record(ask)
        live = self._queues.live(record.sid)
        waiting = [] if live is None else live.members
        # In the order of the queue: whoever is next comes first.
        cut, has_more = paged(waiting, [member.call.facts.sid for member in waiting], asked)
        page = Page(
            key="queue_members",
            rows=[_shown_member(live, member) for member in cut if live is not None],
            sids=[member.call.facts.sid for member in cut],
            has_more=has_more,
            asked=asked,
        )
        return Reply(resource=page)

    async def _member(self, ask: Ask) -> Reply:
        live, member = await self._waiting(ask)
        return Reply(resource=_shown_member(live, member), name="QueueMember")

    async def _dequeue(self, ask: Ask) -> Reply:
        live, member = await self._waiting(ask)
        url = ask.form.url("Url", code=BAD_URL)
        if url is None:
            raise bad_parameter(BAD_URL, "Url is required")
        shown = _shown_member(live, member)
        following = Fetch(url=url, method=ask.form.method("Method", code=BAD_METHOD))
        if not live.dequeue(member.call.facts.sid, following):
            raise not_found(ask.path)
        return Reply(resource=shown, name="QueueMember")

    async def _record(self, ask: Ask) -> QueueRecord:
        sid = ask.parts["queue_sid"]
        live = self._queues.live(sid)
        if live is not None:
            record: QueueRecord | None = live.record
        else:
            await self._store.flush()
            record = await self._store.queue(sid) if is_sid("QU", sid) else None
        if record is None or record.account_sid != ask.account_sid:
            raise not_found(ask.path)
        return record

    async def _waiting(self, ask: Ask) -> tuple[LiveQueue, Membership]:
        """By CallSid, or whoever is next."""
        record = await self._record(ask)
        live, asked = self._queues.live(record.sid), ask.parts["call_sid"]
        if live is None:
            raise not_found(ask.path)
        member = next(iter(live.members), None) if asked == FRONT else live.member(asked)
        if member is None or not member.is_waiting:
            raise not_found(ask.path)
        return live, member

    def _reply(self, record: QueueRecord, *, status: int = 200) -> Reply:
        return Reply(resource=self._shown(record), name="Queue", status=status)

    def _shown(self, record: QueueRecord) -> dict[str, Any]:
        live = self._queues.live(record.sid)
        uri = f"{ROOT}/Accounts/{record.account_sid}/Queues/{record.sid}"
        return {
            "sid": record.sid,
            "account_sid": record.account_sid,
            "friendly_name": record.friendly_name,
            "current_size": 0 if live is None else len(live.members),
            "max_size": record.max_size,
            "average_wait_time": 0 if live is None else whole_seconds(live.average_wait_s(self._services)),
            "date_created": rfc2822(record.date_created),
            "date_updated": rfc2822(record.date_updated),
            "uri": f"{uri}.json",
            "subresource_uris": {"members": f"{uri}/Members.json"},
        }


def _shown_member(queue: LiveQueue, member: Membership) -> dict[str, Any]:
    record, call_sid = queue.record, member.call.facts.sid
    return {
        "queue_sid": record.sid,
        "call_sid": call_sid,
        "date_enqueued": rfc2822(member.enqueued_at),
        "position": [each.call.facts.sid for each in queue.members].index(call_sid) + 1,
        "wait_time": whole_seconds(member.waited_s),
        "uri": f"{ROOT}/Accounts/{record.account_sid}/Queues/{record.sid}/Members/{call_sid}.json",
    }
