"""The sockets of a port, and when the thread is told of their datagrams.

A port has the two that the event loop bound, for sound and for RTCP. Once the phone's source is fixed the thread opens
a third beside the first, on the same address and connected to the phone: the system then finds its way without looking
up a route for each packet (a tenth of all a relayed packet costs). The system gives the phone's packets to the
connected one and everybody else's to the first, where they are judged and counted as before.
Source: Linux udp(7), socket(7) SO_REUSEPORT: a connected socket of the group comes before the others.
"""

from typing import Any

from media.kernel.compiled import compiled
from media.kernel.layout import MAX_BATCH, Record
from media.kernel.libc import (
    DATA_WORD,
    DONT_WAIT,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLLIN,
    EVENT_WORDS,
    bind,
    close,
    connect,
    epoll_ctl,
    sendto,
    setsockopt,
    socket,
)

SOUND, CONTROL, DIRECT = 0, 1, 2
COMMANDS_TAG = 0xFFFFFFFF
"""Tags are slot << 2 | which socket, but for the pipe of commands."""

NONE, REFUSED = -1, -2
AF_INET = 2
SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000
SOL_SOCKET, SO_REUSEPORT = 1, 15
IPPROTO_IP, IP_TOS = 0, 1
EXPEDITED_FORWARDING = 46 << 2
SOCKADDR_BYTES = 16


@compiled
def poll(engine: Record, descriptor: Any, tag: Any) -> None:
    _control(engine, EPOLL_CTL_ADD, descriptor, tag)


@compiled
def poll_no_more(engine: Record, descriptor: Any) -> None:
    _control(engine, EPOLL_CTL_DEL, descriptor, 0)


@compiled
def _control(engine: Record, operation: Any, descriptor: Any, tag: Any) -> Any:
    # The last element is never filled by epoll_wait.
    engine.epoll_events[MAX_BATCH, 0] = EPOLLIN
    engine.epoll_events[MAX_BATCH, DATA_WORD] = tag
    return epoll_ctl(engine.epoll_fd, operation, descriptor, engine.epoll_address + MAX_BATCH * EVENT_WORDS * 4)


@compiled
def open_direct(engine: Record, port: Record) -> None:
    """Opens the socket connected to port.remote. Without one (no more files) the first socket goes on serving."""
    close_direct(port)
    port.direct_fd = REFUSED
    descriptor = socket(AF_INET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0)
    if descriptor < 0:
        return
    engine.option[0] = 1
    engine.option[1] = EXPEDITED_FORWARDING
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, engine.option_address, 4)
    setsockopt(descriptor, IPPROTO_IP, IP_TOS, engine.option_address + 4, 4)
    if (
        bind(descriptor, port.local_address, SOCKADDR_BYTES) == 0
        and connect(descriptor, port.remote_address, SOCKADDR_BYTES) == 0
        and _control(engine, EPOLL_CTL_ADD, descriptor, port.slot << 2 | DIRECT) == 0
    ):
        port.direct_fd = descriptor
    else:
        close(descriptor)


@compiled
def close_direct(port: Record) -> None:
    if port.direct_fd >= 0:
        close(port.direct_fd)
    port.direct_fd = NONE


@compiled
def send(port: Record, address: Any, length: Any) -> Any:
    """Sends a datagram to the phone; says whether the system took it.

    A connected socket tells once what came of an earlier datagram (nobody listening) instead of sending this one.
    """
    if port.direct_fd >= 0:
        sent = sendto(port.direct_fd, address, length, DONT_WAIT, 0, 0)
        return sent == length or sendto(port.direct_fd, address, length, DONT_WAIT, 0, 0) == length
    return sendto(port.rtp_fd, address, length, DONT_WAIT, port.remote_address, SOCKADDR_BYTES) == length
