"""A conference while it lives: the shell of ConferenceModel on a mix, callbacks, recordings and records.

Owns the mix and the announcements to all. What each participant hears is attendance.py's. Whatever happens is told to
the model, and what it says then is done at once, so that nothing of a conference survives its last call.
Source: Twilio <Conference>; Twilio Conference and Participant resources.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from gateway.call import CallStatus
from gateway.interpreter import ScriptError
from gateway.parameters import CallFacts, Parameters
from gateway.recordings import ActiveRecording, RecordingOrder
from gateway.rooms.ambience import ANNOUNCEMENT, Ambience
from gateway.rooms.announcing import RoomVoice
from gateway.rooms.attendance import Admission, Attendance, RecordingWish, RoomSettings
from gateway.rooms.callbacks import conference_parameters
from gateway.rooms.conference_events import (
    Announced,
    Beep,
    Close,
    ConferenceState,
    Dismiss,
    EndedByApi,
    Entered,
    Held,
    Invited,
    LeaveReason,
    Left,
    Missed,
    Modified,
    Muted,
    Participant,
    Post,
    Refuse,
    RoomEffect,
    RoomEvent,
    Seat,
    Seated,
    StartRecording,
    Uninvite,
)
from gateway.rooms.conference_model import ConferenceModel
from gateway.scripted import ScriptedCall
from gateway.services import Services
from gateway.sids import new_sid
from gateway.store.records import ConferenceRecord, Operation, OwedCallback
from gateway.twiml.values import ConferenceEvent
from gateway.verbs.outcome import Fetch
from gateway.webhooks.errors import FetchError
from media.engine import MediaPort, Mix, Mixed, PortsExhausted
from media.music import entry_chime, exit_chime
from media.player import Clip

NOT_RECORDED: Final = 13750


class RoomRefused(Exception):
    """A call may not come in, or a change may not be made. code: Twilio's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class Room:
    """Made for the first call that comes; ``on_close`` is told when the last has gone.

    music: for those who wait without a waitUrl. What REST asks for is refused with RoomRefused.
    """

    def __init__(
        self,
        services: Services,
        *,
        name: str,
        owner: CallFacts,
        settings: RoomSettings,
        mix: Mix,
        music: Clip,
        on_close: Callable[["Room"], None],
    ) -> None:
        self.sid = new_sid("CF")
        self.name = name
        self.music = music
        self._services = services
        self._settings = settings
        self._mix = mix
        self._on_close = on_close
        self._owner_sid = owner.sid
        self.account_sid = owner.account_sid
        self._model = ConferenceModel(max_participants=settings.max_participants)
        self._attendances: dict[str, Attendance] = {}
        self._hang_up: dict[str, Callable[[], None]] = {}
        self._wish: RecordingWish | None = None
        self._recording: ActiveRecording | None = None
        self._announcements: set[asyncio.Task[None]] = set()
        self._created_at: datetime = services.now()
        self._ended: Close | None = None

    @property
    def participants(self) -> list[Participant]:
        return list(self._model.participants.values())

    @property
    def invited(self) -> list[Participant]:
        """Those whose calls are on the way."""
        return list(self._model.invited.values())

    @property
    def state(self) -> ConferenceState:
        return self._model.state

    @property
    def recording(self) -> ActiveRecording | None:
        """The recording that runs."""
        return self._recording

    def attendance(self, sid_or_label: str) -> Attendance | None:
        """By the CallSid or the label of a participant."""
        found = self._attendances.get(sid_or_label)
        if found is not None:
            return found
        labelled = (each.call_sid for each in self.participants if each.label == sid_or_label)
        return next((self._attendances[sid] for sid in labelled), None)

    def enter(self, call: ScriptedCall, admission: Admission) -> Attendance:
        """Raises RoomRefused; the room is then as it was."""
        refusal = self._model.refusal_of(self._model.expected(admission.participant))
        if refusal is not None:
            raise RoomRefused(refusal.code, refusal.message)
        self._hang_up.pop(call.facts.sid, None)
        attendance = self._attendances[call.facts.sid] = Attendance(
            call,
            admission,
            tell=self.tell,
            music=self.music,
            tells_speakers=self._settings.callback_url is not None
            and ConferenceEvent.SPEAKER in self._settings.callback_events,
        )
        if self._wish is None:
            self._wish = admission.recording
        wants_recording = admission.recording is not None
        self.tell(Entered(participant=admission.participant, wants_recording=wants_recording))
        return attendance

    def invite(self, participant: Participant, *, hang_up: Callable[[], None]) -> None:
        """A call is placed to bring somebody in; hang_up: ends it. Raises RoomRefused; the room is then as it was."""
        refusal = self._model.refusal_of(participant)
        if refusal is not None:
            raise RoomRefused(refusal.code, refusal.message)
        self.tell(Invited(participant))
        self._hang_up[participant.call_sid] = hang_up

    def missed(self, call_sid: str) -> None:
        """The call that was to bring somebody in is over, whether it did or not."""
        self._hang_up.pop(call_sid, None)
        self.tell(Missed(call_sid))

    def discard(self) -> None:
        """Of a room that nobody ever came into, nothing remains."""
        self._mix.close()
        self._on_close(self)

    # What the REST API asks for.

    def mute(self, call_sid: str, *, is_muted: bool) -> None:
        self.tell(Muted(call_sid=call_sid, is_muted=is_muted))

    def hold(self, call_sid: str, *, is_held: bool, ambience: Ambience | None = None) -> None:
        """ambience: what is heard meanwhile; None: as before, at first music."""
        attendance = self._attendances.get(call_sid)
        if attendance is not None and ambience is not None:
            attendance.change_hold(ambience)
        self.tell(Held(call_sid=call_sid, is_held=is_held))

    def modify(self, change: Modified) -> None:
        """Coaching and what happens at the exit. Raises RoomRefused for a coach of nobody."""
        for effect in self.tell(change):
            if isinstance(effect, Refuse):
                raise RoomRefused(effect.code, effect.message)

    def kick(self, call_sid: str) -> None:
        self.tell(Left(call_sid=call_sid, reason=LeaveReason.UPDATED_VIA_API, was_kicked=True))

    def announce(self, document: Fetch) -> None:
        """Everybody in the room hears the document beside the others. Nothing happens before the room has begun."""
        member = next(iter(self._attendances.values()), None)
        if member is None or self.state is not ConferenceState.IN_PROGRESS:
            return
        task = asyncio.create_task(self._announce(member.call, document), name=f"{self.sid} announcement")
        self._announcements.add(task)
        task.add_done_callback(self._announcements.discard)

    def announce_to(self, call_sid: str, document: Fetch) -> None:
        """One participant hears the document, and nothing else meanwhile."""
        attendance = self._attendances.get(call_sid)
        if attendance is not None:
            attendance.announce(document)

    def end(self) -> None:
        self.tell(EndedByApi())

    # The model's shell.

    def tell(self, event: RoomEvent) -> tuple[RoomEffect, ...]:
        """Hand an event to the model and do what it says; returns what that was."""
        before = self._model.state
        effects = self._model.receive(event)
        facts: list[Operation] = []
        for effect in effects:
            match effect:
                case Post():
                    facts += self._owed(effect)
                case Seated(call_sid, seat):
                    self._attendances[call_sid].take(seat, self._mix, self._listeners(seat))
                case StartRecording():
                    self._start_recording()
                case Dismiss(call_sid):
                    self._attendances.pop(call_sid).dismiss()
                case Uninvite(call_sid):
                    self._hang_up.pop(call_sid)()
                case Close():
                    self._close(effect)
                case Beep(is_entry):
                    self._mix.play_nowait(entry_chime() if is_entry else exit_chime())
                case Refuse():
                    pass
        if self._model.state is not before or isinstance(event, (Entered, Invited)):
            facts.insert(0, self.record())
        if facts:
            self._services.store.write_soon(*facts)
        return effects

    def record(self) -> ConferenceRecord:
        settings, ended = self._settings, self._ended
        return ConferenceRecord(
            sid=self.sid,
            account_sid=self.account_sid,
            friendly_name=self.name,
            status=self._model.state.value,
            region=settings.region,
            date_created=self._created_at,
            date_updated=self._services.now(),
            reason_conference_ended=None if ended is None else ended.reason.value,
            call_sid_ending_conference=None if ended is None else ended.call_sid,
            status_callback=settings.callback_url,
            status_callback_method=settings.callback_method,
            status_callback_events=tuple(sorted(event.value for event in settings.callback_events)),
            sequence=self._model.sequence,
        )

    def _listeners(self, seat: Seat) -> list[MediaPort] | None:
        """Of a coach: the one he speaks to, who may have gone."""
        if seat.heard_by is None:
            return None
        coached = self._attendances.get(seat.heard_by)
        return [] if coached is None else [coached.port]

    def _start_recording(self) -> None:
        wish = self._wish or RecordingWish()
        order = RecordingOrder(
            call_sid=self._owner_sid,
            account_sid=self.account_sid,
            conference_sid=self.sid,
            source="Conference",
            is_trimmed=wish.is_trimmed,
            callback_url=wish.callback_url,
            callback_method=wish.callback_method,
            callback_events=wish.callback_events,
        )
        # As wide as the best of those who are there at its start.
        rate_hz = max(attendance.port.rate_hz for attendance in self._attendances.values())
        try:
            self._recording = self._services.recordings.begin(order, [[Mixed(self._mix)]], rate_hz=rate_hz)
        except PortsExhausted as error:
            member = next(iter(self._attendances.values()))
            member.call.timeline.warn(NOT_RECORDED, f"conference not recorded: {error}", level="error")

    async def _announce(self, member: ScriptedCall, document: Fetch) -> None:
        voice = RoomVoice(member, self._mix, conference_sid=self.sid, friendly_name=self.name)
        failure = None
        try:
            await self._services.interpreter.perform(voice, document, ANNOUNCEMENT)
        except (FetchError, ScriptError) as error:
            member.timeline.warn(int(error.code), error.message, level="error", url=error.url)
            failure = error.message
        self.tell(Announced(url=document.url, failure=failure))

    def _close(self, effect: Close) -> None:
        self._ended = effect
        if self._recording is not None:
            self._recording.finish()
            self._recording = None
        for announcement in self._announcements:
            announcement.cancel()
        self._mix.close()
        self._on_close(self)

    def _owed(self, post: Post) -> list[Operation]:
        settings = self._settings
        if settings.callback_url is None or post.subject not in settings.callback_events:
            return []
        now = self._services.now()
        return [
            OwedCallback(
                order_key=self.sid,
                url=settings.callback_url,
                method=settings.callback_method,
                params=tuple(self._parameters(post, now)),
                created_at=now,
                call_sid=self._owner_sid if post.participant is None else post.participant.call_sid,
            )
        ]

    def _parameters(self, post: Post, now: datetime) -> Parameters:
        return conference_parameters(
            post,
            conference_sid=self.sid,
            friendly_name=self.name,
            account_sid=self.account_sid,
            at=now,
            call_status=self._leaver_status(post),
        )

    def _leaver_status(self, post: Post) -> str | None:
        if post.subject is not ConferenceEvent.LEAVE or post.participant is None:
            return None
        call = self._attendances[post.participant.call_sid].call
        return (call.status if call.leg.events.ended is None else CallStatus.COMPLETED).value
