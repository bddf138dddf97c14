"""The course of a conference: every state and event is decided, and any schedule leaves a closed room."""

import itertools
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms.conference_events import (
    Announced,
    Beep,
    Close,
    ConferenceState,
    Dismiss,
    EndedByApi,
    EndReason,
    Entered,
    Hears,
    Held,
    Invited,
    LeaveReason,
    Left,
    Missed,
    Modified,
    Muted,
    Participant,
    Post,
    Refuse,
    RoomEffect,
    RoomEvent,
    Seat,
    Seated,
    Spoke,
    StartRecording,
    Uninvite,
)
from gateway.rooms.conference_model import (
    BAD_COACH,
    FULL,
    GONE,
    IGNORED,
    LABEL_IN_USE,
    MOVES,
    ConferenceModel,
)

ROOM, WAITING, HOLD = Hears.ROOM, Hears.WAITING, Hears.HOLD


class Shell:
    """Runs a model for participants who are names; remembers every effect."""

    def __init__(self, **settings: int) -> None:
        self.model = ConferenceModel(**settings)
        self.effects: list[RoomEffect] = []
        self.seats: dict[str, Seat] = {}
        self.closed: list[Close] = []

    def tell(self, event: RoomEvent) -> "Shell":
        for effect in self.model.receive(event):
            self.effects.append(effect)
            match effect:
                case Seated(call_sid, seat):
                    self.seats[call_sid] = seat
                case Dismiss(call_sid):
                    self.seats.pop(call_sid, None)
                case Close():
                    self.closed.append(effect)
        return self

    def enter(self, name: str, *, wants_recording: bool = False, **facts: object) -> "Shell":
        participant = Participant(call_sid=name, **facts)  # type: ignore[arg-type]
        return self.tell(Entered(participant=participant, wants_recording=wants_recording))

    @property
    def posts(self) -> list[Post]:
        return [effect for effect in self.effects if isinstance(effect, Post)]

    @property
    def names(self) -> list[str]:
        return [post.name for post in self.posts]

    def heard(self, name: str) -> Hears:
        return self.seats[name].hears


def in_state(state: ConferenceState) -> Shell:
    shell = Shell().enter("a")
    if state is not ConferenceState.INIT:
        shell.enter("b")
    if state is ConferenceState.COMPLETED:
        shell.tell(EndedByApi())
    assert shell.model.state is state
    return shell


SAMPLES: dict[type[RoomEvent], RoomEvent] = {
    Entered: Entered(participant=Participant(call_sid="c")),
    Left: Left(call_sid="a"),
    Muted: Muted(call_sid="a", is_muted=True),
    Held: Held(call_sid="a", is_held=True),
    Modified: Modified(call_sid="a", ends_on_exit=True),
    Spoke: Spoke(call_sid="a", has_begun=True),
    Announced: Announced(url="http://app.example.com/a"),
    EndedByApi: EndedByApi(),
    Invited: Invited(Participant(call_sid="c")),
    Missed: Missed("a"),
}
# Who is expected has changed, not who is there.
QUIET = {(state, kind) for state in (ConferenceState.INIT, ConferenceState.IN_PROGRESS) for kind in (Invited, Missed)}


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        pytest.param(state, kind, id=f"{state.value}->{kind.__name__}")
        for state, kind in itertools.product(ConferenceState, get_args(RoomEvent))
    ],
)
def test_conference_every_state_and_event_is_decided(state: ConferenceState, kind: type[RoomEvent]) -> None:
    assert [(state, kind) in table for table in (MOVES, IGNORED)].count(True) == 1
    effects = in_state(state).model.receive(SAMPLES[kind])
    assert bool(effects) == ((state, kind) in MOVES and (state, kind) not in QUIET)


def test_conference_alone_one_waits_and_with_two_it_begins() -> None:
    shell = Shell().enter("a")
    assert (shell.model.state, shell.heard("a")) == (ConferenceState.INIT, WAITING)
    shell.enter("b")
    assert shell.model.state is ConferenceState.IN_PROGRESS
    assert shell.seats == {"a": Seat(ROOM, speaks=True), "b": Seat(ROOM, speaks=True)}
    assert shell.names == ["participant-join", "participant-join", "conference-start"]
    assert [post.sequence for post in shell.posts] == [1, 2, 3]


def test_conference_begins_only_with_one_who_may_begin_it() -> None:
    shell = Shell().enter("a", starts_on_enter=False).enter("b", starts_on_enter=False)
    assert {seat.hears for seat in shell.seats.values()} == {WAITING}
    assert not any(seat.speaks for seat in shell.seats.values())
    shell.enter("c")
    assert {seat.hears for seat in shell.seats.values()} == {ROOM}
    assert shell.enter("d", starts_on_enter=False).heard("d") is ROOM


def test_conference_who_may_begin_it_waits_for_a_second() -> None:
    shell = Shell().enter("a").tell(Left(call_sid="a")).closed
    assert [close.reason for close in shell] == [EndReason.LAST_LEFT]


def test_conference_goes_on_with_one_who_is_left() -> None:
    shell = Shell().enter("a").enter("b").tell(Left(call_sid="a"))
    assert (shell.model.state, shell.heard("b"), shell.closed) == (ConferenceState.IN_PROGRESS, ROOM, [])
    shell.tell(Left(call_sid="b"))
    assert shell.closed == [Close(EndReason.LAST_LEFT, "b")]
    assert shell.names[-2:] == ["participant-leave", "conference-end"]


@pytest.mark.parametrize(
    ("was_kicked", "reason"), [(False, EndReason.MODERATOR_LEFT), (True, EndReason.MODERATOR_KICKED)]
)
def test_conference_ends_when_a_moderator_leaves(was_kicked: bool, reason: EndReason) -> None:
    shell = Shell().enter("a", ends_on_exit=True, label="boss").enter("b").enter("c")
    shell.tell(Left(call_sid="a", was_kicked=was_kicked))
    assert shell.closed == [Close(reason, "a")]
    assert shell.seats == {}
    leaves = [post for post in shell.posts if post.name == "participant-leave"]
    assert [dict(post.more)["ReasonParticipantLeft"] for post in leaves] == [
        "participant_hung_up",
        "moderator_ended_conference",
        "moderator_ended_conference",
    ]
    assert dict(shell.posts[-1].more) == {
        "CallSidEndingConference": "a",
        "ParticipantLabelEndingConference": "boss",
        "ReasonConferenceEnded": reason.value,
        "Reason": dict(shell.posts[-1].more)["Reason"],
    }


def test_conference_moderator_ends_it_for_those_who_wait_too() -> None:
    shell = Shell().enter("a", starts_on_enter=False).enter("b", starts_on_enter=False, ends_on_exit=True)
    assert shell.tell(Left(call_sid="b")).closed == [Close(EndReason.MODERATOR_LEFT, "b")]


def test_conference_moderator_who_never_got_in_ends_nothing() -> None:
    shell = Shell().enter("a", starts_on_enter=False).enter("b", starts_on_enter=False, ends_on_exit=True)
    shell.tell(Left(call_sid="b", reason=LeaveReason.ADD_FAILED))
    assert (shell.closed, list(shell.seats)) == ([], ["a"])


def test_conference_last_one_kicked_is_told_so() -> None:
    shell = Shell().enter("a").tell(Left(call_sid="a", reason=LeaveReason.UPDATED_VIA_API, was_kicked=True))
    assert shell.closed == [Close(EndReason.LAST_KICKED, "a")]
    leave = next(post for post in shell.posts if post.name == "participant-leave")
    assert dict(leave.more)["ReasonParticipantLeft"] == "participant_updated_via_api"


def test_conference_ended_by_the_api_tells_everybody() -> None:
    shell = Shell().enter("a").enter("b").tell(EndedByApi())
    assert shell.closed == [Close(EndReason.VIA_API, None)]
    assert [dict(post.more).get("ReasonParticipantLeft") for post in shell.posts[-3:]] == [
        "conference_ended_via_api",
        "conference_ended_via_api",
        None,
    ]
    assert "CallSidEndingConference" not in dict(shell.posts[-1].more)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({}, FULL),
        ({"label": "x"}, FULL),
    ],
)
def test_conference_full_room_takes_nobody(facts: dict[str, Any], code: int) -> None:
    shell = Shell(max_participants=2).enter("a").enter("b")
    before = len(shell.effects)
    (refusal,) = shell.enter("c", **facts).effects[before:]
    assert isinstance(refusal, Refuse)
    assert refusal.code == code
    assert list(shell.model.participants) == ["a", "b"]


def test_conference_label_is_of_one_participant_at_a_time() -> None:
    shell = Shell().enter("a", label="one")
    assert shell.model.refusal_of(Participant(call_sid="b", label="one")) is not None
    assert refused(shell.enter("b", label="one")) == LABEL_IN_USE
    shell.enter("c", label="two").tell(Left(call_sid="a"))
    assert "d" in shell.enter("d", label="one").model.participants


def test_conference_coach_needs_somebody_to_coach() -> None:
    assert refused(Shell().enter("a").enter("b", is_coaching=True, coach_of="nobody")) == BAD_COACH
    shell = Shell().enter("a").enter("b").enter("c", is_coaching=True, coach_of="a")
    assert shell.seats["c"] == Seat(ROOM, speaks=True, heard_by="a")
    assert refused(shell.tell(Modified(call_sid="c", coach_of="nobody"))) == BAD_COACH
    shell.tell(Modified(call_sid="c", is_coaching=False))
    assert shell.seats["c"] == Seat(ROOM, speaks=True)
    shell.tell(Modified(call_sid="c", is_coaching=True, coach_of="b"))
    assert shell.seats["c"].heard_by == "b"


def test_conference_coach_whose_pupil_has_left_is_heard_by_nobody() -> None:
    shell = Shell().enter("a").enter("b").enter("c", is_coaching=True, coach_of="a").tell(Left(call_sid="a"))
    assert shell.seats["c"].heard_by == "a"


def test_conference_after_its_end_refuses() -> None:
    assert refused(Shell().enter("a").tell(Left(call_sid="a")).enter("b")) == GONE


def test_conference_muted_one_hears_and_is_not_heard() -> None:
    shell = Shell().enter("a", is_muted=True).enter("b")
    assert shell.seats["a"] == Seat(ROOM, speaks=False)
    shell.tell(Muted(call_sid="a", is_muted=False))
    assert shell.seats["a"] == Seat(ROOM, speaks=True)
    shell.tell(Muted(call_sid="a", is_muted=False))
    assert shell.names[-1] == "participant-unmute"
    assert shell.names.count("participant-unmute") == 1


def test_conference_held_one_hears_music_and_is_not_heard() -> None:
    shell = Shell().enter("a").tell(Held(call_sid="a", is_held=True))
    assert shell.heard("a") is HOLD
    shell.enter("b")
    assert shell.seats == {"a": Seat(HOLD, speaks=False), "b": Seat(ROOM, speaks=True)}
    shell.tell(Held(call_sid="a", is_held=False))
    assert shell.seats["a"] == Seat(ROOM, speaks=True)
    assert [name for name in shell.names if "hold" in name] == ["participant-hold", "participant-unhold"]


def test_conference_beeps_for_those_who_want_it_once_it_has_begun() -> None:
    shell = Shell().enter("a")
    assert Beep(is_entry=True) not in shell.effects
    shell.enter("b", beeps_on_exit=False).enter("c", beeps_on_enter=False)
    assert shell.effects.count(Beep(is_entry=True)) == 1
    shell.tell(Left(call_sid="b")).tell(Left(call_sid="c"))
    assert shell.effects.count(Beep(is_entry=False)) == 1
    shell.tell(Modified(call_sid="a", beeps_on_exit=False)).enter("d").tell(Left(call_sid="a"))
    assert shell.effects.count(Beep(is_entry=False)) == 1


def test_conference_is_recorded_from_its_start_or_from_the_one_who_asks() -> None:
    shell = Shell().enter("a", wants_recording=True)
    assert StartRecording() not in shell.effects
    shell.enter("b").enter("c", wants_recording=True)
    assert shell.effects.count(StartRecording()) == 1
    later = Shell().enter("a").enter("b").enter("c", wants_recording=True)
    assert later.effects.count(StartRecording()) == 1


def test_conference_tells_of_speakers_and_announcements() -> None:
    shell = Shell().enter("a").enter("b")
    shell.tell(Spoke(call_sid="a", has_begun=True)).tell(Spoke(call_sid="a", has_begun=False))
    shell.tell(Announced(url="/a")).tell(Announced(url="/b", call_sid="a", failure="gone"))
    assert shell.names[-4:] == [
        "participant-speech-start",
        "participant-speech-stop",
        "announcement-end",
        "announcement-fail",
    ]
    assert dict(shell.posts[-1].more) == {"AnnounceUrl": "/b", "ReasonAnnouncementFailed": "gone"}
    assert [post.participant and post.participant.call_sid for post in shell.posts[-2:]] == [None, "a"]


def invited(*names: str, **facts: object) -> Shell:
    shell = Shell()
    for name in names:
        shell.tell(Invited(Participant(call_sid=name, **facts)))  # type: ignore[arg-type]
    return shell


def test_conference_waits_for_one_who_is_invited_and_is_over_when_nobody_comes() -> None:
    shell = invited("a", "b").enter("a").tell(Left(call_sid="a"))
    assert (shell.model.state, shell.closed) == (ConferenceState.INIT, [])
    assert shell.tell(Missed("b")).closed == [Close(EndReason.LAST_LEFT, "b")]
    assert shell.names == ["participant-join", "participant-leave", "conference-end"]


def test_conference_invited_one_comes_as_he_was_changed_meanwhile() -> None:
    shell = (
        invited("a", label="desk")
        .tell(Muted(call_sid="a", is_muted=True))
        .tell(Modified(call_sid="a", ends_on_exit=True))
    )
    assert shell.effects == []
    shell.enter("a").enter("b")
    assert shell.model.participants["a"] == Participant(call_sid="a", label="desk", is_muted=True, ends_on_exit=True)
    assert shell.seats["a"] == Seat(ROOM, speaks=False)
    assert shell.tell(Missed("a")).model.participants.keys() == {"a", "b"}


def test_conference_invited_one_takes_a_place_and_a_label() -> None:
    shell = invited("a", label="desk")
    assert refused(shell.enter("b", label="desk")) == LABEL_IN_USE
    full = Shell(max_participants=2).enter("a").tell(Invited(Participant(call_sid="b")))
    assert refused(full.enter("c")) == FULL
    assert "b" in full.enter("b").model.participants


def test_conference_that_ends_calls_off_those_who_are_invited() -> None:
    shell = invited("a").enter("b", ends_on_exit=True).tell(Left(call_sid="b"))
    assert (shell.effects.count(Uninvite("a")), shell.model.invited) == (1, {})
    kicked = invited("a").tell(Left(call_sid="a", was_kicked=True))
    assert (kicked.effects[0], kicked.closed) == (Uninvite("a"), [Close(EndReason.LAST_KICKED, "a")])


NAMES = st.sampled_from("abcde")
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "label": st.sampled_from(["one", "two"]),
        "is_muted": st.booleans(),
        "starts_on_enter": st.booleans(),
        "ends_on_exit": st.booleans(),
    },
)
EVENTS = st.one_of(
    st.builds(
        lambda name, facts, record: Entered(participant=Participant(call_sid=name, **facts), wants_recording=record),
        NAMES,
        FACTS,
        st.booleans(),
    ),
    st.builds(lambda name, facts: Invited(Participant(call_sid=name, **facts)), NAMES, FACTS),
    st.builds(Missed, NAMES),
    st.builds(Left, call_sid=NAMES, was_kicked=st.booleans()),
    st.builds(Muted, call_sid=NAMES, is_muted=st.booleans()),
    st.builds(Held, call_sid=NAMES, is_held=st.booleans()),
    st.builds(Modified, call_sid=NAMES, is_coaching=st.booleans(), coach_of=st.none() | NAMES),
    st.builds(Spoke, call_sid=NAMES, has_begun=st.booleans()),
)


@given(st.lists(EVENTS, max_size=40))
def test_conference_any_schedule_keeps_its_order_and_ends_empty(events: list[RoomEvent]) -> None:
    shell = Shell(max_participants=4)
    for event in events:
        shell.tell(event)
        assert set(shell.seats) == set(shell.model.participants)
        assert len(shell.seats) <= 4
        if shell.model.state is ConferenceState.INIT:
            assert not any(seat.speaks for seat in shell.seats.values())
    for name in "abcde":
        shell.tell(Left(call_sid=name))
    # Whoever came or was only expected, the room does not outlast him.
    has_come = bool(shell.posts)
    assert len(shell.closed) == has_come
    assert (shell.seats, shell.model.participants, shell.model.invited) == ({}, {}, {})
    assert [post.sequence for post in shell.posts] == list(range(1, len(shell.posts) + 1))
    assert shell.names.count("participant-join") == shell.names.count("participant-leave")
    assert shell.names[-1:] == ["conference-end"] * has_come


def refused(shell: Shell) -> int | None:
    last = shell.effects[-1]
    return last.code if isinstance(last, Refuse) else None
