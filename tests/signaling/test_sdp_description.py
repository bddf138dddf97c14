"""Reading and writing session descriptions: tolerant in, strict out, bounded always."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.errors import PeerError
from signaling.sdp import (
    MAX_BYTES,
    Attribute,
    Connection,
    MediaLine,
    Origin,
    SdpError,
    SessionDescription,
    parse,
    serialise,
)

PHONE = (
    "v=0\r\no=alice 2890844526 2890844527 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    "m=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\na=sendrecv\r\n"
)
BROWSER_LINES = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789abcdef01234567",
    "a=candidate:1 1 udp 2130706431 192.0.2.11 50000 typ host",
    "a=candidate:2 1 udp 1694498815 198.51.100.1 50001 typ srflx raddr 192.0.2.11 rport 50000",
    "a=setup:actpass",
    "a=mid:0",
    "a=rtcp-mux",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
)


def test_parse_phone_reads_every_part() -> None:
    description = parse(PHONE.encode())
    assert description.origin == Origin(
        username="alice", session_id="2890844526", version="2890844527", address="192.0.2.10"
    )
    assert description.connection == Connection("192.0.2.10")
    (line,) = description.media
    assert (line.kind, line.port, line.protocol, line.formats) == ("audio", 49170, "RTP/AVP", ("0", "8", "101"))
    assert line.values("rtpmap") == ("0 PCMU/8000", "101 telephone-event/8000")
    assert line.has("sendrecv")
    assert serialise(description).decode() == PHONE


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PHONE.replace("\r\n", "\n"), id="bare-lf"),
        pytest.param(PHONE.replace("\r\n", "\r"), id="bare-cr"),
        pytest.param(PHONE.replace("\r\n", "\r\n\r\n"), id="blank-lines"),
        pytest.param(PHONE.rstrip(), id="no-end-of-last-line"),
        pytest.param(PHONE.replace("s=-\r\n", "").replace("t=0 0\r\n", ""), id="no-name-and-time"),
        pytest.param(PHONE.replace("s=-\r\n", "s= \r\n"), id="empty-name"),
        pytest.param(PHONE.replace("m=audio 49170 ", "m=audio  49170\t"), id="odd-spacing"),
        pytest.param(
            "t=0 0\r\nc=IN IP4 192.0.2.10\r\n" + PHONE.replace("c=IN IP4 192.0.2.10\r\nt=0 0\r\n", ""), id="order"
        ),
        pytest.param(PHONE.replace("t=0 0\r\n", "t=0 0\r\nx=unknown\r\n"), id="unknown-type"),
    ],
)
def test_parse_tolerates_what_phones_send(text: str) -> None:
    assert serialise(parse(text)).decode() == PHONE


def test_parse_browser_keeps_ice_dtls_and_crypto_readable() -> None:
    head = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 AA:BB\r\na=ice-lite\r\n"
    description = parse(head + "\r\n".join(BROWSER_LINES) + "\r\n")
    (line,) = description.media
    assert description.value("ice-lite") == ""
    assert description.value_for(line, "fingerprint") == "sha-256 AA:BB"
    assert description.value_for(line, "ice-ufrag") == "abcd"
    assert description.value_for(line, "absent") is None
    assert len(line.values("candidate")) == 2
    assert (line.value("crypto") or "").startswith("1 AES_CM_128")
    assert parse(serialise(description)) == description


def test_parse_writes_lines_it_does_not_interpret_in_grammar_order() -> None:
    text = (
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=call\r\ni=about\r\nu=http://example.com/\r\ne=a@example.com\r\n"
        "p=+1 555 0100\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\nt=0 0\r\nr=7d 1h 0 25h\r\nz=0 -1h\r\nk=prompt\r\n"
        "a=tool:x\r\nm=audio 4000/2 RTP/AVP 0\r\ni=voice\r\nc=IN IP4 192.0.2.2\r\nb=RR:0\r\nk=prompt\r\na=ptime:20\r\n"
    )
    assert serialise(parse(text)).decode() == text
    shuffled = text.split("\r\nm=")
    head = shuffled[0].split("\r\n")
    assert serialise(parse("\r\n".join(head[::-1]) + "\r\nm=" + shuffled[1])).decode() == text.replace(
        "t=0 0\r\nr=7d 1h 0 25h", "r=7d 1h 0 25h\r\nt=0 0"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "v=0 is missing", id="empty"),
        pytest.param("v=0\r\ns=-\r\n", "o= is missing", id="no-origin"),
        pytest.param(PHONE.replace("v=0", "v=1"), "expected v=0", id="version"),
        pytest.param(PHONE.replace("o=alice ", "o="), "six fields", id="short-origin"),
        pytest.param(
            PHONE.replace("IN IP4 192.0.2.10\r\nt", "IP4 192.0.2.10\r\nt"), "expected c=", id="short-connection"
        ),
        pytest.param(PHONE.replace("49170", "port"), "expected a port", id="port-not-a-number"),
        pytest.param(PHONE.replace("49170", "65536"), "expected a port", id="port-too-high"),
        pytest.param(PHONE.replace("49170", "-1"), "expected a port", id="port-negative"),
        pytest.param(PHONE.replace("49170", "²"), "expected a port", id="port-not-ascii"),
        pytest.param(PHONE.replace("49170", "4000/0"), "expected a port", id="no-ports"),
        pytest.param(PHONE.replace(" 0 8 101", ""), "expected m=", id="no-formats"),
        pytest.param("hello", "expected <letter>=<value>", id="not-a-description"),
        pytest.param("v=0\x00", "NUL", id="nul"),
        pytest.param(PHONE + "m=video 0 RTP/AVP 31\r\n" * 32, "more than 32 media lines", id="media-lines"),
        pytest.param(PHONE + "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n" * 65, "64 candidates", id="candidates"),
        pytest.param(PHONE + "a=x\r\n" * 2000, "more than 2000 lines", id="lines"),
        pytest.param(PHONE + "a=x\r\n" * 20000, f"at most {MAX_BYTES}", id="size"),
    ],
)
def test_parse_refuses_with_reason(text: str, expected: str) -> None:
    with pytest.raises(SdpError, match=expected) as raised:
        parse(text)
    assert raised.value.status == 400
    assert isinstance(raised.value, PeerError)


_word = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=12)
_value = _word | st.builds(lambda a, b: f"{a} {b}", _word, _word)
_number = st.integers(0, 2**64).map(str)
_connection = st.builds(Connection, _word, _word, _word)
_attribute = st.builds(
    Attribute,
    st.from_regex(r"[a-z][a-z0-9-]{0,11}", fullmatch=True).filter(lambda name: name != "candidate"),
    st.none() | _value,
)


def _other(letters: str) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    return st.lists(st.tuples(st.sampled_from(letters), _value), max_size=4).map(
        lambda items: tuple(sorted(items, key=lambda item: letters.index(item[0])))
    )


_media = st.builds(
    MediaLine,
    kind=_word,
    port=st.integers(0, 65535),
    protocol=_word,
    formats=st.lists(_word, min_size=1, max_size=5).map(tuple),
    port_count=st.integers(1, 9),
    connection=st.none() | _connection,
    attributes=st.lists(_attribute, max_size=5).map(tuple),
    other=_other("ibk"),
)
_description = st.builds(
    SessionDescription,
    origin=st.builds(
        Origin,
        session_id=_number,
        version=_number,
        address=_word,
        username=_value,
        address_type=_word,
        network_type=_word,
    ),
    name=_value,
    connection=st.none() | _connection,
    times=st.lists(st.tuples(st.sampled_from("tr"), _value), min_size=1, max_size=3).map(tuple),
    attributes=st.lists(_attribute, max_size=5).map(tuple),
    other=_other("iuepbzk"),
    media=st.lists(_media, max_size=4).map(tuple),
)


@given(_description)
@settings(max_examples=300, deadline=None)
def test_parse_of_serialise_is_identity(description: SessionDescription) -> None:
    assert parse(serialise(description)) == description


@given(st.binary(max_size=400) | st.text(max_size=400))
@settings(max_examples=500, deadline=None)
def test_parse_of_noise_raises_nothing_but_sdp_error(noise: bytes | str) -> None:
    try:
        description = parse(noise)
    except SdpError:
        return
    assert parse(serialise(description)) == description


@given(st.lists(st.tuples(st.integers(0, len(PHONE) - 1), st.integers(0, 3), st.binary(max_size=4)), max_size=8))
@settings(max_examples=1000, deadline=None)
def test_parse_of_damaged_description_is_refused_or_stable(edits: list[tuple[int, int, bytes]]) -> None:
    damaged = bytearray(PHONE.encode())
    for place, removed, added in edits:
        damaged[place : place + removed] = added
    try:
        description = parse(bytes(damaged))
    except SdpError:
        return
    assert parse(serialise(description)) == description
