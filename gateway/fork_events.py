"""What a fork is told and what it wants done: the events and effects of DialModel.

Pure values. Who decides is gateway/fork.py, who acts gateway/verbs/dial.py.
"""

from dataclasses import dataclass

from gateway.call import CallStatus, PostStatus
from signaling.leg import HangupCause


@dataclass(frozen=True)
class LegKey:
    """Leg number ``device`` of attempt number ``attempt``."""

    attempt: int
    device: int


@dataclass(frozen=True)
class Started:
    """The verb begins."""


@dataclass(frozen=True)
class AttemptPlaced:
    """An attempt was sent out to this many devices; none means that nobody is there."""

    attempt: int
    devices: int


@dataclass(frozen=True)
class AttemptRefused:
    """An attempt cannot even be sent out (bad number, no caller ID, no trunk)."""

    attempt: int
    cause: HangupCause = HangupCause.FAILED


@dataclass(frozen=True)
class LegRinging:
    leg: LegKey


@dataclass(frozen=True)
class LegEarlyMedia:
    leg: LegKey


@dataclass(frozen=True)
class LegAnswered:
    leg: LegKey


@dataclass(frozen=True)
class LegEnded:
    leg: LegKey
    cause: HangupCause


@dataclass(frozen=True)
class AttemptTimedOut:
    attempt: int


@dataclass(frozen=True)
class CallerEnded:
    """The parent is gone, or its script was taken away."""


@dataclass(frozen=True)
class StarPressed:
    """The caller pressed * and hangupOnStar is set."""


@dataclass(frozen=True)
class TimeLimitReached:
    pass


@dataclass(frozen=True)
class WinnerReferred:
    """The connected party sends the caller elsewhere and leaves. target: from outside, a number or a SIP URI."""

    target: str


@dataclass(frozen=True)
class WinnerMoved:
    """The party that answered was given a document of its own and goes on with that."""

    leg: LegKey


@dataclass(frozen=True)
class ScreeningPassed:
    """What comes before the bridge is over, and the leg may be connected."""

    leg: LegKey


@dataclass(frozen=True)
class ScreeningDeclined:
    """The callee, or the document that was performed for him, does not want the call."""

    leg: LegKey


DialEvent = (
    Started
    | AttemptPlaced
    | AttemptRefused
    | LegRinging
    | LegEarlyMedia
    | LegAnswered
    | LegEnded
    | AttemptTimedOut
    | CallerEnded
    | StarPressed
    | TimeLimitReached
    | WinnerReferred
    | WinnerMoved
    | ScreeningPassed
    | ScreeningDeclined
)


@dataclass(frozen=True)
class Place:
    """Send the attempt out; answer with AttemptPlaced or AttemptRefused."""

    attempt: int


@dataclass(frozen=True)
class StartTimer:
    """Answer with AttemptTimedOut after the attempt's own time."""

    attempt: int


@dataclass(frozen=True)
class CancelTimer:
    attempt: int


@dataclass(frozen=True)
class Hangup:
    leg: LegKey
    cause: HangupCause


@dataclass(frozen=True)
class PostAttempt:
    """A status of an attempt's call changed."""

    attempt: int
    posted: PostStatus
    cause: HangupCause | None = None


@dataclass(frozen=True)
class StartRingback:
    """The first of all legs rings: let the caller hear it, begin a recording from ringing."""


@dataclass(frozen=True)
class PassEarlyMedia:
    """The first of all legs sends audio before its answer."""

    leg: LegKey


@dataclass(frozen=True)
class StopRingback:
    pass


@dataclass(frozen=True)
class Screen:
    """Do what comes between answer and bridge; answer with ScreeningPassed or ScreeningDeclined."""

    leg: LegKey


@dataclass(frozen=True)
class EndScreening:
    """Break it off."""

    leg: LegKey


@dataclass(frozen=True)
class Bridge:
    leg: LegKey


@dataclass(frozen=True)
class Finish:
    """The dial is over. attempt: the winner, else the last one tried, else None when nothing was dialled."""

    status: CallStatus
    attempt: int | None
    was_bridged: bool


DialEffect = (
    Place
    | StartTimer
    | CancelTimer
    | Hangup
    | PostAttempt
    | StartRingback
    | PassEarlyMedia
    | StopRingback
    | Screen
    | EndScreening
    | Bridge
    | Finish
)
