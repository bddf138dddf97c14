"""A flight of the DTLS handshake that got lost is sent again long before OpenSSL would."""

import asyncio

from signaling.webrtc.connection import RESEND_S, DtlsPath
from tests.virtual_time import run


class Wire:
    """What was sent, and when; what comes is put into ``incoming``."""

    ice_controlling = False

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.sent: list[tuple[float, bytes]] = []
        self._start = asyncio.get_running_loop().time()

    async def recv(self) -> bytes:
        return await self.incoming.get()

    async def send(self, data: bytes) -> None:
        self.send_now(data)

    def send_now(self, octets: bytes) -> None:
        self.sent.append((round(asyncio.get_running_loop().time() - self._start, 2), octets))


def test_resend_flight_without_an_answer_is_sent_three_times_more() -> None:
    async def handshake() -> None:
        wire = Wire()
        await DtlsPath(wire)._send(b"hello")
        await asyncio.sleep(10)
        assert wire.sent == [(0.0, b"hello"), (0.1, b"hello"), (0.3, b"hello"), (0.7, b"hello")]
        assert sum(RESEND_S) < 1.0, "OpenSSL sends again after a second"

    run(handshake())


def test_resend_ends_with_an_answer_and_begins_anew_with_the_next_flight() -> None:
    async def handshake() -> None:
        wire = Wire()
        path = DtlsPath(wire)
        await path._send(b"hello")
        await asyncio.sleep(0.15)
        wire.incoming.put_nowait(b"hello to you")
        assert await path._recv() == b"hello to you"
        await asyncio.sleep(1)
        await path._send(b"key")
        await asyncio.sleep(0.2)
        path.settle()
        await asyncio.sleep(10)
        assert wire.sent == [(0.0, b"hello"), (0.1, b"hello"), (1.15, b"key"), (1.25, b"key")]

    run(handshake())


def test_resend_after_the_handshake_nothing_is_sent_twice() -> None:
    async def goodbye() -> None:
        wire = Wire()
        path = DtlsPath(wire)
        path.settle()
        await path._send(b"goodbye")
        await asyncio.sleep(10)
        assert wire.sent == [(0.0, b"goodbye")]

    run(goodbye())
