"""The course of a conference: who waits, who hears whom, when it begins and ends, and what is told about it.

Pure: no IO, no clock, no asyncio. Events in, effects out; what nobody foresaw raises IllegalEvent and changes nothing.
Owns ConferenceModel and MOVES; events and effects are conference_events.py. conference.py alone runs the effects.
Editing rule: every move is a row of MOVES or IGNORED; tests/gateway/rooms/test_conference_model.py fails on a pair
that nobody decided.
Source: Twilio <Conference>; Twilio Participant resource; Errors 13240, 16020, 16022, 16025.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.call import IllegalEvent
from gateway.rooms.conference_events import (
    Announced,
    Beep,
    Close,
    ConferenceState,
    Dismiss,
    EndedByApi,
    EndReason,
    Entered,
    Hears,
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
    Spoke,
    StartRecording,
    Uninvite,
)
from gateway.twiml.values import ConferenceEvent

FULL: Final = 16020
GONE: Final = 16022
LABEL_IN_USE: Final = 16025
BAD_COACH: Final = 13240

_SENTENCES: Final[Mapping[EndReason, str]] = {
    EndReason.VIA_API: "the conference was ended by the REST API",
    EndReason.LAST_KICKED: "the last participant was removed",
    EndReason.LAST_LEFT: "the last participant left",
    EndReason.MODERATOR_KICKED: "a participant with endConferenceOnExit was removed",
    EndReason.MODERATOR_LEFT: "a participant with endConferenceOnExit left",
}


class ConferenceModel:
    """participants: by CallSid, in the order in which they came. max_participants: of the first one's noun.

    invited: those whose calls are on the way; a room is not over as long as there are any.
    """

    def __init__(self, *, max_participants: int = 250) -> None:
        self.state = ConferenceState.INIT
        self.participants: dict[str, Participant] = {}
        self.invited: dict[str, Participant] = {}
        self._seats: dict[str, Seat] = {}
        self._max_participants = max_participants
        self._sequence = 0
        self._wants_recording = False
        self._is_recorded = False

    @property
    def sequence(self) -> int:
        """SequenceNumber of the last event that was told."""
        return self._sequence

    def seat_of(self, call_sid: str) -> Seat:
        return self._seats[call_sid]

    def expected(self, newcomer: Participant) -> Participant:
        """Somebody who comes in: as he was invited, and changed since, if he was."""
        return self.invited.get(newcomer.call_sid, newcomer)

    def receive(self, event: RoomEvent) -> tuple[RoomEffect, ...]:
        pair = (self.state, type(event))
        if pair in IGNORED:
            return ()
        move = MOVES.get(pair)
        if move is None:
            raise IllegalEvent(f"{type(event).__name__} cannot happen to a conference that is {self.state.value}")
        return tuple(move(self, event))

    def refusal_of(self, participant: Participant) -> Refuse | None:
        """Why he may not come in, if he may not."""
        if participant.call_sid in self.participants:
            return Refuse(GONE, "the call is in this conference already")
        others = [each for sid, each in self._known().items() if sid != participant.call_sid]
        if len(others) >= self._max_participants:
            return Refuse(FULL, f"expected less than {self._max_participants} participants, found all there")
        if participant.label is not None and any(other.label == participant.label for other in others):
            return Refuse(LABEL_IN_USE, f"expected a label that is not in use, found {participant.label!r}")
        if participant.coach_of is not None and participant.coach_of not in self.participants:
            return Refuse(BAD_COACH, "expected the CallSid of a participant to coach, found nobody with it")
        return None

    # Moves.

    def _invite(self, event: Invited) -> list[RoomEffect]:
        refusal = self.refusal_of(event.participant)
        if refusal is not None:
            return [refusal]
        self.invited[event.participant.call_sid] = event.participant
        return []

    def _miss(self, event: Missed) -> list[RoomEffect]:
        """Of one who came in all the same, nothing is said: he leaves by himself."""
        return [] if self.invited.pop(event.call_sid, None) is None else self._end_if_empty(event.call_sid)

    def _enter(self, event: Entered) -> list[RoomEffect]:
        newcomer = self.expected(event.participant)
        refusal = self.refusal_of(newcomer)
        if refusal is not None:
            return [refusal]
        self.invited.pop(newcomer.call_sid, None)
        self.participants[newcomer.call_sid] = newcomer
        self._wants_recording |= event.wants_recording
        effects: list[RoomEffect] = [self._post("participant-join", ConferenceEvent.JOIN, newcomer)]
        if self.state is ConferenceState.INIT and self._may_begin():
            self.state = ConferenceState.IN_PROGRESS
            effects.append(self._post("conference-start", ConferenceEvent.START))
        effects += self._reseat()
        if self.state is ConferenceState.IN_PROGRESS:
            if self._wants_recording and not self._is_recorded:
                self._is_recorded = True
                effects.append(StartRecording())
            if newcomer.beeps_on_enter:
                effects.append(Beep(is_entry=True))
        return effects

    def _may_begin(self) -> bool:
        """Source: Twilio <Conference>: two participants, one of them with startConferenceOnEnter."""
        return len(self.participants) > 1 and any(each.starts_on_enter for each in self.participants.values())

    def _refuse_gone(self, _event: Entered | Invited) -> list[RoomEffect]:
        return [Refuse(GONE, "the conference is over")]

    def _leave(self, event: Left) -> list[RoomEffect]:
        if event.call_sid in self.invited:
            del self.invited[event.call_sid]
            return [Uninvite(event.call_sid), *self._end_if_empty(event.call_sid, was_kicked=event.was_kicked)]
        leaver = self.participants.pop(event.call_sid, None)
        if leaver is None:
            return []
        del self._seats[event.call_sid]
        effects: list[RoomEffect] = [self._post_leave(leaver, event.reason), Dismiss(event.call_sid)]
        # Whoever never got in takes nobody with him.
        if leaver.ends_on_exit and event.reason is not LeaveReason.ADD_FAILED:
            why = EndReason.MODERATOR_KICKED if event.was_kicked else EndReason.MODERATOR_LEFT
            return effects + self._end(why, LeaveReason.MODERATOR_ENDED_CONFERENCE, leaver)
        if not self._known():
            return effects + self._end_if_empty(leaver.call_sid, leaver, was_kicked=event.was_kicked)
        if leaver.beeps_on_exit and self.state is ConferenceState.IN_PROGRESS:
            effects.append(Beep(is_entry=False))
        return effects

    def _mute(self, event: Muted) -> list[RoomEffect]:
        name = "participant-mute" if event.is_muted else "participant-unmute"
        return self._change(event.call_sid, name, ConferenceEvent.MUTE, is_muted=event.is_muted)

    def _hold(self, event: Held) -> list[RoomEffect]:
        name = "participant-hold" if event.is_held else "participant-unhold"
        return self._change(event.call_sid, name, ConferenceEvent.HOLD, is_held=event.is_held)

    def _modify(self, event: Modified) -> list[RoomEffect]:
        if event.coach_of is not None and event.coach_of not in self.participants:
            return [Refuse(BAD_COACH, "expected the CallSid of a participant to coach, found nobody with it")]
        wanted = {
            "ends_on_exit": event.ends_on_exit,
            "beeps_on_exit": event.beeps_on_exit,
            "is_coaching": event.is_coaching,
            "coach_of": event.coach_of,
        }
        changes = {name: value for name, value in wanted.items() if value is not None}
        return self._change(event.call_sid, "participant-modify", ConferenceEvent.MODIFY, **changes)

    def _speak(self, event: Spoke) -> list[RoomEffect]:
        speaker = self.participants.get(event.call_sid)
        if speaker is None:
            return []
        name = "participant-speech-start" if event.has_begun else "participant-speech-stop"
        return [self._post(name, ConferenceEvent.SPEAKER, speaker)]

    def _announced(self, event: Announced) -> list[RoomEffect]:
        name = "announcement-end" if event.failure is None else "announcement-fail"
        participant = None if event.call_sid is None else self.participants.get(event.call_sid)
        more = [("AnnounceUrl", event.url)]
        if event.failure is not None:
            more.append(("ReasonAnnouncementFailed", event.failure))
        return [self._post(name, ConferenceEvent.ANNOUNCEMENT, participant, more)]

    def _end_by_api(self, _event: EndedByApi) -> list[RoomEffect]:
        return self._end(EndReason.VIA_API, LeaveReason.CONFERENCE_ENDED_VIA_API, None)

    # Pieces.

    def _change(self, call_sid: str, name: str, subject: ConferenceEvent, **changes: Any) -> list[RoomEffect]:
        """Told only if something is other than it was. Of one who is still to come it holds from his coming on."""
        if call_sid in self.invited:
            self.invited[call_sid] = replace(self.invited[call_sid], **changes)
            return []
        before = self.participants.get(call_sid)
        if before is None:
            return []
        after = replace(before, **changes)
        if after == before:
            return []
        self.participants[call_sid] = after
        return [self._post(name, subject, after), *self._reseat()]

    def _reseat(self) -> list[RoomEffect]:
        """Where everybody sits now; an effect for each who sits elsewhere than before."""
        effects: list[RoomEffect] = []
        for call_sid, participant in self.participants.items():
            seat = self._seat(participant)
            if self._seats.get(call_sid) != seat:
                self._seats[call_sid] = seat
                effects.append(Seated(call_sid, seat))
        return effects

    def _seat(self, participant: Participant) -> Seat:
        if participant.is_held:
            return Seat(Hears.HOLD, speaks=False)
        if self.state is ConferenceState.INIT:
            return Seat(Hears.WAITING, speaks=False)
        heard_by = participant.coach_of if participant.is_coaching else None
        return Seat(Hears.ROOM, speaks=not participant.is_muted, heard_by=heard_by)

    def _known(self) -> dict[str, Participant]:
        """Whoever is in the room or on the way to it."""
        return {**self.participants, **self.invited}

    def _end_if_empty(
        self, call_sid: str, leaver: Participant | None = None, *, was_kicked: bool = False
    ) -> list[RoomEffect]:
        """leaver: who was the last; None: somebody who never came."""
        if self._known():
            return []
        why = EndReason.LAST_KICKED if was_kicked else EndReason.LAST_LEFT
        return self._end(why, LeaveReason.HUNG_UP, leaver or Participant(call_sid=call_sid))

    def _end(self, why: EndReason, reason: LeaveReason, ending: Participant | None) -> list[RoomEffect]:
        effects: list[RoomEffect] = [Uninvite(call_sid) for call_sid in self.invited]
        self.invited.clear()
        for participant in self.participants.values():
            effects += [self._post_leave(participant, reason), Dismiss(participant.call_sid)]
        self.participants.clear()
        self._seats.clear()
        self.state = ConferenceState.COMPLETED
        more = [("ReasonConferenceEnded", why.value), ("Reason", _SENTENCES[why])]
        if ending is not None:
            more.insert(0, ("CallSidEndingConference", ending.call_sid))
            if ending.label is not None:
                more.insert(1, ("ParticipantLabelEndingConference", ending.label))
        effects.append(self._post("conference-end", ConferenceEvent.END, None, more))
        return [*effects, Close(why, None if ending is None else ending.call_sid)]

    def _post_leave(self, leaver: Participant, reason: LeaveReason) -> Post:
        return self._post("participant-leave", ConferenceEvent.LEAVE, leaver, [("ReasonParticipantLeft", reason.value)])

    def _post(
        self,
        name: str,
        subject: ConferenceEvent,
        participant: Participant | None = None,
        more: list[tuple[str, str]] | None = None,
    ) -> Post:
        self._sequence += 1
        return Post(
            name=name, subject=subject, sequence=self._sequence, participant=participant, more=tuple(more or [])
        )


# Each move takes the event of its row.
Move = Callable[[ConferenceModel, Any], list[RoomEffect]]

_LIVE: Final = (ConferenceState.INIT, ConferenceState.IN_PROGRESS)

MOVES: Final[Mapping[tuple[ConferenceState, type[RoomEvent]], Move]] = {
    **{(state, Entered): ConferenceModel._enter for state in _LIVE},
    **{(state, Invited): ConferenceModel._invite for state in _LIVE},
    **{(state, Missed): ConferenceModel._miss for state in _LIVE},
    **{(state, Left): ConferenceModel._leave for state in _LIVE},
    **{(state, Muted): ConferenceModel._mute for state in _LIVE},
    **{(state, Held): ConferenceModel._hold for state in _LIVE},
    **{(state, Modified): ConferenceModel._modify for state in _LIVE},
    (ConferenceState.IN_PROGRESS, Spoke): ConferenceModel._speak,
    **{(state, Announced): ConferenceModel._announced for state in _LIVE},
    **{(state, EndedByApi): ConferenceModel._end_by_api for state in _LIVE},
    (ConferenceState.COMPLETED, Entered): ConferenceModel._refuse_gone,
    (ConferenceState.COMPLETED, Invited): ConferenceModel._refuse_gone,
}
# Nobody is heard before it begins; everything that crosses its end.
IGNORED: Final[frozenset[tuple[ConferenceState, type[RoomEvent]]]] = frozenset(
    {(ConferenceState.INIT, Spoke)}
    | {
        (ConferenceState.COMPLETED, event)
        for event in (Missed, Left, Muted, Held, Modified, Spoke, Announced, EndedByApi)
    }
)
