"""Bodies: the description in a message and the key in an INFO."""

import pytest

from signaling.sip.bodies import key_press, session_description
from signaling.sip.message import SipParseError
from tests.signaling.sip.messages import request

SDP = b"v=0\r\ns=-\r\n"


def test_description_is_the_body_or_nothing() -> None:
    assert session_description(request(fields=[("Content-Type", "Application/SDP ;x=y")], body=SDP)) == SDP
    assert session_description(request()) == b""


@pytest.mark.parametrize("boundary", ['boundary="b1"', "x=y; boundary=b1", "Boundary = b1"])
def test_description_is_found_among_several_parts(boundary: str) -> None:
    body = (
        b"preamble\r\n--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b1\r\n"
        b"content-type : application/sdp;x=y\r\nContent-Disposition: session\r\n\r\n" + SDP + b"\r\n--b1--\r\n"
    )
    message = request(fields=[("Content-Type", f"multipart/mixed; {boundary}")], body=body)
    assert session_description(message) == SDP


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("Content-Type", "text/plain")],
        [("Content-Type", "multipart/mixed")],
        [("Content-Type", "multipart/mixed; boundary=x")],
        [("Content-Type", "application/sdp"), ("Content-Encoding", "gzip")],
    ],
)
def test_body_without_a_description_is_a_415(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(SipParseError) as caught:
        session_description(request(fields=fields, body=SDP))
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("kind", "body", "pressed"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", ("5", 160)),
        ("application/dtmf-relay", b"Duration = 90\nSignal= * \n", ("*", 90)),
        ("application/dtmf-relay", b"signal=11", ("#", 0)),
        ("application/dtmf-relay;x=y", b"Signal=d\r\n", ("D", 0)),
        ("application/dtmf", b" 7\r\n", ("7", 0)),
        ("application/dtmf", b"10", ("*", 0)),
    ],
)
def test_key_of_an_info(kind: str, body: bytes, pressed: tuple[str, int]) -> None:
    assert key_press(request("INFO", fields=[("Content-Type", kind)], body=body)) == pressed


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/dtmf-relay", b"Signal=55\r\n", 400),
        ("application/dtmf-relay", b"", 400),
        ("application/dtmf", b"16", 400),
        ("application/dtmf", b"\xff", 400),
        ("text/plain", b"5", 415),
    ],
)
def test_info_that_is_no_key_is_refused(kind: str, body: bytes, status: int) -> None:
    with pytest.raises(SipParseError) as caught:
        key_press(request("INFO", fields=[("Content-Type", kind)], body=body))
    assert caught.value.status == status
