"""What happens to a queue, and what is then to be done. Pure values; calls are named by their CallSid.

A *member* waits in the queue by <Enqueue>; a *taker* wants one of them by <Dial><Queue>.
Source: Twilio <Enqueue>, QueueResult; Twilio <Queue>.
"""

from dataclasses import dataclass
from enum import Enum


class Place(Enum):
    """Where a call is, as a queue sees it. RESERVED: member and taker have each other, and are not connected yet."""

    NOWHERE = "nowhere"
    WAITING = "waiting"
    RESERVED = "reserved"
    BRIDGED = "bridged"


class QueueResult(Enum):
    """QueueResult of the action of <Enqueue>."""

    BRIDGED = "bridged"
    BRIDGING_IN_PROCESS = "bridging-in-process"
    HANGUP = "hangup"
    LEAVE = "leave"
    REDIRECTED = "redirected"
    REDIRECTED_FROM_BRIDGED = "redirected-from-bridged"
    QUEUE_FULL = "queue-full"
    ERROR = "error"
    SYSTEM_ERROR = "system-error"


# Events. at_s: monotonic seconds.


@dataclass(frozen=True, kw_only=True)
class Enqueued:
    call_sid: str
    at_s: float
    max_size: int


@dataclass(frozen=True, kw_only=True)
class MemberLeft:
    """A member goes for a reason of its own: it hung up, it was redirected, its documents said so or failed."""

    call_sid: str
    at_s: float
    result: QueueResult


@dataclass(frozen=True, kw_only=True)
class TakerArrived:
    call_sid: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class TakerLeft:
    """A taker hung up, gave up or talked to its end."""

    call_sid: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A reserved member has heard what it was to hear and may be connected. call_sid: the member's."""

    call_sid: str
    at_s: float


QueueEvent = Enqueued | MemberLeft | TakerArrived | TakerLeft | Ready


# Effects, in the order in which they are to be done.


@dataclass(frozen=True)
class TurnAway:
    """The queue is full."""

    call_sid: str


@dataclass(frozen=True)
class Reserve:
    """The member stops waiting and hears the taker's document, if there is one."""

    member: str
    taker: str


@dataclass(frozen=True)
class WaitOn:
    """The member waits again: its taker has gone."""

    member: str


@dataclass(frozen=True)
class TakeOn:
    """The taker waits again: its member has gone before they were connected."""

    taker: str


@dataclass(frozen=True)
class Connect:
    member: str
    taker: str


@dataclass(frozen=True)
class FinishMember:
    """The member's <Enqueue> is over. waited_s: until it was connected, or left."""

    member: str
    result: QueueResult
    waited_s: float


@dataclass(frozen=True)
class FinishTaker:
    """The taker's <Dial> is over: the one it talked to has gone. was_redirected: to go on elsewhere."""

    taker: str
    was_redirected: bool


QueueEffect = TurnAway | Reserve | WaitOn | TakeOn | Connect | FinishMember | FinishTaker
