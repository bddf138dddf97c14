"""A queue while somebody waits in it or takes from it: the shell of QueueModel on documents and ports.

Owns what each member hears while it waits. A member is a call whose <Enqueue> waits in ``Membership.until_over``; a
taker one whose <Dial> reads ``Taking.inbox`` and connects the two (gateway/verbs/dial_queue.py). Whatever ends a verb
tells the queue, and what the queue does then is done at once.
Source: Twilio <Enqueue>, <Queue>, <Leave>; Twilio Queue and Member resources.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.interpreter import ScriptError
from gateway.parameters import Parameters, whole_seconds
from gateway.rooms.ambience import ANNOUNCEMENT, QUEUED, Ambience, Music, Quiet, started
from gateway.rooms.queue_events import (
    Connect,
    Enqueued,
    FinishMember,
    FinishTaker,
    MemberLeft,
    QueueEvent,
    QueueResult,
    Ready,
    Reserve,
    TakeOn,
    TakerArrived,
    TakerLeft,
    TurnAway,
    WaitOn,
)
from gateway.rooms.queue_model import QueueModel
from gateway.scripted import ScriptedCall
from gateway.services import Services
from gateway.store.records import QueueRecord
from gateway.verbs.outcome import Continue, Fetch, Leave, Stop
from gateway.webhooks.errors import FetchError
from media.engine import Silence
from media.player import Clip

# A waiting document that takes no time is asked for once in so long.
SHORTEST_ROUND_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Stay:
    """How a stay in the queue ended. following: the document that is to be performed instead of going on."""

    result: QueueResult
    waited_s: float
    following: Fetch | None = None
    is_hung_up: bool = False


@dataclass(frozen=True)
class Joined:
    """For a taker: this member may be connected now."""

    membership: "Membership"


@dataclass(frozen=True)
class Lost:
    """For a taker: its member has gone before they were connected, and no other waits yet."""


@dataclass(frozen=True)
class Parted:
    """For a taker: the one it talked to has gone."""

    was_redirected: bool


@dataclass(frozen=True)
class GivenUp:
    """For a taker: it wants no more, for a reason of its own."""


TakerEvent = Joined | Lost | Parted | GivenUp


class Membership:
    """A call that waits. ``leave`` is idempotent, and nothing at all once the stay is over."""

    def __init__(self, queue: "LiveQueue", call: ScriptedCall, waiting: Ambience, max_size: int) -> None:
        self.call = call
        self.stay: Stay | None = None
        self.enqueued_at: datetime = call.services.now()
        self._queue = queue
        self._waiting = waiting
        self._max_size = max_size
        self._following: Fetch | None = None
        self._is_hung_up = False
        self._is_over = asyncio.Event()
        self._sound: asyncio.Task[None] | None = None

    @property
    def is_waiting(self) -> bool:
        return self.call.facts.sid in self._queue.model.waiting

    @property
    def waited_s(self) -> float:
        if self.stay is not None:
            return self.stay.waited_s
        return self._queue.model.waited_s(self.call.facts.sid, self.call.services.monotonic())

    async def until_over(self) -> Stay:
        await self._is_over.wait()
        assert self.stay is not None
        return self.stay

    def leave(self, result: QueueResult, *, following: Fetch | None = None) -> None:
        self._following = following
        self._queue.tell(MemberLeft(call_sid=self.call.facts.sid, at_s=self.call.services.monotonic(), result=result))

    def parameters(self) -> Parameters:
        """What a request for a waiting document says. Source: Twilio <Enqueue>, waitUrl."""
        now_s, model = self.call.services.monotonic(), self._queue.model
        return [
            ("QueuePosition", str(model.waiting.index(self.call.facts.sid) + 1)),
            ("QueueSid", self._queue.record.sid),
            ("QueueTime", str(whole_seconds(self.waited_s))),
            ("AvgQueueTime", str(whole_seconds(model.average_wait_s(now_s)))),
            ("CurrentQueueSize", str(model.size)),
            ("MaxQueueSize", str(self._max_size)),
        ]

    # For the queue.

    def wait(self) -> None:
        """Hear what one who waits hears."""
        self._stop_sound()
        match self._waiting:
            case Music():
                self.call.leg.media.play_nowait(self._queue.music)
            case Quiet():
                self.call.leg.media.hear(Silence())
            case Fetch() as document:
                self._sound = started(self.call, self._perform(document), name="waits")

    def prepare(self, taker: "Taking") -> None:
        """Hear the taker's document, then be ready."""
        self._stop_sound()
        self.call.leg.media.hear(Silence())
        self._sound = started(self.call, self._get_ready(taker), name="is taken")

    def finish(self, stay: Stay) -> None:
        self.stay = Stay(
            result=stay.result,
            waited_s=stay.waited_s,
            following=self._following,
            is_hung_up=self._is_hung_up,
        )
        self._stop_sound()
        self.call.leg.media.hear(Silence())
        self._is_over.set()

    def _stop_sound(self) -> None:
        if self._sound is not None:
            self._sound.cancel()
            self._sound = None

    def _leave_by_document(self, result: QueueResult) -> None:
        # The task that says so is the sound: it must not be cancelled by what it leads to.
        self._sound = None
        self.leave(result)

    async def _perform(self, document: Fetch) -> None:
        """The waiting document again and again. Source: Twilio <Enqueue>: requested again when it ends."""
        services = self.call.services
        while True:
            begun_s = services.monotonic()
            try:
                over = await services.interpreter.perform(self.call, document, QUEUED, parameters=self.parameters)
            except (FetchError, ScriptError) as error:
                self.call.timeline.warn(int(error.code), error.message, level="error", url=error.url)
                self._leave_by_document(QueueResult.ERROR)
                return
            match over:
                case Leave():
                    self._leave_by_document(QueueResult.LEAVE)
                    return
                case Stop():
                    self._is_hung_up = True
                    self._leave_by_document(QueueResult.HANGUP)
                    return
                case Continue():
                    await asyncio.sleep(max(0.0, begun_s + SHORTEST_ROUND_S - services.monotonic()))

    async def _get_ready(self, taker: "Taking") -> None:
        """A document that fails is told; the two are connected all the same."""
        if taker.whisper is not None:
            try:
                await self.call.services.interpreter.perform(
                    self.call, taker.whisper, ANNOUNCEMENT, parameters=self._whisper_parameters(taker)
                )
            except (FetchError, ScriptError) as error:
                self.call.timeline.warn(int(error.code), error.message, level="error", url=error.url)
        self._sound = None
        self._queue.tell(Ready(call_sid=self.call.facts.sid, at_s=self.call.services.monotonic()))

    def _whisper_parameters(self, taker: "Taking") -> Parameters:
        """Source: Twilio <Queue>, url (DequeingCallSid is spelled so there)."""
        return [
            ("QueueSid", self._queue.record.sid),
            ("QueueTime", str(whole_seconds(self.waited_s))),
            ("DequeingCallSid", taker.call.facts.sid),
        ]


class Taking:
    """A call that wants a member. whisper: the document its member hears before they are connected."""

    def __init__(self, queue: "LiveQueue", call: ScriptedCall, whisper: Fetch | None) -> None:
        self.call = call
        self.whisper = whisper
        self.inbox: asyncio.Queue[TakerEvent] = asyncio.Queue()
        self._queue = queue

    @property
    def is_waiting(self) -> bool:
        return self._queue.model.has_free_taker(self.call.facts.sid)

    def leave(self) -> None:
        """Idempotent."""
        self._queue.tell(TakerLeft(call_sid=self.call.facts.sid, at_s=self.call.services.monotonic()))


class LiveQueue:
    """record: as it was last read or changed. music: for those who wait without a waitUrl."""

    def __init__(self, record: QueueRecord, *, music: Clip) -> None:
        self.record = record
        self.music = music
        self.model = QueueModel()
        self._members: dict[str, Membership] = {}
        self._takings: dict[str, Taking] = {}

    @property
    def members(self) -> list[Membership]:
        """Those who wait, the first first."""
        return [self._members[call_sid] for call_sid in self.model.waiting]

    def member(self, call_sid: str) -> Membership | None:
        """One who waits."""
        return next((each for each in self.members if each.call.facts.sid == call_sid), None)

    def average_wait_s(self, services: Services) -> float:
        return self.model.average_wait_s(services.monotonic())

    def enqueue(self, call: ScriptedCall, waiting: Ambience, *, max_size: int | None) -> Membership | None:
        """None: the queue is full. max_size: for this call; None: the queue's own."""
        most = self.record.max_size if max_size is None else max_size
        if self.model.size >= most:
            return None
        membership = self._members[call.facts.sid] = Membership(self, call, waiting, most)
        # Before the queue hears of it: a taker who waits has it at once.
        membership.wait()
        self.tell(Enqueued(call_sid=call.facts.sid, at_s=call.services.monotonic(), max_size=most))
        return membership

    def take(self, call: ScriptedCall, whisper: Fetch | None) -> Taking:
        taking = self._takings[call.facts.sid] = Taking(self, call, whisper)
        self.tell(TakerArrived(call_sid=call.facts.sid, at_s=call.services.monotonic()))
        return taking

    def dequeue(self, call_sid: str, following: Fetch) -> bool:
        """One who waits performs this document instead. False: nobody with that sid waits."""
        membership = self.member(call_sid)
        if membership is None:
            return False
        membership.leave(QueueResult.REDIRECTED, following=following)
        return True

    def tell(self, event: QueueEvent) -> None:
        """Hand an event to the model and do what it says."""
        for effect in self.model.receive(event):
            match effect:
                case TurnAway(call_sid):
                    del self._members[call_sid]
                case Reserve(member, taker):
                    self._members[member].prepare(self._takings[taker])
                case WaitOn(member):
                    self._members[member].wait()
                case TakeOn(taker):
                    self._takings[taker].inbox.put_nowait(Lost())
                case Connect(member, taker):
                    self._takings[taker].inbox.put_nowait(Joined(self._members[member]))
                case FinishMember(member, result, waited_s):
                    self._members.pop(member).finish(Stay(result=result, waited_s=waited_s))
                case FinishTaker(taker, was_redirected):
                    self._takings.pop(taker).inbox.put_nowait(Parted(was_redirected))
        if isinstance(event, TakerLeft):
            self._takings.pop(event.call_sid, None)
