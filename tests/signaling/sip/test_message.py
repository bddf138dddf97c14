"""Messages as they come in: what is taken, what is refused with which status, and that nothing else ever escapes."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signaling.sip.message import Request, Response, SipParseError, respond
from signaling.sip.parser import MAX_BODY, MAX_HEAD, StreamParser, answer_to, parse_datagram

PLAIN = (
    "INVITE sip:bob@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Alice" <sip:alice@example.com>;tag=a1\r\n'
    "To: <sip:bob@example.com>\r\n"
    "Call-ID: one@192.0.2.1\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.1:5060;ob>\r\n"
    "Supported: 100rel, timer\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 5\r\n"
    "\r\n"
    "v=0\r\n"
)


def changed(old: str, new: str, *, base: str = PLAIN) -> bytes:
    assert old in base
    return base.replace(old, new, 1).encode()


def request_of(octets: bytes) -> Request:
    message = parse_datagram(octets)
    assert isinstance(message, Request)
    return message


def refused(octets: bytes) -> tuple[int, int | None]:
    """Status of the error, and of the answer that would be sent."""
    with pytest.raises(SipParseError) as caught:
        parse_datagram(octets)
    answer = answer_to(caught.value)
    return caught.value.status, None if answer is None else answer.code


def test_request_is_read() -> None:
    request = request_of(PLAIN.encode())
    assert (request.method, request.uri.user, request.uri.host) == ("INVITE", "bob", "example.com")
    assert (request.branch, request.from_tag, request.to_tag) == ("z9hG4bKabc", "a1", "")
    assert (request.call_id, request.cseq.sequence, request.max_forwards) == ("one@192.0.2.1", 1, 70)
    assert request.from_address.name == "Alice"
    assert request.contact[0].uri.port == 5060
    assert request.tokens("Supported") == {"100rel", "timer"}
    assert request.body == b"v=0\r\n"


def test_response_is_read_with_any_reason_or_none() -> None:
    for line, phrase in (
        ("SIP/2.0 180 Ringing", "Ringing"),
        ("SIP/2.0 180 ", ""),
        ("SIP/2.0 180 Ça sonne", "Ça sonne"),
    ):
        message = parse_datagram(changed("INVITE sip:bob@example.com SIP/2.0", line))
        assert isinstance(message, Response)
        assert (message.code, message.phrase or "", message.cseq.method) == (180, phrase or message.phrase, "INVITE")


LENIENT = {
    "compact forms": (
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport\r\n",
        "v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport\r\n",
    ),
    "odd white space round names and values": ("Call-ID: one@192.0.2.1", "cALL-iD \t:\t one@192.0.2.1   "),
    "folded header": ("Via: SIP/2.0/UDP 192.0.2.1:5060;branch", "Via: SIP / 2.0\r\n /UDP\r\n\t192.0.2.1:5060;branch"),
    "white space round parameters": ("<sip:alice@example.com>;tag=a1", "<sip:alice@example.com>  ;  tag  =  a1 "),
    "no space before bracket": ('"Alice" <sip:alice@example.com>', '"Alice"<sip:alice@example.com>'),
    "quotes in quotes": ('"Alice"', '"\\"Al\\\\ice\\" <sip:x@y>, "'),
    "unquoted UTF-8 name": ('"Alice"', "Aliçe (home) é"),
    "empty name": ('"Alice"', '""'),
    "addr-spec without brackets": ('"Alice" <sip:alice@example.com>;tag=a1', "sip:alice@example.com;tag=a1"),
    "scheme in upper case": ("<sip:alice@example.com>", "<SIP:alice@EXAMPLE.com>"),
    "telephone URI": ("<sip:alice@example.com>", "<tel:+1-555-0100;phone-context=example.com>"),
    "unknown scheme in To": ("To: <sip:bob@example.com>", "To: isbn:2983792873"),
    "semicolon in the user part": ("sip:bob@example.com SIP", "sip:bob;par=u%40example.net@example.com SIP"),
    "password and marks in the user part": ("sip:bob@example.com SIP", "sip:b~(o)!b&$+,;?/:s3cret&=@example.com SIP"),
    "escaped header part of a URI": ("sip:bob@example.com SIP", "sip:bob@example.com?Route=%3Csip:x%3E SIP"),
    "IPv6 host": ("sip:bob@example.com SIP", "sip:bob@[2001:db8::1]:5060 SIP"),
    "token characters in tag and branch": (";tag=a1", ";tag=a1+b!c*d~e%20'f`"),
    "no Max-Forwards (RFC 2543)": ("Max-Forwards: 70\r\n", ""),
    "no branch (RFC 2543)": (";branch=z9hG4bKabc", ""),
    "no tag in From (RFC 2543)": (";tag=a1", ""),
    "branch of the cookie alone": ("z9hG4bKabc", "z9hG4bK"),
    "unknown transport in Via": ("SIP/2.0/UDP", "SIP/2.0/UNKNOWN"),
    "an extension header of any name": ("Supported:", "X-!*%'~`.+: x\r\nSupported:"),
    "an empty header": ("Supported: 100rel, timer", "Supported:"),
    "very long header": ("Max-Forwards: 70", "Subject: " + "x" * 8000),
    "octets after the body": ("v=0\r\n", "v=0\r\nINVITE sip:c SIP/2.0\r\n"),
    "no Content-Length in a datagram": ("Content-Length: 5\r\n", ""),
    "a bad Date is nobody's business": ("Max-Forwards: 70", "Date: Fri, 01 Jan 2010 16:00:00 EST"),
    "Max-Forwards zero": ("Max-Forwards: 70", "Max-Forwards: 0"),
}


@pytest.mark.parametrize("name", LENIENT)
def test_message_of_a_liberal_peer_is_taken(name: str) -> None:
    request = request_of(changed(*LENIENT[name]))
    assert request.method == "INVITE"
    parse_datagram(bytes(respond(request, 200, to_tag="t")))


REFUSED = {
    "method and CSeq differ": ("CSeq: 1 INVITE", "CSeq: 1 BYE", 400),
    "method differs in case": ("CSeq: 1 INVITE", "CSeq: 1 invite", 400),
    "CSeq too large": ("CSeq: 1 INVITE", "CSeq: 36893488147419103232 INVITE", 400),
    "CSeq beyond 31 bits": ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", 400),
    "CSeq without a number": ("CSeq: 1 INVITE", "CSeq: INVITE", 400),
    "CSeq without a method": ("CSeq: 1 INVITE", "CSeq: 1", 400),
    "negative CSeq": ("CSeq: 1 INVITE", "CSeq: -1 INVITE", 400),
    "Max-Forwards too large": ("Max-Forwards: 70", "Max-Forwards: 300", 400),
    "Max-Forwards no number": ("Max-Forwards: 70", "Max-Forwards: seventy", 400),
    "no From": ('From: "Alice" <sip:alice@example.com>;tag=a1\r\n', "", 400),
    "no To": ("To: <sip:bob@example.com>\r\n", "", 400),
    "no Call-ID": ("Call-ID: one@192.0.2.1\r\n", "", 400),
    "no CSeq": ("CSeq: 1 INVITE\r\n", "", 400),
    "empty Call-ID": ("Call-ID: one@192.0.2.1", "Call-ID:", 400),
    "Call-ID with a space": ("Call-ID: one@192.0.2.1", "Call-ID: one two", 400),
    "Call-ID too long": ("Call-ID: one", "Call-ID: " + "x" * 600, 400),
    "From twice": ("Supported:", "f: <sip:mallory@example.com>;tag=2\r\nSupported:", 400),
    "To twice, compact and folded": ("Supported:", "t\r\n : <sip:c@example.com>\r\nSupported:", 400),
    "Call-ID twice": ("Supported:", "Call-ID: two\r\nSupported:", 400),
    "CSeq twice": ("Supported:", "CSEQ: 1 INVITE\r\nSupported:", 400),
    "Content-Length twice": ("Content-Length: 5", "Content-Length: 5\r\nl: 5", 400),
    "Content-Type twice": ("Content-Length: 5", "c: text/plain\r\nContent-Length: 5", 400),
    "Content-Length negative": ("Content-Length: 5", "Content-Length: -999", 400),
    "Content-Length beyond the datagram": ("Content-Length: 5", "Content-Length: 6", 400),
    "Content-Length no number": ("Content-Length: 5", "Content-Length: five", 400),
    "Content-Length in other digits": ("Content-Length: 5", "Content-Length: \u0665", 400),
    "Content-Length absurd": ("Content-Length: 5", "Content-Length: " + "9" * 400, 400),
    "open quote": ('"Alice" <', '"Alice <', 400),
    "open bracket": ("alice@example.com>;tag", "alice@example.com;tag", 400),
    "comma in a bare name": ('"Alice"', "Bell, Alice", 400),
    "space inside brackets": ("<sip:alice@", "< sip:alice@", 400),
    "empty parameters": (";tag=a1", ";;tag=a1", 400),
    "parameter twice": (";tag=a1", ";tag=a1;TAG=a2", 400),
    "parameter with an empty value": (";tag=a1", ";tag=", 400),
    "question mark outside brackets": ('"Alice" <sip:alice@example.com>', "sip:alice@example.com?x=y", 400),
    "two addresses in From": (";tag=a1", ";tag=a1, <sip:bob@example.com>", 400),
    "brackets round the Request-URI": ("sip:bob@example.com SIP", "<sip:bob@example.com> SIP", 400),
    "space in the Request-URI": ("sip:bob@example.com SIP", "sip:bob@example.com; lr SIP", 400),
    "two spaces in the request line": ("INVITE sip", "INVITE  sip", 400),
    "space after the request line": ("SIP/2.0\r\nVia", "SIP/2.0 \r\nVia", 400),
    "no Request-URI": ("INVITE sip:bob@example.com SIP", "INVITE SIP", 400),
    "empty host": ("sip:bob@example.com SIP", "sip:bob@ SIP", 400),
    "port too large": ("sip:bob@example.com SIP", "sip:bob@example.com:65536 SIP", 400),
    "port zero": ("sip:bob@example.com SIP", "sip:bob@example.com:0 SIP", 400),
    "another version": ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
    "no version": (" SIP/2.0\r\nVia", " HTTP/1.1\r\nVia", 400),
    "unknown scheme": ("sip:bob@example.com SIP", "nobodyKnowsThisScheme:totallyopaquecontent SIP", 416),
    "unknown scheme with slashes": ("sip:bob@example.com SIP", "soap.beep://192.0.2.103:3002 SIP", 416),
    "Request-URI too long": ("sip:bob@", "sip:" + "b" * 3000 + "@", 400),
    "a header without a colon": ("Supported:", "Nonsense\r\nSupported:", 400),
    "a header without a name": ("Supported:", ": x\r\nSupported:", 400),
    "a header name with a space inside": ("Supported:", "Sup ported:", 400),
    "NUL": ("Supported: 100rel", "Supported: 100\x00rel", 400),
    "escape": ("Supported: 100rel", "Supported: 100\x1brel", 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_message_against_the_rules_is_refused_and_answered(name: str) -> None:
    old, new, status = REFUSED[name]
    assert refused(changed(old, new)) == (status, status)


def test_message_that_is_no_utf8_is_refused_and_answered() -> None:
    assert refused(PLAIN.encode().replace(b"Alice", b"Al\xff\xfece")) == (400, 400)


UNANSWERABLE = {
    "no Via": ("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport\r\n", ""),
    "Via without a host": ("SIP/2.0/UDP 192.0.2.1:5060;", "SIP/2.0/UDP ;"),
    "Via with rubbish": (";branch=z9hG4bKabc;rport", ";;,;,,"),
    "a lone CR": ("Supported: 100rel", "Supported: \r100rel"),
    "a lone LF": ("Supported: 100rel", "Supported: \nX-Injected: 100rel"),
    "no empty line": ("\r\n\r\nv=0\r\n", "\r\n"),
    "method is no token": ("INVITE sip", "INV(ITE sip"),
    "head too large": ("Supported:", "Subject: " + "x" * MAX_HEAD + "\r\nSupported:"),
}


@pytest.mark.parametrize("name", UNANSWERABLE)
def test_message_that_nobody_can_be_answered_for_is_only_refused(name: str) -> None:
    assert refused(changed(*UNANSWERABLE[name]))[1] is None


def test_ack_and_responses_are_never_answered() -> None:
    ack = PLAIN.replace("INVITE", "ACK")
    assert refused(changed("Max-Forwards: 70", "Max-Forwards: 300", base=ack)) == (400, None)
    for line in ("SIP/2.0 4294967301 better not break the receiver", "SIP/2.0 999 x", "SIP/2.0 20 x", "SIP/3.0 200 OK"):
        assert refused(changed("INVITE sip:bob@example.com SIP/2.0", line))[1] is None
    response = PLAIN.replace("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK")
    assert refused(changed("CSeq: 1 INVITE", "CSeq: 9292394834772304023312 INVITE", base=response))[1] is None


def test_body_too_large_is_refused_with_513() -> None:
    octets = changed("Content-Length: 5\r\n", "") + b"x" * MAX_BODY
    assert refused(octets) == (513, 513)


def test_lazy_header_raises_a_sip_parse_error_and_nothing_else() -> None:
    request = request_of(changed("Supported: 100rel, timer", "Contact: <sip:a\r\nExpires: x\r\nRecord-Route: ;"))
    for read in (
        lambda: request.contact,
        lambda: request.number("Expires"),
        lambda: [request.values("Record-Route"), request.contact],
    ):
        with pytest.raises(SipParseError):
            read()


def test_response_echoes_what_the_peer_wrote_to_the_letter() -> None:
    line = "Via: SIP / 2.0 / UDP 192.0.2.1:5060 ; branch=z9hG4bK+a!b*c~1 , SIP/2.0/TCP p.example.com;branch=z9hG4bK%41"
    request = request_of(
        PLAIN.replace("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport", line)
        .replace(";tag=a1", ";tag=a+b!c%20d;x=y")
        .encode()
    )
    response = parse_datagram(bytes(respond(request, 200, to_tag="t")))
    assert response.headers.getlist("Via") == [line.removeprefix("Via: ")]
    assert response.headers.get("From") == '"Alice" <sip:alice@example.com>;tag=a+b!c%20d;x=y'
    assert response.from_tag == "a+b!c%20d"
    assert response.to_tag == "t"


def test_mark_source_writes_where_the_request_came_from() -> None:
    request = request_of(PLAIN.encode())
    request.mark_source("198.51.100.9", 6060)
    assert request.headers.getlist("Via") == [
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;received=198.51.100.9;rport=6060"
    ]
    assert request.top_via.parameters.get("received") == "198.51.100.9"


def test_mark_source_leaves_the_via_of_an_honest_peer_alone() -> None:
    request = request_of(changed(";rport", ""))
    request.mark_source("192.0.2.1", 5060)
    assert request.headers.getlist("Via") == ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc"]


def test_stream_parser_gives_each_message_whatever_the_pieces() -> None:
    octets = (PLAIN + "\r\n\r\n" + PLAIN.replace("one@", "two@")).encode()
    for size in (1, 2, 3, 7, 100, len(octets)):
        parser = StreamParser()
        found = [
            message.call_id
            for start in range(0, len(octets), size)
            for message in parser.feed(octets[start : start + size])
        ]
        assert found == ["one@192.0.2.1", "two@192.0.2.1"]
        assert (parser.pings, parser.waiting) == (1, 0)


def test_stream_parser_demands_a_content_length_and_bounds() -> None:
    for octets, status in (
        (changed("Content-Length: 5\r\n", ""), 400),
        (changed("Content-Length: 5", f"Content-Length: {MAX_BODY + 1}"), 513),
        (changed("Content-Length: 5", "Content-Length: -5"), 400),
        (b"INVITE sip:b SIP/2.0\r\nX: " + b"x" * MAX_HEAD, 513),
    ):
        with pytest.raises(SipParseError) as caught:
            list(StreamParser().feed(octets))
        assert caught.value.status == status


def test_stream_parser_is_linear_in_a_header_that_comes_octet_by_octet() -> None:
    parser = StreamParser()
    with pytest.raises(SipParseError):
        for _ in range(MAX_HEAD + 10):
            assert list(parser.feed(b"x")) == []


_PIECES = st.lists(
    st.one_of(
        st.sampled_from([line + "\r\n" for line in PLAIN.split("\r\n")]),
        st.sampled_from(
            list(';,<>"\\:=@?%[] \t\r\n') + ["\r\n ", "sip:", "SIP/2.0", "\x00", "é", "%00", "tag=", '\\"']
        ),
        st.text(max_size=12),
    ),
    max_size=40,
)


def _read_everything(message: Request | Response) -> None:
    for read in (
        lambda: message.contact,
        lambda: message.values("Record-Route"),
        lambda: message.tokens("Require"),
        lambda: message.number("Session-Expires"),
        lambda: message.number("RSeq"),
        lambda: message.content_type,
        lambda: [message.top_via, message.from_tag, message.to_tag, message.cseq, message.call_id, message.branch],
        lambda: bytes(message),
    ):
        try:
            read()
        except SipParseError:
            pass


@given(pieces=_PIECES)
@example(pieces=[PLAIN])
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_message_or_a_sip_parse_error(pieces: list[str]) -> None:
    octets = "".join(pieces).encode("utf-8", "surrogatepass")
    try:
        message = parse_datagram(octets)
    except SipParseError as error:
        answer_to(error)
        return
    _read_everything(message)


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_any_mutation_is_a_message_or_a_sip_parse_error(data: st.DataObject) -> None:
    octets = bytearray(PLAIN.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(octets) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                octets[place] = data.draw(st.integers(0, 255))
            case 1:
                del octets[place : place + data.draw(st.integers(1, 20))]
            case _:
                octets[place:place] = data.draw(st.binary(max_size=8))
        if not octets:
            return
    try:
        message = parse_datagram(bytes(octets))
    except SipParseError as error:
        answer = answer_to(error)
        if answer is not None:
            assert b"\r\n\r\n" in bytes(answer)
        return
    _read_everything(message)
    if isinstance(message, Request):
        written = bytes(respond(message, 500, to_tag="t"))
        assert parse_datagram(written).call_id == message.call_id


@given(octets=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_octets_on_a_stream_are_messages_or_a_sip_parse_error(octets: bytes) -> None:
    try:
        for message in StreamParser().feed(octets):
            _read_everything(message)
    except SipParseError:
        pass
