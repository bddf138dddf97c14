"""The fork of a <Dial>: every state x event pair, and any schedule of answers leaves one bridge and no live leg."""

import itertools
from collections.abc import Iterable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import CallStatus, IllegalEvent, ProgressEvent
from gateway.fork import IGNORED, ILLEGAL, MOVES, DialModel, DialState
from gateway.fork_attempt import worst_of
from gateway.fork_events import (
    AttemptPlaced,
    AttemptRefused,
    AttemptTimedOut,
    Bridge,
    CallerEnded,
    CancelTimer,
    DialEffect,
    DialEvent,
    EndScreening,
    Finish,
    Hangup,
    LegAnswered,
    LegEarlyMedia,
    LegEnded,
    LegKey,
    LegRinging,
    PassEarlyMedia,
    Place,
    PostAttempt,
    Screen,
    ScreeningDeclined,
    ScreeningPassed,
    StarPressed,
    Started,
    StartRingback,
    StartTimer,
    StopRingback,
    TimeLimitReached,
    WinnerMoved,
    WinnerReferred,
)
from signaling.leg import HangupCause

A, B = LegKey(0, 0), LegKey(1, 0)


class Shell:
    """Runs a DialModel against devices that exist only as numbers; remembers every effect."""

    def __init__(
        self,
        devices: Iterable[int],
        *,
        is_sequential: bool = False,
        screened: Iterable[int] = (),
        rings_while_screened: bool = False,
    ) -> None:
        self.devices = list(devices)
        self.model = DialModel(
            len(self.devices),
            is_sequential=is_sequential,
            screened=frozenset(screened),
            rings_while_screened=rings_while_screened,
        )
        self.screening: LegKey | None = None
        self.effects: list[DialEffect] = []
        self.ringing: set[LegKey] = set()
        self.bridges: list[LegKey] = []
        self.finished: list[Finish] = []
        self.timers: set[int] = set()

    def tell(self, event: DialEvent) -> "Shell":
        for effect in self.model.receive(event):
            self.effects.append(effect)
            match effect:
                case Place(number):
                    legs = self.devices[number]
                    self.ringing |= {LegKey(number, device) for device in range(legs)}
                    self.tell(AttemptPlaced(number, legs))
                case Hangup(leg):
                    self.ringing.discard(leg)
                    self.bridges = [bridge for bridge in self.bridges if bridge != leg]
                case Screen(leg):
                    assert self.screening is None
                    self.screening = leg
                case EndScreening(leg):
                    assert self.screening == leg
                    self.screening = None
                case Bridge(leg):
                    self.screening = None
                    self.bridges.append(leg)
                case Finish():
                    self.finished.append(effect)
                case StartTimer(number):
                    self.timers.add(number)
                case CancelTimer(number):
                    self.timers.discard(number)
        if isinstance(event, AttemptTimedOut):
            self.timers.discard(event.attempt)
        if isinstance(event, LegEnded):
            self.ringing.discard(event.leg)
            self.bridges = [bridge for bridge in self.bridges if bridge != event.leg]
        return self

    def posted(self, attempt: int) -> list[str]:
        return [
            effect.posted.status.value
            for effect in self.effects
            if isinstance(effect, PostAttempt) and effect.attempt == attempt
        ]


def in_state(state: DialState) -> Shell:
    shell = Shell([1, 1], screened={0} if state is DialState.SCREENING else ()).tell(Started())
    if state is not DialState.DIALLING:
        shell.tell(LegAnswered(A))
    if state is DialState.DONE:
        shell.tell(LegEnded(A, HangupCause.NORMAL))
    assert shell.model.state is state
    return shell


SAMPLES: dict[type[DialEvent], DialEvent] = {
    Started: Started(),
    AttemptPlaced: AttemptPlaced(0, 1),
    AttemptRefused: AttemptRefused(0),
    LegRinging: LegRinging(B),
    LegEarlyMedia: LegEarlyMedia(B),
    LegAnswered: LegAnswered(B),
    LegEnded: LegEnded(B, HangupCause.BUSY),
    AttemptTimedOut: AttemptTimedOut(1),
    CallerEnded: CallerEnded(),
    StarPressed: StarPressed(),
    TimeLimitReached: TimeLimitReached(),
    WinnerReferred: WinnerReferred("+15550123"),
    WinnerMoved: WinnerMoved(A),
    ScreeningPassed: ScreeningPassed(A),
    ScreeningDeclined: ScreeningDeclined(A),
}


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        pytest.param(state, kind, id=f"{state.value}->{kind.__name__}")
        for state, kind in itertools.product(DialState, get_args(DialEvent))
    ],
)
def test_dial_every_state_and_event_is_decided(state: DialState, kind: type[DialEvent]) -> None:
    decided = [(state, kind) in table for table in (MOVES, IGNORED, ILLEGAL)]
    assert decided.count(True) == 1
    model = in_state(state).model
    if state is DialState.DIALLING and kind in (AttemptPlaced, AttemptRefused):
        model = DialModel(2)
    if (state, kind) in ILLEGAL:
        with pytest.raises(IllegalEvent):
            model.receive(SAMPLES[kind])
        assert model.state is state
    elif (state, kind) in IGNORED:
        assert model.receive(SAMPLES[kind]) == ()
        assert model.state is state
    else:
        model.receive(SAMPLES[kind])


def test_dial_first_answer_wins_and_the_others_are_hung_up() -> None:
    shell = Shell([1, 2, 1]).tell(Started()).tell(LegRinging(LegKey(1, 1))).tell(LegAnswered(LegKey(1, 1)))
    assert shell.bridges == [LegKey(1, 1)]
    dropped = {effect.leg for effect in shell.effects if isinstance(effect, Hangup)}
    assert dropped == {LegKey(0, 0), LegKey(1, 0), LegKey(2, 0)}
    assert {effect.cause for effect in shell.effects if isinstance(effect, Hangup)} == {HangupCause.ANSWERED_ELSEWHERE}
    assert shell.posted(0) == ["initiated", "canceled"]
    assert shell.posted(1) == ["initiated", "ringing", "in-progress"]
    assert shell.timers == set()


def test_dial_second_answer_after_bridge_is_hung_up() -> None:
    shell = Shell([1, 1]).tell(Started()).tell(LegAnswered(A)).tell(LegAnswered(B))
    assert shell.effects[-1] == Hangup(B, HangupCause.ANSWERED_ELSEWHERE)
    assert shell.bridges == [A]


def test_dial_answer_after_the_end_is_hung_up() -> None:
    shell = in_state(DialState.DONE).tell(LegAnswered(B))
    assert shell.effects[-1] == Hangup(B, HangupCause.ANSWERED_ELSEWHERE)


def test_dial_fast_busy_does_not_end_the_others() -> None:
    shell = Shell([1, 1]).tell(Started()).tell(LegEnded(A, HangupCause.BUSY))
    assert shell.model.state is DialState.DIALLING
    assert shell.posted(0) == ["initiated", "busy"]
    shell.tell(LegAnswered(B))
    assert shell.bridges == [B]


def test_dial_busy_device_does_not_end_the_identity() -> None:
    shell = Shell([2]).tell(Started()).tell(LegEnded(LegKey(0, 0), HangupCause.BUSY))
    assert shell.posted(0) == ["initiated"]
    shell.tell(LegAnswered(LegKey(0, 1)))
    assert shell.bridges == [LegKey(0, 1)]


def test_dial_identity_without_device_is_no_answer() -> None:
    shell = Shell([0]).tell(Started())
    assert shell.finished == [Finish(CallStatus.NO_ANSWER, 0, was_bridged=False)]
    assert shell.posted(0) == ["initiated", "no-answer"]


def test_dial_without_nouns_fails() -> None:
    assert Shell([]).tell(Started()).finished == [Finish(CallStatus.FAILED, None, was_bridged=False)]


def test_dial_timeout_cancels_every_device_of_the_attempt_only() -> None:
    shell = Shell([2, 1]).tell(Started()).tell(AttemptTimedOut(0))
    assert {effect.leg for effect in shell.effects if isinstance(effect, Hangup)} == {LegKey(0, 0), LegKey(0, 1)}
    assert shell.model.live_legs == {B}
    assert shell.posted(0) == ["initiated", "no-answer"]
    shell.tell(AttemptTimedOut(1))
    assert shell.finished == [Finish(CallStatus.NO_ANSWER, 1, was_bridged=False)]


def test_dial_sequential_tries_the_next_only_after_the_last_ended() -> None:
    shell = Shell([1, 1, 1], is_sequential=True).tell(Started())
    assert [effect for effect in shell.effects if isinstance(effect, Place)] == [Place(0)]
    shell.tell(LegEnded(A, HangupCause.BUSY))
    assert [effect for effect in shell.effects if isinstance(effect, Place)] == [Place(0), Place(1)]
    shell.tell(LegAnswered(B)).tell(LegEnded(B, HangupCause.NORMAL))
    assert shell.finished == [Finish(CallStatus.COMPLETED, 1, was_bridged=True)]


def test_dial_caller_hanging_up_while_ringing_cancels_all() -> None:
    shell = Shell([1, 2]).tell(Started()).tell(LegRinging(A)).tell(CallerEnded())
    assert shell.finished == [Finish(CallStatus.CANCELED, 1, was_bridged=False)]
    assert shell.ringing == set()
    assert shell.effects.count(StopRingback()) == 1


@pytest.mark.parametrize("event", [CallerEnded(), StarPressed(), TimeLimitReached()])
def test_dial_bridged_party_is_dropped_and_dial_completed(event: DialEvent) -> None:
    shell = Shell([1]).tell(Started()).tell(LegAnswered(A)).tell(event)
    assert Hangup(A, HangupCause.NORMAL) in shell.effects
    assert shell.finished == [Finish(CallStatus.COMPLETED, 0, was_bridged=True)]
    assert shell.posted(0) == ["initiated", "in-progress", "completed"]


def test_dial_ringback_starts_once_and_early_media_passes_once() -> None:
    shell = Shell([1, 1]).tell(Started()).tell(LegRinging(A)).tell(LegRinging(B))
    shell.tell(LegEarlyMedia(B)).tell(LegEarlyMedia(A))
    assert shell.effects.count(StartRingback()) == 1
    assert [effect for effect in shell.effects if isinstance(effect, PassEarlyMedia)] == [PassEarlyMedia(B)]


def test_dial_ringback_resumes_when_the_early_party_fails() -> None:
    shell = Shell([1, 1]).tell(Started()).tell(LegEarlyMedia(A)).tell(LegEnded(A, HangupCause.BUSY))
    assert shell.effects.count(StartRingback()) == 2
    shell.tell(LegEarlyMedia(B))
    assert shell.effects[-1] == PassEarlyMedia(B)


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ([CallStatus.FAILED, CallStatus.BUSY], CallStatus.BUSY),
        ([CallStatus.BUSY, CallStatus.NO_ANSWER], CallStatus.NO_ANSWER),
        ([CallStatus.FAILED, CallStatus.CANCELED], CallStatus.CANCELED),
        ([], CallStatus.FAILED),
    ],
)
def test_dial_status_of_several_failures(statuses: list[CallStatus], told: CallStatus) -> None:
    assert worst_of(statuses) is told


def test_dial_screened_answer_stops_the_others_and_is_bridged_when_it_passes() -> None:
    shell = Shell([1, 1], screened={0, 1}).tell(Started()).tell(LegRinging(A)).tell(LegAnswered(A))
    assert shell.screening == A and shell.bridges == []
    assert [effect.leg for effect in shell.effects if isinstance(effect, Hangup)] == [B]
    assert shell.timers == set(), "a whisper has all the time it needs"
    assert StopRingback() in shell.effects
    shell.tell(LegAnswered(B)).tell(ScreeningPassed(A))
    assert shell.bridges == [A]
    shell.tell(LegEnded(A, HangupCause.NORMAL))
    assert shell.finished == [Finish(CallStatus.COMPLETED, 0, was_bridged=True)]


@pytest.mark.parametrize("rings_first", [True, False])
def test_dial_caller_may_hear_ringing_until_the_screening_is_over(rings_first: bool) -> None:
    shell = Shell([1], screened={0}, rings_while_screened=True).tell(Started())
    if rings_first:
        shell.tell(LegRinging(A))
    shell.tell(LegAnswered(A))
    assert shell.effects.count(StartRingback()) == 1 and StopRingback() not in shell.effects
    shell.tell(ScreeningPassed(A))
    assert shell.effects[-2:] == [StopRingback(), Bridge(A)]


def test_dial_ringing_takes_the_place_of_early_media_while_the_callee_is_screened() -> None:
    shell = Shell([1], screened={0}, rings_while_screened=True).tell(Started()).tell(LegEarlyMedia(A))
    shell.tell(LegAnswered(A))
    sound = [effect for effect in shell.effects if isinstance(effect, (StartRingback, PassEarlyMedia, StopRingback))]
    assert sound == [StartRingback(), PassEarlyMedia(A), StartRingback()]


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (ScreeningDeclined(A), CallStatus.COMPLETED),
        (LegEnded(A, HangupCause.NORMAL), CallStatus.COMPLETED),
        (StarPressed(), CallStatus.COMPLETED),
        (CallerEnded(), CallStatus.CANCELED),
    ],
)
def test_dial_screening_that_ends_without_a_bridge(event: DialEvent, status: CallStatus) -> None:
    shell = Shell([1, 1], screened={0}).tell(Started()).tell(LegAnswered(A)).tell(event)
    assert shell.finished == [Finish(status, 0, was_bridged=False)]
    assert shell.posted(0) == ["initiated", "in-progress", "completed"]
    assert shell.posted(1) == ["initiated", "canceled"]
    assert shell.screening is None and shell.bridges == []
    shell.tell(ScreeningPassed(A))
    assert shell.bridges == [], "the verdict came too late"


def test_dial_sequential_goes_on_with_the_next_when_one_declines() -> None:
    shell = Shell([1, 1], is_sequential=True, screened={0}).tell(Started()).tell(LegAnswered(A))
    shell.tell(ScreeningDeclined(A))
    assert shell.finished == [] and shell.posted(1) == ["initiated"]
    shell.tell(LegEnded(B, HangupCause.BUSY))
    assert shell.finished == [Finish(CallStatus.BUSY, 1, was_bridged=False)]


def test_dial_sequential_last_one_declining_is_completed_and_not_bridged() -> None:
    shell = Shell([1], is_sequential=True, screened={0}).tell(Started()).tell(LegAnswered(A))
    shell.tell(ScreeningDeclined(A))
    assert shell.finished == [Finish(CallStatus.COMPLETED, 0, was_bridged=False)]


def test_dial_winner_that_goes_its_own_way_is_neither_hung_up_nor_over() -> None:
    shell = Shell([1, 1]).tell(Started()).tell(LegAnswered(A))
    before = len(shell.effects)
    shell.tell(WinnerMoved(B)).tell(WinnerMoved(A))
    assert shell.effects[before:] == [Finish(CallStatus.COMPLETED, 0, was_bridged=True)]
    assert shell.model.live_legs == frozenset()
    assert shell.tell(LegEnded(A, HangupCause.NORMAL)).posted(0) == ["initiated", "in-progress"]


def test_dial_screened_party_that_goes_its_own_way_was_not_connected() -> None:
    shell = in_state(DialState.SCREENING).tell(WinnerMoved(A))
    assert (shell.screening, shell.model.state) == (None, DialState.DONE)
    assert shell.finished == [Finish(CallStatus.COMPLETED, 0, was_bridged=False)]
    assert not any(effect == Hangup(A, HangupCause.NORMAL) for effect in shell.effects)


LEGS = [LegKey(attempt, device) for attempt in range(10) for device in range(2)]
SCHEDULE = st.lists(
    st.one_of(
        st.builds(LegRinging, st.sampled_from(LEGS)),
        st.builds(LegEarlyMedia, st.sampled_from(LEGS)),
        st.builds(LegAnswered, st.sampled_from(LEGS)),
        st.builds(LegEnded, st.sampled_from(LEGS), st.sampled_from(HangupCause)),
        st.builds(AttemptTimedOut, st.integers(0, 9)),
        st.just(CallerEnded()),
        st.just(StarPressed()),
        st.just(TimeLimitReached()),
        st.just(WinnerReferred("+15550123")),
        st.builds(ScreeningPassed, st.sampled_from(LEGS)),
        st.builds(ScreeningDeclined, st.sampled_from(LEGS)),
    ),
    max_size=40,
)


@given(
    SCHEDULE,
    st.booleans(),
    st.lists(st.integers(0, 2), min_size=10, max_size=10),
    st.sets(st.integers(0, 9)),
    st.booleans(),
)
def test_dial_any_schedule_leaves_one_bridge_or_none_and_no_live_leg(
    schedule: list[DialEvent], is_sequential: bool, devices: list[int], screened: set[int], rings: bool
) -> None:
    shell = Shell(devices, is_sequential=is_sequential, screened=screened, rings_while_screened=rings).tell(Started())
    for event in schedule:
        leg = getattr(event, "leg", None)
        if isinstance(leg, LegKey) and leg.device >= devices[leg.attempt]:
            continue
        shell.tell(event)
        assert len(shell.bridges) <= 1
    if shell.model.state is DialState.BRIDGED:
        assert shell.bridges == [shell.model.winner]
        assert shell.model.live_legs == {shell.model.winner}
    assert (shell.screening is not None) is (shell.model.state is DialState.SCREENING)
    shell.tell(CallerEnded())
    assert shell.model.state is DialState.DONE
    assert shell.screening is None
    assert len(shell.finished) == 1
    assert shell.model.live_legs == frozenset()
    assert shell.timers == set()
    for attempt in range(10):
        told = shell.posted(attempt)
        if told:
            assert shell.model.status_of(attempt).is_final
            assert told[0] == "initiated"
            assert [status for status in told if CallStatus(status).is_final] == told[-1:]
    completed = [
        effect
        for effect in shell.effects
        if isinstance(effect, PostAttempt) and effect.posted.event is ProgressEvent.COMPLETED
    ]
    assert len({effect.attempt for effect in completed}) == len(completed)
