"""SIP messages as we take them in and write them: strict where a mistake would cost us, lenient where phones differ.

Pure. Owns Request and Response; values are read by values.py, octets by parser.py. Everything a transaction or dialog
needs (start line, top Via, From, To, Call-ID, CSeq, lengths) was checked by the parser; the rest is read on demand and
raises SipParseError, never anything else. What a peer wrote is echoed as it came.
Source: RFC 3261 7, 8.2.6, 20.
"""

import re
from collections.abc import Iterable

from sipmessage import URI, Address, CSeq, Parameters, Via

from signaling.sip.headers import Headers
from signaling.sip.status import REASON_PHRASES
from signaling.sip.values import TOKEN, SipParseError, first_of, parse_address, parse_uri, parse_via, split_list

__all__ = [
    "URI", "Address", "CSeq", "Headers", "Parameters", "Request", "Response", "SipParseError", "Via",
    "parse_address", "parse_uri", "parse_via", "respond", "split_list",
]  # fmt: skip

MAGIC_COOKIE = "z9hG4bK"

_CSEQ_MATCH = re.compile(rf"(\d{{1,10}})\s+({TOKEN})").fullmatch
_NUMBER_MATCH = re.compile(r"\d{1,10}(?=\s*(?:[;(]|$))").match


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
