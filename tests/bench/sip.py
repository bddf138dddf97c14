"""The SIP a load needs, as bytes: templates to send, a few patterns to read. No parsing library on the hot path.

Pure. Knows the gateway's side is one server on loopback: no Record-Route, no forking towards the caller, UDP only.
Source: RFC 3261 8.1, 12.2, 17.1.1.3 (ACK), 20; RFC 3264 5; RFC 7616 (digest), RFC 8760 (SHA-256).
"""

import hashlib
import re
from dataclasses import dataclass

_CRLF = b"\r\n"


def _pattern(*names: str) -> re.Pattern[bytes]:
    choice = "|".join(re.escape(name) for name in names)
    return re.compile(rb"\r\n(?:" + choice.encode() + rb")[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)


_VIA = _pattern("via", "v")
_FROM = _pattern("from", "f")
_TO = _pattern("to", "t")
_CALL_ID = _pattern("call-id", "i")
_CSEQ = _pattern("cseq")
_CONTACT = _pattern("contact", "m")
_CHALLENGE = _pattern("www-authenticate", "proxy-authenticate")
_ADDRESS = re.compile(rb"^c=IN IP4 ([0-9.]+)", re.MULTILINE)
_AUDIO = re.compile(rb"^m=audio (\d+)", re.MULTILINE)
_USER = re.compile(rb"sips?:([^@>;]+)@")
_URI = re.compile(rb"<([^>]+)>|^([^;]+)")
_DIGEST_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Message:
    """One datagram. status: 0 for a request. body starts at the SDP."""

    raw: bytes
    status: int
    method: bytes
    call_id: bytes

    @property
    def vias(self) -> bytes:
        return b"".join(b"Via: %s\r\n" % via for via in _VIA.findall(self.raw))

    @property
    def sender(self) -> bytes:
        return _first(_FROM, self.raw)

    @property
    def recipient(self) -> bytes:
        return _first(_TO, self.raw)

    @property
    def cseq(self) -> bytes:
        return _first(_CSEQ, self.raw)

    @property
    def contact_uri(self) -> bytes:
        found = _URI.search(_first(_CONTACT, self.raw))
        return b"" if found is None else found[1] or found[2]

    @property
    def sender_user(self) -> bytes:
        found = _USER.search(self.sender)
        return b"" if found is None else found[1]

    @property
    def challenges(self) -> list[str]:
        return [value.decode() for value in _CHALLENGE.findall(self.raw)]

    @property
    def media(self) -> tuple[str, int] | None:
        """Where the SDP wants its audio; None without SDP or with the audio refused."""
        address, audio = _ADDRESS.search(self.raw), _AUDIO.search(self.raw)
        if address is None or audio is None or int(audio[1]) == 0:
            return None
        return address[1].decode(), int(audio[1])


def _first(pattern: re.Pattern[bytes], raw: bytes) -> bytes:
    found = pattern.search(raw)
    return b"" if found is None else found[1]


def read(raw: bytes) -> Message | None:
    """None for what is no SIP message, a keep-alive for example. method of a response: that of its CSeq."""
    call_id = _first(_CALL_ID, raw)
    if not call_id:
        return None
    if raw.startswith(b"SIP/2.0 "):
        return Message(raw, int(raw[8:11]), _first(_CSEQ, raw).rpartition(b" ")[2], call_id)
    return Message(raw, 0, raw[: raw.index(b" ")], call_id)


def sdp(address: tuple[str, int], version: int = 1) -> bytes:
    """Offer or answer: µ-law and RFC 4733 digits, 20 ms, both ways."""
    host, port = address
    return (
        f"v=0\r\no=bench {port} {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    ).encode()


@dataclass(frozen=True, slots=True)
class Dialog:
    """One side of a dialog, or of a transaction that may become one. local and remote: From/To values with tags."""

    call_id: bytes
    local: bytes
    remote: bytes
    target: bytes
    contact: bytes
    via: bytes

    def request(self, method: bytes, cseq: int, *, branch: bytes, headers: bytes = b"", body: bytes = b"") -> bytes:
        """A request in the dialog. via: ``host:port`` of the sending socket."""
        return b"".join(
            (
                b"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"
                % (method, self.target, self.via, branch),
                b"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <%s>\r\n"
                % (self.local, self.remote, self.call_id, cseq, method, self.contact),
                headers,
                _body(body),
            )
        )


def response(request: Message, status: bytes, *, tag: bytes = b"", contact: bytes = b"", body: bytes = b"") -> bytes:
    """Answer a request. status: ``180 Ringing``; tag: added to To if it has none."""
    recipient = request.recipient
    if tag and b";tag=" not in recipient:
        recipient = b"%s;tag=%s" % (recipient, tag)
    return b"".join(
        (
            b"SIP/2.0 %s\r\n%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
            % (status, request.vias, request.sender, recipient, request.call_id, request.cseq),
            b"Contact: <%s>\r\n" % contact if contact else b"",
            _body(body),
        )
    )


def _body(body: bytes) -> bytes:
    if not body:
        return b"Content-Length: 0\r\n\r\n"
    return b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def authorization(challenge: str, *, method: str, uri: str, username: str, password: str) -> str:
    """Value of the Authorization header that answers one Digest challenge with qop=auth, SHA-256 or MD5."""
    fields = {name.lower(): quoted or bare for name, quoted, bare in _DIGEST_FIELD.findall(challenge)}
    algorithm = fields.get("algorithm", "MD5")

    def digest(text: str) -> str:
        name = "sha256" if algorithm.upper() == "SHA-256" else "md5"
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    realm, nonce, nc, cnonce = fields["realm"], fields["nonce"], "00000001", "62656e6368"
    secret, target = digest(f"{username}:{realm}:{password}"), digest(f"{method}:{uri}")
    answer = digest(f"{secret}:{nonce}:{nc}:{cnonce}:auth:{target}")
    opaque = f', opaque="{fields["opaque"]}"' if "opaque" in fields else ""
    return (
        f'Digest username="{username}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{answer}", '
        f'algorithm={algorithm}, qop=auth, nc={nc}, cnonce="{cnonce}"{opaque}'
    )
