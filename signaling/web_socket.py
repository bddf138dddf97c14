"""What every WebSocket that browsers open needs: which pages may open one, and what waits to be written to it.

Owns Origins and SocketOutlet. What the frames say is voice_sdk/server.py's and sip/websocket.py's business.
Source: RFC 6454 (origins); RFC 6455 5.5, 7; reliability checks S-20, S-24.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

import structlog
from aiohttp import hdrs, web

log = structlog.get_logger()
MAX_WAITING: Final = 512
MAX_WAITING_OCTETS: Final = 1024 * 1024
CLOSE_S: Final = 1.0


class Origins:
    """Pages that may connect (``https://app.example.com``). None named: all may, since a login is what admits.

    own: where our own pages come from; always on the list. A client without an Origin is no page and may connect.
    """

    def __init__(self, named: Iterable[str], *, own: str = "") -> None:
        listed = [origin for origin in named if origin]
        self._listed = frozenset(_plain(origin) for origin in (*listed, own) if origin) if listed else None

    def require(self, request: web.Request) -> None:
        """Raises 403 for a page that is not on the list."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and self._listed is not None and _plain(origin) not in self._listed:
            log.warning("web_socket.origin_refused", path=request.path, origin=origin[:256])
            raise web.HTTPForbidden(text="This page may not connect here.")


class SocketOutlet:
    """What waits to be written to one socket: bounded, in order, by a task that lives only while something waits.

    request: that of the upgrade; its connection is cut off when the peer does not take what it is sent.
    """

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket = socket
        self._request = request
        self._waiting: deque[str | bytes] = deque()
        self._octets = 0
        self._pong: bytes | None = None
        self._close: tuple[int, str] | None = None
        self._cut: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None

    def send(self, frame: str | bytes) -> None:
        """A text or a binary frame. What a peer leaves unread beyond the bounds ends its connection."""
        if self._close is not None or self._socket.closed:
            return
        self._waiting.append(frame)
        self._octets += len(frame)
        if len(self._waiting) > MAX_WAITING or self._octets > MAX_WAITING_OCTETS:
            self._waiting.clear()
            self.abort()
            return
        self._wake()

    def pong(self, payload: bytes) -> None:
        """Answer to a WebSocket ping; of several that wait the last one does. Source: RFC 6455 5.5.3."""
        if self._close is None:
            self._pong = bytes(payload)
            self._wake()

    def close(self, code: int, reason: str) -> None:
        """Close once everything is written; a peer that does not take it is cut off."""
        if self._close is None:
            self._close = (code, reason)
            self._cut = asyncio.get_running_loop().call_later(2 * CLOSE_S, self.abort)
            self._wake()

    def abort(self) -> None:
        """Cut the connection off; what waits is lost."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def finish(self) -> None:
        """The reader is done; what is being written has ``CLOSE_S`` to get away."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=CLOSE_S)
            if not self._writer.done():
                self.abort()
                self._writer.cancel()
                await asyncio.wait([self._writer])
        if self._cut is not None:
            self._cut.cancel()

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
                    await self._put(self._waiting.popleft())
            if self._close is not None:
                code, reason = self._close
                async with asyncio.timeout(CLOSE_S):
                    await self._socket.close(code=code, message=reason.encode()[:100])
        except (ConnectionError, RuntimeError):
            # The socket went away under the writer; its reader notices and ends the connection.
            self._waiting.clear()
        except TimeoutError:
            self.abort()

    async def _put(self, frame: str | bytes) -> None:
        self._octets -= len(frame)
        if isinstance(frame, str):
            await self._socket.send_str(frame)
        else:
            await self._socket.send_bytes(frame)


def _plain(origin: str) -> str:
    return origin.strip().rstrip("/").lower()
