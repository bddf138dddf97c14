"""SIP over one TCP or TLS connection: bytes in, messages out, and the reasons to end it.

Owns the connection's parser, its queue while it is being set up and its times; who may connect and where a message
goes is transport.py's business. Source: RFC 3261 18.3; RFC 5626 3.5.1, 4.4.1 (CRLF keep-alive).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from signaling.sip.flow import Flow
from signaling.sip.message import Request, Response, SipParseError
from signaling.sip.parser import StreamParser

MAX_UNSENT = 256 * 1024


class StreamOwner(Protocol):
    """Who keeps the connections (transport.py)."""

    def stream_opened(self, stream: "SipStream") -> None: ...
    def stream_message(self, stream: "SipStream", message: Request | Response) -> None: ...
    def stream_malformed(self, stream: "SipStream", error: SipParseError) -> None: ...
    def stream_closed(self, stream: "SipStream", error: Exception | None) -> None: ...


@dataclass(frozen=True, kw_only=True)
class StreamTimes:
    """header_s: for one message to arrive whole. unproven_idle_s: for a connection that nobody vouched for.
    idle_s: for all others, counted from the last octet received."""

    header_s: float = 10.0
    unproven_idle_s: float = 60.0
    idle_s: float = 7200.0


class SipStream(asyncio.Protocol):
    """One connection.

    flow: its way to the peer. incoming: the peer opened it. server_name: whose certificate the peer has shown, if any.
    proven: somebody vouched for it, so that it may stay idle. connect: called when the first message is sent, for a
    connection of ours; one that is never used is never made.
    """

    def __init__(
        self,
        owner: StreamOwner,
        flow: Flow,
        *,
        clock: Callable[[], float],
        server_name: str = "",
        connect: "Callable[[SipStream], None] | None" = None,
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._parser = StreamParser()
        self._transport: asyncio.Transport | None = None
        self._pending: list[bytes] | None = []
        self._unsent = 0
        self._heard_at = clock()
        self._partial_since: float | None = None
        self.flow = flow
        self._connect = connect
        self.incoming = connect is None
        self.server_name = server_name
        self.proven = not self.incoming
        self.closed = False
        self._finishing = False

    def send(self, octets: bytes) -> bool:
        """Sends, or queues while the connection is being set up; False, and the connection ends, if it is stuck."""
        if self.closed:
            return False
        if self._transport is None:
            assert self._pending is not None
            self._unsent += len(octets)
            self._pending.append(octets)
            if self._connect is not None:
                connect, self._connect = self._connect, None
                connect(self)
            if self._unsent <= MAX_UNSENT:
                return True
            self.end(ConnectionAbortedError("too much queued for a connection that is not up yet"))
            return False
        self._transport.write(octets)
        if self._transport.get_write_buffer_size() <= MAX_UNSENT:
            return True
        self.end(ConnectionAbortedError("the peer does not read what it is sent"))
        return False

    def end(self, error: Exception | None = None) -> None:
        """Ends the connection at once; what is unsent is lost. error: what its owner is told."""
        if self.closed:
            return
        self.closed = True
        if self._transport is not None:
            self._transport.abort()
        self._pending = None
        self._owner.stream_closed(self, error)

    def finish(self) -> None:
        """Ends the connection once everything is sent."""
        self._finishing = True
        if self._transport is None:
            self.end()
        elif not self.closed:
            self._transport.close()

    def is_unused(self, times: StreamTimes) -> bool:
        """Whether nothing was sent over a connection of ours that is not made yet."""
        return self._connect is not None and self._clock() - self._heard_at >= times.unproven_idle_s

    def overdue(self, times: StreamTimes) -> str | None:
        """Why the connection should end by now, or None."""
        now = self._clock()
        if self._partial_since is not None and now - self._partial_since >= times.header_s:
            return f"a message did not arrive whole within {times.header_s:g} s"
        idle_s = times.idle_s if self.proven else times.unproven_idle_s
        if self._transport is not None and now - self._heard_at >= idle_s:
            return f"nothing received for {idle_s:g} s"
        return None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self.closed:
            transport.abort()
            return
        self._transport = transport
        self._heard_at = self._clock()
        self._owner.stream_opened(self)
        pending, self._pending = self._pending, None
        for octets in pending or ():
            self.send(octets)

    def data_received(self, data: bytes) -> None:
        if self.closed or self._finishing:
            return
        self._heard_at = now = self._clock()
        pings = self._parser.pings
        try:
            for message in self._parser.feed(data):
                self._partial_since = None
                self._owner.stream_message(self, message)
                if self.closed or self._finishing:
                    return
        except SipParseError as error:
            # Where the next message begins is not known any more. Source: RFC 4475 3.1.2.
            self._owner.stream_malformed(self, error)
            self.finish()
            return
        if not self._parser.waiting:
            self._partial_since = None
        elif self._partial_since is None:
            self._partial_since = now
        if self._parser.pings != pings:
            self.send(b"\r\n")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed:
            self.closed = True
            self._pending = None
            self._owner.stream_closed(self, exc)
