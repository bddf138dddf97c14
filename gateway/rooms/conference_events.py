"""What happens to a conference, and what is then to be done. Pure values.

Source: Twilio <Conference>, "Conference events" and their parameters; Twilio Participant resource.
"""

from dataclasses import dataclass
from enum import Enum

from gateway.twiml.values import ConferenceEvent


class ConferenceState(Enum):
    """INIT: somebody waits for it to begin."""

    INIT = "init"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"


class Hears(Enum):
    """WAITING: the waitUrl. HOLD: the HoldUrl. ROOM: everybody else."""

    WAITING = "waiting"
    HOLD = "hold"
    ROOM = "room"


@dataclass(frozen=True)
class Seat:
    """heard_by: the CallSid of the only one who hears this participant; None: everybody does."""

    hears: Hears
    speaks: bool
    heard_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Participant:
    """coach_of: the CallSid of whom a coach speaks to, kept while is_coaching is off."""

    call_sid: str
    label: str | None = None
    is_muted: bool = False
    is_held: bool = False
    is_coaching: bool = False
    coach_of: str | None = None
    starts_on_enter: bool = True
    ends_on_exit: bool = False
    beeps_on_enter: bool = True
    beeps_on_exit: bool = True


class LeaveReason(Enum):
    """ReasonParticipantLeft."""

    CONFERENCE_ENDED_VIA_API = "conference_ended_via_api"
    MODERATOR_ENDED_CONFERENCE = "moderator_ended_conference"
    UPDATED_VIA_API = "participant_updated_via_api"
    HUNG_UP = "participant_hung_up"
    ADD_FAILED = "participant_add_failed"


class EndReason(Enum):
    """ReasonConferenceEnded."""

    VIA_API = "conference-ended-via-api"
    LAST_KICKED = "last-participant-kicked"
    LAST_LEFT = "last-participant-left"
    MODERATOR_KICKED = "participant-with-end-conference-on-exit-kicked"
    MODERATOR_LEFT = "participant-with-end-conference-on-exit-left"


# Events.


@dataclass(frozen=True, kw_only=True)
class Entered:
    """Somebody wants to come in. wants_recording: his noun asks for the conference to be recorded."""

    participant: Participant
    wants_recording: bool = False


@dataclass(frozen=True)
class Invited:
    """A call is placed to bring somebody in. He is counted, and may be changed before he comes."""

    participant: Participant


@dataclass(frozen=True)
class Missed:
    """The call that was to bring somebody in is over."""

    call_sid: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """was_kicked: by the REST API."""

    call_sid: str
    reason: LeaveReason = LeaveReason.HUNG_UP
    was_kicked: bool = False


@dataclass(frozen=True, kw_only=True)
class Muted:
    call_sid: str
    is_muted: bool


@dataclass(frozen=True, kw_only=True)
class Held:
    call_sid: str
    is_held: bool


@dataclass(frozen=True, kw_only=True)
class Modified:
    """None: as it was."""

    call_sid: str
    ends_on_exit: bool | None = None
    beeps_on_exit: bool | None = None
    is_coaching: bool | None = None
    coach_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Spoke:
    """Somebody began or stopped speaking."""

    call_sid: str
    has_begun: bool


@dataclass(frozen=True, kw_only=True)
class Announced:
    """An announcement is over. call_sid: the only one who heard it. failure: why nothing was heard."""

    url: str
    call_sid: str | None = None
    failure: str | None = None


@dataclass(frozen=True)
class EndedByApi:
    pass


RoomEvent = Entered | Invited | Missed | Left | Muted | Held | Modified | Spoke | Announced | EndedByApi


# Effects, in the order in which they are to be done.


@dataclass(frozen=True)
class Refuse:
    """Whoever wanted to come in may not. code: Twilio's."""

    code: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Post:
    """Tell whoever subscribed to ``subject``. name: StatusCallbackEvent. more: parameters of this event alone."""

    name: str
    subject: ConferenceEvent
    sequence: int
    participant: Participant | None = None
    more: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Seated:
    """What a participant hears from now on, and who hears him."""

    call_sid: str
    seat: Seat


@dataclass(frozen=True)
class Beep:
    """All in the room hear that somebody came or went."""

    is_entry: bool


@dataclass(frozen=True)
class StartRecording:
    pass


@dataclass(frozen=True)
class Dismiss:
    """The participant is out: his <Dial> is over."""

    call_sid: str


@dataclass(frozen=True)
class Uninvite:
    """The call that was to bring this participant in is of no use any more."""

    call_sid: str


@dataclass(frozen=True)
class Close:
    """The conference is over. call_sid: of whoever ended it by leaving."""

    reason: EndReason
    call_sid: str | None


RoomEffect = Refuse | Post | Seated | Beep | StartRecording | Dismiss | Uninvite | Close
