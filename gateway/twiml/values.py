"""The words attribute values may be: one enum per set, spelled as in TwiML.

Pure. Source: Twilio's pages of each verb and noun.
"""

from enum import Enum


class Method(Enum):
    GET = "GET"
    POST = "POST"


class CallEvent(Enum):
    """Progress of a dialled leg that a statusCallback may be told of."""

    INITIATED = "initiated"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"


class RecordingEvent(Enum):
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    ABSENT = "absent"


class RecordMode(Enum):
    """What a <Dial> records: from when, and whether each party has a channel of its own."""

    DO_NOT_RECORD = "do-not-record"
    FROM_ANSWER = "record-from-answer"
    FROM_RINGING = "record-from-ringing"
    FROM_ANSWER_DUAL = "record-from-answer-dual"
    FROM_RINGING_DUAL = "record-from-ringing-dual"

    @property
    def is_on(self) -> bool:
        return self is not RecordMode.DO_NOT_RECORD

    @property
    def is_dual(self) -> bool:
        return self in (RecordMode.FROM_ANSWER_DUAL, RecordMode.FROM_RINGING_DUAL)

    @property
    def from_ringing(self) -> bool:
        return self in (RecordMode.FROM_RINGING, RecordMode.FROM_RINGING_DUAL)


class RecordingTrack(Enum):
    """Of a party's leg: what the gateway receives from it, what it sends to it, or both."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"


class RejectReason(Enum):
    REJECTED = "rejected"
    BUSY = "busy"


class MachineDetectionMode(Enum):
    ENABLE = "Enable"
    DETECT_MESSAGE_END = "DetectMessageEnd"


RING_TONES = tuple(
    "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt ru se sg th uk us "
    "us-old tw ve za".split()
)
"""Twilio's codes for ringTone, in its order: near ISO 3166-1 alpha-2, but ``uk`` and ``us-old``."""


class Auto(Enum):
    """A time the recogniser chooses."""

    AUTO = "auto"


class GatherInput(Enum):
    DTMF = "dtmf"
    SPEECH = "speech"


class Beep(Enum):
    """When a participant's coming and going is heard."""

    TRUE = "true"
    FALSE = "false"
    ON_ENTER = "onEnter"
    ON_EXIT = "onExit"


class JitterBufferSize(Enum):
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    OFF = "off"


class Region(Enum):
    US1 = "us1"
    IE1 = "ie1"
    DE1 = "de1"
    SG1 = "sg1"
    BR1 = "br1"
    AU1 = "au1"
    JP1 = "jp1"


class ConferenceEvent(Enum):
    START = "start"
    END = "end"
    JOIN = "join"
    LEAVE = "leave"
    MUTE = "mute"
    HOLD = "hold"
    MODIFY = "modify"
    SPEAKER = "speaker"
    ANNOUNCEMENT = "announcement"


class StreamTrack(Enum):
    INBOUND = "inbound_track"
    OUTBOUND = "outbound_track"
    BOTH = "both_tracks"


class RecordingChannels(Enum):
    MONO = "mono"
    DUAL = "dual"
