"""The WebSocket that browsers open: ``/signal``.

Owns the sockets and what waits to be written to them. Decides which upgrades are taken; from then on it carries frames
between the socket and its Connection. A peer that reads too slowly, sends too much or breaks the framing is cut off
without anybody else noticing.
Source: RFC 6455; voice-sdk.md 4, 8 of the specification; reliability checks S-03, S-20, S-24.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import WSMsgType, hdrs, web

from signaling.voice_sdk.agent import VoiceSdkAgent
from signaling.voice_sdk.from_device import MAX_AFTER_LOGIN

log = structlog.get_logger()
PATH: Final = "/signal"
# One frame over the limit must be seen to be refused with its own code.
MAX_FRAME: Final = MAX_AFTER_LOGIN
MAX_WAITING: Final = 512
MAX_WAITING_OCTETS: Final = 1024 * 1024
CLOSE_S: Final = 1.0


class VoiceSdkServer:
    """own_origin: where our own pages come from; always admitted."""

    def __init__(self, agent: VoiceSdkAgent, *, own_origin: str = "") -> None:
        self._agent = agent
        origins = agent.settings.origins
        self._origins = frozenset(_plain(origin) for origin in (*origins, own_origin) if origin) if origins else None

    def routes(self, path: str = PATH) -> web.RouteTableDef:
        routes = web.RouteTableDef()
        routes.get(path)(self._handle)
        return routes

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and self._origins is not None and _plain(origin) not in self._origins:
            log.warning("voice_sdk.origin_refused", origin=origin[:256])
            raise web.HTTPForbidden(text="This page may not connect here.")
        address = request.remote or ""
        if not self._agent.has_room(address):
            # Before the upgrade: every socket that opens resets the delays of the SDK's reconnecting.
            raise web.HTTPServiceUnavailable(headers={hdrs.RETRY_AFTER: "5"})
        # Without compression: its state costs more than all else of an idle socket, and it opens the door to bombs.
        socket = web.WebSocketResponse(max_msg_size=MAX_FRAME, compress=False, autoping=False, timeout=CLOSE_S)
        if not socket.can_prepare(request):
            raise web.HTTPUpgradeRequired(text="A WebSocket is expected here.", headers={hdrs.UPGRADE: "websocket"})
        await socket.prepare(request)
        outlet = SocketOutlet(socket, abort=lambda: _abort(request))
        connection = self._agent.open(outlet, address)
        try:
            while True:
                message = await socket.receive()
                match message.type:
                    case WSMsgType.TEXT:
                        connection.receive(message.data)
                    case WSMsgType.PING:
                        connection.receive_ping()
                        outlet.pong(message.data)
                    case WSMsgType.BINARY | WSMsgType.PONG:
                        connection.receive_other()
                    case _:
                        break
        finally:
            connection.lost()
            await outlet.finish()
        return socket


class SocketOutlet:
    """What waits to be written to one socket: bounded, in order, by a task that lives only while something waits."""

    def __init__(self, socket: web.WebSocketResponse, *, abort: Callable[[], None]) -> None:
        self._socket = socket
        self._abort = abort
        self._waiting: deque[str] = deque()
        self._octets = 0
        self._pong: bytes | None = None
        self._close: tuple[int, str] | None = None
        self._writer: asyncio.Task[None] | None = None

    def send(self, frame: str) -> None:
        if self._close is not None or self._socket.closed:
            return
        self._waiting.append(frame)
        self._octets += len(frame)
        if len(self._waiting) > MAX_WAITING or self._octets > MAX_WAITING_OCTETS:
            self._waiting.clear()
            self._abort()
            return
        self._wake()

    def pong(self, payload: bytes) -> None:
        """Answer to a WebSocket ping; of several that wait the last one does. Source: RFC 6455 5.5.3."""
        if self._close is None:
            self._pong = bytes(payload)
            self._wake()

    def close(self, code: int, reason: str) -> None:
        if self._close is None:
            self._close = (code, reason)
            self._wake()

    async def finish(self) -> None:
        """The reader is done; what is being written has ``CLOSE_S`` to get away."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=CLOSE_S)
            if not self._writer.done():
                self._abort()
                self._writer.cancel()
                await asyncio.wait([self._writer])

    def _wake(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._waiting or self._pong is not None:
                if self._pong is not None:
                    payload, self._pong = self._pong, None
                    await self._socket.pong(payload)
                else:
                    frame = self._waiting.popleft()
                    self._octets -= len(frame)
                    await self._socket.send_str(frame)
            if self._close is not None:
                code, reason = self._close
                async with asyncio.timeout(CLOSE_S):
                    await self._socket.close(code=code, message=reason.encode()[:100])
        except (ConnectionError, RuntimeError):
            # The socket went away under the writer; its reader notices and ends the connection.
            self._waiting.clear()
        except TimeoutError:
            self._abort()


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _plain(origin: str) -> str:
    return origin.strip().rstrip("/").lower()
