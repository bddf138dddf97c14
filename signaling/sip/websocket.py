"""SIP from browsers: ``/sip``, one message a WebSocket frame.

Owns the sockets and one WebSocketConnection for each, which stands beside tcp and tls connections in the transports:
the same limits per source, idle times and mutes. Decides which upgrades are taken. Nothing is compressed: the state
costs more than all else of an idle socket, and it opens the door to bombs.
Source: RFC 7118; RFC 6455; RFC 5626 3.5.1 (CRLF keep-alive); reliability checks S-03, S-20, S-24.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, Literal, Protocol

from aiohttp import WSMsgType, hdrs, web

from signaling.sip.flow import Flow
from signaling.sip.limits import RateTable
from signaling.sip.message import SipParseError
from signaling.sip.parser import MAX_BODY, MAX_HEAD, parse_datagram
from signaling.sip.stream import StreamOwner, StreamTimes
from signaling.web_socket import CLOSE_S, Origins, SocketOutlet

PATH: Final = "/sip"
SUBPROTOCOL: Final = "sip"
MAX_FRAME: Final = MAX_HEAD + MAX_BODY
# A browser that says nothing is asked; without an answer within half of that again it is gone, 15 s in all.
BEAT_S: Final = 10.0
# What no phone needs, however many calls it has: frames of every kind.
FRAMES_PER_S: Final = 50.0
FRAME_BURST: Final = 300
POLICY: Final = 1008
GOING_AWAY: Final = 1001


class Transports(StreamOwner, Protocol):
    """What is used of transport.SipTransports."""

    def admit(
        self, protocol: Literal["ws", "wss"], *, local: tuple[str, int], remote: tuple[str, int]
    ) -> Flow | None: ...


class SipWebSocketServer:
    """origins: pages that may connect; none named: all. own_origin: where our own pages come from; always admitted."""

    def __init__(
        self,
        transports: Transports,
        *,
        origins: Iterable[str] = (),
        own_origin: str = "",
        clock: Callable[[], float] = time.monotonic,
        beat_s: float = BEAT_S,
    ) -> None:
        self._transports = transports
        self._origins = Origins(origins, own=own_origin)
        self._clock = clock
        self._beat_s = beat_s

    def routes(self, path: str = PATH) -> web.RouteTableDef:
        routes = web.RouteTableDef()
        routes.get(path)(self._handle)
        return routes

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._origins.require(request)
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            max_msg_size=MAX_FRAME,
            compress=False,
            autoping=False,
            heartbeat=self._beat_s,
            timeout=CLOSE_S,
        )
        if not _offers_sip(request) or not socket.can_prepare(request):
            # Source: RFC 7118 4.1: a client that does not name the subprotocol does not speak SIP.
            upgrade = {hdrs.UPGRADE: "websocket", hdrs.SEC_WEBSOCKET_PROTOCOL: SUBPROTOCOL}
            raise web.HTTPUpgradeRequired(
                text="A WebSocket with the subprotocol sip is expected here.", headers=upgrade
            )
        flow = self._transports.admit("wss" if request.secure else "ws", local=_local(request), remote=_remote(request))
        if flow is None:
            raise web.HTTPServiceUnavailable(headers={hdrs.RETRY_AFTER: "5"})
        outlet = SocketOutlet(socket, request)
        connection = WebSocketConnection(self._transports, flow, outlet, clock=self._clock)
        try:
            await socket.prepare(request)
            self._transports.stream_opened(connection)
            while True:
                message = await socket.receive()
                match message.type:
                    case WSMsgType.TEXT:
                        connection.receive(message.data.encode())
                    case WSMsgType.BINARY:
                        connection.receive(message.data)
                    case WSMsgType.PING:
                        connection.receive_ping(message.data)
                    case WSMsgType.PONG:
                        connection.receive_ping(None)
                    case _:
                        break
        finally:
            connection.lost()
            await outlet.finish()
        return socket


class WebSocketConnection:
    """One browser, as the transports see it (SipConnection).

    Frames that are no SIP say that the peer lives; only from one that has logged in do they keep the connection.
    """

    def __init__(
        self, owner: StreamOwner, flow: Flow, outlet: SocketOutlet, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.flow = flow
        self.incoming = True
        self.server_name = ""
        self.proven = False
        self.closed = False
        self._owner = owner
        self._outlet = outlet
        self._clock = clock
        self._heard_at = clock()
        self._frames = RateTable(rate=FRAMES_PER_S, burst=FRAME_BURST, clock=clock, limit=1)

    def receive(self, octets: bytes) -> None:
        """One frame: a message, or a keep-alive of CRLFs."""
        if not self._may_go_on():
            return
        if not octets.strip(b"\r\n"):
            if octets.startswith(b"\r\n\r\n"):
                self.send(b"\r\n")
            return
        self._heard_at = self._clock()
        try:
            message = parse_datagram(octets)
        except SipParseError as error:
            self._owner.stream_malformed(self, error)
            if not self.proven:
                self._end_with(POLICY, "expected SIP")
            return
        self._owner.stream_message(self, message)

    def receive_ping(self, payload: bytes | None) -> None:
        """A WebSocket ping, or None for the answer to ours."""
        if self._may_go_on() and payload is not None:
            self._outlet.pong(payload)

    def lost(self) -> None:
        """The socket is gone, whoever ended it."""
        if not self.closed:
            self.closed = True
            self._owner.stream_closed(self, None)

    # SipConnection

    def send(self, octets: bytes) -> bool:
        if self.closed:
            return False
        try:
            # RFC 7118 5: in text frames what is text, since that is what scripts in pages read most easily.
            self._outlet.send(octets.decode())
        except UnicodeDecodeError:
            self._outlet.send(octets)
        return True

    def end(self, error: Exception | None = None) -> None:
        self._end_with(POLICY, "" if error is None else str(error), error=error)

    def finish(self) -> None:
        if not self.closed:
            self._outlet.close(GOING_AWAY, "going away")

    def is_unused(self, times: StreamTimes) -> bool:
        return False

    def overdue(self, times: StreamTimes) -> str | None:
        idle_s = times.idle_s if self.proven else times.unproven_idle_s
        return f"nothing received for {idle_s:g} s" if self._clock() - self._heard_at >= idle_s else None

    def _may_go_on(self) -> bool:
        if self.closed:
            return False
        if not self._frames.take(""):
            self._end_with(POLICY, "too many frames")
            return False
        if self.proven:
            self._heard_at = self._clock()
        return True

    def _end_with(self, code: int, reason: str, *, error: Exception | None = None) -> None:
        if not self.closed:
            self.closed = True
            self._outlet.close(code, reason)
            self._owner.stream_closed(self, error)


def _offers_sip(request: web.Request) -> bool:
    """Field values may come in several lines."""
    offered = ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ()))
    return SUBPROTOCOL in (name.strip() for name in offered.split(","))


def _local(request: web.Request) -> tuple[str, int]:
    host, port = request.get_extra_info("sockname", ("0.0.0.0", 0))[:2]
    return str(host), int(port)


def _remote(request: web.Request) -> tuple[str, int]:
    """``request.remote`` is the browser also where a trusted proxy stands in between; the port is the connection's."""
    peer = request.get_extra_info("peername", ("0.0.0.0", 0))
    return request.remote or str(peer[0]), int(peer[1])
