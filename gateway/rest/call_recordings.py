"""Recordings as resources: begun, paused, resumed and stopped on a live call; listed, read and deleted afterwards.

The sound itself and the single resource below Recordings are gateway/rest/recordings.py.
Source: rest-api.md 5 of the specification; Twilio Recording resource.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.call import CallStatus
from gateway.live_calls import LiveCalls
from gateway.recordings import ActiveRecording, Recordings
from gateway.rest.call_form import recording_of
from gateway.rest.calls import WRONG_STATE, between, place_of
from gateway.rest.dispatch import ROOT, Ask, Reply, Resource
from gateway.rest.errors import not_found
from gateway.rest.form import Form, bad_parameter
from gateway.rest.known_calls import KnownCalls
from gateway.rest.paging import Asked, Page, asked_page
from gateway.rest.recordings import delete_recording, recording_resource
from gateway.rest.shelf import RecordingShelf
from gateway.sids import is_sid
from gateway.store import Store
from gateway.store.records import RecordingRecord
from gateway.store.search import RecordingSearch

CURRENT: Final = "Twilio.CURRENT"
NOT_IN_STATE: Final = 16114
MOST_AT_ONCE: Final = 16


def change_recording(active: ActiveRecording, form: Form) -> None:
    """Pause, resume or stop it. Raises RestError for what it cannot become."""
    is_skipping = form.choice("PauseBehavior", ("silence", "skip"), default="silence") == "skip"
    wanted = form.choice("Status", ("paused", "in-progress", "stopped"), default=None)
    match wanted:
        case "paused" if active.status == "in-progress":
            active.pause(is_skipping=is_skipping)
        case "in-progress" if active.status == "paused":
            active.resume()
        case "stopped":
            active.finish()
        case None:
            raise bad_parameter(20001, "Status is required")
        case _:
            raise bad_parameter(NOT_IN_STATE, f"The recording is {active.status}: it cannot become {wanted}")


async def listed(
    store: Store, search: RecordingSearch, asked: Asked, show: Callable[[RecordingRecord], Mapping[str, Any]]
) -> Reply:
    """A page of recordings, each shown as ``show`` has it."""
    found, has_more = await store.search_recordings(search, place_of(asked))
    page = Page(
        key="recordings",
        rows=[show(record) for record in found],
        sids=[record.sid for record in found],
        has_more=has_more,
        asked=asked,
    )
    return Reply(resource=page)


def below(record: RecordingRecord, parent: str, *, public_url: str, **more: Any) -> dict[str, Any]:
    """The form below a call or a conference: without what only the resource of its own has."""
    resource: dict[str, Any] = recording_resource(record, public_url=public_url)
    del resource["subresource_uris"], resource["media_url"]
    uri = f"{ROOT}/Accounts/{record.account_sid}/{parent}/Recordings/{record.sid}.json"
    return {**resource, **more, "uri": uri}


class CallRecordingsApi:
    def __init__(
        self,
        *,
        store: Store,
        known: KnownCalls,
        calls: LiveCalls,
        recordings: Recordings,
        files: RecordingShelf,
        public_url: str,
    ) -> None:
        self._store = store
        self._known = known
        self._calls = calls
        self._recordings = recordings
        self._files = files
        self._public_url = public_url.rstrip("/")

    def resources(self) -> list[Resource]:
        one = {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}
        return [
            Resource("Calls/{call_sid}/Recordings", {"GET": self._list, "POST": self._create}),
            Resource("Calls/{call_sid}/Recordings/{recording_sid}", one),
            Resource("Recordings", {"GET": self._list}),
        ]

    async def _list(self, ask: Ask) -> Reply:
        form, asked = ask.form, asked_page(ask.form)
        call_sid = ask.parts.get("call_sid")
        if call_sid is not None:
            await self._known.record(ask)
        search = RecordingSearch(
            account_sid=ask.account_sid,
            call_sid=call_sid or form.text("CallSid"),
            conference_sid=form.text("ConferenceSid"),
            created=between(form.instants("DateCreated")),
            with_deleted=form.boolean("IncludeSoftDeleted", default=False),
        )
        await self._store.flush()
        return await listed(self._store, search, asked, self._of_call if call_sid is not None else self._alone)

    async def _create(self, ask: Ask) -> Reply:
        call_sid = ask.parts["call_sid"]
        await self._known.record(ask)
        order = recording_of(
            ask.form, call_sid, account_sid=ask.account_sid, source="StartCallRecordingAPI", trim="do-not-trim"
        )
        call = self._calls.get(call_sid)
        if call is None or call.session is None or call.status is not CallStatus.IN_PROGRESS:
            raise bad_parameter(WRONG_STATE, "The call is not in progress: it cannot be recorded")
        if len(self._recordings.active(call_sid)) >= MOST_AT_ONCE:
            raise bad_parameter(NOT_IN_STATE, f"Expected at most {MOST_AT_ONCE} recordings of a call at once")
        session = call.session
        active = session.recordings.begin(order.order, session.leg.media, is_dual=order.is_dual)
        return self._reply(active.record, active.status, status=201)

    async def _fetch(self, ask: Ask) -> Reply:
        record = await self._record(ask)
        return self._reply(record)

    async def _update(self, ask: Ask) -> Reply:
        active = self._active(ask)
        if active is None:
            record = await self._record(ask)
            raise bad_parameter(NOT_IN_STATE, f"The recording is {record.status}: it cannot be changed")
        change_recording(active, ask.form)
        return self._reply(active.record, active.status)

    async def _delete(self, ask: Ask) -> Reply:
        await delete_recording(await self._record(ask), store=self._store, files=self._files)
        return Reply()

    def _active(self, ask: Ask) -> ActiveRecording | None:
        """The running recording that is meant: by its sid, or as the only one there is."""
        found = self._recordings.active(ask.parts["call_sid"])
        sid = ask.parts["recording_sid"]
        if sid != CURRENT:
            return next((each for each in found if each.record.sid == sid), None)
        if len(found) > 1:
            raise bad_parameter(20001, f"{len(found)} recordings are running: say which by its sid")
        if not found:
            raise not_found(ask.path)
        return found[0]

    async def _record(self, ask: Ask) -> RecordingRecord:
        sid = ask.parts["recording_sid"]
        if sid == CURRENT:
            active = self._active(ask)
            assert active is not None
            return active.record
        if not is_sid("RE", sid):
            raise not_found(ask.path)
        await self._store.flush()
        record = await self._store.recording(sid)
        if (
            record is None
            or record.status == "deleted"
            or (record.account_sid, record.call_sid) != (ask.account_sid, ask.parts["call_sid"])
        ):
            raise not_found(ask.path)
        return record

    def _reply(self, record: RecordingRecord, shown: str | None = None, *, status: int = 200) -> Reply:
        resource = self._of_call(record)
        if shown is not None:
            resource["status"] = shown
        return Reply(resource=resource, name="Recording", status=status)

    def _alone(self, record: RecordingRecord) -> dict[str, Any]:
        return recording_resource(record, public_url=self._public_url)

    def _of_call(self, record: RecordingRecord) -> dict[str, Any]:
        """With its track."""
        return below(record, f"Calls/{record.call_sid}", public_url=self._public_url, track=record.track)
