"""Who waits in a queue, in which order, and who is connected to whom.

Pure: no IO, no clock, no asyncio. Events in, effects out; what nobody foresaw raises IllegalEvent and changes nothing.
Owns QueueModel and MOVES; events and effects are queue_events.py. queue.py alone runs the effects.
The first member goes to the taker who has waited longest. A member whose taker goes before they are connected is the
first again; a taker whose member goes takes the next.
Editing rule: every move is a row of MOVES, IGNORED or ILLEGAL, by the place of the call that the event is about;
tests/gateway/rooms/test_queue_model.py fails on a pair that nobody decided.
Source: Twilio <Enqueue>, <Queue>, <Leave>; Twilio Queue and Member resources.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.call import IllegalEvent
from gateway.rooms.queue_events import (
    Connect,
    Enqueued,
    FinishMember,
    FinishTaker,
    MemberLeft,
    Place,
    QueueEffect,
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


@dataclass
class _Member:
    enqueued_s: float
    taker: str | None = None
    connected_s: float | None = None


class QueueModel:
    """Bounded by ``max_size`` of who comes; takers are calls of their own and bounded as calls are."""

    def __init__(self) -> None:
        # In the order in which they came; one that is put back keeps its place.
        self._members: dict[str, _Member] = {}
        self._takers: dict[str, str | None] = {}

    @property
    def is_empty(self) -> bool:
        return not self._members and not self._takers

    @property
    def waiting(self) -> list[str]:
        """Those nobody has taken yet, the first first."""
        return [call_sid for call_sid, member in self._members.items() if member.taker is None]

    @property
    def size(self) -> int:
        return len(self.waiting)

    def place_of(self, call_sid: str) -> Place:
        member = self._members.get(call_sid)
        if member is None:
            taken = self._takers.get(call_sid)
            if call_sid not in self._takers:
                return Place.NOWHERE
            if taken is None:
                return Place.WAITING
            member = self._members[taken]
        if member.taker is None:
            return Place.WAITING
        return Place.RESERVED if member.connected_s is None else Place.BRIDGED

    def has_free_taker(self, call_sid: str) -> bool:
        """Whether this taker is there and has nobody yet."""
        return call_sid in self._takers and self._takers[call_sid] is None

    def waited_s(self, call_sid: str, now_s: float) -> float:
        """Of a member: so far, or until it was connected."""
        member = self._members[call_sid]
        return (member.connected_s or now_s) - member.enqueued_s

    def average_wait_s(self, now_s: float) -> float:
        """How long those who wait now have waited, in the mean."""
        waiting = self.waiting
        return sum(self.waited_s(call_sid, now_s) for call_sid in waiting) / len(waiting) if waiting else 0.0

    def receive(self, event: QueueEvent) -> tuple[QueueEffect, ...]:
        is_of_member = isinstance(event, MemberLeft | Ready)
        if event.call_sid in (self._takers if is_of_member else self._members) and not isinstance(event, Enqueued):
            raise IllegalEvent(f"{type(event).__name__} cannot happen to the other side")
        pair = (self.place_of(event.call_sid), type(event))
        if pair in IGNORED:
            return ()
        move = MOVES.get(pair)
        if move is None:
            raise IllegalEvent(f"{type(event).__name__} cannot happen to a call that is {pair[0].value}")
        return tuple(move(self, event))

    # Moves.

    def _enqueue(self, event: Enqueued) -> list[QueueEffect]:
        if self.size >= event.max_size:
            return [TurnAway(event.call_sid)]
        self._members[event.call_sid] = _Member(event.at_s)
        return self._match()

    def _take(self, event: TakerArrived) -> list[QueueEffect]:
        self._takers[event.call_sid] = None
        return self._match()

    def _member_leaves(self, event: MemberLeft) -> list[QueueEffect]:
        member = self._members.pop(event.call_sid)
        return [FinishMember(event.call_sid, event.result, event.at_s - member.enqueued_s)]

    def _reserved_member_leaves(self, event: MemberLeft) -> list[QueueEffect]:
        """Its taker gets the next. One that is taken away was about to be connected, and is told so."""
        member = self._members.pop(event.call_sid)
        assert member.taker is not None
        self._takers[member.taker] = None
        is_redirected = event.result is QueueResult.REDIRECTED
        result = QueueResult.BRIDGING_IN_PROCESS if is_redirected else event.result
        finish = FinishMember(event.call_sid, result, event.at_s - member.enqueued_s)
        return [finish, TakeOn(member.taker), *self._match()]

    def _bridged_member_leaves(self, event: MemberLeft) -> list[QueueEffect]:
        member = self._members.pop(event.call_sid)
        assert member.taker is not None
        assert member.connected_s is not None
        del self._takers[member.taker]
        is_redirected = event.result is QueueResult.REDIRECTED
        result = QueueResult.REDIRECTED_FROM_BRIDGED if is_redirected else QueueResult.BRIDGED
        waited_s = member.connected_s - member.enqueued_s
        return [FinishTaker(member.taker, is_redirected), FinishMember(event.call_sid, result, waited_s)]

    def _taker_leaves(self, event: TakerLeft) -> list[QueueEffect]:
        """A member it had is the first again."""
        call_sid = self._takers.pop(event.call_sid)
        if call_sid is None:
            return []
        self._members[call_sid].taker = None
        return [WaitOn(call_sid), *self._match()]

    def _bridged_taker_leaves(self, event: TakerLeft) -> list[QueueEffect]:
        call_sid = self._takers.pop(event.call_sid)
        assert call_sid is not None
        member = self._members.pop(call_sid)
        assert member.connected_s is not None
        return [FinishMember(call_sid, QueueResult.BRIDGED, member.connected_s - member.enqueued_s)]

    def _connect(self, event: Ready) -> list[QueueEffect]:
        member = self._members[event.call_sid]
        assert member.taker is not None
        member.connected_s = event.at_s
        return [Connect(event.call_sid, member.taker)]

    def _match(self) -> list[QueueEffect]:
        """The first who waits and the first who takes, as long as there are both."""
        free = [taker for taker, member in self._takers.items() if member is None]
        effects: list[QueueEffect] = []
        for taker, call_sid in zip(free, self.waiting, strict=False):
            self._takers[taker] = call_sid
            self._members[call_sid].taker = taker
            effects.append(Reserve(call_sid, taker))
        return effects


# Each move takes the event of its row.
Move = Callable[[QueueModel, Any], list[QueueEffect]]

MOVES: Final[Mapping[tuple[Place, type[QueueEvent]], Move]] = {
    (Place.NOWHERE, Enqueued): QueueModel._enqueue,
    (Place.NOWHERE, TakerArrived): QueueModel._take,
    (Place.WAITING, MemberLeft): QueueModel._member_leaves,
    (Place.WAITING, TakerLeft): QueueModel._taker_leaves,
    (Place.RESERVED, MemberLeft): QueueModel._reserved_member_leaves,
    (Place.RESERVED, TakerLeft): QueueModel._taker_leaves,
    (Place.RESERVED, Ready): QueueModel._connect,
    (Place.BRIDGED, MemberLeft): QueueModel._bridged_member_leaves,
    (Place.BRIDGED, TakerLeft): QueueModel._bridged_taker_leaves,
}
# Whoever has gone already; a member that is ready when its taker has gone.
IGNORED: Final[frozenset[tuple[Place, type[QueueEvent]]]] = frozenset(
    {
        (Place.NOWHERE, MemberLeft),
        (Place.NOWHERE, TakerLeft),
        (Place.NOWHERE, Ready),
        (Place.WAITING, Ready),
        (Place.BRIDGED, Ready),
    }
)
# A call runs one verb at a time: it cannot come again where it is.
ILLEGAL: Final[frozenset[tuple[Place, type[QueueEvent]]]] = frozenset(
    {(place, event) for place in (Place.WAITING, Place.RESERVED, Place.BRIDGED) for event in (Enqueued, TakerArrived)}
)
