"""<Dial><Conference>: bring the caller into a room, until he or the room ends it.

The room itself is gateway/rooms/. A caller who leaves by hanging up is told to ``action`` like any other end of a
<Dial>; one who is taken away by the REST API is not, since his call goes on elsewhere.
Source: Twilio <Conference>; Twilio <Dial>, action, hangupOnStar, timeLimit, record.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from gateway.parameters import CallFacts, Parameters
from gateway.rooms.ambience import Ambience, Music, Quiet
from gateway.rooms.attendance import Admission, Attendance, RecordingWish, RoomSettings
from gateway.rooms.conference import RoomRefused
from gateway.rooms.conference_events import Participant
from gateway.scripted import ScriptedCall
from gateway.timeline import Timeline
from gateway.twiml import TwimlError, resolve_url
from gateway.twiml.model import Conference, Dial
from gateway.twiml.values import Beep, JitterBufferSize
from gateway.verbs.dial_sound import BAD_RECORDING_CALLBACK, DialSound
from gateway.verbs.outcome import Continue, Fetch, Next
from signaling.leg import DigitReceived

NOT_EXECUTED: Final = 13750
BAD_STATUS_CALLBACK: Final = 12200
MOST_DELAY_MS: Final[Mapping[JitterBufferSize, int | None]] = {
    JitterBufferSize.OFF: 0,
    JitterBufferSize.SMALL: 40,
    JitterBufferSize.MEDIUM: 80,
    JitterBufferSize.LARGE: None,
}
"""How long the room waits for a participant's late packets; None: as the line needs, up to 200 ms."""


async def dial_conference(call: ScriptedCall, verb: Dial, noun: Conference, base_url: str | None) -> Next:
    # Resolved before anything else: a URL that cannot be requested is an error of the document.
    action = None if verb.action is None else resolve_url(base_url, verb.action)
    admission = admission_of(call, noun, base_url)
    await call.answer()
    visit = _Visit(call, verb, base_url)
    try:
        await visit.until_over(noun.room or noun.name, admission)
    except asyncio.CancelledError:
        if action is not None and call.leg.events.ended is not None:
            parameters = call.parameters() + visit.result_parameters()
            call.timeline.note(call.timeline.owe(url=action, method=verb.method.value, parameters=parameters))
        raise
    finally:
        visit.close()
    if action is not None:
        return Fetch(url=action, method=verb.method.value, parameters=visit.result_parameters())
    return Continue()


class _Visit:
    """One stay in a room, from the noun's point of view."""

    def __init__(self, call: ScriptedCall, verb: Dial, base_url: str | None) -> None:
        self._call = call
        self._verb = verb
        self._sound = DialSound(call, verb, base_url)
        self._attendance: Attendance | None = None

    async def until_over(self, room: str, admission: Admission) -> None:
        call = self._call
        try:
            attendance = self._attendance = call.services.conferences.enter(call, room, admission)
        except RoomRefused as refused:
            call.timeline.warn(refused.code, f"<Conference>: {refused.message}", level="error")
            return
        self._sound.record_parent()
        limit_s = min(self._verb.time_limit_s, call.services.configuration.calls.time_limit_s)
        limit = asyncio.get_running_loop().call_later(limit_s, attendance.leave)
        try:
            with call.listening(self._digit):
                await attendance.until_over()
        finally:
            limit.cancel()

    def result_parameters(self) -> Parameters:
        """What the action request says. Source: Twilio <Dial>, action: no DialCallSid, no DialCallDuration."""
        attendance = self._attendance
        has_joined = attendance is not None and not attendance.has_failed
        was_connected = attendance is not None and attendance.was_connected
        parameters = [
            ("DialCallStatus", "answered" if has_joined else "failed"),
            ("DialBridged", "true" if was_connected else "false"),
        ]
        recording = self._sound.finish_recording()
        return parameters if recording is None else parameters + recording.parameters()

    def close(self) -> None:
        if self._attendance is not None:
            self._attendance.leave()
        self._sound.close()

    def _digit(self, pressed: DigitReceived) -> None:
        if pressed.digit == "*" and self._verb.hangup_on_star and self._attendance is not None:
            self._attendance.leave()


class Guest(Protocol):
    """A call that comes into a room, or is on its way."""

    @property
    def facts(self) -> CallFacts: ...
    @property
    def timeline(self) -> Timeline: ...


def admission_of(call: Guest, noun: Conference, base_url: str | None) -> Admission:
    """The noun made ready. A waitUrl that cannot be requested is an error of the document."""
    ignored = {
        "recordingConfigurationId": noun.recording_configuration_id is not None,
        "eventCallbackUrl": noun.event_callback_url is not None,
    }
    for name, is_given in ignored.items():
        if is_given:
            call.timeline.warn(NOT_EXECUTED, f"<Conference {name}> has no effect here")
    status = noun.status
    callback = None if status is None or not status.url else _callback(call, base_url, status.url, BAD_STATUS_CALLBACK)
    return Admission(
        participant=Participant(
            call_sid=call.facts.sid,
            label=noun.participant_label,
            is_muted=noun.muted,
            is_coaching=noun.coach is not None,
            coach_of=noun.coach,
            starts_on_enter=noun.start_conference_on_enter,
            ends_on_exit=noun.end_conference_on_exit,
            beeps_on_enter=noun.beep in (Beep.TRUE, Beep.ON_ENTER),
            beeps_on_exit=noun.beep in (Beep.TRUE, Beep.ON_EXIT),
        ),
        waiting=_waiting(noun, base_url),
        most_delay_ms=MOST_DELAY_MS[noun.jitter_buffer_size],
        recording=_recording(call, noun, base_url),
        settings=RoomSettings(
            max_participants=noun.max_participants,
            region=None if noun.region is None else noun.region.value,
            callback_url=callback,
            callback_method="POST" if status is None else status.method.value,
            callback_events=frozenset() if status is None else status.events,
        ),
    )


def _waiting(noun: Conference, base_url: str | None) -> Ambience:
    match noun.wait_url:
        case None:
            return Music()
        case "":
            return Quiet()
        case url:
            return Fetch(url=resolve_url(base_url, url), method=noun.wait_method.value)


def _recording(call: Guest, noun: Conference, base_url: str | None) -> RecordingWish | None:
    if not noun.record:
        return None
    callback = noun.recording_status_callback
    return RecordingWish(
        is_trimmed=noun.trim,
        callback_url=None if callback is None else _callback(call, base_url, callback, BAD_RECORDING_CALLBACK),
        callback_method=noun.recording_status_callback_method.value,
        callback_events=frozenset(event.value for event in noun.recording_status_callback_events),
    )


def _callback(call: Guest, base_url: str | None, url: str, code: int) -> str | None:
    """Nobody is told where nobody can be: the conference goes on without."""
    try:
        return resolve_url(base_url, url, callback=True)
    except TwimlError as error:
        call.timeline.warn(code, f"<Conference> callback: {error.message}")
        return None
