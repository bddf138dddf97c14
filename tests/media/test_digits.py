"""Keys both ways: telephone-events told once each, passed on to the other phone, and sent as events or tones."""

import asyncio
import struct
from collections.abc import Sequence

import numpy as np
import pytest

from media.codec import Codec
from media.engine import DigitReceived, FaxToneReceived
from media.kernel.digits import COLUMN_OF, COLUMNS_HZ, KEYS, ROW_OF, ROWS_HZ
from tests.media.coded_phone import G722, OPUS, coded_phone
from tests.media.phone import DIGITS_TYPE, Phone, PhoneBooth, Rtp, encode, loudness, rtp, sine, strength, until


def event_packet(phone: Phone, code: int, *, timestamp: int, duration: int, end: bool = False) -> bytes:
    payload = struct.pack("!BBH", code, 10 | end << 7, duration)
    phone.sequence += 1
    return rtp(payload, sequence=phone.sequence, timestamp=timestamp, payload_type=DIGITS_TYPE, marker=duration == 160)


def event(phone: Phone, code: int, *, timestamp: int, packets: int = 5, ends: int = 3) -> list[bytes]:
    """All packets of one key press of `packets` x 20 ms."""
    grown = [event_packet(phone, code, timestamp=timestamp, duration=160 * n) for n in range(1, packets)]
    last = [event_packet(phone, code, timestamp=timestamp, duration=160 * packets, end=True) for _ in range(ends)]
    return grown + last


def digits(phone: Phone) -> list[DigitReceived]:
    return [event for event in phone.events if isinstance(event, DigitReceived)]


async def told(phone: Phone, count: int) -> list[DigitReceived]:
    await until(lambda: len(digits(phone)) >= count)
    return digits(phone)


async def test_digits_each_key_is_told_once_with_its_duration(phone: Phone) -> None:
    for number, code in enumerate((1, 1, 0, 10, 11, 15)):
        for octets in event(phone, code, timestamp=8000 * number, packets=3 + number):
            phone.send(octets)
    heard = await told(phone, 6)
    assert [digit.digit for digit in heard] == list("110*#D")
    assert [digit.duration_ms for digit in heard] == [60, 80, 100, 120, 140, 160]


async def test_digits_lost_or_reordered_packets_do_not_double_a_key(phone: Phone) -> None:
    first, second = event(phone, 5, timestamp=100), event(phone, 6, timestamp=9000)
    for octets in (first[2], first[5], first[1], first[4], second[3], first[6], second[6]):
        phone.send(octets)
    assert [digit.digit for digit in await told(phone, 2)] == ["5", "6"]
    await asyncio.sleep(0.05)
    assert len(digits(phone)) == 2


async def test_digits_key_without_an_end_is_told_after_a_while_or_with_the_next(phone: Phone) -> None:
    for octets in event(phone, 7, timestamp=0, ends=0):
        phone.send(octets)
    for octets in event(phone, 8, timestamp=4000, ends=0):
        phone.send(octets)
    heard = await told(phone, 2)
    assert heard == [DigitReceived("7", 80), DigitReceived("8", 80)]


async def test_digits_long_key_in_segments_is_one(phone: Phone) -> None:
    phone.send(event_packet(phone, 3, timestamp=1000, duration=65535))
    phone.send(event_packet(phone, 3, timestamp=1000 + 65535, duration=8000, end=True))
    assert await told(phone, 1) == [DigitReceived("3", (65535 + 8000) // 8)]


async def test_digits_other_events_and_short_payloads_are_nothing(phone: Phone) -> None:
    phone.send(event_packet(phone, 16, timestamp=0, duration=800, end=True))
    phone.send(rtp(b"\1\x8a", sequence=phone.sequence + 1, timestamp=500, payload_type=DIGITS_TYPE))
    phone.sequence += 1
    phone.send(event_packet(phone, 9, timestamp=8000, duration=800, end=True))
    assert await told(phone, 1) == [DigitReceived("9", 100)]


async def test_digits_flood_is_bounded(phone: Phone) -> None:
    for number in range(600):
        phone.send(event_packet(phone, number % 10, timestamp=1000 * number, duration=400, end=True))
        if number % 60 == 59:
            await until(lambda: phone.port.statistics().packets_received == phone.sequence - 65000)
    assert len(digits(phone)) < 200
    assert phone.port.statistics().dropped_other > 300


def runs(packets: Sequence[Rtp]) -> list[list[Rtp]]:
    """Telephone-event packets by their timestamp."""
    by_time: dict[int, list[Rtp]] = {}
    for packet in packets:
        if packet.payload_type == DIGITS_TYPE:
            by_time.setdefault(packet.timestamp, []).append(packet)
    return list(by_time.values())


async def test_digits_pass_a_bridge_as_one_event_with_one_timestamp(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone(digits_payload_type=96)
    bob.port.hear(alice.port)
    alice.send(alice.packet())
    start = alice.timestamp
    for octets in event(alice, 4, timestamp=start):
        alice.send(octets)
    heard = (await bob.hears(8))[1:]
    assert {packet.payload_type for packet in heard} == {96}
    assert len({packet.timestamp for packet in heard}) == 1
    assert [packet.marker for packet in heard] == [True] + [False] * 6
    assert [struct.unpack("!BBH", packet.payload)[2] for packet in heard] == [160, 320, 480, 640, 800, 800, 800]
    assert await told(alice, 1) == [DigitReceived("4", 100)]


async def test_digits_pass_a_bridge_as_a_tone_to_who_has_no_events(phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone(digits_payload_type=None)
    bob.port.hear(alice.port)
    for octets in event(alice, 5, timestamp=0):
        alice.send(octets)
    await until(lambda: strength(bob.heard()[:800], 770) > 4000 and strength(bob.heard()[:800], 1336) > 4000)


async def test_digits_sent_are_events_of_one_timestamp_ended_three_times(phone: Phone) -> None:
    await phone.has(2)
    await phone.port.send_digits("1w#")
    await asyncio.sleep(0.05)
    first, second = runs(phone.received)
    for run, code in ((first, 1), (second, 11)):
        fields = [struct.unpack("!BBH", packet.payload) for packet in run]
        assert {field[0] for field in fields} == {code}
        assert [field[2] for field in fields] == [160, 320, 480, 640, 800, 800, 800]
        assert [field[1] >> 7 for field in fields] == [0, 0, 0, 0, 1, 1, 1]
        assert [packet.marker for packet in run] == [True] + [False] * 6
    assert second[0].time_s - first[0].time_s == pytest.approx(0.68, abs=0.1)
    numbers = [packet.sequence for packet in phone.received]
    assert {(after - before) & 0xFFFF for before, after in zip(numbers, numbers[1:], strict=False)} == {1}


async def test_digits_sent_stand_in_the_time_of_the_stream(phone: Phone) -> None:
    await phone.has(2)
    await phone.port.send_digits("9")
    packets = await phone.has(len(phone.received) + 3)
    first = next(index for index, packet in enumerate(packets) if packet.payload_type == DIGITS_TYPE)
    after = next(packet for packet in packets[first:] if packet.payload_type == 0)
    assert (packets[first].timestamp - packets[first - 1].timestamp) & 0xFFFFFFFF == 160
    assert (after.timestamp - packets[first].timestamp) & 0xFFFFFFFF == 9 * 160
    assert after.marker


async def test_digits_sent_without_events_are_tones(phones: PhoneBooth) -> None:
    phone = await phones.phone(digits_payload_type=None)
    await phone.port.send_digits("A0")
    heard = phone.heard()
    begun = int(np.argmax(np.abs(heard) > 500))
    for start, low, high in ((begun, 697, 1633), (begun + 1440, 941, 1336)):
        key = heard[start + 80 : start + 720]
        assert strength(key, low) > 7000
        assert strength(key, high) > 7000
        assert loudness(heard[start + 960 : start + 1280]) < 50


async def test_digits_cancelled_are_not_sent(phone: Phone) -> None:
    sending = asyncio.create_task(phone.port.send_digits("1" * 200))
    await until(lambda: len(runs(phone.received)) == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.sleep(0.4)
    assert len(runs(phone.received)) <= 2


async def test_digits_end_when_the_port_closes(phone: Phone) -> None:
    sending = asyncio.create_task(phone.port.send_digits("WWWWWW"))
    await phone.has(2)
    phone.port.close()
    async with asyncio.timeout(1):
        await sending


async def test_digits_other_characters_are_refused(phone: Phone) -> None:
    with pytest.raises(ValueError, match="found 'x'"):
        await phone.port.send_digits("12x")


def key_sound(code: int, packets: int) -> list[bytes]:
    """Payloads of a key that sounds, and of 60 ms of silence."""
    tones = [sine(hz, 160 * packets, peak=6000) for hz in (ROWS_HZ[ROW_OF[code]], COLUMNS_HZ[COLUMN_OF[code]])]
    sound = np.concatenate((tones[0] + tones[1], np.zeros(480, np.int16)))
    return [encode(sound[start : start + 160]) for start in range(0, len(sound), 160)]


async def say(phone: Phone, payloads: Sequence[bytes], *, beside: Sequence[bytes] = ()) -> None:
    """In real time, and with each packet one of what stands beside it."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number, payload in enumerate(payloads):
        await asyncio.sleep(begun + 0.02 * number - loop.time())
        if number < len(beside):
            phone.send(beside[number])
        phone.sequence += 1
        phone.send(rtp(payload, sequence=phone.sequence, timestamp=phone.timestamp))
        phone.timestamp += 160


async def test_digits_heard_as_tones_are_told_when_asked_for(phone: Phone) -> None:
    await say(phone, key_sound(3, 4))
    assert digits(phone) == []
    phone.port.detect_tones(True)
    for code in (1, 1, 0, 11, 15):
        await say(phone, key_sound(code, 4))
    heard = await told(phone, 5)
    assert "".join(digit.digit for digit in heard) == "110#D"
    assert all(digit.is_tone and 60 <= digit.duration_ms <= 110 for digit in heard)
    phone.port.detect_tones(False)
    await say(phone, key_sound(5, 4))
    await asyncio.sleep(0.1)
    assert len(digits(phone)) == 5


async def test_digits_of_a_phone_that_sends_events_are_not_counted_twice(phone: Phone) -> None:
    phone.port.detect_tones(True)
    for number, code in enumerate((4, 2, 4)):
        beside = event(phone, code, timestamp=5000 * number, packets=6, ends=1)
        await say(phone, key_sound(code, 6), beside=beside)
    await asyncio.sleep(0.3)
    assert [(digit.digit, digit.is_tone) for digit in digits(phone)] == [("4", False), ("2", False), ("4", False)]


async def test_digits_event_that_comes_after_its_tone_is_not_counted_twice(phone: Phone) -> None:
    phone.port.detect_tones(True)
    await say(phone, key_sound(9, 5))
    await told(phone, 1)
    for octets in event(phone, 9, timestamp=70000):
        phone.send(octets)
    for octets in event(phone, 9, timestamp=80000):
        phone.send(octets)
    assert [(digit.digit, digit.is_tone) for digit in await told(phone, 2)] == [("9", True), ("9", False)]
    await say(phone, key_sound(9, 5))
    await asyncio.sleep(0.2)
    assert len(digits(phone)) == 2


@pytest.mark.parametrize("codec", [OPUS, G722], ids=lambda codec: codec.name)
async def test_digits_are_heard_as_tones_of_wideband_phones(phones: PhoneBooth, codec: Codec) -> None:
    alice = await coded_phone(phones, codec)
    alice.phone.port.detect_tones(True)
    code = KEYS.index("8")
    alice.chord_hz = (float(ROWS_HZ[ROW_OF[code]]), float(COLUMNS_HZ[COLUMN_OF[code]]))
    await alice.talk(0.2)
    alice.chord_hz = (10.0,)
    await alice.talk(0.3)
    (heard,) = await told(alice.phone, 1)
    assert (heard.digit, heard.is_tone) == ("8", True)
    # A phone that stumbles has the key made longer by what is concealed.
    assert 150 <= heard.duration_ms <= 280


async def test_digits_fax_tone_is_told(phone: Phone) -> None:
    phone.port.detect_tones(True)
    phone.frequency_hz = 1100
    await phone.talk(0.5)
    phone.frequency_hz = 10
    await phone.talk(0.2)
    assert await phone.told(FaxToneReceived) == FaxToneReceived(1100)
