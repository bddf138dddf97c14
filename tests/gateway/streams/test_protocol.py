"""Messages of a media stream, both ways."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.protocol import Clear, Mark, Misunderstood, Sound, Writer, understood

SID = "MZ" + "1" * 32


def writer() -> Writer:
    return Writer(
        account_sid="AC1", call_sid="CA1", stream_sid=SID, tracks=("inbound", "outbound"), parameters={"a": "b"}
    )


def test_stream_begins_with_who_and_what() -> None:
    written = writer()
    assert json.loads(written.connected()) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert json.loads(written.start()) == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC1",
            "streamSid": SID,
            "callSid": "CA1",
            "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"a": "b"},
        },
        "streamSid": SID,
    }


def test_stream_numbers_messages_together_and_chunks_by_track() -> None:
    written = writer()
    written.start()
    told = [
        json.loads(text)
        for text in (
            written.media("inbound", b"\xff" * 160, frame=0),
            written.media("outbound", b"\x7f" * 160, frame=0),
            written.media("inbound", b"\xff" * 160, frame=3),
            written.dtmf("5"),
            written.mark("m"),
            written.stop(),
        )
    ]
    assert [each["sequenceNumber"] for each in told] == ["2", "3", "4", "5", "6", "7"]
    assert [told[at]["media"]["chunk"] for at in range(3)] == ["1", "1", "2"]
    assert [told[at]["media"]["timestamp"] for at in range(3)] == ["0", "0", "60"]
    assert base64.b64decode(told[0]["media"]["payload"]) == b"\xff" * 160
    assert told[3]["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert told[5]["stop"] == {"accountSid": "AC1", "callSid": "CA1"}


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ({"event": "media", "streamSid": SID, "media": {"payload": "/w=="}}, Sound(b"\xff")),
        ({"event": "mark", "streamSid": SID, "mark": {"name": "end"}}, Mark("end")),
        ({"event": "clear", "streamSid": SID}, Clear()),
    ],
)
def test_stream_understands_its_application(message: object, meant: object) -> None:
    assert understood(json.dumps(message), stream_sid=SID) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"event": "media"}',
        f'{{"event": "media", "streamSid": "{SID}"}}',
        f'{{"event": "media", "streamSid": "{SID}", "media": {{"payload": "%%%"}}}}',
        f'{{"event": "media", "streamSid": "{SID}", "media": {{"payload": 5}}}}',
        f'{{"event": "media", "streamSid": "{SID}", "media": []}}',
        '{"event": "clear", "streamSid": "MZ2"}',
        f'{{"event": "mark", "streamSid": "{SID}", "mark": {{"name": "{"x" * 300}"}}}}',
        f'{{"event": "start", "streamSid": "{SID}"}}',
    ],
)
def test_stream_message_that_says_nothing_is_misunderstood(text: str) -> None:
    assert isinstance(understood(text, stream_sid=SID), Misunderstood)


@given(st.text())
def test_stream_never_fails_on_text(text: str) -> None:
    understood(text, stream_sid=SID)
