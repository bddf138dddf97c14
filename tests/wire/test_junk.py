"""Junk in numbers, over UDP, TCP and HTTP: the daemon answers or drops it, and a call works afterwards."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application
from tests.wire.harness_gateway import Phones, RunningGateway

pytestmark = pytest.mark.wire

DATAGRAMS = 4000
CONNECTIONS = 40
GROWTH_MB = 50
# Not the phones' own address: that one would be muted with the junk.
STRANGER = "127.0.0.3"
INVITE = (
    "INVITE sip:bob@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{n};rport\r\n"
    "From: <sip:alice@127.0.0.1>;tag={n}\r\nTo: <sip:bob@127.0.0.1>\r\nCall-ID: junk{n}\r\nCSeq: 1 INVITE\r\n"
    "Max-Forwards: 70\r\nContact: <sip:alice@127.0.0.1:9>\r\n"
    'Authorization: Digest username="alice", realm="127.0.0.1", nonce="x", uri="sip:bob@127.0.0.1", response="y"\r\n'
    "Content-Type: application/sdp\r\nContent-Length: 126\r\n\r\n"
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
)


def junk(count: int, dice: random.Random) -> Iterator[bytes]:
    """Messages with bytes changed, cut, doubled and swapped; some that never were one."""
    for number in range(count):
        message = bytearray(INVITE.format(n=number).encode())
        for _ in range(dice.randrange(1, 12)):
            at = dice.randrange(len(message))
            match dice.randrange(5):
                case 0:
                    message[at] = dice.randrange(256)
                case 1:
                    del message[at : at + dice.randrange(1, 40)]
                case 2:
                    message[at:at] = message[at : at + dice.randrange(1, 40)]
                case 3:
                    message[at:at] = dice.choice([b"\r\n", b"\0", b"\xff\xfe", b": ", b";", b'"', b"%", b"<", b","])
                case 4:
                    message[at:at] = str(dice.randrange(-(2**64), 2**64)).encode()
            if len(message) < 2:
                break
        yield bytes(message) if number % 10 else dice.randbytes(dice.randrange(0, 1200))


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def test_junk_over_udp_tcp_and_http_leaves_a_daemon_that_takes_calls(
    gateway: RunningGateway, application: Application, phones: Phones
) -> None:
    before_mb = await asyncio.to_thread(memory_mb, gateway.daemon.pid)
    dice = random.Random(4475)  # noqa: S311
    host, _, port = gateway.sip_address.partition(":")
    await flood_udp(host, int(port), dice)
    await flood_tcp(host, int(port), dice)
    await flood_http(gateway.daemon.http_url)
    application.on("/voice", "<Response><Dial><Client>bob</Client></Dial></Response>")
    await phones("bob", incoming=Incoming.ANSWER)
    alice = await phones("alice", play="tone:600")
    await alice.dial("bob")
    await alice.wait("answered")
    alice.hangup()
    await alice.wait("ended")
    assert gateway.daemon.is_running
    assert await asyncio.to_thread(memory_mb, gateway.daemon.pid) - before_mb < GROWTH_MB
    log = await asyncio.to_thread(gateway.daemon.log_path.read_text, encoding="utf-8")
    assert "Traceback" not in log


async def flood_udp(host: str, port: int, dice: random.Random) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=(STRANGER, 0), remote_addr=(host, port)
    )
    try:
        for number, message in enumerate(junk(DATAGRAMS, dice)):
            transport.sendto(message)
            if number % 50 == 0:
                await asyncio.sleep(0.002)
    finally:
        transport.close()


async def flood_tcp(host: str, port: int, dice: random.Random) -> None:
    for message in junk(CONNECTIONS, dice):
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection(host, port, local_addr=(STRANGER, 0))
            writer.write(message)
            await writer.drain()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            del reader


async def flood_http(url: str) -> None:
    paths = [
        "/nothing",
        "/%00",
        "/../../etc/passwd",
        "/2010-04-01/Accounts/..%2f..%2f/Recordings/RE.wav",
        "/" + "a" * 7000,
    ]
    async with aiohttp.ClientSession() as session:
        for path in paths:
            for method in ("GET", "POST", "TRACE", "DELETE"):
                async with session.request(method, url + path, data=b"\xff" * 100) as answer:
                    assert 400 <= answer.status < 500, f"{method} {path}: {answer.status}"
