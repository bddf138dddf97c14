"""The Call resource: placing, listing, reading, redirecting, ending and forgetting calls.

Source: rest-api.md 4 of the specification; Twilio Call resource.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.call import CallStatus
from gateway.dialled_calls import DialledCall, DialledCalls, OwnWay
from gateway.live_calls import LiveCall, LiveCalls
from gateway.outgoing import CallOrder
from gateway.parameters import API_VERSION, rfc2822
from gateway.rest.call_form import BAD_METHOD, BAD_URL, document_of, order_of, telling_of
from gateway.rest.dispatch import ROOT, Ask, Reply, Resource
from gateway.rest.errors import RestError
from gateway.rest.form import Form, Span, bad_parameter
from gateway.rest.known_calls import KnownCalls
from gateway.rest.paging import Asked, Page, asked_page
from gateway.routing import Router, Script
from gateway.store import StorageUnavailable, Store
from gateway.store.records import FINAL_CALL_STATUSES, CallRecord, DeletedCall
from gateway.store.search import Between, CallSearch, Place
from gateway.telling import Telling
from gateway.verbs.outcome import Fetch, Given

WRONG_STATE: Final = 21220
NOT_OVER: Final = 20009
TOO_MANY: Final = 20429
NOT_EXECUTED: Final = 13750
WITHOUT_EFFECT: Final = (
    "Byoc",
    "CallReason",
    "CallToken",
    "RecordingConfigurationId",
    "Passports",
)
SAFE_WITHIN_S: Final = 2.0
STATUSES: Final = ("queued", "ringing", "in-progress", *FINAL_CALL_STATUSES)

Launch = Callable[[CallOrder], LiveCall | None]
"""Places a call. None: as many wait to be placed as may. Raises AllInUse."""


class CallsApi:
    """dialled: the calls of dialled parties."""

    def __init__(
        self, *, store: Store, calls: LiveCalls, dialled: DialledCalls, router: Router, launch: Launch
    ) -> None:
        self._store = store
        self._calls = calls
        self._dialled = dialled
        self._known = KnownCalls(store=store, calls=calls, dialled=dialled)
        self._router = router
        self._launch = launch

    def resources(self) -> list[Resource]:
        return [
            Resource("Calls", {"GET": self._list, "POST": self._create}),
            Resource("Calls/{call_sid}", {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}),
        ]

    async def _list(self, ask: Ask) -> Reply:
        form, asked = ask.form, asked_page(ask.form)
        search = CallSearch(
            account_sid=ask.account_sid,
            to=form.text("To"),
            from_=form.text("From"),
            parent_call_sid=form.text("ParentCallSid"),
            status=form.choice("Status", STATUSES, default=None),
            started=between(form.instants("StartTime")),
            ended=between(form.instants("EndTime")),
        )
        # What was done before this request is in its answer.
        await self._store.flush()
        found, has_more = await self._store.search_calls(search, place_of(asked))
        page = Page(
            key="calls",
            rows=[call_resource(record) for record in found],
            sids=[record.sid for record in found],
            has_more=has_more,
            asked=asked,
        )
        return Reply(resource=page)

    async def _create(self, ask: Ask) -> Reply:
        order = order_of(ask.form, account_sid=ask.account_sid, router=self._router)
        call = self._launch(order)
        if call is None:
            raise too_many()
        # Told on the record: a client that counts on one of these must be able to find out.
        for name in WITHOUT_EFFECT:
            if ask.form.has(name):
                call.progress.timeline.warn(NOT_EXECUTED, f"{name} has no effect on calls that are placed here")
        resource = call_resource(call.progress.record())
        await until_on_record(self._store)
        return Reply(resource=resource, name="Call", status=201)

    async def _fetch(self, ask: Ask) -> Reply:
        return Reply(resource=call_resource(await self._known.record(ask)), name="Call")

    async def _update(self, ask: Ask) -> Reply:
        record = await self._known.record(ask)
        change = _change_of(ask.form)
        # A party that goes its own way is a live call at once, and no dialled one any more.
        dialled = self._dialled.get(record.sid)
        if dialled is not None:
            return Reply(resource=call_resource(self._change_dialled(dialled, change)), name="Call")
        call = self._calls.get(record.sid)
        if call is None or call.status.is_final:
            raise wrong_state()
        if change.following is not None:
            if change.telling is not None:
                call.progress.telling = change.telling
            if not call.redirect(change.following):
                raise wrong_state()
        if change.fallback_url is not None:
            call.fall_back_to(change.fallback_url, change.fallback_method)
        if change.time_limit_s is not None and call.session is not None:
            call.session.limit_time(max(0, change.time_limit_s - call.progress.duration_s))
        if change.ends(call.status):
            call.hangup()
        return Reply(resource=call_resource(call.progress.record()), name="Call")

    def _change_dialled(self, call: DialledCall, change: "_Change") -> CallRecord:
        """What becomes of its parent is for the <Dial> to say, which goes on or is over."""
        if change.following is not None:
            script = Script(fallback_url=change.fallback_url or "", fallback_method=change.fallback_method)
            way = OwnWay(
                following=change.following, script=script, telling=change.telling, time_limit_s=change.time_limit_s
            )
            if not call.move(way):
                raise wrong_state()
            moved = self._calls.get(call.facts.sid)
            if moved is not None and change.ends(moved.status):
                moved.hangup()
            return call.record() if moved is None else moved.progress.record()
        if change.time_limit_s is not None:
            call.limit_time(change.time_limit_s)
        if change.ends(call.status):
            call.hangup()
        return call.record()

    async def _delete(self, ask: Ask) -> Reply:
        record = await self._known.record(ask)
        if record.status not in FINAL_CALL_STATUSES:
            raise bad_parameter(NOT_OVER, "A call can be deleted when it is over")
        await self._store.write(DeletedCall(record.sid))
        return Reply()


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What an update asks for."""

    following: Fetch | Given | None
    telling: Telling | None
    fallback_url: str | None
    fallback_method: str
    time_limit_s: int | None
    status: str | None

    def ends(self, status: CallStatus) -> bool:
        """status: of the call. One in progress is not canceled."""
        return self.status == "completed" or (self.status == "canceled" and status is not CallStatus.IN_PROGRESS)


def _change_of(form: Form) -> _Change:
    return _Change(
        following=_following(form),
        telling=telling_of(form) if form.has("StatusCallback") else None,
        fallback_url=form.url("FallbackUrl", code=BAD_URL),
        fallback_method=form.method("FallbackMethod", code=BAD_METHOD),
        time_limit_s=form.integer("TimeLimit", default=None, lowest=1, highest=86_400),
        status=form.choice("Status", ("completed", "canceled"), default=None),
    )


def _following(form: Form) -> Fetch | Given | None:
    url = form.url("Url", code=BAD_URL)
    if url is not None:
        return Fetch(url=url, method=form.method("Method", code=BAD_METHOD))
    return document_of(form)


def wrong_state() -> RestError:
    return bad_parameter(WRONG_STATE, "Call is not in-progress. Cannot redirect.")


def too_many() -> RestError:
    return RestError(429, TOO_MANY, "Too many calls wait to be placed")


def place_of(asked: Asked) -> Place:
    return Place(size=asked.size, after=asked.after, before=asked.before)


async def until_on_record(store: Store) -> None:
    """A call whose sid is told survives a crash. Where storage is away the call runs all the same."""
    with contextlib.suppress(StorageUnavailable, TimeoutError):
        async with asyncio.timeout(SAFE_WITHIN_S):
            await store.flush()


def between(span: Span) -> Between:
    return Between(start=span.start, end=span.end)


def call_resource(record: CallRecord) -> dict[str, Any]:
    """The Call resource as Twilio's helpers read it."""
    uri = f"{ROOT}/Accounts/{record.account_sid}/Calls/{record.sid}"
    is_completed = record.status == "completed"
    return {
        "sid": record.sid,
        "date_created": rfc2822(record.date_created),
        "date_updated": rfc2822(record.date_updated),
        "parent_call_sid": record.parent_call_sid,
        "account_sid": record.account_sid,
        "to": record.to,
        "to_formatted": formatted(record.to),
        "from": record.from_,
        "from_formatted": formatted(record.from_),
        "phone_number_sid": record.phone_number_sid,
        "status": record.status,
        "start_time": rfc2822(record.start_time) if record.start_time is not None else None,
        "end_time": rfc2822(record.end_time) if record.end_time is not None else None,
        "duration": str(record.duration_s) if is_completed and record.duration_s is not None else None,
        "price": None,
        "price_unit": "USD",
        "direction": record.direction,
        "answered_by": record.answered_by,
        "annotation": None,
        "api_version": API_VERSION,
        "forwarded_from": record.forwarded_from,
        "group_sid": record.group_sid,
        "caller_name": record.caller_name,
        "queue_time": str(record.queue_time_ms),
        "trunk_sid": record.trunk_sid,
        "stir_verstat": record.stir_verstat,
        "uri": f"{uri}.json",
        "subresource_uris": {
            name: f"{uri}/{path}.json"
            for name, path in (
                ("notifications", "Notifications"),
                ("recordings", "Recordings"),
                ("payments", "Payments"),
                ("events", "Events"),
                ("siprec", "Siprec"),
                ("streams", "Streams"),
                ("transcriptions", "Transcriptions"),
                ("user_defined_message_subscriptions", "UserDefinedMessageSubscriptions"),
                ("user_defined_messages", "UserDefinedMessages"),
            )
        },
    }


def formatted(address: str) -> str:
    """A number of the North American plan as people write it; anything else as it is."""
    if len(address) == 12 and address.startswith("+1") and address[1:].isdigit():
        return f"({address[2:5]}) {address[5:8]}-{address[8:]}"
    return address
