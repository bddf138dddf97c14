"""A UDP socket of the engine's port range, read on the event loop until the engine reads it itself.

Decides what gets as far as a parser: only what looks like STUN or DTLS. Works on a descriptor of its own for the same
socket, so that it can still say goodbye when the engine has closed its one.
Source: RFC 7983 7 (telling protocols apart); reliability check S-12.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from enum import Enum
from typing import Any

MAX_DATAGRAM = 2048
AT_ONCE = 32
"""Datagrams read before others have their turn on the loop."""
_STUN_HEADER, _DTLS_HEADER = 20, 13
_STUN_COOKIE = b"\x21\x12\xa4\x42"

Address = tuple[str, int]


class Kind(Enum):
    STUN = "stun"
    DTLS = "dtls"
    OTHER = "other"


def kind_of(octets: bytes) -> Kind:
    if not octets or len(octets) >= MAX_DATAGRAM:
        return Kind.OTHER
    if octets[0] < 4 and len(octets) >= _STUN_HEADER and octets[4:8] == _STUN_COOKIE:
        return Kind.STUN
    if 20 <= octets[0] < 64 and len(octets) >= _DTLS_HEADER:
        return Kind.DTLS
    return Kind.OTHER


class IceSocket(asyncio.DatagramTransport):
    """Never waits, never raises. on_datagram: what came in, and from whom. on_closed: called on the loop, once."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._sock = sock.dup()
        self._sock.setblocking(False)
        self._on_datagram: Callable[[bytes, Address], None] | None = None
        self._on_closed: Callable[[], None] | None = None
        self._is_reading = False
        self._is_closed = False

    def start(self, on_datagram: Callable[[bytes, Address], None], on_closed: Callable[[], None]) -> None:
        self._on_datagram, self._on_closed = on_datagram, on_closed
        self._is_reading = True
        self._loop.add_reader(self._sock.fileno(), self._read)

    def hand_over(self) -> None:
        """Somebody else reads from now on; sending goes on here too."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._sock.fileno())

    def sendto(self, data: Any, addr: Any = None) -> None:
        if not self._is_closed:
            # What the system does not take is lost like any datagram; ICE and DTLS send again.
            with contextlib.suppress(OSError):
                self._sock.sendto(data, addr)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._sock.getsockname() if name == "sockname" else default

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        if self._is_closed:
            return
        self.hand_over()
        self._is_closed = True
        self._sock.close()
        self._on_datagram = None
        if self._on_closed is not None:
            self._loop.call_soon(self._on_closed)

    def abort(self) -> None:
        self.close()

    def _read(self) -> None:
        for _ in range(AT_ONCE):
            if self._on_datagram is None or not self._is_reading:
                return
            try:
                octets, sender = self._sock.recvfrom(MAX_DATAGRAM)
            except OSError:
                return
            if kind_of(octets) is not Kind.OTHER:
                self._on_datagram(octets, sender)
