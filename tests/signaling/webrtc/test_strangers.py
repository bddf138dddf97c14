"""Datagrams of strangers: they neither hinder a set-up nor end a call. Source: reliability check S-12."""

import asyncio
import itertools
import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from media.engine import Engine
from signaling.peer_media import Connected, Failed, Gone
from signaling.webrtc.ice_socket import MAX_DATAGRAM, Kind, kind_of
from tests.media.phone import until
from tests.signaling.webrtc.conftest import Call, Desk
from tests.signaling.webrtc.hostile import HOSTILE, NULL_CIPHER_HELLO, STUN, dtls, handshake

PACKETS_PER_S = 500


class Stranger:
    """Sends the hostile datagrams in turn, to as many ports at once as there are."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._sock.bind(("127.0.0.1", 0))
        self._datagrams: Iterator[bytes] = itertools.cycle(HOSTILE)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in itertools.count():
            await asyncio.sleep(max(begun + number / PACKETS_PER_S - loop.time(), 0))
            octets = next(self._datagrams)
            for port in self.ports:
                self._send(octets, port)

    def _send(self, octets: bytes, port: int) -> None:
        try:
            self._sock.sendto(octets, ("127.0.0.1", port))
        except BlockingIOError:
            pass

    def close(self) -> None:
        self._sock.close()


def port_of(description: str) -> int:
    return int(description.split("m=audio ")[1].split()[0])


async def test_strangers_flood_of_datagrams_every_call_comes_up_and_stays(desk: Desk) -> None:
    stranger = Stranger()
    flood = asyncio.create_task(stranger.run())
    calls: list[Call] = []
    try:
        for number in range(10):
            call, browser = desk.call(), desk.browser()
            calls.append(call)
            if number % 2:
                offer = await call.media.offer()
                stranger.ports.append(port_of(offer))
                await asyncio.sleep(0.05)
                await call.media.accept_answer(await browser.answer(offer))
            else:
                answer = await call.media.answer(await browser.offer())
                stranger.ports.append(port_of(answer))
                await asyncio.sleep(0.05)
                await browser.take_answer(answer)
            await call.told(Connected)
        await asyncio.sleep(1.0)
    finally:
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        stranger.close()
    assert not any(isinstance(event, Failed | Gone) for call in calls for event in call.events)
    before = [call.media.port.statistics().packets_received for call in calls]
    await until(
        lambda: all(
            call.media.port.statistics().packets_received > count for call, count in zip(calls, before, strict=True)
        )
    )


async def test_strangers_in_numbers_leave_a_few_log_lines(desk: Desk) -> None:
    call = desk.call()
    stranger = Stranger()
    with capture_logs() as lines:
        port = port_of(await call.media.offer())
        for _ in range(100):
            stranger._send(STUN, port)
            stranger._send(handshake(1, NULL_CIPHER_HELLO), port)
        await until(lambda: len(lines) >= 7)
        await asyncio.sleep(0.05)
    stranger.close()
    assert len(lines) <= 8


async def test_strangers_empty_datagram_does_not_end_a_call(desk: Desk, engine: Engine) -> None:
    call, browser = desk.call(), desk.browser()
    await browser.take_answer(await call.media.answer(await browser.offer()))
    await call.told(Connected)
    malformed = engine.statistics().dropped_malformed
    stranger = Stranger()
    stranger._send(b"", call.media.port.address[1])
    await until(lambda: engine.statistics().dropped_malformed > malformed)
    stranger.close()
    count = call.media.port.statistics().packets_received
    await until(lambda: call.media.port.statistics().packets_received > count)
    assert [type(event) for event in call.events] == [Connected]


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"", Kind.OTHER),
        (b"\0", Kind.OTHER),
        (STUN, Kind.STUN),
        (STUN[:19], Kind.OTHER),
        (bytes(20), Kind.OTHER),
        (dtls(22, b""), Kind.DTLS),
        (dtls(22, b"")[:12], Kind.OTHER),
        (b"\x14" * MAX_DATAGRAM, Kind.OTHER),
        (b"\x80" * 20, Kind.OTHER),
    ],
)
def test_strangers_kind_is_told_by_the_first_octets(octets: bytes, kind: Kind) -> None:
    assert kind_of(octets) is kind
