"""SIP messages as we take them in and write them: strict where a mistake would cost us, lenient where phones differ.

Pure. Owns Request, Response, the datagram parser and the stream parser; values are read by values.py. Everything a
transaction or dialog needs (start line, top Via, From, To, Call-ID, CSeq, lengths) is checked once, at the parser;
the rest is read on demand and raises SipParseError, never anything else. What a peer wrote is echoed as it came.
Source: RFC 3261 7, 8.2.6, 18.3, 20; RFC 4475 for the reactions.
"""

import re
from collections.abc import Iterable, Iterator

from sipmessage import URI, Address, CSeq, Parameters, Via

from signaling.sip.headers import COMPACT_FORMS, KEYS, SINGLE, Headers
from signaling.sip.status import REASON_PHRASES
from signaling.sip.values import TOKEN, SipParseError, first_of, parse_address, parse_uri, parse_via, split_list

__all__ = [
    "URI", "Address", "CSeq", "Headers", "Parameters", "Request", "Response", "SipParseError", "StreamParser", "Via",
    "answer_to", "parse_address", "parse_datagram", "parse_uri", "parse_via", "respond", "split_list",
]  # fmt: skip

MAX_HEAD = 16 * 1024
MAX_BODY = 64 * 1024
MAGIC_COOKIE = "z9hG4bK"

_TOKEN_MATCH = re.compile(TOKEN).fullmatch
_CSEQ_MATCH = re.compile(rf"(\d{{1,10}})\s+({TOKEN})").fullmatch
_CALL_ID_MATCH = re.compile(r"[!-~]{1,512}").fullmatch
_NUMBER_MATCH = re.compile(r"\d{1,10}(?=\s*(?:[;(]|$))").match
_VERSION_MATCH = re.compile(r"SIP/\d+\.\d+", re.IGNORECASE).fullmatch
_FOLD = re.compile(r"\r\n[ \t]+")
_ALLOWED = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])


class Message:
    """What requests and responses have in common. Use Request or Response."""

    __slots__ = ("_cseq", "_from", "_to", "_via", "body", "headers")

    def __init__(self, headers: Headers, body: bytes) -> None:
        self.headers = headers
        self.body = body
        self._via: Via | None = None
        self._from: Address | None = None
        self._to: Address | None = None
        self._cseq: CSeq | None = None

    @property
    def top_via(self) -> Via:
        if self._via is None:
            values = self.headers.getlist("Via")
            if not values:
                raise SipParseError("expected a Via, found none")
            self._via = parse_via(first_of(values[0]))
        return self._via

    @property
    def branch(self) -> str:
        """Branch of the top Via; empty when there is none (RFC 2543)."""
        return self.top_via.parameters.get("branch") or ""

    @property
    def from_address(self) -> Address:
        if self._from is None:
            self._from = parse_address(self._only("From"))
        return self._from

    @property
    def to_address(self) -> Address:
        if self._to is None:
            self._to = parse_address(self._only("To"))
        return self._to

    @property
    def from_tag(self) -> str:
        return self.from_address.parameters.get("tag") or ""

    @property
    def to_tag(self) -> str:
        return self.to_address.parameters.get("tag") or ""

    @property
    def call_id(self) -> str:
        return self._only("Call-ID")

    @property
    def cseq(self) -> CSeq:
        if self._cseq is None:
            match = _CSEQ_MATCH(self._only("CSeq"))
            if match is None or int(match[1]) >= 2**31:
                raise SipParseError(f"expected CSeq below 2^31 and a method, found {self._only('CSeq')[:60]!r}")
            self._cseq = CSeq(int(match[1]), match[2])
        return self._cseq

    @property
    def contact(self) -> list[Address]:
        """Contact addresses; an entry of ``*`` has scheme ``*``."""
        return [parse_address(value) for value in self.values("Contact")]

    @property
    def content_type(self) -> str:
        """The media type in lower case without its parameters; empty when there is no body."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def max_forwards(self) -> int | None:
        return self.number("Max-Forwards", limit=255)

    def values(self, name: str) -> list[str]:
        """The comma separated values of a header field that may stand several times, each as written."""
        values = self.headers.getlist(name)
        if len(values) == 1 and "," not in values[0]:
            return values
        return [item for value in values for item in split_list(value)]

    def tokens(self, name: str) -> frozenset[str]:
        """Option tags or methods of a list header, in lower case."""
        return frozenset(item.lower() for item in self.values(name) if item)

    def number(self, name: str, *, limit: int = 2**32 - 1) -> int | None:
        """A header of one whole number, parameters and comments left out; None when it is absent."""
        value = self.headers.get(name)
        if value is None:
            return None
        digits = _NUMBER_MATCH(value)
        if digits is None or int(digits[0]) > limit:
            raise SipParseError(f"expected a number up to {limit} in {name}, found {value[:40]!r}")
        return int(digits[0])

    def _only(self, name: str) -> str:
        value = self.headers.get(name)
        if not value:
            raise SipParseError(f"expected a {name}, found none")
        return value

    def _wire(self, start: str) -> bytes:
        self.headers.set("Content-Length", str(len(self.body)))
        return f"{start}\r\n{self.headers}\r\n".encode() + self.body


class Request(Message):
    """A SIP request. uri_text is the Request-URI as written, ``uri`` what it means."""

    __slots__ = ("method", "uri_text")

    def __init__(self, method: str, uri: str | URI, *, headers: Headers | None = None, body: bytes = b"") -> None:
        super().__init__(Headers() if headers is None else headers, body)
        self.method = method
        self.uri_text = str(uri)

    @property
    def uri(self) -> URI:
        return parse_uri(self.uri_text)

    def mark_source(self, host: str, port: int) -> None:
        """Write into the top Via where the request came from. Source: RFC 3261 18.2.1; RFC 3581 4."""
        via = self.top_via
        rport = "rport" in via.parameters
        if via.host == host and not rport:
            return
        values = self.headers.getlist("Via")
        top, *others = split_list(values[0])
        kept = {name: value for name, value in via.parameters.items() if name not in ("received", "rport")}
        kept["received"] = f"[{host}]" if ":" in host else host
        if rport:
            kept["rport"] = str(port)
        head = top.partition(";")[0].rstrip()
        text = head + "".join(f";{name}" if value is None else f";{name}={value}" for name, value in kept.items())
        self.headers.setlist("Via", [text, *others, *values[1:]])
        self._via = Via(via.transport, via.host, via.port, Parameters(**kept))

    def __bytes__(self) -> bytes:
        return self._wire(f"{self.method} {self.uri_text} SIP/2.0")

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri_text}>"


class Response(Message):
    """A SIP response."""

    __slots__ = ("code", "phrase")

    def __init__(self, code: int, phrase: str = "", *, headers: Headers | None = None, body: bytes = b"") -> None:
        super().__init__(Headers() if headers is None else headers, body)
        self.code = code
        self.phrase = phrase or REASON_PHRASES.get(code, "")

    def __bytes__(self) -> bytes:
        return self._wire(f"SIP/2.0 {self.code} {self.phrase}")

    def __repr__(self) -> str:
        return f"<Response {self.code} {self.phrase}>"


def respond(
    request: Request,
    code: int,
    phrase: str = "",
    *,
    to_tag: str = "",
    fields: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str = "application/sdp",
) -> Response:
    """The response to a request: Via, From, To, Call-ID and CSeq are echoed as they came.

    to_tag: added when the request's To has no tag yet. Source: RFC 3261 8.2.6.2.
    """
    headers = Headers()
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        values = request.headers.getlist(name)
        if values:
            headers.setlist(name, list(values))
    if to_tag and not request.to_tag:
        headers.set("To", f"{request.headers.get('To')};tag={to_tag}")
    for name, value in fields:
        headers.add(name, value)
    if body:
        headers.set("Content-Type", content_type)
    return Response(code, phrase, headers=headers, body=body)


def answer_to(error: SipParseError) -> Response | None:
    """The refusal to send for a message that cannot be taken, or None: ACKs and responses are never answered."""
    if error.request is None or error.request.method == "ACK":
        return None
    return respond(error.request, error.status)


def parse_datagram(datagram: bytes) -> Request | Response:
    """The message in one datagram; octets after Content-Length are left out. Raises SipParseError.

    Source: RFC 3261 18.3.
    """
    start = 0
    while datagram.startswith(b"\r\n", start):
        start += 2
    end = datagram.find(b"\r\n\r\n", start)
    if end < 0:
        raise SipParseError(f"expected an empty line after the header, found none in {len(datagram)} octets")
    message = _parse_head(datagram[start:end])
    body = datagram[end + 4 :]
    length = _content_length(message)
    if length is not None:
        if length > len(body):
            raise _refusal(message, f"expected {length} octets of body, found {len(body)}")
        body = body[:length]
    if len(body) > MAX_BODY:
        raise _refusal(message, f"expected a body of at most {MAX_BODY} octets, found {len(body)}", status=513)
    message.body = body
    return message


class StreamParser:
    """Messages out of a byte stream (TCP, TLS), framed by Content-Length.

    An error ends the stream: where the next message starts is not known any more.
    Source: RFC 3261 18.3; RFC 5626 3.5.1 for the double CRLF.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message: Request | Response | None = None
        self._missing = 0
        self._searched = 0
        self._empty_lines = 0
        self.pings = 0

    @property
    def waiting(self) -> int:
        """Octets of a message that is not complete yet; 0 between messages."""
        return len(self._buffer) + (self._message is not None)

    def feed(self, octets: bytes) -> Iterator[Request | Response]:
        """Yields each message that is now complete. ``pings`` counts the keep-alives seen. Raises SipParseError."""
        self._buffer += octets
        while True:
            if self._message is None and not self._read_head():
                return
            if self._message is None or len(self._buffer) < self._missing:
                return
            message, self._message = self._message, None
            message.body = bytes(self._buffer[: self._missing])
            del self._buffer[: self._missing]
            yield message

    def _read_head(self) -> bool:
        while self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
            self._empty_lines += 1
            if self._empty_lines == 2:
                self.pings, self._empty_lines = self.pings + 1, 0
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0 or end > MAX_HEAD:
            self._searched = len(self._buffer)
            if self._searched > MAX_HEAD:
                raise SipParseError(f"expected a header of at most {MAX_HEAD} octets", status=513)
            return False
        self._searched = self._empty_lines = 0
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        message = _parse_head(head)
        length = _content_length(message)
        if length is None:
            raise _refusal(message, "expected a Content-Length on a stream, found none")
        if length > MAX_BODY:
            raise _refusal(message, f"expected a body of at most {MAX_BODY} octets, announced {length}", status=513)
        self._message, self._missing = message, length
        return True


def _content_length(message: Request | Response) -> int | None:
    value = message.headers.get("Content-Length")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 10:
        raise _refusal(message, f"expected a Content-Length, found {value[:40]!r}")
    return int(value)


def _refusal(message: Request | Response | None, text: str, *, status: int = 400) -> SipParseError:
    return SipParseError(text, status=status, request=message if isinstance(message, Request) else None)


def _parse_head(octets: bytes) -> Request | Response:
    """Start line and header fields, everything that routing an answer or a dialog needs checked."""
    if len(octets) > MAX_HEAD:
        raise SipParseError(f"expected a header of at most {MAX_HEAD} octets, found {len(octets)}", status=513)
    trouble = ""
    if octets.translate(None, _ALLOWED):
        trouble = "expected no control characters in the header"
    lines_by_crlf = octets.count(b"\r\n")
    if octets.count(b"\r") != lines_by_crlf or octets.count(b"\n") != lines_by_crlf:
        raise SipParseError("expected lines to end in CRLF, found a lone CR or LF")
    try:
        head = octets.decode()
    except UnicodeDecodeError:
        trouble = trouble or "expected UTF-8 in the header"
        head = octets.decode("latin-1")
    if "\r\n " in head or "\r\n\t" in head:
        head = _FOLD.sub(" ", head)
    start, *lines = head.split("\r\n")
    is_response = start[:4].upper() == "SIP/"
    headers = Headers()
    names, values = headers._names, headers._values
    for line in lines:
        name, colon, value = line.partition(":")
        key = KEYS.get(name)
        if key is None:
            name = name.strip(" \t")
            if not colon or _TOKEN_MATCH(name) is None:
                trouble = trouble or f"expected a header field, found {line[:40]!r}"
                continue
            name = COMPACT_FORMS.get(name.lower(), name)
            key = name.lower()
        elif len(name) == 1:
            name = COMPACT_FORMS[name.lower()]
        known = values.get(key)
        if known is None:
            values[key] = [value.strip(" \t")]
            names[key] = name
        else:
            if key in SINGLE:
                trouble = trouble or f"expected one {name}, found several"
            known.append(value.strip(" \t"))
    if not is_response:
        return _checked_request(start, headers, trouble)
    if trouble:
        raise SipParseError(trouble)
    return _checked_response(start, headers)


def _checked_response(start: str, headers: Headers) -> Response:
    version, _, rest = start.partition(" ")
    code, _, phrase = rest.partition(" ")
    if (
        version.upper() != "SIP/2.0"
        or len(code) != 3
        or not code.isascii()
        or not code.isdigit()
        or code[0] not in "123456"
    ):
        raise SipParseError(f"expected a status line, found {start[:60]!r}")
    response = Response(int(code), phrase, headers=headers)
    _check(response)
    return response


def _checked_request(start: str, headers: Headers, trouble: str) -> Request:
    parts = start.split(" ")
    method = parts[0]
    if _TOKEN_MATCH(method) is None:
        raise SipParseError(f"expected a request line, found {start[:60]!r}")
    request = Request(method, parts[1] if len(parts) > 1 else "", headers=headers)
    status = 400
    try:
        # An answer needs these; without them there is nobody to tell.
        request.top_via, request.cseq, request.from_address, request.to_address, request.call_id  # noqa: B018
    except SipParseError as error:
        if not (trouble := _answerable(request, error)):
            raise
    if len(parts) > 1 and not trouble:
        version = parts[-1]
        if version.upper() != "SIP/2.0" and _VERSION_MATCH(version) is not None:
            trouble, status = f"expected SIP/2.0, found {version[:20]!r}", 505
        elif len(parts) != 3 or version.upper() != "SIP/2.0":
            trouble = f"expected method, URI and SIP/2.0, found {start[:60]!r}"
    elif not trouble:
        trouble = f"expected a request line, found {start[:60]!r}"
    if trouble:
        raise _refusal(request, trouble, status=status)
    try:
        _check(request)
        scheme = request.uri.scheme
    except SipParseError as error:
        raise _refusal(request, str(error), status=error.status) from error
    if scheme not in ("sip", "sips", "tel"):
        raise _refusal(request, f"expected a sip, sips or tel URI, found scheme {scheme[:20]!r}", status=416)
    return request


def _answerable(request: Request, error: SipParseError) -> str:
    """What is wrong, if the request can be answered all the same: its Via can be read; else nothing."""
    try:
        request.top_via  # noqa: B018
    except SipParseError:
        return ""
    return str(error)


def _check(message: Request | Response) -> None:
    message.top_via, message.from_address, message.to_address  # noqa: B018
    if _CALL_ID_MATCH(message.call_id) is None:
        raise SipParseError(f"expected a Call-ID of at most 512 characters, found {message.call_id[:60]!r}")
    cseq = message.cseq
    if isinstance(message, Request):
        if cseq.method != message.method:
            raise SipParseError(f"expected {message.method} in CSeq, found {cseq.method[:40]!r}")
        message.max_forwards  # noqa: B018
