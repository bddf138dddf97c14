"""Bodies of SIP messages: the session description in one, the key press in another.

Pure. Source: RFC 3261 7.4, 20.11; RFC 5621 (multipart); RFC 6086 5 (INFO outside of packages); the two customary
formats application/dtmf-relay and application/dtmf, which no RFC defines.
"""

import re

from signaling.sip.message import Request, Response
from signaling.sip.values import SipParseError

SDP = "application/sdp"
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE).search
_SIGNAL = re.compile(rb"(?im)^\s*signal\s*=\s*([0-9a-d*#]|1[0-5])\s*$").search
_DURATION = re.compile(rb"(?im)^\s*duration\s*=\s*(\d{1,5})\s*$").search
_KEYS = "0123456789*#ABCD"
_MAX_PARTS = 8


def session_description(message: Request | Response) -> bytes:
    """The SDP in a message; empty when it has no body. Raises SipParseError (415) for a body without one."""
    if not message.body:
        return b""
    encoding = (message.headers.get("Content-Encoding") or "identity").strip().lower()
    kind = message.content_type
    if encoding == "identity" and kind == SDP:
        return message.body
    if encoding == "identity" and kind.startswith("multipart/"):
        part = _sdp_part(message)
        if part is not None:
            return part
    raise SipParseError(f"expected {SDP}, found {kind[:60]!r} ({encoding[:20]})", status=415)


def _sdp_part(message: Request | Response) -> bytes | None:
    boundary = _BOUNDARY(message.headers.get("Content-Type") or "")
    if boundary is None:
        return None
    mark = b"--" + (boundary[1] or boundary[2]).encode()
    for part in message.body.split(mark)[1 : 1 + _MAX_PARTS]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank:
            continue
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() in (b"content-type", b"c"):
                if value.partition(b";")[0].strip().lower() == SDP.encode():
                    return content.removesuffix(b"\r\n")
    return None


def key_press(message: Request) -> tuple[str, int]:
    """Key and duration in ms of an INFO. Raises SipParseError: 415 for another kind of body, 400 for a bad one."""
    kind = message.content_type
    body = message.body[:256]
    if kind == "application/dtmf-relay":
        signal = _SIGNAL(body)
        duration = _DURATION(body)
        if signal is not None:
            return _key(signal[1].decode()), int(duration[1]) if duration else 0
    elif kind == "application/dtmf":
        text = body.decode("ascii", "replace").strip()
        if re.fullmatch(r"[0-9a-dA-D*#]|1[0-5]", text):
            return _key(text), 0
    else:
        raise SipParseError(f"expected application/dtmf-relay or application/dtmf, found {kind[:60]!r}", status=415)
    raise SipParseError(f"expected a key in {kind}, found {body[:40]!r}")


def _key(signal: str) -> str:
    """Numbers above 9 are event codes of RFC 4733."""
    return _KEYS[int(signal)] if len(signal) == 2 else signal.upper()
