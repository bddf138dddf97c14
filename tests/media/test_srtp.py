"""Ports with keys: sealed sound both ways, and nothing that is not sealed with them."""

import asyncio

import pytest

from media.engine import DigitReceived, Engine, SrtpKeys, SrtpSuite
from media.kernel import g711
from tests.media.phone import Phone, PhoneBooth, encode, rtp, sine, until
from tests.media.sealed_phone import SealedPhone, key, keys

SILENCE = g711.SILENCE[g711.PCMU]


async def sealed_phone(phones: PhoneBooth, agreed: SrtpKeys | None = None) -> SealedPhone:
    agreed = agreed or keys()
    return SealedPhone(await phones.phone(srtp=agreed), agreed)


def datagrams(phone: Phone) -> list[bytes]:
    return [octets for _, octets in phone._socket.datagrams]


async def sound_heard(listener: SealedPhone, packets: int) -> list[bytes]:
    """The payloads of so many packets or more; the silence of ticks before it was bridged left out."""
    taken, heard = 0, list[bytes]()

    def is_enough() -> bool:
        nonlocal taken
        news = datagrams(listener.phone)[taken:]
        taken += len(news)
        heard.extend(packet.payload for packet in listener.heard(news) if set(packet.payload) != {SILENCE})
        return len(heard) >= packets

    await until(is_enough)
    return heard


@pytest.mark.parametrize("suite", list(SrtpSuite), ids=lambda suite: suite.sdes_name)
async def test_srtp_sound_passes_between_sealed_and_clear_phone(phones: PhoneBooth, suite: SrtpSuite) -> None:
    alice, bob = await sealed_phone(phones, keys(suite)), await phones.phone()
    alice.phone.port.hear(bob.port)
    bob.port.hear(alice.phone.port)
    said = encode(sine(440, 160))
    alice.say(1)
    bob.send(rtp(said, sequence=1, timestamp=0))
    await until(lambda: any(packet.payload == said for packet in bob.received))
    assert await sound_heard(alice, 1) == [said]
    assert all(said not in octets for octets in datagrams(alice.phone))


async def test_srtp_relayed_to_two_sealed_phones_reaches_both(phones: PhoneBooth) -> None:
    alice, bob, carol = [await sealed_phone(phones) for _ in range(3)]
    for listener in (bob, carol):
        listener.phone.port.hear(alice.phone.port)
    alice.say(5)
    for listener in (bob, carol):
        assert len(await sound_heard(listener, 5)) == 5


async def test_srtp_forged_clear_and_replayed_packets_are_dropped_and_counted(
    engine: Engine, phones: PhoneBooth
) -> None:
    alice = await sealed_phone(phones)
    first = alice.sealed()
    alice.phone.send(first)
    alice.phone.send(first)
    alice.phone.send(alice.phone.packet())
    alice.phone.send(first[:-1] + bytes([first[-1] ^ 1]))
    alice.phone.send(first[:14])
    stranger = SealedPhone(alice.phone, SrtpKeys(suite=alice.agreed.suite, send=key(7), receive=key(8)))
    alice.phone.send(stranger.sealed())
    alice.say(1)
    await until(lambda: alice.phone.port.statistics().packets_received == 2)
    assert alice.phone.port.statistics().dropped_forged == 5
    assert engine.statistics().dropped_forged == 5


async def test_srtp_senders_of_a_session_are_limited(phones: PhoneBooth) -> None:
    alice = await sealed_phone(phones)
    for ssrc in range(1, 101):
        alice.phone.ssrc = ssrc
        alice.say(1)
        if ssrc % 10 == 0:
            await until(lambda: sum(_counts(alice.phone)) >= ssrc)  # noqa: B023
    assert _counts(alice.phone) == (8, 92)


def _counts(phone: Phone) -> tuple[int, int]:
    statistics = phone.port.statistics()
    return statistics.packets_received, statistics.dropped_forged


async def test_srtp_source_is_not_learned_from_a_packet_that_is_forged(phones: PhoneBooth) -> None:
    alice = await phones.phone(address=("192.0.2.1", 4000), learn_from="127.0.0.1", srtp=keys())
    sealed = SealedPhone(alice, keys())
    stranger, _ = await phones.socket()
    stranger.sendto(rtp(encode(sine(440, 160)), sequence=1, timestamp=0), alice.port.address)
    await until(lambda: alice.port.statistics().dropped_forged == 1)
    sealed.say(1)
    await until(lambda: alice.port.statistics().packets_received == 1)


async def test_srtp_same_keys_again_keep_the_session(phones: PhoneBooth) -> None:
    alice = await sealed_phone(phones)
    first = alice.sealed()
    alice.phone.send(first)
    await until(lambda: alice.phone.port.statistics().packets_received == 1)
    alice.phone.port.connect(alice.phone.remote(srtp=keys()))
    alice.phone.send(first)
    await until(lambda: alice.phone.port.statistics().dropped_forged == 1)


async def test_srtp_new_keys_in_a_call_take_over(phones: PhoneBooth) -> None:
    alice = await sealed_phone(phones)
    alice.say(3)
    await until(lambda: alice.phone.port.statistics().packets_received == 3)
    fresh = SrtpKeys(suite=SrtpSuite.AEAD_AES_128_GCM, send=key(50)[:28], receive=key(60)[:28])
    renewed = SealedPhone(alice.phone, fresh)
    alice.phone.port.connect(alice.phone.remote(srtp=fresh))
    await until(lambda: len(renewed.heard(datagrams(alice.phone))) > 0)
    renewed.say(3)
    alice.say(1)
    await until(lambda: _counts(alice.phone) == (6, 1))


async def test_srtp_reports_are_sealed_both_ways(phones: PhoneBooth) -> None:
    alice = await sealed_phone(phones)
    alice.say(1)
    await until(lambda: alice.phone.port.statistics().packets_received == 1)
    report = bytes([0x80, 201, 0, 1]) + (7).to_bytes(4, "big")
    host, number = alice.phone.port.address
    alice.phone.rtcp_transport.sendto(report, (host, number + 1))
    alice.phone.rtcp_transport.sendto(alice.report(report), (host, number + 1))
    await until(lambda: alice.phone.port.statistics().dropped_forged == 1)
    await until(lambda: alice.phone.port.statistics().far_lost is not None)
    alice.phone.port.close()
    await until(lambda: len(alice.phone.reports) > 0)
    assert len(alice.reports()) == len(alice.phone.reports)


async def test_srtp_digits_are_told(phones: PhoneBooth) -> None:
    alice = await sealed_phone(phones)
    alice.phone.send(
        alice._tx.protect(rtp(bytes([5, 0x8A, 3, 32]), sequence=1, timestamp=9, payload_type=101, marker=True))
    )
    assert await alice.phone.told(DigitReceived) == DigitReceived("5", 100)


async def test_srtp_key_of_wrong_length_is_refused(phones: PhoneBooth) -> None:
    alice = await phones.phone()
    with pytest.raises(ValueError, match="30 octets"):
        alice.port.connect(alice.remote(srtp=SrtpKeys(suite=SrtpSuite.AES_CM_128_80, send=b"", receive=b"")))
    await asyncio.sleep(0)
