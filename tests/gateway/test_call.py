"""The status of a call: every status x event pair, and the numbers that callbacks carry."""

import itertools
from typing import get_args

import pytest

from gateway.call import (
    FINAL,
    IGNORED,
    TRANSITIONS,
    Alerted,
    CallEvent,
    CallModel,
    CallStatus,
    IllegalEvent,
    Over,
    PickedUp,
    Placed,
    PostStatus,
    ProgressEvent,
    unanswered_status,
)
from signaling.errors import UsageError
from signaling.leg import HangupCause

EVENTS: dict[type[CallEvent], CallEvent] = {
    Placed: Placed(),
    Alerted: Alerted(),
    PickedUp: PickedUp(),
    Over: Over(CallStatus.BUSY),
}
# An inbound call begins ringing and an answered one is never queued again: these have no meaning.
ILLEGAL = {
    (CallStatus.QUEUED, Alerted),
    (CallStatus.QUEUED, PickedUp),
    (CallStatus.INITIATED, Placed),
    (CallStatus.RINGING, Placed),
    (CallStatus.IN_PROGRESS, Placed),
    (CallStatus.IN_PROGRESS, PickedUp),
}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(status, kind, id=f"{status.value}->{kind.__name__}")
        for status, kind in itertools.product(CallStatus, get_args(CallEvent))
    ],
)
def test_call_every_status_and_event_is_decided(status: CallStatus, kind: type[CallEvent]) -> None:
    model = CallModel(status)
    decided = [(status, kind) in table for table in (TRANSITIONS, IGNORED, ILLEGAL)]
    assert decided.count(True) == 1
    if (status, kind) in ILLEGAL:
        with pytest.raises(IllegalEvent):
            model.receive(EVENTS[kind])
        assert model.status is status
    elif (status, kind) in IGNORED:
        assert model.receive(EVENTS[kind]) == ()
        assert model.status is status
    else:
        model.receive(EVENTS[kind])
        assert model.status is not status


def test_call_sequence_counts_every_event_from_zero() -> None:
    model = CallModel()
    posted = [*model.receive(Placed()), *model.receive(Alerted()), *model.receive(PickedUp())]
    posted += model.receive(Over(CallStatus.FAILED))
    assert posted == [
        PostStatus(ProgressEvent.INITIATED, CallStatus.INITIATED, 0),
        PostStatus(ProgressEvent.RINGING, CallStatus.RINGING, 1),
        PostStatus(ProgressEvent.ANSWERED, CallStatus.IN_PROGRESS, 2),
        PostStatus(ProgressEvent.COMPLETED, CallStatus.COMPLETED, 3),
    ]


def test_call_answered_without_ringing_posts_no_ringing() -> None:
    model = CallModel()
    posted = [*model.receive(Placed()), *model.receive(PickedUp())]
    assert [told.event for told in posted] == [ProgressEvent.INITIATED, ProgressEvent.ANSWERED]
    assert posted[1].sequence == 1


def test_call_cancelled_while_queued_tells_nobody() -> None:
    model = CallModel()
    assert model.receive(Over(CallStatus.CANCELED)) == ()
    assert model.status is CallStatus.CANCELED


def test_call_ends_only_with_a_final_status() -> None:
    with pytest.raises(UsageError):
        Over(CallStatus.RINGING)


@pytest.mark.parametrize("cause", HangupCause)
def test_call_every_cause_gives_a_final_status(cause: HangupCause) -> None:
    assert unanswered_status(cause) in FINAL
    assert unanswered_status(cause) is not CallStatus.COMPLETED


@pytest.mark.parametrize(
    ("sip_status", "status"),
    [
        (486, "busy"), (600, "busy"), (603, "busy"), (408, "no-answer"), (480, "no-answer"), (487, "no-answer"),
        (404, "failed"), (500, "failed"), (503, "failed"), (488, "failed"), (302, "failed"), (606, "failed"),
    ],
)  # fmt: skip
def test_call_status_of_a_sip_refusal(sip_status: int, status: str) -> None:
    assert unanswered_status(HangupCause.from_sip_status(sip_status)).value == status
