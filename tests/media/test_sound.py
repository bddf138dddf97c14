"""What a port's phone hears of our own: silence, tones, clips."""

import asyncio

import numpy as np
import pytest

from media.engine import PCMA, PCMU, Codec, Engine, Silence
from media.player import Clip
from media.tones import CallProgress, parse_tone, tone
from tests.media.phone import RATE_HZ, Phone, PhoneBooth, decode, loudness, sine, strength


def clip(frequency_hz: float, seconds: float) -> Clip:
    return Clip(sine(frequency_hz, round(seconds * RATE_HZ)), RATE_HZ)


async def test_sound_silence_is_packets_of_silence_from_the_beginning(phone: Phone) -> None:
    heard = await phone.has(5)
    assert all(not decode(packet.payload).any() for packet in heard)
    assert [packet.marker for packet in heard[:3]] == [True, False, False]
    assert phone.port.statistics().packets_sent >= 5


async def test_sound_silence_of_a_law_is_silent(phones: PhoneBooth) -> None:
    phone = await phones.phone(PCMA)
    heard = await phone.has(3)
    assert loudness(decode(heard[0].payload, PCMA)) < 10


async def test_sound_packets_come_every_20_ms_with_even_numbers(phone: Phone) -> None:
    heard = (await phone.has(26))[1:26]
    pairs = list(zip(heard, heard[1:], strict=False))
    assert {(after.sequence - before.sequence) & 0xFFFF for before, after in pairs} == {1}
    assert {(after.timestamp - before.timestamp) & 0xFFFFFFFF for before, after in pairs} == {160}
    assert heard[-1].time_s - heard[0].time_s == pytest.approx(0.48, abs=0.1)


@pytest.mark.parametrize("codec", [PCMU, PCMA])
async def test_sound_tone_has_its_frequencies_and_cadence(phones: PhoneBooth, codec: Codec) -> None:
    phone = await phones.phone(codec)
    phone.port.hear(parse_tone("test", "425/200,0/200"))
    await phone.has(42)
    heard = phone.heard()
    begun = int(np.argmax(np.abs(heard) > 200))
    on, off = heard[begun : begun + 1600], heard[begun + 1600 : begun + 3200]
    assert strength(on, 425) > 2000
    assert loudness(off[160:-160]) < 20
    assert strength(heard[begun + 3200 : begun + 4800], 425) > 2000


async def test_sound_country_tone_is_heard(phone: Phone) -> None:
    phone.port.hear(tone("uk", CallProgress.RING))
    await phone.has(20)
    heard = phone.heard()[-1600:]
    assert strength(heard, 400) > 1500
    assert strength(heard, 450) > 1500


async def test_sound_clip_plays_once_then_silence(phone: Phone) -> None:
    await phone.port.play(clip(600, 0.3))
    heard = phone.heard()
    played = heard[np.abs(heard) > 200]
    assert len(heard) >= 2240
    assert strength(heard[-1600:], 600) > 7000
    assert len(played) < 2500
    await phone.has(len(phone.received) + 4)
    assert loudness(phone.heard()[-320:]) == 0


async def test_sound_clip_loops_as_often_as_asked(phone: Phone) -> None:
    await phone.port.play(clip(800, 0.1), loops=3)
    await phone.has(len(phone.received) + 3)
    loud = np.abs(phone.heard()) > 100
    assert 0.28 * RATE_HZ < np.flatnonzero(loud)[-1] - np.argmax(loud) < 0.32 * RATE_HZ


async def test_sound_cancelled_clip_stops(phone: Phone) -> None:
    playing = asyncio.create_task(phone.port.play(clip(600, 0.1), loops=0))
    await phone.has(15)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    await phone.has(len(phone.received) + 5)
    assert loudness(phone.heard()[-160:]) == 0


async def test_sound_play_ends_when_something_else_is_heard(phone: Phone) -> None:
    playing = asyncio.create_task(phone.port.play(clip(600, 60)))
    await phone.has(3)
    phone.port.hear(Silence())
    async with asyncio.timeout(1):
        await playing


async def test_sound_play_ends_when_the_port_closes(phone: Phone) -> None:
    playing = asyncio.create_task(phone.port.play(clip(600, 60)))
    await phone.has(3)
    phone.port.close()
    async with asyncio.timeout(1):
        await playing
    await phone.port.play(clip(600, 60))


async def test_sound_memory_of_a_played_clip_is_given_back(phone: Phone) -> None:
    for _ in range(3):
        phone.port.play_nowait(clip(600, 0.5))
    phone.port.hear(Silence())
    await phone.port.play(clip(600, 0.02))
    assert phone.port.sounds_held == 0


async def test_sound_empty_clip_is_over_at_once(phone: Phone) -> None:
    await phone.port.play(Clip(np.zeros(0, np.int16), RATE_HZ), loops=0)


async def test_sound_clip_of_another_rate_is_refused(phone: Phone) -> None:
    with pytest.raises(ValueError, match="8000"):
        phone.port.play_nowait(Clip(np.zeros(10, np.int16), 48000))


@pytest.mark.parametrize("ptime_ms", [10, 30, 40])
async def test_sound_packets_have_the_length_agreed(phones: PhoneBooth, ptime_ms: int) -> None:
    phone = await phones.phone(ptime_ms=ptime_ms)
    phone.port.play_nowait(clip(600, 1.0))
    heard = (await phone.hears(12))[:12]
    samples = ptime_ms * 8
    assert {len(packet.payload) for packet in heard} == {samples}
    pairs = list(zip(heard, heard[1:], strict=False))
    assert {(after.timestamp - before.timestamp) & 0xFFFFFFFF for before, after in pairs[2:]} == {samples}
    assert strength(phone.heard()[-960:], 600) > 7000


async def test_sound_nothing_is_sent_before_an_address_is_agreed(engine: Engine, phones: PhoneBooth) -> None:
    phone = await phones.phone(address=None)
    other = await phones.phone()
    await other.has(4)
    assert phone.received == []
    assert engine.statistics().unsent == 0
