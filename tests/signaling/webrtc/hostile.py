"""Datagrams that nobody who belongs to a call would send. Source: reliability check S-12."""

import struct


def dtls(kind: int, body: bytes) -> bytes:
    return struct.pack("!BHHIHH", kind, 0xFEFD, 0, 0, 1, len(body)) + body


def handshake(kind: int, body: bytes, *, length: int | None = None) -> bytes:
    """length: of the whole message, if the body is a piece of it."""
    whole = len(body) if length is None else length
    head = bytes([kind]) + whole.to_bytes(3, "big") + bytes(2) + bytes(3) + len(body).to_bytes(3, "big")
    return dtls(22, head + body)


NULL_CIPHER_HELLO = b"\xfe\xfd" + bytes(32) + b"\0" + b"\0" + b"\0\x02\0\x01" + b"\x01\0"
STUN = b"\0\x01\0\0\x21\x12\xa4\x42" + bytes(12)
UGLY_STUN = b"\0\x01\0\x08\x21\x12\xa4\x42" + bytes(12) + b"\0\x06\0\xff" + b"abcd"
HOSTILE = (
    handshake(1, NULL_CIPHER_HELLO),
    handshake(2, b"\xfe\xfd" + bytes(32) + b"\0\0\x01\0"),
    handshake(1, NULL_CIPHER_HELLO[:10], length=5000),
    dtls(21, b"\x02\x28"),
    dtls(21, b"\x01\x00"),
    dtls(23, bytes(40)),
    b"",
    b"\x16",
    bytes(65507),
    b"\x80\0" + bytes(20),
    STUN,
    UGLY_STUN,
)
