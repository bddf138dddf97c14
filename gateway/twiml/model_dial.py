"""<Dial>: connect the caller to another party.

Pure values. A Dial's nouns are in document order; those that cannot be dialled at all (a malformed number or
identity, the eleventh of ten) are left out with a problem, so that every noun here can be tried.
Source: Twilio <Dial>; CallAPI <Dial> (dialMusic).
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.twiml.kinds import (
    BOOL,
    CALLBACK_URL,
    CALLER_ID,
    DAY_S,
    METHOD,
    RECORD_MODE,
    RECORDING_EVENTS,
    RING_TONE,
    TEXT,
    TRIM,
    URL,
    WHISPER_URL,
    WORD,
    choice,
    integer,
    up_to,
)
from gateway.twiml.model_nouns import RECORDING_COMPLETED, Application, Client, Number, Sim, Sip, WhatsApp
from gateway.twiml.model_rooms import Conference, Queue
from gateway.twiml.problems import Position
from gateway.twiml.schema import attribute, children
from gateway.twiml.values import Method, RecordingEvent, RecordingTrack, RecordMode

MAX_DIALLED = 10

Noun = Number | Client | Sip | Conference | Queue | Application | WhatsApp | Sim


@dataclass(frozen=True, kw_only=True)
class Dial:
    """caller_id None: the caller's own. ring_tone None: the default of the installation.

    time_limit_s is what was asked for, at most a day; the installation's own maximum is for whoever runs it.
    """

    tag: ClassVar[str] = "Dial"
    nested_code: ClassVar[int] = 13215
    position: Position
    nouns: tuple[Noun, ...] = children(Number, Client, Sip, Conference, Queue, Application, WhatsApp, Sim, text=Number)
    action: str | None = attribute("action", URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST, code=13210)
    answer_on_bridge: bool = attribute("answerOnBridge", BOOL, default=False, code=13219)
    caller_id: str | None = attribute("callerId", CALLER_ID, default=None)
    hangup_on_star: bool = attribute("hangupOnStar", BOOL, default=False, code=13213)
    record: RecordMode = attribute("record", RECORD_MODE, default=RecordMode.DO_NOT_RECORD, code=13217)
    recording_track: RecordingTrack = attribute(
        "recordingTrack", choice(RecordingTrack), default=RecordingTrack.BOTH, code=13622
    )
    recording_status_callback: str | None = attribute("recordingStatusCallback", CALLBACK_URL, default=None, code=13256)
    recording_status_callback_method: Method = attribute("recordingStatusCallbackMethod", METHOD, default=Method.POST)
    recording_status_callback_events: frozenset[RecordingEvent] = attribute(
        "recordingStatusCallbackEvent", RECORDING_EVENTS, default=RECORDING_COMPLETED
    )
    recording_configuration_id: str | None = attribute("recordingConfigurationId", WORD, default=None)
    refer_url: str | None = attribute("referUrl", WHISPER_URL, default=None)
    refer_method: Method = attribute("referMethod", METHOD, default=Method.POST)
    ring_tone: str | None = attribute("ringTone", RING_TONE, default=None, code=13220)
    sequential: bool = attribute("sequential", BOOL, default=False, code=13218)
    time_limit_s: int = attribute("timeLimit", up_to(DAY_S, unit="s"), default=14400, code=13216)
    timeout_s: int = attribute("timeout", integer(5, 600, unit="s"), default=30, code=13212)
    trim: bool = attribute("trim", TRIM, default=False, code=13699)
    call_reason: str | None = attribute("callReason", TEXT, default=None)
    events: str | None = attribute("events", TEXT, default=None)
    passports: str | None = attribute("passports", TEXT, default=None)
    dial_music: str | None = attribute("dialMusic", WHISPER_URL, default=None)
