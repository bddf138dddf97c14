"""Frames of the Voice SDK, read with bounds and written so that the SDK never fails on one."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.leg import HangupCause
from signaling.voice_sdk import from_device, to_device
from signaling.voice_sdk.from_device import MAX_AFTER_LOGIN, MAX_BEFORE_LOGIN, BadMessage, BrokenFrame, read
from signaling.voice_sdk.parameters import decode_parameters, encode_parameters
from signaling.voice_sdk.reconnect import ReconnectToken
from signaling.voice_sdk.to_device import Failure, write


def frame(kind: str, **payload: Any) -> str:
    return json.dumps({"type": kind, "payload": payload, "version": "1.6"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n", from_device.Heartbeat()),
        (
            frame("listen", token="t", reconnectTimeout=12, browserinfo={"p": "browser"}),
            from_device.Listen("t", reconnect_timeout_s=12.0),
        ),
        (frame("listen", token="t", reconnectTimeout=99), from_device.Listen("t", reconnect_timeout_s=30.0)),
        (frame("listen", token="t", reconnectTimeout="1"), from_device.Listen("t")),
        (frame("listen", token=7), from_device.Listen("")),
        (frame("listen"), from_device.Listen("")),
        (frame("register", media={"audio": True}), from_device.Register(True)),
        (frame("register", media={"audio": False}), from_device.Register(False)),
        (frame("register"), from_device.Register(False)),
        (
            frame("invite", callsid="TJSx", sdp="v=0", twilio={"params": "To=%2B1555%200100&n=&%C3%BC=%E2%82%AC"}),
            from_device.Invite("TJSx", "v=0", {"To": "+1555 0100", "n": "", "ü": "€"}),
        ),
        (frame("invite", callsid="TJSx", sdp="v=0", twilio={}), from_device.Invite("TJSx", "v=0", {})),
        (
            frame("invite", callsid="CA1", sdp="v=0", reconnect="r", twilio={}),
            from_device.Reconnect("CA1", "r", "v=0"),
        ),
        (frame("invite", callsid="CA1", reconnect="r"), from_device.Reconnect("CA1", "r", "")),
        (frame("answer", callsid="CA1", sdp="v=0"), from_device.Answer("CA1", "v=0")),
        (frame("reject", callsid="CA1"), from_device.Reject("CA1")),
        (frame("hangup", callsid="CA1"), from_device.Hangup("CA1")),
        (frame("hangup", callsid="CA1", message="lost"), from_device.Hangup("CA1", "lost")),
        (frame("reinvite", callsid="CA1", sdp="v=0"), from_device.Reinvite("CA1", "v=0")),
        (frame("dtmf", callsid="CA1", dtmf="12#*w9"), from_device.Dtmf("CA1", "12#*w9")),
        (
            frame(
                "message",
                callsid="CA1",
                content={"a": [1]},
                contenttype="application/json",
                messagetype="user-defined-message",
                voiceeventsid="KX1",
            ),
            from_device.CallMessage("CA1", {"a": [1]}, event_sid="KX1"),
        ),
        (frame("presence", roster=[]), from_device.Unknown("presence")),
        ('{"type":"register"}', from_device.Register(False)),
    ],
)
def test_frame_is_read(text: str, message: from_device.FromDevice) -> None:
    assert read(text, limit=MAX_AFTER_LOGIN) == message


@pytest.mark.parametrize(
    ("text", "close_code"),
    [
        ("", 1007),
        ("hello", 1007),
        ("{", 1007),
        ("\n\n", 1007),
        ('{"type":"listen","payload":{"token":NaN}}', 1007),
        ("[" * 100_000, 1009),
        ("[" * 60_000, 1007),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, 1007),
        ('{"type":"listen","payload":{"n":' + "9" * 50_000 + "}}", 1007),
        ('{"type":"listen","payload":{"n":' + "9" * 100_000 + "}}", 1009),
        ('"listen"', 1008),
        ("[]", 1008),
        ("null", 1008),
        ("{}", 1008),
        ('{"type":7}', 1008),
        ('{"type":"listen","payload":{"token":"' + "x" * MAX_BEFORE_LOGIN + '"}}', 1009),
        ('{"type":"listen","payload":{"token":"' + "€" * 30_000 + '"}}', 1009),
    ],
    ids=range(17),
)
def test_frame_that_is_no_message_closes_the_socket(text: str, close_code: int) -> None:
    began = time.perf_counter()
    with pytest.raises(BrokenFrame) as broken:
        read(text, limit=MAX_BEFORE_LOGIN)
    assert broken.value.close_code == close_code
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type":"register","payload":[]}', 31100),
        (frame("invite", sdp="v=0"), 31100),
        (frame("invite", callsid="TJSx"), 31100),
        (frame("invite", callsid="a b", sdp="v=0"), 31100),
        (frame("invite", callsid="TJSx", sdp="x" * 70_000), 31100),
        (frame("invite", callsid="TJSx", sdp="v=0", twilio={"params": "&".join(["a=b"] * 101)}), 31100),
        (frame("invite", callsid="TJSx", sdp="v=0", twilio={"params": 7}), 31100),
        (frame("invite", callsid="CA1", reconnect=7), 31100),
        (frame("answer", callsid="CA1"), 31100),
        (frame("answer", callsid=["CA1"], sdp="v=0"), 31100),
        (frame("dtmf", callsid="CA1", dtmf="12x"), 31100),
        (frame("dtmf", callsid="CA1", dtmf=""), 31100),
        (frame("dtmf", callsid="CA1", dtmf="1" * 129), 31100),
        (frame("hangup", callsid="CA1", message={}), 31100),
        (frame("message", callsid="CA1", content=1, messagetype="a b"), 31210),
        (frame("message", callsid="CA1", content=1, contenttype=7), 31210),
        (frame("message", callsid="CA1", content="x" * 10_240), 31212),
        ('{"type":"message","payload":{"callsid":"CA1","content":' + "[" * 40 + "]" * 40 + "}}", 31212),
    ],
    ids=range(18),
)
def test_frame_with_a_bad_payload_is_answered(text: str, code: int) -> None:
    with pytest.raises(BadMessage) as bad:
        read(text, limit=MAX_AFTER_LOGIN)
    assert bad.value.code == code


def test_frame_with_half_a_character_reads_as_one_that_can_be_written() -> None:
    message = read('{"type":"hangup","payload":{"callsid":"CA1","message":"\\ud800!"}}', limit=MAX_AFTER_LOGIN)
    assert message == from_device.Hangup("CA1", "?!")


@given(st.text(max_size=200))
def test_frame_of_anything_never_fails_otherwise(text: str) -> None:
    try:
        read(text, limit=MAX_BEFORE_LOGIN)
    except (BrokenFrame, BadMessage):
        pass


ANY_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists, max_leaves=5)


@given(
    st.sampled_from(["listen", "register", "invite", "answer", "reject", "hangup", "reinvite", "dtmf", "message"]),
    st.dictionaries(
        st.sampled_from(["token", "media", "callsid", "sdp", "twilio", "reconnect", "dtmf", "content", "messagetype"]),
        ANY_JSON,
    ),
)
def test_payload_of_anything_never_fails_otherwise(kind: str, payload: dict[str, Any]) -> None:
    try:
        read(frame(kind, **payload), limit=MAX_AFTER_LOGIN)
    except BadMessage:
        pass


@pytest.mark.parametrize(
    ("message", "kind", "payload"),
    [
        (
            to_device.Connected(identity="alice", ttl_s=3600),
            "connected",
            {"token": {"identity": "alice", "ttl": 3600}, "edge": "roaming"},
        ),
        (
            to_device.Connected(identity="alice", ttl_s=1, edge="e", region="r", home="h"),
            "connected",
            {"token": {"identity": "alice", "ttl": 1}, "edge": "e", "region": "r", "home": "h"},
        ),
        (to_device.Ready(), "ready", {}),
        (to_device.Offline(), "offline", {}),
        (to_device.Close(), "close", {}),
        (to_device.Error(Failure(31204, "no")), "error", {"error": {"code": 31204, "message": "no"}}),
        (
            to_device.Error(Failure(31206, "slow", retry_after_s=5), "CA1", "KX1"),
            "error",
            {
                "error": {"code": 31206, "message": "slow", "retryAfter": 5},
                "callsid": "CA1",
                "voiceeventsid": "KX1",
            },
        ),
        (
            to_device.Invite("CA1", "v=0", "r", {"From": "+1"}),
            "invite",
            {"callsid": "CA1", "sdp": "v=0", "reconnect": "r", "parameters": {"From": "+1"}},
        ),
        (to_device.Cancel("CA1"), "cancel", {"callsid": "CA1"}),
        (to_device.Ringing("CA1"), "ringing", {"callsid": "CA1"}),
        (to_device.Ringing("CA1", "v=0"), "ringing", {"callsid": "CA1", "sdp": "v=0"}),
        (
            to_device.Answer("CA1", "v=0", "r"),
            "answer",
            {"callsid": "CA1", "sdp": "v=0", "reconnect": "r"},
        ),
        (to_device.Answer("CA1", reconnect="r"), "answer", {"callsid": "CA1", "reconnect": "r"}),
        (to_device.Hangup("CA1"), "hangup", {"callsid": "CA1"}),
        (
            to_device.Hangup("CA1", Failure.of(HangupCause.NOT_FOUND)),
            "hangup",
            {"callsid": "CA1", "error": {"code": 31404, "message": "Not found"}},
        ),
        (
            to_device.Acknowledged("CA1", "KX1"),
            "ack",
            {"acktype": "message", "callsid": "CA1", "voiceeventsid": "KX1"},
        ),
        (
            to_device.CallMessage("CA1", "hé", event_sid="KX1"),
            "message",
            {
                "callsid": "CA1",
                "content": "hé",
                "contenttype": "application/json",
                "messagetype": "user-defined-message",
                "voiceeventsid": "KX1",
            },
        ),
    ],
)
def test_message_is_written(message: to_device.ToDevice, kind: str, payload: dict[str, Any]) -> None:
    text = write(message)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == {"type": kind, "payload": payload, "version": "1.6"}


@pytest.mark.parametrize("cause", list(HangupCause), ids=lambda cause: cause.name)
def test_failure_every_cause_is_a_plain_hangup_or_has_a_code(cause: HangupCause) -> None:
    plain = {HangupCause.NORMAL, HangupCause.CANCELED, HangupCause.ANSWERED_ELSEWHERE}
    failure = Failure.of(cause)
    assert (failure is None) is (cause in plain)


def sdk_decodes(params: str) -> dict[str, str]:
    """As the SDK does it: names as they stand, values up to the next ``=``, ``+`` for a space."""
    from urllib.parse import unquote_plus

    pairs = (pair.split("=") for pair in params.split("&") if pair)
    return {pair[0]: unquote_plus(pair[1]) for pair in pairs}


@pytest.mark.parametrize("value", ["", "plain", "a b+c", "x=y&z", "100%", "ü€😀", "a/b?c#d", "\r\n"])
def test_parameters_reach_the_sdk_as_they_were(value: str) -> None:
    assert sdk_decodes(encode_parameters({"k": value, "other": "1"})) == {"k": value, "other": "1"}


def test_parameters_names_the_sdk_would_garble_are_left_out() -> None:
    garbled = {"a&b": "1", "a=b": "1", "a%20b": "1", "a b": "1", "": "1", "a+b": "1", "a\nb": "1"}
    assert encode_parameters({**garbled, "höf_1.x": "1"}) == "höf_1.x=1"


@given(st.dictionaries(st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,20}", fullmatch=True), st.text(max_size=40)))
def test_parameters_survive_any_value(parameters: dict[str, str]) -> None:
    as_sent = {name: value.encode("utf-8", "replace").decode() for name, value in parameters.items()}
    assert sdk_decodes(encode_parameters(parameters)) == as_sent


def test_parameters_from_the_sdk_are_decoded() -> None:
    assert decode_parameters("a=1%202&b=&c=%2B%26%3D&a=last") == {"a": "last", "b": "", "c": "+&="}


def test_reconnect_token_is_used_once_and_the_one_before_until_the_new_one_is() -> None:
    tokens = ReconnectToken()
    first = tokens.current
    assert tokens.use(first)
    second = tokens.current
    # The answer with the second was lost: the first still counts.
    assert tokens.use(first)
    third = tokens.current
    assert len({first, second, third}) == 3
    assert not tokens.use(second)
    assert tokens.use(third)
    assert tokens.use(third)
    assert not tokens.use(first)


@pytest.mark.parametrize("presented", ["", "x", "\ud800", "x" * 256])
def test_reconnect_token_guessed_is_refused(presented: str) -> None:
    tokens = ReconnectToken()
    before = tokens.current
    assert not tokens.use(presented)
    assert tokens.current == before
    assert len(before) >= 32
