"""A UDP socket for SIP whose datagrams carry the time the kernel got them.

Owns one socket. The time stamp makes set-up times independent of how busy the load's own loop is.
Source: socket(7) SO_TIMESTAMPNS.
"""

import socket
import struct
import time
from collections.abc import Iterator

from tests.bench.rtp import ADDRESS, SO_RCVBUFFORCE, SO_TIMESTAMPNS

_BUFFER_OCTETS = 8 << 20
_BATCH = 64
_ANCILLARY_OCTETS = 64


class Endpoint:
    """Bound to a free port of loopback; talks to one gateway."""

    def __init__(self, gateway: tuple[str, int]) -> None:
        self._gateway = gateway
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _BUFFER_OCTETS)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_OCTETS)
        self.socket.bind((ADDRESS, 0))
        host, port = self.socket.getsockname()
        self.address = (host, port)
        self.via = f"{host}:{port}".encode()

    def send(self, message: bytes) -> None:
        self.socket.sendto(message, self._gateway)

    def waiting(self) -> Iterator[tuple[bytes, int]]:
        """Datagrams that wait, some at most, each with its arrival in ns of the wall clock."""
        for _ in range(_BATCH):
            try:
                message, ancillary, _, _ = self.socket.recvmsg(65536, _ANCILLARY_OCTETS, socket.MSG_DONTWAIT)
            except (BlockingIOError, ConnectionError):
                return
            arrived = time.time_ns()
            for level, kind, stamp in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanoseconds = struct.unpack("qq", stamp[:16])
                    arrived = seconds * 1_000_000_000 + nanoseconds
            yield message, arrived

    def close(self) -> None:
        self.socket.close()
