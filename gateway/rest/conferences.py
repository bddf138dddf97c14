"""Conferences and their participants: listed, read, changed, ended; participants who are called and brought in.

A live conference is asked itself; one that is over is read from its record, and has no participants.
Source: rest-api.md 6 of the specification; Twilio Conference and Participant resources.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.call import CallStatus
from gateway.live_calls import LiveCall, LiveCalls
from gateway.parameters import API_VERSION, CallFacts, rfc2822
from gateway.rest.calls import NOT_EXECUTED, Launch, between, place_of, too_many, until_on_record
from gateway.rest.dispatch import ROOT, Ask, Reply, Resource
from gateway.rest.errors import not_found
from gateway.rest.form import Form, bad_parameter
from gateway.rest.paging import Page, asked_page, paged
from gateway.rest.participant_form import WITHOUT_EFFECT, participant_order
from gateway.rooms.conference import Room, RoomRefused
from gateway.rooms.conference_events import Modified, Participant
from gateway.rooms.conference_model import GONE
from gateway.rooms.conferences import Conferences
from gateway.services import Services
from gateway.sids import is_sid
from gateway.store import Store
from gateway.store.records import ConferenceRecord
from gateway.store.search import ConferenceSearch
from gateway.timeline import Timeline
from gateway.verbs.conference import admission_of
from gateway.verbs.outcome import Fetch

STATUSES: Final = ("init", "in-progress", "completed")
BAD_URL: Final = 21402
BAD_METHOD: Final = 21403
BAD_PARAMETER: Final = 20001

_WAYS: Final = {
    CallStatus.QUEUED: "queued",
    CallStatus.INITIATED: "connecting",
    CallStatus.RINGING: "ringing",
    CallStatus.IN_PROGRESS: "connected",
    CallStatus.COMPLETED: "complete",
}
"""Status of a participant whose call is on the way. Source: Twilio Participant resource, status."""


@dataclass(frozen=True)
class _Expected:
    """A call that is not placed yet."""

    facts: CallFacts
    timeline: Timeline


class ConferencesApi:
    def __init__(self, *, store: Store, services: Services, calls: LiveCalls, launch: Launch) -> None:
        self._store = store
        self._services = services
        self._conferences: Conferences = services.conferences
        self._calls = calls
        self._launch = launch

    def resources(self) -> list[Resource]:
        one = {"GET": self._participant, "POST": self._change, "DELETE": self._kick}
        return [
            Resource("Conferences", {"GET": self._list}),
            Resource("Conferences/{conference_sid}", {"GET": self._fetch, "POST": self._update}),
            Resource("Conferences/{conference_sid}/Participants", {"GET": self._participants, "POST": self._add}),
            Resource("Conferences/{conference_sid}/Participants/{participant}", one),
        ]

    async def _list(self, ask: Ask) -> Reply:
        form, asked = ask.form, asked_page(ask.form)
        search = ConferenceSearch(
            account_sid=ask.account_sid,
            friendly_name=form.text("FriendlyName"),
            status=form.choice("Status", STATUSES, default=None),
            created=between(form.instants("DateCreated")),
            updated=between(form.instants("DateUpdated")),
        )
        await self._store.flush()
        found, has_more = await self._store.search_conferences(search, place_of(asked))
        page = Page(
            key="conferences",
            rows=[conference_resource(record) for record in found],
            sids=[record.sid for record in found],
            has_more=has_more,
            asked=asked,
        )
        return Reply(resource=page)

    async def _fetch(self, ask: Ask) -> Reply:
        return _shown(await self._record(ask))

    async def _update(self, ask: Ask) -> Reply:
        record = await self._record(ask)
        room = self._conferences.get(record.sid)
        ends = ask.form.choice("Status", ("completed",), default=None) is not None
        announcement = _document(ask.form, "AnnounceUrl", "AnnounceMethod", default="POST")
        if room is None:
            if ends or announcement is not None:
                raise bad_parameter(BAD_PARAMETER, "The conference is completed: it cannot be changed")
            return _shown(record)
        if announcement is not None:
            room.announce(announcement)
        if ends:
            room.end()
        return _shown(room.record())

    async def _participants(self, ask: Ask) -> Reply:
        form, asked = ask.form, asked_page(ask.form)
        record = await self._record(ask)
        room = self._conferences.get(record.sid)
        wanted = {name: form.boolean(name, default=False) for name in ("Muted", "Hold", "Coaching") if form.text(name)}
        # Newest first, as every list.
        known = [] if room is None else [*room.participants, *room.invited][::-1]
        found = [each for each in known if _fits(each, wanted)]
        cut, has_more = paged(found, [each.call_sid for each in found], asked)
        page = Page(
            key="participants",
            rows=[self._shown_participant(room, each) for each in cut if room is not None],
            sids=[each.call_sid for each in cut],
            has_more=has_more,
            asked=asked,
        )
        return Reply(resource=page)

    async def _add(self, ask: Ask) -> Reply:
        room, name = await self._room_to_join(ask)
        wanted = participant_order(ask.form, room=name, account_sid=ask.account_sid, router=self._services.router)
        facts = wanted.order.facts
        timeline = Timeline(self._services, facts, leg_id="")
        admission = replace(admission_of(_Expected(facts, timeline), wanted.noun, None), participant=wanted.participant)
        try:
            room = self._conferences.invite(
                self._services, facts, name, admission, hang_up=lambda: self._hang_up(facts.sid)
            )
        except RoomRefused as refused:
            raise bad_parameter(refused.code, refused.message) from None
        call = None
        try:
            call = self._launch(replace(wanted.order, afterwards=lambda: room.missed(facts.sid)))
        finally:
            if call is None:
                room.missed(facts.sid)
        if call is None:
            raise too_many()
        for parameter in WITHOUT_EFFECT:
            if ask.form.has(parameter):
                timeline.warn(NOT_EXECUTED, f"{parameter} has no effect on participants that are called here")
        if _boolean(ask.form, "EarlyMedia"):
            timeline.warn(NOT_EXECUTED, "EarlyMedia: the conference hears the participant from its answer on")
        resource = self._shown_participant(room, wanted.participant)
        await until_on_record(self._store)
        return Reply(resource=resource, name="Participant", status=201)

    async def _room_to_join(self, ask: Ask) -> tuple[Room | None, str]:
        """The room that goes on, or none; and its name. One that is over cannot be joined by its sid."""
        asked = ask.parts["conference_sid"]
        room = self._live(ask)
        if room is None and is_sid("CF", asked):
            await self._record(ask)
            raise bad_parameter(GONE, "The conference is completed: nobody can be added")
        return room, asked if room is None else room.name

    def _hang_up(self, call_sid: str) -> None:
        call = self._calls.get(call_sid)
        if call is not None:
            call.hangup()

    async def _participant(self, ask: Ask) -> Reply:
        room, participant = await self._found(ask)
        return self._reply(room, participant)

    async def _change(self, ask: Ask) -> Reply:
        room, participant = await self._found(ask)
        form, call_sid = ask.form, participant.call_sid
        change = Modified(
            call_sid=call_sid,
            ends_on_exit=_boolean(form, "EndConferenceOnExit"),
            beeps_on_exit=_boolean(form, "BeepOnExit"),
            is_coaching=_boolean(form, "Coaching"),
            coach_of=form.text("CallSidToCoach"),
        )
        hold_document = _document(form, "HoldUrl", "HoldMethod", default="GET")
        announcement = _document(form, "AnnounceUrl", "AnnounceMethod", default="POST")
        is_held, is_muted = _boolean(form, "Hold"), _boolean(form, "Muted")
        if room.attendance(call_sid) is None and (hold_document is not None or announcement is not None):
            raise bad_parameter(BAD_PARAMETER, "The participant has not joined yet: there is nobody to hear a document")
        if change != Modified(call_sid=call_sid):
            try:
                room.modify(change)
            except RoomRefused as refused:
                raise bad_parameter(refused.code, refused.message) from None
        if is_muted is not None:
            room.mute(call_sid, is_muted=is_muted)
        if is_held is not None:
            room.hold(call_sid, is_held=is_held, ambience=hold_document)
        if announcement is not None:
            room.announce_to(call_sid, announcement)
        return self._reply(room, participant)

    async def _kick(self, ask: Ask) -> Reply:
        room, participant = await self._found(ask)
        room.kick(participant.call_sid)
        return Reply()

    async def _record(self, ask: Ask) -> ConferenceRecord:
        """By sid, or the conference of that name that is going on now."""
        asked = ask.parts["conference_sid"]
        room = self._live(ask)
        if room is not None:
            record: ConferenceRecord | None = room.record()
        else:
            await self._store.flush()
            record = await self._store.conference(asked) if is_sid("CF", asked) else None
        if record is None or record.account_sid != ask.account_sid:
            raise not_found(ask.path)
        return record

    def _live(self, ask: Ask) -> Room | None:
        """The account's room of that sid or name that goes on."""
        asked = ask.parts["conference_sid"]
        room = self._conferences.get(asked) or self._conferences.named(asked, account_sid=ask.account_sid)
        return room if room is not None and room.account_sid == ask.account_sid else None

    async def _found(self, ask: Ask) -> tuple[Room, Participant]:
        """By the CallSid or the label of one who is in the room, or on the way to it."""
        record = await self._record(ask)
        room = self._conferences.get(record.sid)
        known = [] if room is None else [*room.participants, *room.invited]
        asked = ask.parts["participant"]
        participant = next((each for each in known if asked in (each.call_sid, each.label)), None)
        if room is None or participant is None:
            raise not_found(ask.path)
        return room, participant

    def _reply(self, room: Room, before: Participant) -> Reply:
        """before: how it was, of one who left while it was changed."""
        known = [*room.participants, *room.invited]
        participant = next((each for each in known if each.call_sid == before.call_sid), before)
        return Reply(resource=self._shown_participant(room, participant), name="Participant")

    def _shown_participant(self, room: Room, participant: Participant) -> dict[str, Any]:
        record, attendance = room.record(), room.attendance(participant.call_sid)
        call = self._calls.get(participant.call_sid)
        joined_at = record.date_created if attendance is None else attendance.joined_at
        uri = f"{ROOT}/Accounts/{record.account_sid}/Conferences/{record.sid}/Participants/{participant.call_sid}.json"
        return {
            "account_sid": record.account_sid,
            "call_sid": participant.call_sid,
            "label": participant.label,
            "conference_sid": record.sid,
            "call_sid_to_coach": participant.coach_of,
            "coaching": participant.is_coaching,
            "date_created": rfc2822(joined_at),
            "date_updated": rfc2822(joined_at),
            "end_conference_on_exit": participant.ends_on_exit,
            "muted": participant.is_muted,
            "hold": participant.is_held,
            "start_conference_on_enter": participant.starts_on_enter,
            "status": "connected" if attendance is not None else _way(call),
            "queue_time": str(0 if call is None else call.progress.queue_time_ms),
            "uri": uri,
        }


def _way(call: LiveCall | None) -> str:
    """Status of a participant who is not in the room."""
    return "complete" if call is None else _WAYS.get(call.status, "failed")


def _shown(record: ConferenceRecord) -> Reply:
    return Reply(resource=conference_resource(record), name="Conference")


def _boolean(form: Form, name: str) -> bool | None:
    return form.boolean(name, default=False) if form.text(name) is not None else None


def _document(form: Form, url_name: str, method_name: str, *, default: str) -> Fetch | None:
    url = form.url(url_name, code=BAD_URL)
    return None if url is None else Fetch(url=url, method=form.method(method_name, default=default, code=BAD_METHOD))


def _fits(participant: Participant, wanted: dict[str, bool]) -> bool:
    found = {"Muted": participant.is_muted, "Hold": participant.is_held, "Coaching": participant.is_coaching}
    return all(found[name] is value for name, value in wanted.items())


def conference_resource(record: ConferenceRecord) -> dict[str, Any]:
    """The Conference resource as Twilio's helpers read it."""
    uri = f"{ROOT}/Accounts/{record.account_sid}/Conferences/{record.sid}"
    return {
        "sid": record.sid,
        "account_sid": record.account_sid,
        "friendly_name": record.friendly_name,
        "api_version": API_VERSION,
        "date_created": rfc2822(record.date_created),
        "date_updated": rfc2822(record.date_updated),
        "region": record.region,
        "status": record.status,
        "reason_conference_ended": record.reason_conference_ended,
        "call_sid_ending_conference": record.call_sid_ending_conference,
        "uri": f"{uri}.json",
        "subresource_uris": {"participants": f"{uri}/Participants.json", "recordings": f"{uri}/Recordings.json"},
    }
