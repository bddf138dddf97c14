"""The status of a call, and what must be told about it.

Pure: no IO, no clock, no asyncio. Events in, effects out; what nobody foresaw raises IllegalEvent and changes nothing.
Owns CallModel and TRANSITIONS. Does not know how a leg answers (signaling/leg.py), who of several dialled parties gets
the call (gateway/fork.py) or who is told about a status (gateway/progress.py).
Editing rule: every move is a row of TRANSITIONS; tests/gateway/test_call.py fails on a status x event pair that nobody
decided.
Source: Twilio Call resource, status values; Twilio <Client>, statusCallbackEvent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from signaling.errors import UsageError
from signaling.leg import HangupCause


class IllegalEvent(UsageError):
    """The model was told something that cannot happen in its state."""


class CallStatus(Enum):
    # Looked up in tables and sets at every step; Enum's own is a call of Python code.
    __hash__ = object.__hash__

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL: Final = frozenset(
    {CallStatus.COMPLETED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED}
)


class ProgressEvent(Enum):
    """What a status callback may be subscribed to. Source: Twilio <Client>, statusCallbackEvent."""

    INITIATED = "initiated"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"


def unanswered_status(cause: HangupCause) -> CallStatus:
    """The final status of a call that ended before it was answered.

    Source: spec of <Dial>, mapping from SIP (486, 600, 603 busy; 408, 480, 487 no answer; the rest failed).
    """
    match cause:
        case HangupCause.BUSY | HangupCause.DECLINED:
            return CallStatus.BUSY
        case HangupCause.NO_ANSWER | HangupCause.NORMAL:
            return CallStatus.NO_ANSWER
        case HangupCause.CANCELED | HangupCause.ANSWERED_ELSEWHERE:
            return CallStatus.CANCELED
        case _:
            return CallStatus.FAILED


@dataclass(frozen=True)
class Placed:
    """Dialling starts."""


@dataclass(frozen=True)
class Alerted:
    """The far end rings."""


@dataclass(frozen=True)
class PickedUp:
    """The call is answered."""


@dataclass(frozen=True)
class Over:
    """The call is over. status: what it ends with if nobody ever answered."""

    status: CallStatus

    def __post_init__(self) -> None:
        if not self.status.is_final:
            raise UsageError(f"expected a final status, found {self.status}")


CallEvent = Placed | Alerted | PickedUp | Over


@dataclass(frozen=True)
class PostStatus:
    """Tell whoever subscribed. sequence counts every event of the call, subscribed or not, from 0."""

    event: ProgressEvent
    status: CallStatus
    sequence: int


_ENDS = "ends with the status of the event"

TRANSITIONS: Final[Mapping[tuple[CallStatus, type[CallEvent]], CallStatus | str]] = {
    (CallStatus.QUEUED, Placed): CallStatus.INITIATED,
    (CallStatus.QUEUED, Over): _ENDS,
    (CallStatus.INITIATED, Alerted): CallStatus.RINGING,
    (CallStatus.INITIATED, PickedUp): CallStatus.IN_PROGRESS,
    (CallStatus.INITIATED, Over): _ENDS,
    (CallStatus.RINGING, PickedUp): CallStatus.IN_PROGRESS,
    (CallStatus.RINGING, Over): _ENDS,
    (CallStatus.IN_PROGRESS, Over): CallStatus.COMPLETED,
}
# A second 180, a 180 that overtakes its 200, everything after the end.
IGNORED: Final[frozenset[tuple[CallStatus, type[CallEvent]]]] = frozenset(
    {(CallStatus.RINGING, Alerted), (CallStatus.IN_PROGRESS, Alerted)}
    | {(status, event) for status in FINAL for event in (Placed, Alerted, PickedUp, Over)}
)

_POSTED: Final = {
    CallStatus.INITIATED: ProgressEvent.INITIATED,
    CallStatus.RINGING: ProgressEvent.RINGING,
    CallStatus.IN_PROGRESS: ProgressEvent.ANSWERED,
}


class CallModel:
    """Which status a call may take next, and what must then be told.

    A call cancelled while still queued tells nobody. Source: Twilio "TwiML for Programmable Voice".
    """

    def __init__(self, status: CallStatus = CallStatus.QUEUED, *, sequence: int = 0) -> None:
        """sequence: of the next event, of a call that was followed by somebody else so far."""
        self.status = status
        self.was_answered = status is CallStatus.IN_PROGRESS
        self._sequence = sequence

    @property
    def sequence(self) -> int:
        """SequenceNumber of the next event; kept with the record, for a process that must end the call for us."""
        return self._sequence

    def receive(self, event: CallEvent) -> tuple[PostStatus, ...]:
        pair = (self.status, type(event))
        if pair in IGNORED:
            return ()
        target = TRANSITIONS.get(pair)
        if target is None:
            raise IllegalEvent(f"{type(event).__name__} cannot happen to a call that is {self.status.value}")
        was_queued = self.status is CallStatus.QUEUED
        if isinstance(target, str):
            assert isinstance(event, Over)
            target = event.status
        self.status = target
        self.was_answered |= target is CallStatus.IN_PROGRESS
        if was_queued and target.is_final:
            return ()
        posted = PostStatus(_POSTED.get(target, ProgressEvent.COMPLETED), target, self._sequence)
        self._sequence += 1
        return (posted,)
