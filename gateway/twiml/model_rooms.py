"""Where several calls meet or wait: Conference and Queue nouns, the verbs Enqueue and Leave.

Pure values. Source: Twilio <Conference>, <Queue>, <Enqueue>, <Leave>; CallAPI <Conference> (name, Video).
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.twiml.kinds import (
    BOOL,
    CALL_SID,
    CALLBACK_URL,
    KEY_URL,
    METHOD,
    RECORDING_EVENTS,
    TEXT,
    TRIM,
    URL,
    WHISPER_URL,
    WORD,
    choice,
    events,
    flag,
    integer,
    pattern,
    up_to,
)
from gateway.twiml.model_nouns import RECORDING_COMPLETED, Video
from gateway.twiml.problems import Position
from gateway.twiml.schema import attribute, child, group, text
from gateway.twiml.values import Beep, ConferenceEvent, JitterBufferSize, Method, RecordingEvent, Region

MAX_ROOM_NAME = 128
MAX_QUEUE_NAME = 64


@dataclass(frozen=True, kw_only=True)
class ConferenceStatus:
    """Who is told of a conference's events. The first participant's counts."""

    url: str = attribute("statusCallback", KEY_URL, default="")
    method: Method = attribute("statusCallbackMethod", METHOD, default=Method.POST)
    events: frozenset[ConferenceEvent] = attribute("statusCallbackEvent", events(ConferenceEvent), default=frozenset())


@dataclass(frozen=True, kw_only=True)
class Conference:
    """A room by its name. wait_url None: hold music; empty: silence. coach: CallSid of the participant coached."""

    tag: ClassVar[str] = "Conference"
    position: Position
    room: str = text(WORD, default="", code=13237)
    name: str = attribute("name", WORD, default="")
    video: Video | None = child(Video)
    muted: bool = attribute("muted", BOOL, default=False, code=13230)
    beep: Beep = attribute("beep", choice(Beep), default=Beep.TRUE, code=13235)
    start_conference_on_enter: bool = attribute("startConferenceOnEnter", BOOL, default=True, code=13232)
    end_conference_on_exit: bool = attribute("endConferenceOnExit", BOOL, default=False, code=13231)
    participant_label: str | None = attribute(
        "participantLabel",
        pattern("(?!CA[0-9a-f]{32}$)[^/]{1,128}", "a label of 1 to 128 characters without /, not a CallSid"),
        default=None,
        code=16023,
    )
    jitter_buffer_size: JitterBufferSize = attribute(
        "jitterBufferSize", choice(JitterBufferSize), default=JitterBufferSize.LARGE
    )
    wait_url: str | None = attribute("waitUrl", URL, default=None, code=13233)
    wait_method: Method = attribute("waitMethod", METHOD, default=Method.POST, code=13234)
    max_participants: int = attribute("maxParticipants", integer(2, 250, unit="participants"), default=250)
    record: bool = attribute(
        "record",
        flag(on="record-from-start", off="do-not-record", aliases={"true": True, "false": False}),
        default=False,
    )
    trim: bool = attribute("trim", TRIM, default=True, code=13239)
    coach: str | None = attribute("coach", CALL_SID, default=None, code=13240)
    region: Region | None = attribute("region", choice(Region), default=None)
    status: ConferenceStatus | None = group(ConferenceStatus, key="statusCallback")
    recording_status_callback: str | None = attribute("recordingStatusCallback", CALLBACK_URL, default=None, code=13256)
    recording_status_callback_method: Method = attribute("recordingStatusCallbackMethod", METHOD, default=Method.POST)
    recording_status_callback_events: frozenset[RecordingEvent] = attribute(
        "recordingStatusCallbackEvent", RECORDING_EVENTS, default=RECORDING_COMPLETED
    )
    recording_configuration_id: str | None = attribute("recordingConfigurationId", WORD, default=None)
    event_callback_url: str | None = attribute("eventCallbackUrl", CALLBACK_URL, default=None)


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The first call waiting in a queue. url: document for that call before the two are connected."""

    tag: ClassVar[str] = "Queue"
    position: Position
    queue: str = text(WORD, default="", code=14212)
    url: str | None = attribute("url", WHISPER_URL, default=None, code=14211)
    method: Method = attribute("method", METHOD, default=Method.POST, code=14210)
    reservation_sid: str | None = attribute("reservationSid", WORD, default=None)
    post_work_activity_sid: str | None = attribute("postWorkActivitySid", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class Task:
    """attributes: the element's text, a JSON object as written."""

    tag: ClassVar[str] = "Task"
    position: Position
    attributes: str = text(WORD, default="")
    priority: int | None = attribute("priority", integer(0, 2**31 - 1), default=None)
    timeout_s: int | None = attribute("timeout", up_to(2**31 - 1, unit="s"), default=None)


@dataclass(frozen=True, kw_only=True)
class Enqueue:
    """Wait in a queue, or as a task of a workflow. wait_url None: hold music; empty: silence."""

    tag: ClassVar[str] = "Enqueue"
    position: Position
    queue: str = text(TEXT, default="", code=14204)
    task: Task | None = child(Task)
    action: str | None = attribute("action", URL, default=None, code=14203)
    method: Method = attribute("method", METHOD, default=Method.POST, code=14201)
    wait_url: str | None = attribute("waitUrl", URL, default=None, code=14202)
    wait_url_method: Method = attribute("waitUrlMethod", METHOD, default=Method.POST, code=14206)
    max_queue_size: int | None = attribute("maxQueueSize", up_to(5000, unit="calls"), default=None)
    workflow_sid: str | None = attribute("workflowSid", WORD, default=None, code=14220)


@dataclass(frozen=True, kw_only=True)
class Leave:
    tag: ClassVar[str] = "Leave"
    position: Position
