"""What is kept of webhooks and SIP messages: whose they are, that no secret is in it, and where it stops."""

from datetime import UTC, datetime

import pytest

from gateway.console.redaction import HIDDEN
from gateway.console.trace import (
    AFTER_END_S,
    MOST_BODY,
    MOST_MESSAGE,
    MOST_MESSAGES,
    MOST_WEBHOOKS,
    WAITING_EACH,
    WAITING_OCTETS,
    Trace,
)
from gateway.store.records import DraftedEvent, EventRecord
from gateway.webhooks.client import Exchanged, Fetched, Request
from gateway.webhooks.errors import FetchCode, FetchError
from signaling.leg import Ended, HangupCause, LegEvents
from signaling.sip.flow import Flow

CALL = "CA" + "a" * 32
FLOW = Flow("udp", ("127.0.0.1", 5060), ("192.0.2.7", 5062))
NOW = datetime(2025, 3, 14, tzinfo=UTC)


class Rig:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[EventRecord] = []
        self.trace = Trace(write=self._take, now=lambda: NOW, monotonic=lambda: self.now_s)

    def _take(self, line: EventRecord | DraftedEvent) -> None:
        self.lines.append(line.make() if isinstance(line, DraftedEvent) else line)

    def claim(self, call_id: str = "one", call_sid: str = CALL) -> LegEvents:
        events = LegEvents()
        self.trace.claim(call_id, call_sid=call_sid, events=events)
        return events

    def hears(self, text: bytes, *, is_sent: bool = False) -> None:
        self.trace.witness(text, FLOW, is_sent)


def message(call_id: str = "one", *, method: str = "INVITE", start: str = "", more: str = "") -> bytes:
    start = start or f"{method} sip:bob@example.com SIP/2.0"
    return f"{start}\r\nVia: x\r\nCall-ID: {call_id}\r\nCSeq: 7 {method}\r\n{more}\r\n".encode()


def fetched(body: bytes, **more: str) -> Fetched:
    usual = {"content_type": "text/xml", "charset": None, "url": "http://app.example.com/voice"}
    return Fetched(body=body, status=200, base_url="http://app.example.com/voice", **{**usual, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("header", ["Call-ID: one", "Call-ID:one ", "call-id : one", "i:  one", "Call-ID: one\t"])
def test_trace_message_is_known_by_its_call_id_however_it_is_spelled(header: str) -> None:
    rig = Rig()
    rig.claim()
    rig.hears(f"SIP/2.0 200 OK\r\nVia: x\r\n{header}\r\nCSeq: 7 INVITE\r\n\r\n".encode())
    assert [line.message for line in rig.lines] == ["SIP/2.0 200 OK"]


def test_trace_message_of_a_claimed_call_is_a_line_of_its_timeline() -> None:
    rig = Rig()
    rig.claim()
    rig.hears(message(more='Authorization: Digest username="bob", response="abcdef"\r\n'))
    rig.hears(message(start="SIP/2.0 180 Ringing"), is_sent=True)
    first, second = rig.lines
    assert (first.call_sid, first.name, first.at) == (CALL, "sip", NOW)
    assert first.message == "INVITE sip:bob@example.com SIP/2.0"
    assert first.details["peer"] == "udp:192.0.2.7:5062" and first.details["is_sent"] is False
    assert "abcdef" not in str(first.details["text"]) and HIDDEN in str(first.details["text"])
    assert second.message == "SIP/2.0 180 Ringing" and second.details["is_sent"] is True


def test_trace_message_before_the_call_is_known_is_kept_for_it() -> None:
    rig = Rig()
    rig.hears(message())
    rig.hears(message("other"))
    assert rig.lines == []
    rig.claim()
    assert [line.message for line in rig.lines] == ["INVITE sip:bob@example.com SIP/2.0"]
    assert rig.trace.live["waiting"] == 1


def test_trace_compact_names_and_odd_octets_are_read() -> None:
    rig = Rig()
    rig.claim("comp\ufffdact")
    rig.hears(b"BYE sip:x SIP/2.0\r\ni:   comp\xffact \r\nCSeq: 1 BYE\r\n\r\n\xff\xfe")
    assert len(rig.lines) == 1
    rig.hears(b"no sip at all")
    assert len(rig.lines) == 1


def test_trace_registrations_and_keep_alives_are_not_kept() -> None:
    rig = Rig()
    for method in ("REGISTER", "OPTIONS", "SUBSCRIBE"):
        rig.hears(message(method, method=method))
        rig.hears(message(method, method=method, start="SIP/2.0 200 OK"), is_sent=True)
    assert rig.trace.live["waiting"] == 0


def test_trace_messages_that_nobody_claims_take_bounded_room() -> None:
    rig = Rig()
    for number in range(400):
        for _ in range(WAITING_EACH + 3):
            rig.hears(message(f"stranger {number}", more="X-Fill: " + "x" * 2000 + "\r\n"))
    assert rig.trace.live["waiting_octets"] <= WAITING_OCTETS
    assert rig.lines == []
    rig.claim("stranger 399")
    assert len(rig.lines) == WAITING_EACH
    rig.claim("stranger 0")
    assert len(rig.lines) == WAITING_EACH


def test_trace_messages_of_one_call_end_with_a_line_that_says_so() -> None:
    rig = Rig()
    rig.claim()
    for _ in range(MOST_MESSAGES + 20):
        rig.hears(message())
    assert len(rig.lines) == MOST_MESSAGES + 1
    assert rig.lines[-1].name == "cut"


def test_trace_long_message_is_cut_behind_its_secrets() -> None:
    rig = Rig()
    rig.claim()
    rig.hears(message(more="X-Fill: " + "x" * (MOST_MESSAGE - 150) + "\r\nX-Token: letmein" + "y" * 9000 + "\r\n"))
    (line,) = rig.lines
    assert len(str(line.details["text"])) <= MOST_MESSAGE
    assert "letmein" not in str(line.details["text"])


def test_trace_forgets_calls_that_are_over() -> None:
    rig = Rig()
    for number in range(500):
        events = rig.claim(f"call {number}", f"CA{number:032}")
        events.post(Ended(HangupCause.NORMAL))
        rig.now_s += AFTER_END_S / 4
    assert rig.trace.live["claims"] <= 128
    assert rig.trace.call_sid_of("call 0") is None
    assert rig.trace.call_sid_of("call 499") == f"CA{499:032}"


def test_trace_keeps_the_claims_of_calls_that_run() -> None:
    rig = Rig()
    kept = [rig.claim(f"call {number}", f"CA{number:032}") for number in range(300)]
    rig.now_s += 100_000
    for number in range(300, 900):
        rig.claim(f"call {number}").post(Ended(HangupCause.NORMAL))
    assert all(rig.trace.call_sid_of(f"call {number}") for number in range(300)), kept


def test_trace_webhook_tells_request_answer_and_time() -> None:
    rig = Rig()
    request = Request(
        url="http://ann:letmein@app.example.com/voice?token=sesame#rc=2",
        params=(("From", "client:ann"), ("CallToken", "sesame")),
        call_sid=CALL,
    )
    document = b'<Response><Dial><Sip password="letmein">sip:x@y</Sip></Dial></Response>'
    rig.trace.exchanged(Exchanged(request=request, took_s=0.0236, answer=fetched(document)))
    (line,) = rig.lines
    assert (line.call_sid, line.name, line.code) == (CALL, "webhook", None)
    assert line.url == f"http://app.example.com/voice?token={HIDDEN}"
    assert line.details["took_ms"] == 24 and line.details["status"] == 200
    assert line.details["params"] == [["From", "client:ann"], ["CallToken", HIDDEN]]
    assert "sip:x@y" in str(line.details["body"])
    assert "letmein" not in str(line) and "sesame" not in str(line)


def test_trace_webhook_that_failed_tells_why() -> None:
    rig = Rig()
    error = FetchError(FetchCode.CONNECTION_FAILURE, "http://app.example.com/", "found 500", http_status=500)
    request = Request(url="http://app.example.com/", call_sid=CALL)
    rig.trace.exchanged(Exchanged(request=request, took_s=1.0, error=error))
    (line,) = rig.lines
    assert (line.code, line.message, line.details["status"]) == (int(FetchCode.CONNECTION_FAILURE), "found 500", 500)


def test_trace_webhook_without_a_call_is_not_kept() -> None:
    rig = Rig()
    rig.trace.exchanged(Exchanged(request=Request(url="http://a.example.com/"), took_s=1.0, answer=fetched(b"x")))
    assert rig.lines == []


def test_trace_webhooks_are_bounded_in_number_and_size() -> None:
    rig = Rig()
    request = Request(url="http://app.example.com/", params=(("Fill", "x" * 50_000),), call_sid=CALL)
    answer = fetched(b"y" * 60_000)
    for _ in range(MOST_WEBHOOKS + 20):
        rig.trace.exchanged(Exchanged(request=request, took_s=0.0, answer=answer))
    assert len(rig.lines) == MOST_WEBHOOKS + 1 and rig.lines[-1].name == "cut"
    details = rig.lines[0].details
    assert len(str(details["body"])) == MOST_BODY and details["is_whole"] is False
    assert len(str(details["params"])) < 3000


def test_trace_answer_in_a_strange_charset_is_read_all_the_same() -> None:
    rig = Rig()
    request = Request(url="http://app.example.com/", call_sid=CALL)
    for charset, body in (("punycode", b"\xff"), ("iso-8859-1", b"\xe9"), (None, "é".encode()), ("zip", b"\xff")):
        answer = fetched(body, charset=charset)  # type: ignore[arg-type]
        rig.trace.exchanged(Exchanged(request=request, took_s=0.0, answer=answer))
    assert [line.details["body"] for line in rig.lines] == ["\ufffd", "é", "é", "\ufffd"]
