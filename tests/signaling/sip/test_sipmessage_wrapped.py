"""Where sipmessage 0.7.1 takes or changes what it should not: its answer and ours, side by side.

If the library's side of a case fails after an upgrade, the trap is gone and values.py may become simpler.
"""

import time

import pytest
import sipmessage

from signaling.sip.message import Request, SipParseError
from signaling.sip.parser import parse_datagram
from signaling.sip.values import MAX_URI, parse_address, parse_uri, parse_via, split_list

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
)


def test_two_quoted_names_are_two_addresses() -> None:
    value = '"alice" <sip:alice@example.com>, "bob" <sip:bob@example.com>'
    library = sipmessage.Address.parse_many(value)
    assert [address.uri.user for address in library] == ["bob"], "it takes all up to the last quote for one name"
    assert [parse_address(item).uri.user for item in split_list(value)] == ["alice", "bob"]
    with pytest.raises(SipParseError):
        parse_address(value)


@pytest.mark.parametrize("tag", ["a+b", "a!b", "a*b", "a'b", "a`b", "a%20b"])
def test_tags_are_kept_to_the_letter(tag: str) -> None:
    value = f"<sip:a@example.com>;tag={tag}"
    library = sipmessage.Address.parse(value)
    assert library.parameters["tag"] != tag or str(library) != value, "it escapes or unescapes on the way"
    assert parse_address(value).parameters["tag"] == tag


def test_quoted_parameter_with_a_semicolon_is_one_parameter() -> None:
    value = '<sip:a@example.com>;x="1;tag=2";tag=3'
    assert sipmessage.Address.parse(value).parameters["x"] == '"1'
    assert dict(parse_address(value).parameters) == {"x": '"1;tag=2"', "tag": "3"}


def test_parameter_that_stands_twice_is_refused() -> None:
    value = "<sip:a@example.com>;tag=1;tag=2"
    assert sipmessage.Address.parse(value).parameters["tag"] == "2"
    with pytest.raises(SipParseError):
        parse_address(value)


def test_parameter_names_have_no_case() -> None:
    assert "branch" not in sipmessage.Via.parse("SIP/2.0/UDP 192.0.2.1;Branch=z9hG4bK1").parameters
    assert parse_via("SIP/2.0/UDP 192.0.2.1;Branch=z9hG4bK1").parameters["branch"] == "z9hG4bK1"


@pytest.mark.parametrize("uri", ["SIP:a@example.com", "sip:a@example.com?Subject=x", "mailto:a@example.com"])
def test_uri_that_is_valid_is_taken(uri: str) -> None:
    with pytest.raises(ValueError, match="not valid"):
        sipmessage.URI.parse(uri)
    assert parse_uri(uri).scheme in ("sip", "mailto")


@pytest.mark.parametrize("value", ["SIP/2.0/UDP example_host;branch=1", "SIP/2.0/UDP 192.0.2.1 : 5060 ;branch=1"])
def test_via_of_liberal_peers_is_taken(value: str) -> None:
    with pytest.raises(ValueError, match="not valid"):
        sipmessage.Via.parse(value)
    assert parse_via(value).parameters["branch"] == "1"


def test_port_beyond_65535_is_refused() -> None:
    assert sipmessage.URI.parse("sip:a@example.com:99999").port == 99999
    with pytest.raises(SipParseError):
        parse_uri("sip:a@example.com:99999")


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        (b"Content-Length: -1\r\n\r\n", lambda message: message.content_length),
        (b"Content-Length: 99\r\n\r\n", lambda message: message.content_length),
        (b"CSeq: 1 BYE\r\n\r\n", lambda message: message.cseq),
        (b"From: <sip:mallory@example.com>;tag=2\r\n\r\n", lambda message: message.from_address),
        (b"Subject: a\nX-Injected: b\r\n\r\n", lambda message: message.subject),
    ],
    ids=["negative length", "length beyond the datagram", "CSeq twice", "From twice", "lone LF"],
)
def test_message_that_is_invalid_is_refused(lines: bytes, read: object) -> None:
    sipmessage.Message.parse(INVITE + lines)
    with pytest.raises(SipParseError):
        parse_datagram(INVITE + lines)


@pytest.mark.parametrize(
    "lines",
    [b"Subject: a\r\n folded\r\n\r\n", b"Supported : timer\r\n\r\n", b"s : x\r\n\r\n"],
    ids=["folded", "space before colon", "compact with a space"],
)
def test_message_that_is_valid_is_taken(lines: bytes) -> None:
    try:
        library = sipmessage.Message.parse(INVITE + lines)
    except ValueError:
        pass
    else:
        assert library.headers.get("Supported") is None and library.subject is None
    message = parse_datagram(INVITE + lines)
    assert isinstance(message, Request)
    assert "Subject" in message.headers or "timer" in message.tokens("Supported")


@pytest.mark.parametrize(
    "text",
    [
        "sip:" + "a" * MAX_URI,
        "sip:" + "a-" * (MAX_URI // 2 - 4) + "!",
        "sip:" + "a." * (MAX_URI // 2 - 4) + "!",
        "sip:" + "a" * 1000 + ":" + "b" * 1000,
        "sip:a@" + "1." * 500 + ";" * 500,
        "sip:a@b" + ";x=y" * 480 + "<",
        "tel:+" + "1-" * 900 + "x",
        "tel:" + "a" * 2000 + "!",
    ],
    ids=lambda text: text[:8],
)
def test_uri_made_to_be_slow_is_not(text: str) -> None:
    begin = time.thread_time()
    try:
        parse_uri(text)
    except SipParseError:
        pass
    assert time.thread_time() - begin < 0.1, "milliseconds even under load; exponential would never end"
