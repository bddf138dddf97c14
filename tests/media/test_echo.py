"""A port that hears itself: its phone's own sound comes back."""

import asyncio

import pytest

from media.engine import PCMA, PCMU, Codec, Engine, Heard, Silence
from tests.media.coded_phone import G722, OPUS, coded_phone, wide_strength
from tests.media.phone import Phone, PhoneBooth, loudness, rtp, strongest, until
from tests.media.sealed_phone import SealedPhone, keys
from tests.media.test_listening import take


@pytest.mark.parametrize("codec", [PCMU, PCMA], ids=lambda codec: codec.name)
async def test_echo_gives_a_phone_its_own_packets_back_in_the_ports_stream(phones: PhoneBooth, codec: Codec) -> None:
    alice = await phones.phone(codec)
    await alice.has(3)
    alice.port.hear(alice.port)
    await alice.talk(0.4)
    await asyncio.sleep(0.05)
    assert strongest(alice.heard(), 440) > 6000
    packets = alice.received
    assert {packet.ssrc for packet in packets} == {alice.port.ssrc}
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in zip(packets, packets[1:], strict=False)} == {1}


@pytest.mark.parametrize("codec", [OPUS, G722], ids=lambda codec: codec.name)
async def test_echo_of_a_wideband_phone_is_wide(phones: PhoneBooth, codec: Codec) -> None:
    alice = await coded_phone(phones, codec, frequency_hz=5000)
    alice.phone.port.hear(alice.phone.port)
    await alice.talk(0.5)
    assert wide_strength(alice.heard()[-3200:], 5000) > 4000


async def test_echo_of_a_sealed_phone_is_sealed(phones: PhoneBooth) -> None:
    agreed = keys()
    alice = SealedPhone(await phones.phone(srtp=agreed), agreed)
    alice.phone.port.hear(alice.phone.port)
    clear = [alice.phone.packet() for _ in range(5)]
    for octets in clear:
        alice.phone.send(alice._tx.protect(octets))
    await until(lambda: len(alice.phone.datagrams) >= 5)
    heard = [packet.payload for packet in alice.heard(alice.phone.datagrams)]
    assert [octets[12:] for octets in clear] == [payload for payload in heard if payload != b"\xff" * 160]


async def test_echo_gives_digits_back_and_tells_them(phone: Phone) -> None:
    phone.port.hear(phone.port)
    phone.send(rtp(bytes([5, 0x8A, 3, 32]), sequence=1, timestamp=9, payload_type=101))
    await until(lambda: any(packet.payload_type == 101 for packet in phone.received))
    await until(lambda: len(phone.events) == 2)


async def test_echo_ends_with_another_source_and_with_the_port(engine: Engine, phone: Phone) -> None:
    phone.port.hear(phone.port)
    phone.port.hear(phone.port)
    listener = engine.listen(Heard(phone.port))
    talking = asyncio.create_task(phone.talk(0.8))
    echo = await take(listener, 25)
    phone.port.hear(Silence())
    silence = await take(listener, 10)
    await talking
    assert strongest(echo, 440) > 6000
    assert loudness(silence[-800:]) == 0
    phone.port.hear(phone.port)
    phone.port.close()
    await until(lambda: engine.slots_held == 0)


async def test_echo_of_a_phone_that_claims_to_be_the_port_goes_nowhere(phone: Phone) -> None:
    phone.port.connect(phone.remote(address=phone.port.address, learn_from="127.0.0.1"))
    phone.port.hear(phone.port)
    await asyncio.sleep(0.1)
    # What went to the phone before it claimed that.
    sent = phone.port.statistics().packets_sent
    await asyncio.sleep(0.2)
    statistics = phone.port.statistics()
    assert (statistics.packets_sent, statistics.packets_received) == (sent, 0)
