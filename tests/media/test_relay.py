"""Two ports that hear each other: what one phone says reaches the other at once, as the port's own stream."""

import asyncio
import itertools

from media.engine import PCMA, PCMU, Silence
from tests.media.phone import Phone, PhoneBooth, decode, encode, rtp, sine, strength, until

SILENCE = b"\xff" * 160


def bridge(one: Phone, other: Phone) -> None:
    one.port.hear(other.port)
    other.port.hear(one.port)


async def test_relay_same_codec_passes_payload_unchanged_as_own_stream(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone()
    bridge(alice, bob)
    said = [encode(sine(700, 160, start=160 * number)) for number in range(10)]
    for number, payload in enumerate(said):
        alice.send(rtp(payload, sequence=65530 + number, timestamp=160 * number, marker=number == 0))
    heard = await bob.hears(10)
    assert [packet.payload for packet in heard] == said
    assert {packet.ssrc for packet in heard} == {bob.port.ssrc}
    first = heard[0]
    assert [(packet.sequence - first.sequence) & 0xFFFF for packet in heard] == list(range(10))
    assert [(packet.timestamp - first.timestamp) & 0xFFFFFFFF for packet in heard] == list(range(0, 1600, 160))
    assert [packet.marker for packet in heard] == [True] + [False] * 9


async def test_relay_other_law_is_transcoded_both_ways(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(PCMU, frequency_hz=500), await phones.phone(PCMA, frequency_hz=900)
    bridge(alice, bob)
    await asyncio.gather(alice.talk(0.4), bob.talk(0.4))
    assert strength(alice.heard()[-2400:], 900) > 7000
    assert strength(bob.heard()[-2400:], 500) > 7000


async def test_relay_rewrites_payload_type_to_the_receivers(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone(payload_type=111)
    bridge(alice, bob)
    alice.send(alice.packet())
    assert [packet.payload_type for packet in await bob.hears(1)] == [111]


async def test_relay_loss_and_order_stay_visible_to_the_receiver(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone()
    bridge(alice, bob)
    packets = [alice.packet() for _ in range(8)]
    for number in (0, 1, 4, 3, 7):
        alice.send(packets[number])
    heard = await bob.hears(5)
    assert [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard] == [0, 1, 4, 3, 7]
    statistics = alice.port.statistics()
    assert (statistics.lost, statistics.reordered) == (3, 1)


async def test_relay_source_change_keeps_numbers_continuous_and_marks_talk(phones: PhoneBooth) -> None:
    alice, bob, carol = await phones.phone(), await phones.phone(), await phones.phone()
    bob.port.hear(alice.port)
    await alice.talk(0.2)
    bob.port.hear(carol.port)
    carol.sequence, carol.timestamp, carol.ssrc = 12, 345, 99
    await carol.talk(0.2)
    bob.port.hear(Silence())
    spoken = await bob.hears(20)
    await until(lambda: bob.received[-1].payload == SILENCE)
    heard = bob.received[bob.received.index(spoken[0]) :]
    assert {packet.ssrc for packet in heard} == {bob.port.ssrc}
    pairs = list(zip(heard, heard[1:], strict=False))
    assert {(after.sequence - before.sequence) & 0xFFFF for before, after in pairs} == {1}
    assert all(160 <= (after.timestamp - before.timestamp) & 0xFFFFFFFF < 800 for before, after in pairs)
    # Alice, carol, and the silence behind them.
    assert [number for number, packet in enumerate(heard) if packet.marker] == [0, 10, 20]


async def test_relay_every_packet_length_passes(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone(PCMA)
    bridge(alice, bob)
    for size in (80, 160, 240, 320):
        alice.packet_samples = size
        alice.send(alice.packet())
    assert [len(packet.payload) for packet in await bob.hears(4)] == [80, 160, 240, 320]


async def test_relay_header_extension_and_sources_are_left_behind(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone()
    bridge(alice, bob)
    payload = encode(sine(440, 160))
    header = rtp(b"", sequence=1, timestamp=1)
    alice.send(bytes([0xB2]) + header[1:] + b"\1" * 8 + b"\xbe\xde\0\1abcd" + payload + b"\0\0\0\4")
    assert [packet.payload for packet in await bob.hears(1)] == [payload]


async def test_relay_held_party_is_neither_sent_to_nor_listened_to(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone()
    bridge(alice, bob)
    bob.port.connect(bob.remote(send=False, receive=False))
    alice.send(alice.packet())
    bob.send(bob.packet())
    await until(lambda: alice.port.statistics().packets_received + bob.port.statistics().packets_received == 2)
    bob.port.connect(bob.remote())
    alice.send(alice.packet())
    bob.send(bob.packet())
    assert len(await bob.hears(1)) == 1
    assert len(await alice.hears(1)) == 1
    assert bob.port.statistics().dropped_other == 1


async def test_relay_silent_partner_becomes_silence_after_a_second(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone()
    bridge(alice, bob)
    alice.send(alice.packet())
    spoken = (await bob.hears(1))[0]
    begun = bob.received.index(spoken)
    heard = (await bob.has(begun + 8))[begun:]
    assert heard[1].time_s - heard[0].time_s > 0.9
    assert min(later.time_s - earlier.time_s for earlier, later in itertools.pairwise(heard[1:])) < 0.2
    assert not decode(heard[2].payload).any()
