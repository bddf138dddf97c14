"""Who gets whom: every place and event is decided, and any schedule leaves an empty queue."""

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from gateway.rooms.queue_model import IGNORED, ILLEGAL, MOVES, QueueModel


class Shell:
    """A queue of calls that are names; members in lower case, takers in upper case. The clock goes by hand."""

    def __init__(self) -> None:
        self.model = QueueModel()
        self.now_s = 100.0
        self.effects: list[QueueEffect] = []

    def tell(self, event: QueueEvent) -> list[QueueEffect]:
        effects = list(self.model.receive(event))
        self.effects += effects
        return effects

    def comes(self, name: str, *, max_size: int = 10) -> list[QueueEffect]:
        if name.islower():
            return self.tell(Enqueued(call_sid=name, at_s=self.now_s, max_size=max_size))
        return self.tell(TakerArrived(call_sid=name, at_s=self.now_s))

    def goes(self, name: str, result: QueueResult = QueueResult.HANGUP) -> list[QueueEffect]:
        if name.islower():
            return self.tell(MemberLeft(call_sid=name, at_s=self.now_s, result=result))
        return self.tell(TakerLeft(call_sid=name, at_s=self.now_s))

    def ready(self, name: str) -> list[QueueEffect]:
        return self.tell(Ready(call_sid=name, at_s=self.now_s))


def event_of(kind: type[QueueEvent], call_sid: str) -> QueueEvent:
    match kind:
        case type() if kind is Enqueued:
            return Enqueued(call_sid=call_sid, at_s=0, max_size=10)
        case type() if kind is MemberLeft:
            return MemberLeft(call_sid=call_sid, at_s=0, result=QueueResult.LEAVE)
        case type() if kind is TakerArrived:
            return TakerArrived(call_sid=call_sid, at_s=0)
        case type() if kind is TakerLeft:
            return TakerLeft(call_sid=call_sid, at_s=0)
    return Ready(call_sid=call_sid, at_s=0)


def in_place(place: Place, *, is_taker: bool) -> Shell:
    shell = Shell()
    if place is not Place.NOWHERE:
        shell.comes("A" if is_taker else "a")
    if place in (Place.RESERVED, Place.BRIDGED):
        shell.comes("a" if is_taker else "A")
    if place is Place.BRIDGED:
        shell.ready("a")
    return shell


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        pytest.param(place, kind, id=f"{place.value}->{kind.__name__}")
        for place, kind in itertools.product(Place, get_args(QueueEvent))
    ],
)
def test_queue_every_place_and_event_is_decided(place: Place, kind: type[QueueEvent]) -> None:
    assert [(place, kind) in table for table in (MOVES, IGNORED, ILLEGAL)].count(True) == 1
    is_taker = kind in (TakerArrived, TakerLeft)
    shell = in_place(place, is_taker=is_taker)
    name = "A" if is_taker else "a"
    assert shell.model.place_of(name) is place
    if (place, kind) in ILLEGAL:
        with pytest.raises(IllegalEvent):
            shell.tell(event_of(kind, name))
        assert shell.model.place_of(name) is place
    elif (place, kind) in IGNORED:
        assert shell.tell(event_of(kind, name)) == []
    else:
        shell.tell(event_of(kind, name))


@pytest.mark.parametrize("kind", [MemberLeft, Ready, TakerLeft])
def test_queue_event_of_the_other_side_is_illegal(kind: type[QueueEvent]) -> None:
    name = "a" if kind is TakerLeft else "A"
    with pytest.raises(IllegalEvent):
        in_place(Place.WAITING, is_taker=kind is not TakerLeft).tell(event_of(kind, name))


def test_queue_first_who_waits_goes_to_the_first_who_takes() -> None:
    shell = Shell()
    assert [shell.comes(name) for name in "ab"] == [[], []]
    assert shell.comes("A") == [Reserve("a", "A")]
    assert shell.comes("B") == [Reserve("b", "B")]
    assert [shell.comes(name) for name in "CD"] == [[], []]
    assert shell.comes("c") == [Reserve("c", "C")]
    assert shell.ready("a") == [Connect("a", "A")]


def test_queue_full_turns_away_and_reserved_ones_take_no_room() -> None:
    shell = Shell()
    shell.comes("a", max_size=1)
    assert shell.comes("b", max_size=1) == [TurnAway("b")]
    shell.comes("A")
    assert shell.comes("c", max_size=1) == []
    assert shell.model.waiting == ["c"]


def test_queue_taker_who_goes_before_the_talk_puts_the_member_first_again() -> None:
    shell = Shell()
    for name in ("a", "b", "A"):
        shell.comes(name)
    assert shell.goes("A") == [WaitOn("a")]
    assert shell.model.waiting == ["a", "b"]
    shell.comes("B")
    shell.comes("C")
    shell.comes("D")
    assert shell.goes("B") == [WaitOn("a"), Reserve("a", "D")]


def test_queue_member_who_goes_before_the_talk_leaves_its_taker_to_the_next() -> None:
    shell = Shell()
    for name in ("a", "A"):
        shell.comes(name)
    assert shell.goes("a") == [FinishMember("a", QueueResult.HANGUP, 0.0), TakeOn("A")]
    assert shell.comes("b") == [Reserve("b", "A")]
    shell.comes("c")
    assert shell.goes("b", QueueResult.LEAVE) == [
        FinishMember("b", QueueResult.LEAVE, 0.0),
        TakeOn("A"),
        Reserve("c", "A"),
    ]
    assert shell.ready("b") == []


@pytest.mark.parametrize(
    ("told", "result"),
    [
        (QueueResult.HANGUP, QueueResult.HANGUP),
        (QueueResult.ERROR, QueueResult.ERROR),
        (QueueResult.REDIRECTED, QueueResult.BRIDGING_IN_PROCESS),
    ],
)
def test_queue_member_taken_away_while_it_is_prepared_was_being_bridged(told: QueueResult, result: QueueResult) -> None:
    shell = in_place(Place.RESERVED, is_taker=False)
    assert shell.goes("a", told) == [FinishMember("a", result, 0.0), TakeOn("A")]


def test_queue_time_counts_to_the_talk() -> None:
    shell = Shell()
    shell.comes("a")
    shell.now_s += 5
    shell.comes("b")
    shell.now_s += 5
    assert (shell.model.waited_s("a", shell.now_s), shell.model.average_wait_s(shell.now_s)) == (10.0, 7.5)
    shell.comes("A")
    shell.now_s += 2
    shell.ready("a")
    shell.now_s += 60
    assert shell.goes("A") == [FinishMember("a", QueueResult.BRIDGED, 12.0)]


@pytest.mark.parametrize(
    ("told", "result", "was_redirected"),
    [
        (QueueResult.HANGUP, QueueResult.BRIDGED, False),
        (QueueResult.REDIRECTED, QueueResult.REDIRECTED_FROM_BRIDGED, True),
    ],
)
def test_queue_member_who_goes_from_the_talk_ends_it(
    told: QueueResult, result: QueueResult, was_redirected: bool
) -> None:
    shell = in_place(Place.BRIDGED, is_taker=False)
    assert shell.goes("a", told) == [FinishTaker("A", was_redirected), FinishMember("a", result, 0.0)]
    assert shell.model.is_empty


STEPS = st.lists(st.tuples(st.sampled_from(["comes", "goes", "ready"]), st.sampled_from("abcdABCD")), max_size=60)


@given(STEPS, st.integers(1, 3))
def test_queue_any_schedule_pairs_one_to_one_and_ends_empty(steps: list[tuple[str, str]], max_size: int) -> None:
    shell = Shell()
    for step, name in steps:
        shell.now_s += 1
        place = shell.model.place_of(name)
        if step == "comes" and place is Place.NOWHERE:
            shell.comes(name, max_size=max_size)
        elif step == "goes":
            shell.goes(name)
        elif step == "ready" and name.islower():
            shell.ready(name)
        assert shell.model.size <= max_size + len("ABCD")
        free = [taker for taker in "ABCD" if shell.model.has_free_taker(taker)]
        assert not (free and shell.model.waiting)
    for name in "abcdABCD":
        shell.goes(name)
    assert shell.model.is_empty
    came = sum(isinstance(effect, FinishMember) for effect in shell.effects)
    reserved = [effect for effect in shell.effects if isinstance(effect, Reserve)]
    ended = [effect for effect in shell.effects if isinstance(effect, WaitOn | TakeOn)]
    connected = [effect for effect in shell.effects if isinstance(effect, Connect)]
    assert len(reserved) == len(ended) + len(connected)
    assert len(connected) <= came
