"""SIP messages out of datagrams and streams: what is taken, and what is refused with which status.

Pure. Owns parse_datagram and StreamParser, the only way in for octets of a peer. Start line, top Via, From, To,
Call-ID, CSeq and lengths are checked here, once; a refusal carries what an answer needs. All of it in linear time.
Source: RFC 3261 7, 18.3, 25.1; RFC 4475 for the reactions; RFC 5626 3.5.1 for keep-alives.
"""

import re
from collections.abc import Iterator

from signaling.sip.headers import Headers
from signaling.sip.message import Request, Response, respond
from signaling.sip.values import TOKEN, SipParseError

MAX_HEAD = 16 * 1024
MAX_BODY = 64 * 1024

_TOKEN_MATCH = re.compile(TOKEN).fullmatch
_CALL_ID_MATCH = re.compile(r"[!-~]{1,512}").fullmatch
_VERSION_MATCH = re.compile(r"SIP/\d+\.\d+", re.IGNORECASE).fullmatch
_FOLD = re.compile(r"\r\n[ \t]+")
_ALLOWED = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])


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
    headers, wrong = Headers.read(lines)
    trouble = trouble or wrong
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
