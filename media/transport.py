"""Through what a port sends and receives: its sockets and its SRTP sessions, and when they may be let go.

The media thread uses both until it says that it has let go of them; so everything that was ever handed to it is kept
here until then. Used on the event loop only.
Source: RFC 5761 (RTP and RTCP on one port); RFC 7983 (and STUN and DTLS beside them).
"""

import ipaddress
import itertools
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from media.kernel import layout
from media.kernel.sockets import EXPEDITED_FORWARDING
from media.srtp import SrtpKeys, SrtpSessions

NO_SOCKET = -1


class MediaSocket:
    """The pair of UDP sockets on a number of the engine's range. Its holder closes it.

    is_shared: everything goes through the first; the second only keeps the pair from others.
    """

    def __init__(
        self,
        address: tuple[str, int],
        sockets: tuple[socket.socket, socket.socket],
        *,
        is_shared: bool,
        give_back: Callable[[int], None],
    ) -> None:
        self.address = address
        self._is_shared = is_shared
        self._sockets = sockets
        self._give_back = give_back
        self._is_closed = False

    @property
    def sock(self) -> socket.socket:
        """RTP's."""
        return self._sockets[0]

    @property
    def descriptors(self) -> tuple[int, int]:
        return self._sockets[0].fileno(), NO_SOCKET if self._is_shared else self._sockets[1].fileno()

    def close(self) -> None:
        """Idempotent. The number rests before it is used again."""
        if not self._is_closed:
            self._is_closed = True
            for sock in self._sockets:
                sock.close()
            self._give_back(self.address[1])


@dataclass(frozen=True)
class _Transport:
    sockets: MediaSocket | None
    sessions: SrtpSessions | None
    shares_socket: bool


class PortTransport:
    """What one port uses now, and what the media thread may still use. command: sends DO_TRANSPORT with these words."""

    def __init__(self, sockets: MediaSocket | None, command: Callable[..., None]) -> None:
        self._command = command
        self._current = _Transport(sockets, None, False)
        self._retired: dict[int, _Transport] = {}
        self._serials = itertools.count(1)
        self._keys: SrtpKeys | None = None

    @property
    def descriptors(self) -> tuple[int, int]:
        sockets = self._current.sockets
        return sockets.descriptors if sockets is not None else (NO_SOCKET, NO_SOCKET)

    @property
    def _local_address(self) -> int:
        """IPv4 << 16 | port; 0 without a socket."""
        sockets = self._current.sockets
        return 0 if sockets is None else int(ipaddress.IPv4Address(sockets.address[0])) << 16 | sockets.address[1]

    @property
    def is_attached(self) -> bool:
        """Whether sockets came from outside, with sessions of their own."""
        return self._current.shares_socket

    def secure(self, keys: SrtpKeys | None) -> None:
        """Seals with these keys from now on; the same as before go on where they are."""
        if not self.is_attached and keys != self._keys:
            sessions = SrtpSessions.of(keys) if keys is not None else None
            self._keys = keys
            self._replace(_Transport(self._current.sockets, sessions, False))

    def attach(self, sockets: MediaSocket, sessions: SrtpSessions) -> None:
        """Takes over a socket on which ICE and DTLS go on. It is closed here, when the port has another or none."""
        self._replace(_Transport(sockets, sessions, True))

    def returned(self, serial: int) -> None:
        """The media thread has let go of what it had before it took this one."""
        retired = self._retired.pop(serial, None)
        if retired is not None and retired.sockets is not None and retired.sockets is not self._current.sockets:
            retired.sockets.close()

    def close(self) -> None:
        """The media thread has let go of everything."""
        for transport in (*self._retired.values(), self._current):
            if transport.sockets is not None:
                transport.sockets.close()
        self._retired.clear()
        self._current = _Transport(None, None, False)

    def _replace(self, transport: _Transport) -> None:
        serial = next(self._serials)
        self._retired[serial] = self._current
        self._current = transport
        receive, send = transport.sessions.addresses if transport.sessions is not None else (0, 0)
        self._command(
            layout.DO_TRANSPORT,
            *self.descriptors,
            receive,
            send,
            int(transport.shares_socket),
            serial,
            self._local_address,
        )


def bound_pair(address: str, number: int) -> tuple[socket.socket, socket.socket]:
    """Sockets for RTP and RTCP. Raises OSError and leaves none open.

    The number for RTCP is taken alone and first: it stands for both, since the other is one that is shared (with a
    socket of our own, kernel/sockets.py), which somebody else could join.
    """
    with ExitStack() as undo:
        control = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        control.bind((address, number + 1))
        sound = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        sound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED_FORWARDING)
        sound.bind((address, number))
        undo.pop_all()
    return sound, control
