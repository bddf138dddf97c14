"""What a client says of a participant it wants in a conference: the form of POST Participants, checked.

Pure. The call is placed like any other (call_form.py); its document is a <Dial> of one <Conference>, made here.
Source: rest-api.md 6 of the specification; Twilio Participant resource, create.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.outgoing import CallOrder
from gateway.rest.call_form import (
    BAD_CALLBACK,
    BAD_RECORDING_CALLBACK,
    BAD_RECORDING_EVENT,
    BAD_TIMEOUT,
    DEFAULT_TIMEOUT_S,
    MAX_TIMEOUT_S,
    Answer,
    detection_of,
    placed,
    telling_of,
)
from gateway.rest.form import INVALID_PARAMETER, Form, bad_parameter
from gateway.rooms.conference_events import Participant
from gateway.routing import Router, Script
from gateway.sids import is_sid
from gateway.twiml.model import Conference, Dial, Document
from gateway.twiml.model_rooms import MAX_ROOM_NAME, ConferenceStatus
from gateway.twiml.problems import Position
from gateway.twiml.values import Beep, ConferenceEvent, JitterBufferSize, Method, RecordingEvent, Region
from gateway.verbs.machine_detection import PlacedDetection
from gateway.verbs.outcome import Given

WITHOUT_EFFECT: Final = (
    "Byoc",
    "CallReason",
    "CallToken",
    "RecordingConfigurationId",
    "ConferenceRecordingConfigurationId",
)
"""Told on the call's record, each that is given."""
BAD_LABEL: Final = 16023
BAD_COACH: Final = 13240
MAX_LABEL: Final = 128
_NOWHERE: Final = Position(1, 1)


@dataclass(frozen=True, kw_only=True)
class ParticipantOrder:
    """order: the call. noun: the room as the call enters it. participant: how it takes part there."""

    order: CallOrder
    noun: Conference
    participant: Participant


def participant_order(form: Form, *, room: str, account_sid: str, router: Router) -> ParticipantOrder:
    """room: the conference's name. Raises RestError for the first thing that is wrong."""
    if len(room) > MAX_ROOM_NAME:
        raise bad_parameter(INVALID_PARAMETER, f"expected a conference name of at most {MAX_ROOM_NAME} characters")
    noun = _noun(form, room)
    document = Document(verbs=(Dial(position=_NOWHERE, nouns=(noun,)),))
    timeout_s = form.integer("Timeout", default=DEFAULT_TIMEOUT_S, lowest=5, highest=MAX_TIMEOUT_S, code=BAD_TIMEOUT)
    assert timeout_s is not None
    order = placed(
        form,
        account_sid=account_sid,
        router=router,
        answer=lambda callee: Answer(
            script=Script(dialled=callee.address),
            document=Given(document=document),
            telling=telling_of(form),
            detection=_detection(form),
        ),
    )
    order = replace(order, timeout_s=timeout_s, digits=None, display_name=_display_name(form))
    participant = Participant(
        call_sid=order.facts.sid,
        label=noun.participant_label,
        is_muted=noun.muted,
        is_coaching=form.boolean("Coaching", default=False),
        coach_of=noun.coach,
        starts_on_enter=noun.start_conference_on_enter,
        ends_on_exit=noun.end_conference_on_exit,
        beeps_on_enter=noun.beep in (Beep.TRUE, Beep.ON_ENTER),
        beeps_on_exit=noun.beep in (Beep.TRUE, Beep.ON_EXIT),
    )
    if participant.is_coaching and participant.coach_of is None:
        raise bad_parameter(BAD_COACH, "Coaching: CallSidToCoach is required")
    return ParticipantOrder(order=order, noun=noun, participant=participant)


def _noun(form: Form, room: str) -> Conference:
    wait_url = form.url("WaitUrl", code=BAD_CALLBACK)
    recorded = _word(form, "ConferenceRecord", ("true", "false", "record-from-start", "do-not-record"), "do-not-record")
    most = form.integer("MaxParticipants", default=250, lowest=2, highest=250)
    assert most is not None
    region = form.choice("Region", [each.value for each in Region], default=None)
    return Conference(
        position=_NOWHERE,
        room=room,
        muted=form.boolean("Muted", default=False),
        beep=Beep(_word(form, "Beep", [each.value for each in Beep], Beep.TRUE.value)),
        start_conference_on_enter=form.boolean("StartConferenceOnEnter", default=True),
        end_conference_on_exit=form.boolean("EndConferenceOnExit", default=False),
        participant_label=_label(form),
        jitter_buffer_size=JitterBufferSize(
            _word(form, "JitterBufferSize", [each.value for each in JitterBufferSize], JitterBufferSize.LARGE.value)
        ),
        # An empty one asks for silence.
        wait_url=wait_url if wait_url is not None or not form.has("WaitUrl") else "",
        wait_method=Method(form.method("WaitMethod")),
        max_participants=most,
        record=recorded in ("true", "record-from-start"),
        trim=form.choice("ConferenceTrim", ("trim-silence", "do-not-trim"), default="trim-silence") == "trim-silence",
        coach=_coached(form),
        region=None if region is None else Region(region),
        status=_status(form),
        recording_status_callback=form.url(
            "ConferenceRecordingStatusCallback", code=BAD_RECORDING_CALLBACK, callback=True
        ),
        recording_status_callback_method=Method(form.method("ConferenceRecordingStatusCallbackMethod")),
        recording_status_callback_events=frozenset(
            RecordingEvent(word)
            for word in form.words(
                "ConferenceRecordingStatusCallbackEvent",
                [each.value for each in RecordingEvent],
                default=(RecordingEvent.COMPLETED.value,),
                code=BAD_RECORDING_EVENT,
            )
        ),
    )


def _word(form: Form, name: str, words: Sequence[str], default: str) -> str:
    """Helper libraries write what may be a boolean or a word as their language does: ``True``."""
    written = form.text(name)
    found = next((word for word in words if written is not None and word.lower() == written.lower()), None)
    return found or form.choice(name, words, default=default) or default


def _detection(form: Form) -> PlacedDetection | None:
    """It joins at once in any case. Source: Twilio Participant resource, AmdStatusCallback."""
    url = form.url("AmdStatusCallback", code=BAD_CALLBACK, callback=True)
    order = detection_of(form, url=url, method=form.method("AmdStatusCallbackMethod"))
    return None if order is None else PlacedDetection(order=order, is_awaited=False)


def _status(form: Form) -> ConferenceStatus | None:
    url = form.url("ConferenceStatusCallback", code=BAD_CALLBACK, callback=True)
    method = Method(form.method("ConferenceStatusCallbackMethod"))
    words = form.words(
        "ConferenceStatusCallbackEvent", [each.value for each in ConferenceEvent], default=("start", "end")
    )
    events = frozenset(ConferenceEvent(word) for word in words)
    return None if url is None else ConferenceStatus(url=url, method=method, events=events)


def _label(form: Form) -> str | None:
    label = form.text("Label", longest=MAX_LABEL, code=BAD_LABEL)
    if label is not None and ("/" in label or is_sid("CA", label)):
        raise bad_parameter(BAD_LABEL, "Label: expected a label without /, not a CallSid")
    return label


def _coached(form: Form) -> str | None:
    sid = form.text("CallSidToCoach")
    if sid is not None and not is_sid("CA", sid):
        raise bad_parameter(BAD_COACH, f"CallSidToCoach: expected a CallSid, found {sid[:40]!r}")
    return sid


def _display_name(form: Form) -> str:
    name = form.text("CallerDisplayName") or ""
    if name and not (2 <= len(name) <= 255 and name.isprintable()):
        raise bad_parameter(INVALID_PARAMETER, "CallerDisplayName: expected 2 to 255 printable characters")
    return name
