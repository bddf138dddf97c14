"""A conference while it lives: the shell of ConferenceModel on ports, documents, callbacks and records.

Owns the mix and what belongs to each participant while he is in: what he hears, and the document that plays it.
A participant is a call whose <Dial> waits in ``Attendance.until_over``; whatever ends that tells the room, and what
the room does then is done at once, so that nothing of a conference survives its last call.
Source: Twilio <Conference>; Twilio Conference and Participant resources.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.call import CallStatus
from gateway.interpreter import ScriptError
from gateway.parameters import Parameters
from gateway.recordings import ActiveRecording
from gateway.rooms.ambience import WAITING, Ambience, Music, Quiet
from gateway.rooms.callbacks import conference_parameters
from gateway.rooms.conference_events import (
    Beep,
    Close,
    Dismiss,
    EndedByApi,
    Entered,
    Hears,
    Held,
    LeaveReason,
    Left,
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
)
from gateway.rooms.conference_model import ConferenceModel
from gateway.scripted import ScriptedCall
from gateway.services import Services
from gateway.sids import new_sid
from gateway.store.records import ConferenceRecord, Operation, OwedCallback
from gateway.twiml.values import ConferenceEvent
from gateway.verbs.outcome import Fetch
from gateway.webhooks.errors import FetchError
from media.engine import Mix, Silence
from media.player import Clip

WIDEST_RECORDING_HZ: Final = 16000


class RoomRefused(Exception):
    """A call may not come in, or a change may not be made. code: Twilio's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class RecordingWish:
    """How the conference is to be recorded; of the first participant who asks for it."""

    is_trimmed: bool = True
    callback_url: str | None = None
    callback_method: str = "POST"
    callback_events: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True, kw_only=True)
class RoomSettings:
    """What of the first participant's noun holds for the whole conference."""

    max_participants: int = 250
    region: str | None = None
    callback_url: str | None = None
    callback_method: str = "POST"
    callback_events: frozenset[ConferenceEvent] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Admission:
    """How a call wants to take part."""

    participant: Participant
    waiting: Ambience = Music()
    recording: RecordingWish | None = None
    settings: RoomSettings = RoomSettings()


class Attendance:
    """One call in a room. Its verb waits in ``until_over`` and calls ``leave`` whatever happens."""

    def __init__(self, room: "Room", call: ScriptedCall, admission: Admission) -> None:
        self.call = call
        self.admission = admission
        self.hold: Ambience = Music()
        self.was_connected = False
        self.joined_at = call.services.now()
        self.has_failed = False
        self._room = room
        self._seat: Seat | None = None
        self._is_over = asyncio.Event()
        self._ambience: asyncio.Task[None] | None = None

    async def until_over(self) -> None:
        """Returns when the call is in the room no more."""
        await self._is_over.wait()

    def leave(self, reason: LeaveReason = LeaveReason.HUNG_UP) -> None:
        """Idempotent."""
        self._room.tell(Left(call_sid=self.call.facts.sid, reason=reason))

    def take(self, seat: Seat, mix: Mix) -> None:
        """Hear and be heard as the room says from now on."""
        port, before = self.call.leg.media, self._seat
        self._seat = seat
        port.join(mix if seat.speaks and seat.heard_by is None else None)
        if before is not None and before.hears is seat.hears:
            return
        self._stop_ambience()
        match seat.hears:
            case Hears.WAITING:
                self._start_ambience(self.admission.waiting, is_waiting=True)
            case Hears.HOLD:
                self._start_ambience(self.hold, is_waiting=False)
            case Hears.ROOM:
                self.was_connected = True
                port.hear(mix)

    def change_hold(self, ambience: Ambience) -> None:
        """What is heard on hold; at once if it is on hold now."""
        self.hold = ambience
        if self._seat is not None and self._seat.hears is Hears.HOLD:
            self._stop_ambience()
            self._start_ambience(ambience, is_waiting=False)

    def dismiss(self) -> None:
        """For the room: it has no place for this call any more."""
        self._stop_ambience()
        self.call.leg.media.join(None)
        self.call.leg.media.hear(Silence())
        self._is_over.set()

    def _start_ambience(self, ambience: Ambience, *, is_waiting: bool) -> None:
        match ambience:
            case Music():
                self.call.leg.media.play_nowait(self._room.music)
            case Quiet():
                self.call.leg.media.hear(Silence())
            case Fetch():
                self._ambience = self.call.spawn(
                    self._perform(ambience, is_waiting=is_waiting), name="waits" if is_waiting else "on hold"
                )

    def _stop_ambience(self) -> None:
        if self._ambience is not None:
            self._ambience.cancel()
            self._ambience = None

    async def _perform(self, document: Fetch, *, is_waiting: bool) -> None:
        """Run out of verbs, there is silence. A waiting document that fails costs the place in the room."""
        try:
            await self.call.services.interpreter.perform(self.call, document, WAITING)
        except (FetchError, ScriptError) as error:
            self.call.timeline.warn(int(error.code), error.message, level="error", url=error.url)
            if is_waiting:
                self.has_failed = True
                # This task is the ambience: it must not be cancelled by what its own failure leads to.
                self._ambience = None
                self.leave(LeaveReason.ADD_FAILED)
                return
        self.call.leg.media.hear(Silence())


class Room:
    """Made for the first call that comes; ``on_close`` is told when the last has gone.

    music: for those who wait without a waitUrl. What REST asks for is refused with RoomRefused.
    """

    def __init__(
        self,
        services: Services,
        *,
        name: str,
        owner: ScriptedCall,
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
        self._owner_sid = owner.facts.sid
        self._account_sid = owner.facts.account_sid
        self._model = ConferenceModel(max_participants=settings.max_participants)
        self._attendances: dict[str, Attendance] = {}
        self._wish: RecordingWish | None = None
        self._recording: ActiveRecording | None = None
        self._created_at: datetime = services.now()
        self._ended: Close | None = None

    @property
    def participants(self) -> list[Participant]:
        return list(self._model.participants.values())

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
        refusal = self._model.refusal_of(admission.participant)
        if refusal is not None:
            raise RoomRefused(refusal.code, refusal.message)
        attendance = self._attendances[call.facts.sid] = Attendance(self, call, admission)
        if self._wish is None:
            self._wish = admission.recording
        wants_recording = admission.recording is not None
        self.tell(Entered(participant=admission.participant, wants_recording=wants_recording))
        return attendance

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
                    self._attendances[call_sid].take(seat, self._mix)
                case StartRecording():
                    self._start_recording()
                case Dismiss(call_sid):
                    self._attendances.pop(call_sid).dismiss()
                case Close():
                    self._close(effect)
                case Beep() | Refuse():
                    pass
        if self._model.state is not before or isinstance(event, Entered):
            facts.insert(0, self.record())
        if facts:
            self._services.store.write_soon(*facts)
        return effects

    def record(self) -> ConferenceRecord:
        settings, ended = self._settings, self._ended
        return ConferenceRecord(
            sid=self.sid,
            account_sid=self._account_sid,
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

    def _start_recording(self) -> None:
        pass

    def _close(self, effect: Close) -> None:
        self._ended = effect
        if self._recording is not None:
            self._recording.finish()
            self._recording = None
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
            account_sid=self._account_sid,
            at=now,
            call_status=self._leaver_status(post),
        )

    def _leaver_status(self, post: Post) -> str | None:
        if post.subject is not ConferenceEvent.LEAVE or post.participant is None:
            return None
        call = self._attendances[post.participant.call_sid].call
        return (call.status if call.leg.events.ended is None else CallStatus.COMPLETED).value
