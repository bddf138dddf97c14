"""Sound of SIP legs with keys in their descriptions: sealed end to end through the real engine."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest_asyncio
from pylibsrtp import Policy, Session

from media.engine import Engine, EngineSettings
from signaling.sdp import parse
from signaling.sdp.crypto import crypto_lines
from signaling.sip.leg_media import LegMedia
from tests.media.phone import decode, encode, rtp, sine, strength

THEIRS = bytes(range(30))


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=(20000, 29999), capacity=10))
    await engine.start()
    yield engine
    await engine.stop()


def offer(port: int) -> bytes:
    key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
    return (
        "v=0\r\no=- 5 9 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"
    ).encode()


async def test_leg_with_keys_is_heard_sealed_both_ways(engine: Engine) -> None:
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    phone.bind(("127.0.0.1", 0))
    phone.setblocking(False)
    media = LegMedia(engine, lambda event: None, learn_from="127.0.0.1")
    (ours,) = crypto_lines(parse(media.answer(offer(phone.getsockname()[1]))).media[0])
    tx = Session(Policy(key=THEIRS, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
    rx = Session(Policy(key=ours.key, ssrc_type=Policy.SSRC_ANY_INBOUND))
    other = LegMedia(engine, lambda event: None, learn_from="127.0.0.1")
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.bind(("127.0.0.1", 0))
    plain.setblocking(False)
    other.answer(offer(plain.getsockname()[1]).replace(b"RTP/SAVP", b"RTP/AVP").partition(b"a=crypto")[0])
    other.port.hear(media.port)
    media.port.hear(other.port)
    loop = asyncio.get_running_loop()
    for number in range(20):
        said = encode(sine(440, 160, start=160 * number))
        phone.sendto(tx.protect(rtp(said, sequence=number, timestamp=160 * number)), media.port.address)
        answered = encode(sine(900, 160, start=160 * number))
        plain.sendto(rtp(answered, sequence=number, timestamp=160 * number), other.port.address)
        await asyncio.sleep(0.02)
    sealed, clear = bytearray(), bytearray()
    for _ in range(15):
        sealed += rx.unprotect(await loop.sock_recv(phone, 2048))[12:]
        clear += (await loop.sock_recv(plain, 2048))[12:]
    assert strength(decode(bytes(sealed))[-1600:], 900) > 7000
    assert strength(decode(bytes(clear))[-1600:], 440) > 7000
    for leg in (media, other):
        leg.close()
    for sock in (phone, plain):
        sock.close()


async def test_leg_over_private_signalling_offers_keys_and_over_any_other_none(engine: Engine) -> None:
    legs = [LegMedia(engine, lambda event: None, learn_from=None, is_private=private) for private in (True, False)]
    assert [len(crypto_lines(parse(leg.offer()).media[0])) for leg in legs] == [3, 0]
    for leg in legs:
        leg.close()
