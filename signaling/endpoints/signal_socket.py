"""The socket to ``/signal`` and the token it is opened with: connected again for as long as the endpoint lives.

Owns the HTTP session, the queue of frames that go out, and the delays between attempts (the SDK's). What the frames
mean is device.py's. Everything here runs on the endpoint's loop.
Source: voice-sdk.md 4 of the specification.
"""

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from signaling.endpoints.notes import LibraryError
from signaling.endpoints.options import WebRtcEndpointOptions
from signaling.endpoints.servers import OptionError

CONNECT_S = 5.0
TOKEN_S = 10.0
SILENT_S = 15.0
AGAIN_S = (0.1, 20.0)
MAX_WAITING = 1000
"""Frames that wait for the socket; a server that takes so few of them is gone."""


class TokenRefused(Exception):
    """status: of HTTP, 0 for an answer that is none."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass
class SignalSocket:
    """on_open: a socket stands, the token for its first message. on_frame: a text of the server. on_lost: status (0: no
    answer at all) and reason, once for each attempt and each socket."""

    options: WebRtcEndpointOptions
    on_open: Callable[[str], None]
    on_frame: Callable[[str], None]
    on_lost: Callable[[int, str], None]
    is_sent_away: bool = False
    """No further attempt."""

    def __post_init__(self) -> None:
        self._trust = _trust(self.options)
        self._frames: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def send(self, frame: str) -> None:
        """Raises LibraryError when too many frames wait already."""
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            raise LibraryError("the server takes no more messages") from None

    async def stay_connected(self) -> None:
        least, most = AGAIN_S
        delay_s = least
        connector = aiohttp.TCPConnector(ssl=True if self._trust is None else self._trust)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            self._session = session
            while not self.is_sent_away:
                status, reason = 0, "the connection was lost"
                try:
                    token = self.options.token or await self.fetch_token()
                    async with asyncio.timeout(CONNECT_S):
                        socket = await session.ws_connect(self.options.server_address.signal_url)
                    delay_s = least
                    async with socket:
                        await self._converse(socket, token)
                except aiohttp.WSServerHandshakeError as error:
                    status, reason = error.status, error.message
                except TokenRefused as error:
                    status, reason = error.status, error.reason
                except (aiohttp.ClientError, OSError) as error:
                    reason = str(error) or type(error).__name__
                self.on_lost(status, reason)
                await asyncio.sleep(delay_s * random.uniform(0.6, 1.4))  # noqa: S311
                delay_s = min(2 * delay_s, most)

    async def close(self, *, within_s: float) -> None:
        """What waits is sent first."""
        socket = self._socket
        if socket is not None:
            try:
                async with asyncio.timeout(within_s):
                    await self._frames.join()
                    await socket.close()
            except TimeoutError:
                return

    async def fetch_token(self) -> str:
        """Raises TokenRefused, and what aiohttp raises."""
        if self._session is None:
            raise TokenRefused(0, "no access token: not connected")
        options = self.options
        credentials = aiohttp.BasicAuth(options.account, options.password) if options.account else None
        async with self._session.post(
            options.server_address.token_url,
            data={"identity": options.identity},
            auth=credentials,
            timeout=aiohttp.ClientTimeout(total=TOKEN_S),
        ) as answer:
            if answer.status != 200:
                hint = "" if options.account else " (without --token it needs --account and --password)"
                raise TokenRefused(answer.status, f"no access token: {answer.reason}{hint}")
            try:
                return str((await answer.json(content_type=None))["token"])
            except (ValueError, KeyError, TypeError) as error:
                raise TokenRefused(0, "no access token: the answer has none") from error

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        # What was meant for the socket before.
        self._frames = asyncio.Queue(MAX_WAITING)
        self._socket = socket
        self.on_open(token)
        writing = asyncio.create_task(self._write(socket, self._frames))
        try:
            while True:
                message = await socket.receive(timeout=SILENT_S)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                self.on_frame(message.data)
        finally:
            writing.cancel()
            self._socket = None

    async def _write(self, socket: aiohttp.ClientWebSocketResponse, frames: "asyncio.Queue[str]") -> None:
        while True:
            frame = await frames.get()
            await socket.send_str(frame)
            frames.task_done()


def _trust(options: WebRtcEndpointOptions) -> ssl.SSLContext | None:
    """None: the system's certificates."""
    if options.server_address.scheme != "wss":
        return None
    try:
        trust = ssl.create_default_context(cafile=options.tls_ca or None)
    except OSError as error:
        raise OptionError(f"no certificates at {options.tls_ca!r}: {error}") from error
    if options.tls_insecure:
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    return trust
