"""Messages for tests of the pure parts."""

from collections.abc import Iterable

from signaling.sip.headers import Headers
from signaling.sip.message import Request, Response

Fields = Iterable[tuple[str, str]]
CALLER = '"Alice" <sip:alice@example.com>;tag=a+1'
CALLED = "<sip:bob@example.net>"


def request(
    method: str = "INVITE", *, sequence: int = 7, to: str = CALLED, fields: Fields = (), body: bytes = b""
) -> Request:
    headers = Headers(
        [
            ("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{sequence}{method}"),
            ("From", CALLER),
            ("To", to),
            ("Call-ID", "one@example.com"),
            ("CSeq", f"{sequence} {method}"),
            *fields,
        ]
    )
    return Request(method, "sip:bob@192.0.2.9", headers=headers, body=body)


def response(code: int, *, tag: str = "b*2", fields: Fields = (), body: bytes = b"") -> Response:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK7INVITE"),
            ("From", CALLER),
            ("To", f"{CALLED};tag={tag}" if tag else CALLED),
            ("Call-ID", "one@example.com"),
            ("CSeq", "7 INVITE"),
            *fields,
        ]
    )
    return Response(code, headers=headers, body=body)
