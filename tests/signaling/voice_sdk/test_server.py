"""``/signal`` over real WebSockets on loopback: who is let in, and what hostile peers achieve (checks S-03, S-20)."""

import asyncio
import json
import os
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from signaling.voice_sdk import to_device
from signaling.voice_sdk.server import VoiceSdkServer
from signaling.voice_sdk.settings import VoiceSdkSettings
from tests.signaling.voice_sdk.peers import CALL_SID, Rig, browser_sdp, token


class Daemon:
    """A rig behind a real listener."""

    def __init__(self, rig: Rig, port: int, session: aiohttp.ClientSession) -> None:
        self.rig = rig
        self.port = port
        self.session = session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/signal"

    @asynccontextmanager
    async def socket(self, **more: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.session.ws_connect(self.url, **more) as socket:
            yield socket

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """An upgraded connection on which the test writes frames itself."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            b"GET /signal HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return reader, writer


@asynccontextmanager
async def daemon(settings: VoiceSdkSettings | None = None, *, own_origin: str = "") -> AsyncIterator[Daemon]:
    rig = Rig(settings)
    application = web.Application()
    application.add_routes(VoiceSdkServer(rig.agent, own_origin=own_origin).routes())
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        yield Daemon(rig, runner.addresses[0][1], session)
        rig.agent.stop()
    await runner.cleanup()
    assert rig.agent.live["connections"] == 0


async def say(socket: aiohttp.ClientWebSocketResponse, kind: str, **payload: Any) -> None:
    await socket.send_str(json.dumps({"type": kind, "payload": payload, "version": "1.6"}))


async def hear(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The next message; heartbeats are echoed on the way."""
    while True:
        message = await socket.receive(timeout=5)
        assert message.type is WSMsgType.TEXT, message
        if message.data == "\n":
            await socket.send_str("\n")
            continue
        found: dict[str, Any] = json.loads(message.data)
        return found


async def log_in(socket: aiohttp.ClientWebSocketResponse, identity: str = "alice") -> None:
    await say(socket, "listen", token=token(identity), reconnectTimeout=0, browserinfo={})
    assert (await hear(socket))["type"] == "connected"
    await say(socket, "register", media={"audio": True})
    assert (await hear(socket))["type"] == "ready"


async def eventually(is_so: Callable[[], bool], *, within_s: float = 2.0) -> None:
    for _ in range(int(within_s / 0.01)):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


async def close_code(socket: aiohttp.ClientWebSocketResponse, *, within_s: float = 1.0) -> int | None:
    async with asyncio.timeout(within_s):
        while True:
            message = await socket.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR):
                return socket.close_code


def frame(opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
    """A masked client frame. Source: RFC 6455 5.2."""
    first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
    length = len(payload)
    if length < 126:
        head = bytes([first, 0x80 | length])
    elif length < 65536:
        head = bytes([first, 0x80 | 126]) + struct.pack("!H", length)
    else:
        head = bytes([first, 0x80 | 127]) + struct.pack("!Q", length)
    return head + b"\0\0\0\0" + payload


async def raw_close_code(reader: asyncio.StreamReader, *, within_s: float = 10.0) -> int | None:
    """The code of the first close frame, None if the connection is cut without one."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                first, second = await reader.readexactly(2)
                length = second & 0x7F
                if length == 126:
                    length = struct.unpack("!H", await reader.readexactly(2))[0]
                payload = await reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            if first & 0x0F == 0x8:
                return int(struct.unpack("!H", payload[:2])[0])


async def test_server_call_to_a_browser_over_a_real_socket() -> None:
    async with daemon(VoiceSdkSettings(beat_s=0.05)) as at, at.socket() as socket:
        await log_in(socket)
        [leg] = at.rig.dial()
        invite = await hear(socket)
        assert (invite["type"], invite["payload"]["callsid"]) == ("invite", CALL_SID)
        await say(socket, "answer", callsid=CALL_SID, sdp=browser_sdp())
        stream = aiter(leg.events)
        assert [type(await anext(stream)).__name__ for _ in range(2)] == ["Ringing", "Answered"]
        leg.hangup()
        assert (await hear(socket))["type"] == "hangup"


async def test_server_socket_cut_off_is_unreachable_at_once() -> None:
    async with daemon() as at:
        async with at.socket() as socket:
            await log_in(socket)
            assert len(at.rig.agent.devices("alice")) == 1
            connection = socket._response.connection
            assert connection is not None and connection.transport is not None
            connection.transport.abort()
        await eventually(lambda: not at.rig.agent.devices("alice"))


async def test_server_stop_says_going_away() -> None:
    async with daemon() as at, at.socket() as socket:
        await log_in(socket)
        at.rig.agent.stop()
        assert await close_code(socket) == 1001


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("https://app.example.com", 101),
        ("HTTPS://APP.example.com", 101),
        ("http://127.0.0.1:8080", 101),
        ("https://app.example.com.evil.example", 403),
        ("http://app.example.com", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_server_origin_is_on_the_list_or_refused(origin: str | None, status: int) -> None:
    settings = VoiceSdkSettings(origins=("https://app.example.com/",))
    async with daemon(settings, own_origin="http://127.0.0.1:8080") as at:
        headers = {} if origin is None else {"Origin": origin}
        if status == 101:
            async with at.socket(headers=headers):
                return
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with at.socket(headers=headers):
                pass
        assert refused.value.status == status


async def test_server_without_a_list_lets_every_page_in() -> None:
    async with daemon() as at, at.socket(headers={"Origin": "https://any.example"}) as socket:
        await log_in(socket)


@pytest.mark.parametrize("settings", [VoiceSdkSettings(connections=1), VoiceSdkSettings(pending_per_address=1)])
async def test_server_overload_is_refused_at_the_upgrade(settings: VoiceSdkSettings) -> None:
    async with daemon(settings) as at, at.socket():
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with at.socket():
                pass
        assert refused.value.status == 503
        assert refused.value.headers is not None
        assert refused.value.headers["Retry-After"]


async def test_server_plain_request_is_told_to_upgrade() -> None:
    async with daemon() as at, at.session.get(at.url) as response:
        assert response.status == 426


async def test_server_no_login_closes() -> None:
    async with daemon(VoiceSdkSettings(login_s=0.1)) as at, at.socket() as socket:
        assert await close_code(socket) == 1008


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type":"register"}', 1008),
        ("hello", 1007),
        ("[" * 50_000, 1007),
        ("[" * 100_000, 1009),
        ('{"type":"listen","payload":{"n":' + "1" * 60_000 + "}}", 1007),
        ("x" * (64 * 1024 + 1), 1009),
        ("x" * (1024 * 1024), 1009),
    ],
    ids=["not login", "no JSON", "deep", "deeper", "digits", "64 KB", "1 MB"],
)
async def test_server_before_login_closes_on_anything_else(text: str, code: int) -> None:
    async with daemon() as at, at.socket() as socket:
        await socket.send_str(text)
        assert await close_code(socket) == code


async def test_server_after_login_takes_more_but_not_everything() -> None:
    async with daemon() as at, at.socket() as socket:
        await log_in(socket)
        await say(socket, "unknown", more="x" * 200_000)
        await say(socket, "register", media={"audio": True})
        assert (await hear(socket))["type"] == "ready"
        await socket.send_str("x" * (256 * 1024 + 1))
        assert await close_code(socket) == 1009


@pytest.mark.parametrize(
    ("attack", "codes"),
    [
        (lambda: frame(1, b"\xff\xfe{}"), {1007}),
        (lambda: frame(1, b"{}", rsv1=True), {1002}),
        (lambda: frame(3, b"{}"), {1002}),
        (lambda: frame(0, b"{}"), {1002}),
        (lambda: bytes([0x81, 0xFF]) + struct.pack("!Q", 100 * 1024 * 1024) + b"\0\0\0\0", {1009}),
        (lambda: b"".join(frame(9, b"ping") for _ in range(10_000)), {1008}),
        (lambda: b"".join(frame(2, b"x") for _ in range(10)), {1008}),
    ],
    ids=["no UTF-8", "compressed", "reserved", "continuation", "100 MB", "10 000 pings", "binary"],
)
async def test_server_broken_framing_is_closed(attack: Callable[[], bytes], codes: set[int]) -> None:
    async with daemon() as at:
        reader, writer = await at.raw()
        writer.write(attack())
        assert await raw_close_code(reader) in codes
        writer.close()


async def test_server_million_fragments_do_not_hold_up_others() -> None:
    async with daemon() as at, at.socket() as socket:
        await log_in(socket)
        reader, writer = await at.raw()
        writer.write(frame(1, b"", fin=False))
        fragment = frame(0, b"", fin=False) * 50_000
        slowest_s, loop = 0.0, asyncio.get_running_loop()
        for _ in range(20):
            try:
                writer.write(fragment)
                began = loop.time()
                await say(socket, "register", media={"audio": True})
                assert (await hear(socket))["type"] == "ready"
                slowest_s = max(slowest_s, loop.time() - began)
            except ConnectionError:
                break
            await asyncio.sleep(0.1)
        assert slowest_s < 0.5
        writer.close()


async def test_server_peer_that_does_not_read_is_cut_off() -> None:
    async with daemon() as at:
        reader, writer = await at.raw()
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        writer.write(frame(1, json.dumps({"type": "listen", "payload": {"token": token()}}).encode()))
        await eventually(lambda: any(connection.is_logged_in for connection in at.rig.agent.connections))
        [connection] = at.rig.agent.connections
        message = to_device.CallMessage("CA1", os.urandom(5_000).hex())
        for _ in range(5_000):
            connection.send(message)
            if not connection.is_open:
                break
            await asyncio.sleep(0)
        assert not connection.is_open
        writer.close()


async def test_server_many_idle_sockets_are_cheap() -> None:
    async with daemon() as at:
        sockets = []
        for number in range(50):
            socket = await at.session.ws_connect(at.url)
            await log_in(socket, f"user{number}")
            sockets.append(socket)
        assert at.rig.agent.live == {"connections": 50, "registered": 50, "legs": 0}
        for socket in sockets:
            await socket.close()
        await eventually(lambda: at.rig.agent.live["connections"] == 0)
