"""A bare compiled relay as a process: what carrying the packets costs on this machine before an engine adds anything.

Run as ``python -m tests.bench.bare``; speaks the requests of tests/bench/media.py on standard input. No RTCP, no source
check, no jitter buffer, no recorder: its figures are the floor, not a product.
"""

import select
import socket
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from tests.bench.kernel import STOP, Buffers, c_recv, c_send, clock_ns, compiled, i32, i64, sleep_until
from tests.bench.process import serve_requests
from tests.bench.rtp import ADDRESS, new_buffers

_WAKE_NS = 2_000_000
_EVENTS = 256
_DESCRIPTORS = 1 << 17
_MONOTONIC = 1
_DONTWAIT = 0x40

c_epoll_wait = types.ExternalFunction("epoll_wait", i32(i32, i64, i32, i32))


@compiled
def relay(epoll: int, peers: Any, control: Any, counts: Any, events: Any, events_at: int, buffers: Buffers) -> None:
    """What a socket receives leaves by its peer's, every 2 ms until ``control[STOP]``. peers: by descriptor."""
    turn = clock_ns(_MONOTONIC, buffers.time, buffers.time_at)
    while control[STOP] == 0:
        ready = _EVENTS
        while ready == _EVENTS and control[STOP] == 0:
            ready = c_epoll_wait(epoll, events_at, _EVENTS, 0)
            for entry in range(ready):
                fd = i32(events[entry * 3 + 1])
                length = c_recv(fd, buffers.packet_at, 172, _DONTWAIT)
                if length > 0:
                    counts[0] += 1
                    counts[1] += c_send(peers[fd], buffers.packet_at, length, _DONTWAIT) == length
        turn = sleep_until(turn + _WAKE_NS, buffers)


class BareRelay:
    """Legs 2k and 2k + 1 hear each other."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._peers = np.zeros(_DESCRIPTORS, np.int32)
        self._control = np.zeros(1, np.int64)
        self._counts = np.zeros(2, np.int64)
        self._events: NDArray[np.uint32] = np.zeros(_EVENTS * 3, np.uint32)
        self._buffers = new_buffers()
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, name="bare-relay", daemon=True)

    def start(self, _: Mapping[str, Any]) -> None:
        self._control[STOP] = 1
        self._run()
        self._control[STOP] = 0
        self._thread.start()

    def _run(self) -> None:
        events = self._events
        relay(self._epoll.fileno(), self._peers, self._control, self._counts, events, events.ctypes.data, self._buffers)

    def open(self, request: Mapping[str, Any]) -> list[tuple[str, int]]:
        for host, port in request["legs"]:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((ADDRESS, 0))
            sock.connect((host, port))
            self._sockets.append(sock)
        for index, sock in enumerate(self._sockets):
            self._peers[sock.fileno()] = self._sockets[index ^ 1].fileno()
        for sock in self._sockets:
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        return [sock.getsockname() for sock in self._sockets]

    def statistics(self, _: Mapping[str, Any]) -> dict[str, int]:
        return {"packets_in": int(self._counts[0]), "packets_out": int(self._counts[1])}

    def close(self, _: Mapping[str, Any]) -> None:
        self._control[STOP] = 1
        if self._thread.is_alive():
            self._thread.join()
        for sock in self._sockets:
            sock.close()


def main() -> None:
    relay_process = BareRelay()
    serve_requests({name: getattr(relay_process, name) for name in ("start", "open", "statistics", "close")})
    relay_process.close({})


if __name__ == "__main__":
    main()
