"""What an endpoint does of itself: pure plans of timed commands."""

import pytest

from signaling.endpoints.commands import Answer, DigitMethod, Digits, Hangup, Hold, Reject, Resume, Ring
from signaling.endpoints.events import EndCause, end_cause
from signaling.endpoints.messages import body_of, extension_headers, request_uri
from signaling.endpoints.options import Incoming, SipEndpointOptions
from signaling.endpoints.script import (
    DIGITS_AFTER_ANSWER_S,
    Agenda,
    Timed,
    on_answered,
    on_incoming,
    split_digits,
)


@pytest.mark.parametrize(
    ("options", "planned"),
    [
        (SipEndpointOptions(identity="a"), (Timed(0, Ring(1)),)),
        (
            SipEndpointOptions(identity="a", incoming=Incoming.ANSWER, answer_after_s=2),
            (Timed(0, Ring(1)), Timed(2, Answer(1))),
        ),
        (
            SipEndpointOptions(identity="a", incoming=Incoming.REJECT, reject_code=603),
            (Timed(0, Reject(603, 1)),),
        ),
        (SipEndpointOptions(identity="a", incoming=Incoming.WAIT), ()),
    ],
)
def test_script_incoming_call_is_treated_as_asked(options: SipEndpointOptions, planned: tuple[Timed, ...]) -> None:
    assert on_incoming(options, 1) == planned


def test_script_answered_call_runs_digits_hold_resume_hangup() -> None:
    options = SipEndpointOptions(identity="a", digits="1", hold_after_s=1, resume_after_s=2, hangup_after_s=5)
    assert on_answered(options, 4) == (
        Timed(DIGITS_AFTER_ANSWER_S, Digits("1", DigitMethod.RFC4733, 4)),
        Timed(1, Hold(4)),
        Timed(3, Resume(4)),
        Timed(5, Hangup(4)),
    )


@pytest.mark.parametrize(
    ("digits", "runs"),
    [
        ("", []),
        ("12", [(0.0, "12")]),
        ("1w23", [(0.0, "1"), (0.75, "23")]),
        ("wW5", [(1.5, "5")]),
        ("1w", [(0.0, "1")]),
    ],
)
def test_script_pauses_split_digits_into_runs(digits: str, runs: list[tuple[float, str]]) -> None:
    assert list(split_digits(digits)) == runs


def test_agenda_gives_what_is_due_in_order_and_forgets_calls_that_are_over() -> None:
    agenda = Agenda()
    agenda.add(1, 5.0, Hangup(1))
    agenda.add(1, 1.0, Ring(1))
    agenda.add(2, 1.0, Ring(2))
    assert list(agenda.due(0.9)) == []
    assert list(agenda.due(1.0)) == [Ring(1), Ring(2)]
    agenda.drop(1)
    assert list(agenda.due(9.0)) == []


@pytest.mark.parametrize(
    ("code", "was_answered", "reason", "cause"),
    [
        (200, True, "", EndCause.NORMAL),
        (408, True, "", EndCause.FAILED),
        (486, False, "", EndCause.BUSY),
        (600, False, "", EndCause.BUSY),
        (603, False, "", EndCause.DECLINED),
        (404, False, "", EndCause.NOT_FOUND),
        (487, False, "", EndCause.CANCELED),
        (487, False, 'SIP ;cause=200 ;text="Call completed elsewhere"', EndCause.ANSWERED_ELSEWHERE),
        (503, False, "", EndCause.FAILED),
    ],
)
def test_end_cause_of_a_call(code: int, was_answered: bool, reason: str, cause: EndCause) -> None:
    assert end_cause(code=code, was_answered=was_answered, reason_header=reason) is cause


MESSAGE = (
    "INVITE sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2\r\nx-one: 1\r\nX-Two: a\r\n  b\r\n"
    'DIVERSION: <sip:carol@192.0.2.3>\r\nSubject: "X-Three: no"\r\n\r\nX-Body: no\r\n'
)


def test_messages_tell_extension_headers_as_spelled_and_unfolded() -> None:
    assert extension_headers(MESSAGE) == {"x-one": "1", "X-Two": "a  b", "Diversion": "<sip:carol@192.0.2.3>"}


def test_messages_body_and_request_uri() -> None:
    assert body_of(MESSAGE) == "X-Body: no\r\n"
    assert request_uri(MESSAGE) == "sip:bob@192.0.2.1"
    assert request_uri("") == ""
