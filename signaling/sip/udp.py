"""SIP over UDP: one socket, read in batches, written without waiting.

Owns the socket and a bounded queue for when the system takes no more. Knows nothing of SIP but octets and addresses.
Source: RFC 3261 18.1.1, 18.4 (ICMP errors).
"""

import asyncio
import errno
import socket
import struct
from collections import deque
from collections.abc import Callable

BATCH = 64
MAX_DATAGRAM = 65_535
MAX_QUEUE = 2000
SOCKET_BUFFER = 4 * 1024 * 1024

# Linux; not in Python's socket module.
_IP_RECVERR = 11
_MSG_ERRQUEUE = 0x2000
_ORIGIN_ICMP = 2
_REPORTED = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM})

Address = tuple[str, int]


class UdpSocket:
    """A bound socket in the running loop.

    on_datagram(socket, octets, source) for everything received; on_error(socket, destination, error) for what could
    not be sent and for ICMP errors that came back. Both are called from the loop. ``dropped`` counts datagrams lost to
    a full queue.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        on_datagram: Callable[["UdpSocket", bytes, Address], None],
        on_error: Callable[["UdpSocket", Address, OSError], None],
    ) -> None:
        self._on_datagram = on_datagram
        self._on_error = on_error
        self._queue: deque[tuple[bytes, Address]] = deque()
        self.dropped = 0
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
            if self._socket.family == socket.AF_INET:
                # So that a phone whose port is closed is known at once instead of after 32 s of retransmissions.
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.address: Address = self._socket.getsockname()[:2]
        self.is_wildcard = self.address[0] in ("0.0.0.0", "::")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)

    def send(self, octets: bytes, destination: Address) -> None:
        if self._queue:
            self._enqueue(octets, destination)
            return
        try:
            self._socket.sendto(octets, destination)
        except (BlockingIOError, InterruptedError):
            self._enqueue(octets, destination)
            self._loop.add_writer(self._socket, self._writable)
        except OSError:
            # The error may belong to an earlier datagram and is used up now: report that one and try once more.
            self._read_errors()
            self._send_again(octets, destination)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._queue.clear()

    def _send_again(self, octets: bytes, destination: Address) -> None:
        try:
            self._socket.sendto(octets, destination)
        except (BlockingIOError, InterruptedError):
            self._enqueue(octets, destination)
            self._loop.add_writer(self._socket, self._writable)
        except (OSError, OverflowError) as error:
            failure = error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))
            self._loop.call_soon(self._on_error, self, destination, failure)

    def _enqueue(self, octets: bytes, destination: Address) -> None:
        if len(self._queue) >= MAX_QUEUE:
            self.dropped += 1
            return
        self._queue.append((octets, destination))

    def _writable(self) -> None:
        while self._queue:
            octets, destination = self._queue[0]
            try:
                self._socket.sendto(octets, destination)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._on_error(self, destination, error)
            self._queue.popleft()
        self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        for _ in range(BATCH):
            try:
                octets, source = self._socket.recvfrom(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._read_errors()
                continue
            self._on_datagram(self, octets, source[:2])
            if self._socket.fileno() < 0:
                return

    def _read_errors(self) -> None:
        """Reports the ICMP errors that came back for datagrams of ours. Source: RFC 3261 18.4."""
        for _ in range(BATCH):
            try:
                _, ancillary, _, destination = self._socket.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            for level, kind, content in ancillary:
                if level == socket.IPPROTO_IP and kind == _IP_RECVERR and len(content) >= 5:
                    number, origin = struct.unpack_from("=IB", content)
                    if origin == _ORIGIN_ICMP and number in _REPORTED:
                        self._loop.call_soon(self._on_error, self, destination[:2], OSError(number, "ICMP error"))
