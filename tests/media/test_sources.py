"""Whom a port listens to and sends to: S-10, S-11, S-16 of the reliability checks, at one port."""

import asyncio
import itertools
import os
import random
import struct
from functools import partial

import pytest

from media.engine import FirstPacket, PortStatistics, SourceLearned
from tests.media.phone import Phone, PhoneBooth, encode, rtp, sine, until

NOISE = encode(sine(3000, 160))


def noise(number: int) -> bytes:
    return rtp(NOISE, sequence=number, timestamp=160 * number, ssrc=666)


def has_taken(phone: Phone, datagrams: int) -> bool:
    statistics: PortStatistics = phone.port.statistics()
    return statistics.packets_received + statistics.dropped_malformed == datagrams


async def pair(phones: PhoneBooth, **agreed: object) -> tuple[Phone, Phone]:
    alice, bob = await phones.phone(), await phones.phone()
    alice.port.connect(alice.remote(**agreed))
    bob.port.hear(alice.port)
    alice.port.hear(bob.port)
    return alice, bob


async def test_source_stranger_is_neither_heard_nor_sent_to(phones: PhoneBooth) -> None:
    alice, bob = await pair(phones)
    stranger, heard_by_stranger = await phones.socket()
    for number in range(50):
        stranger.sendto(noise(number), alice.port.address)
    alice.send(alice.packet())
    for number in range(50):
        stranger.sendto(noise(number), alice.port.address)
    bob.send(bob.packet())
    await alice.hears(1)
    assert len(await bob.hears(1)) == 1
    await until(lambda: alice.port.statistics().dropped_foreign == 100)
    assert heard_by_stranger.datagrams == []
    assert alice.events == [FirstPacket()]


async def test_source_stranger_who_knows_the_stream_is_not_heard(phones: PhoneBooth) -> None:
    alice, bob = await pair(phones)
    stranger, _ = await phones.socket()
    alice.send(alice.packet())
    await bob.hears(1)
    stranger.sendto(rtp(NOISE, sequence=alice.sequence, timestamp=alice.timestamp, ssrc=7), alice.port.address)
    genuine = alice.packet()
    alice.send(genuine)
    assert [packet.payload for packet in await bob.hears(2)][1] == genuine[12:]
    await until(lambda: alice.port.statistics().dropped_foreign == 1)


async def test_source_behind_nat_is_learned_from_the_signallings_host_once(phones: PhoneBooth) -> None:
    alice, bob = await pair(phones, address=("127.0.0.9", 9), learn_from="127.0.0.1")
    late, heard_by_late = await phones.socket()
    foreign, _ = await phones.socket("127.0.0.2")
    foreign.sendto(noise(1), alice.port.address)
    alice.send(alice.packet())
    await alice.told(SourceLearned)
    late.sendto(noise(1), alice.port.address)
    bob.send(bob.packet())
    await alice.hears(1)
    await until(lambda: alice.port.statistics().dropped_foreign == 2)
    assert alice.events == [SourceLearned(alice.address), FirstPacket()]
    assert heard_by_late.datagrams == []


async def test_source_learned_stays_when_the_same_address_is_agreed_again(phones: PhoneBooth) -> None:
    agreed = {"address": ("127.0.0.9", 9), "learn_from": "127.0.0.1"}
    alice, bob = await pair(phones, **agreed)
    alice.send(alice.packet())
    await alice.told(SourceLearned)
    alice.port.connect(alice.remote(**agreed))
    bob.send(bob.packet())
    await alice.hears(1)


async def test_source_can_be_learned_anew_after_another_agreement(phones: PhoneBooth) -> None:
    agreed = {"address": ("127.0.0.9", 9), "learn_from": "127.0.0.1"}
    alice, bob = await pair(phones, **agreed)
    alice.send(alice.packet())
    await alice.told(SourceLearned)
    moved, heard_by_moved = await phones.socket()
    alice.port.connect(alice.remote(**agreed))
    learned = SourceLearned(moved.get_extra_info("sockname"))
    async with asyncio.timeout(2.0):
        for number in itertools.count():
            # The first may arrive before the thread knows of the agreement.
            moved.sendto(noise(number), alice.port.address)
            await asyncio.sleep(0.02)
            if learned in alice.events:
                break
    assert alice.events.count(learned) == 1
    bob.send(bob.packet())
    await until(lambda: len(heard_by_moved.datagrams) > 0)


async def test_source_on_the_signallings_host_from_another_port_must_last_a_second(phones: PhoneBooth) -> None:
    alice, _ = await pair(phones, address=("127.0.0.1", 9), learn_from="127.0.0.1")
    for _ in range(20):
        alice.send(alice.packet())
    await until(lambda: alice.port.statistics().dropped_foreign == 20)
    assert alice.events == []
    await alice.talk(1.1)
    await alice.told(SourceLearned)


async def test_source_agreed_address_wins_over_a_stranger_on_the_same_host(phones: PhoneBooth) -> None:
    alice, bob = await pair(phones, learn_from="127.0.0.1")
    stranger, heard_by_stranger = await phones.socket()
    for number in range(30):
        stranger.sendto(noise(number), alice.port.address)
    alice.send(alice.packet())
    await bob.hears(1)
    bob.send(bob.packet())
    await alice.hears(1)
    assert heard_by_stranger.datagrams == []


async def test_source_before_any_agreement_nobody_is_heard(phones: PhoneBooth) -> None:
    alice, _ = await pair(phones, address=None)
    alice.send(alice.packet())
    await until(lambda: alice.port.statistics().dropped_foreign == 1)


async def test_source_phone_that_comes_back_on_its_port_hears_again(phones: PhoneBooth) -> None:
    alice, bob = await pair(phones)
    alice.send(alice.packet())
    await bob.hears(1)
    address = alice.address
    alice.transport.abort()
    for _ in range(5):
        bob.send(bob.packet())
        await asyncio.sleep(0.01)
    back, heard = await phones.socket(*address)
    for _ in range(5):
        bob.send(bob.packet())
    await until(lambda: len(heard.datagrams) >= 4)
    back.sendto(alice.packet(), alice.port.address)
    await bob.hears(2)


@pytest.mark.parametrize("host", ["0.0.0.0", "224.0.0.1", "255.255.255.255"])
async def test_source_address_of_no_host_is_sent_nothing(phones: PhoneBooth, host: str) -> None:
    alice = await phones.phone(address=(host, 9), rtcp_address=None)
    bob = await phones.phone()
    await bob.has(4)
    statistics = alice.port.statistics()
    assert (statistics.packets_sent, statistics.unsent) == (0, 0)


async def test_hostile_datagrams_on_both_sockets_are_counted_and_the_call_goes_on(phones: PhoneBooth) -> None:
    alice, bob = await pair(phones)
    chance = random.Random(4)
    hostile = [b"", b"\x80", b"\x80" * 11, bytes(12), b"\xff" * 12, b"\x9f" + bytes(11), b"\xb0" + bytes(11)]
    hostile += [b"\xa0" + bytes(11), b"\xa0" + bytes(10) + b"\xff", b"\x90" + bytes(13), os.urandom(60_000)]
    hostile += [chance.randbytes(chance.randrange(1500)) for _ in range(150)]
    sent = 0
    for octets in hostile:
        # What is RTP by chance is for other tests.
        if len(octets) < 12 or octets[0] >> 6 != 2 or octets in hostile[:11]:
            alice.send(octets)
            sent += 1
        alice.rtcp_transport.sendto(octets, (alice.port.address[0], alice.port.address[1] + 1))
    await until(lambda: alice.port.statistics().dropped_malformed >= sent)
    alice.send(alice.packet())
    assert len(await bob.hears(1)) == 1


async def test_hostile_rtp_of_any_shape_leaves_the_call_up(phones: PhoneBooth) -> None:
    alice, bob = await pair(phones)
    chance = random.Random(5)
    for number in range(400):
        header = struct.pack(
            "!BBHII",
            0x80 | chance.choice((0, 0, 0x10, 0x20, 0x3F)),
            chance.choice((0, 8, 13, 101, 127, 255)),
            chance.randrange(65536),
            chance.randrange(1 << 32),
            chance.randrange(1 << 32),
        )
        alice.send(header + chance.randbytes(chance.choice((0, 1, 3, 4, 160, 161, 480, 481, 1400))))
        if number % 50 == 49:
            await until(partial(has_taken, alice, number + 1))
    fresh = encode(sine(500, 160))
    for number in range(8):
        alice.send(rtp(fresh, sequence=100 + number, timestamp=160 * number, ssrc=12345))
    await until(lambda: sum(packet.payload == fresh for packet in bob.received) >= 8)


async def test_hostile_rtcp_bye_ends_nothing(phones: PhoneBooth) -> None:
    alice, bob = await pair(phones)
    control = (alice.port.address[0], alice.port.address[1] + 1)
    alice.send(alice.packet())
    report = struct.pack("!BBHI", 0x80, 201, 1, 7)
    bye = struct.pack("!BBHI", 0x81, 203, 1, 7)
    for octets in (bye, report + bye, report[:4], report[:5], report + struct.pack("!BBH", 0x80, 200, 65535)):
        alice.rtcp_transport.sendto(octets, control)
    alice.send(alice.packet())
    assert len(await bob.hears(2)) == 2
