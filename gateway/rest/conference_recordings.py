"""The recordings of a conference: listed, read, paused, resumed and stopped while it goes on, deleted afterwards.

They begin with a participant who asks for them. Source: Twilio Conference Recordings subresource.
"""

from typing import Any

from gateway.recordings import ActiveRecording, Recordings
from gateway.rest.call_recordings import CURRENT, NOT_IN_STATE, below, change_recording, listed
from gateway.rest.calls import between
from gateway.rest.dispatch import Ask, Reply, Resource
from gateway.rest.errors import not_found
from gateway.rest.form import bad_parameter
from gateway.rest.paging import asked_page
from gateway.rest.recordings import delete_recording
from gateway.rest.shelf import RecordingShelf
from gateway.rooms.conferences import Conferences
from gateway.sids import is_sid
from gateway.store import Store
from gateway.store.records import RecordingRecord
from gateway.store.search import RecordingSearch


class ConferenceRecordingsApi:
    def __init__(
        self, *, store: Store, conferences: Conferences, recordings: Recordings, files: RecordingShelf, public_url: str
    ) -> None:
        self._store = store
        self._conferences = conferences
        self._recordings = recordings
        self._files = files
        self._public_url = public_url.rstrip("/")

    def resources(self) -> list[Resource]:
        one = {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}
        return [
            Resource("Conferences/{conference_sid}/Recordings", {"GET": self._list}),
            Resource("Conferences/{conference_sid}/Recordings/{recording_sid}", one),
        ]

    async def _list(self, ask: Ask) -> Reply:
        asked = asked_page(ask.form)
        search = RecordingSearch(
            account_sid=ask.account_sid,
            conference_sid=await self._conference_sid(ask),
            created=between(ask.form.instants("DateCreated")),
        )
        return await listed(self._store, search, asked, self._resource)

    async def _fetch(self, ask: Ask) -> Reply:
        return self._reply(await self._record(ask))

    async def _update(self, ask: Ask) -> Reply:
        active = self._active(ask, await self._conference_sid(ask))
        if active is None:
            record = await self._record(ask)
            raise bad_parameter(NOT_IN_STATE, f"The recording is {record.status}: it cannot be changed")
        change_recording(active, ask.form)
        return self._reply(active.record, active.status)

    async def _delete(self, ask: Ask) -> Reply:
        await delete_recording(await self._record(ask), store=self._store, files=self._files)
        return Reply()

    def _active(self, ask: Ask, conference_sid: str) -> ActiveRecording | None:
        """The running recording that is meant: by its sid, or as the one there is."""
        sid = ask.parts["recording_sid"]
        found = self._recordings.active_in(conference_sid)
        return next((each for each in found if sid in (CURRENT, each.record.sid)), None)

    async def _record(self, ask: Ask) -> RecordingRecord:
        conference_sid = await self._conference_sid(ask)
        active = self._active(ask, conference_sid)
        if active is not None:
            return active.record
        sid = ask.parts["recording_sid"]
        record = await self._store.recording(sid) if is_sid("RE", sid) else None
        if record is None or record.status == "deleted" or record.conference_sid != conference_sid:
            raise not_found(ask.path)
        return record

    async def _conference_sid(self, ask: Ask) -> str:
        """Raises RestError for a conference there is not, or not of this account."""
        sid = ask.parts["conference_sid"]
        room = self._conferences.get(sid)
        # What was done before this request is in its answer.
        await self._store.flush()
        record = room.record() if room is not None else await self._store.conference(sid) if is_sid("CF", sid) else None
        if record is None or record.account_sid != ask.account_sid:
            raise not_found(ask.path)
        return record.sid

    def _reply(self, record: RecordingRecord, shown: str | None = None) -> Reply:
        resource = self._resource(record)
        if shown is not None:
            resource["status"] = shown
        return Reply(resource=resource, name="Recording")

    def _resource(self, record: RecordingRecord) -> dict[str, Any]:
        return below(record, f"Conferences/{record.conference_sid}", public_url=self._public_url)
