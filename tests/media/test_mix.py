"""Mixing groups: everybody hears all the others and not themselves."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from media.engine import PCMA, PCMU, Engine
from tests.media.phone import Phone, PhoneBooth, loudness, strength, strongest

TONES = (500.0, 900.0, 1700.0)


def middle_of(phone: Phone) -> NDArray[np.int16]:
    """A fifth of a second, well after everybody has begun."""
    heard = phone.heard()
    begun = int(np.argmax(np.abs(heard) > 1000))
    return heard[begun + 1000 : begun + 2600]


async def test_mix_each_of_three_hears_the_other_two(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    members = [await phones.phone(frequency_hz=tone) for tone in TONES[:2]]
    members.append(await phones.phone(PCMA, frequency_hz=TONES[2]))
    for member in members:
        member.port.join(mix)
        member.port.hear(mix)
    await asyncio.gather(*(member.talk(0.7) for member in members))
    for member in members:
        heard = middle_of(member)
        for tone in TONES:
            if tone == member.frequency_hz:
                assert strength(heard, tone) < 1000
            else:
                assert strongest(heard, tone) > 6500


async def test_mix_listener_who_has_not_joined_hears_all(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    alice, bob, listener = await phones.phone(), await phones.phone(frequency_hz=900), await phones.phone()
    for member in (alice, bob):
        member.port.join(mix)
    listener.port.hear(mix)
    await asyncio.gather(alice.talk(0.5), bob.talk(0.5), listener.talk(0.5))
    heard = middle_of(listener)
    assert strongest(heard, 440) > 6500
    assert strongest(heard, 900) > 6500


async def test_mix_who_leaves_is_heard_no_more(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    alice, bob = await phones.phone(), await phones.phone()
    for member in (alice, bob):
        member.port.join(mix)
        member.port.hear(mix)
    await alice.talk(0.3)
    alice.port.join(None)
    await alice.talk(0.3)
    assert loudness(bob.heard()[:3200]) > 1000
    assert loudness(bob.heard()[-800:]) == 0


async def test_mix_loud_voices_are_clipped_not_wrapped(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    members = [await phones.phone() for _ in range(5)]
    listener = await phones.phone()
    listener.port.hear(mix)
    for member in members:
        member.port.join(mix)
    await asyncio.gather(*(member.talk(0.4) for member in members))
    assert strongest(middle_of(listener), 440) > 25000


async def test_mix_closed_is_silence_and_its_number_can_be_used_again(engine: Engine, phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone()
    for _ in range(3):
        mix = engine.open_mix()
        alice.port.join(mix)
        bob.port.hear(mix)
        await alice.talk(0.2)
        mix.close()
        mix.close()
        bob.port.hear(mix)
        alice.port.join(mix)
        await asyncio.sleep(0.06)
    assert loudness(bob.heard()) > 1000
    assert loudness(bob.heard()[-160:]) == 0


@pytest.mark.parametrize("count", [2, 10, 50])
async def test_mix_of_many_each_hears_all_the_others_and_not_itself(
    engine: Engine, phones: PhoneBooth, count: int
) -> None:
    mix = engine.open_mix()
    tones = [300 + 60 * number for number in range(count)]
    members = [await phones.phone(PCMA if number % 3 else PCMU, frequency_hz=hz) for number, hz in enumerate(tones)]
    for member in members:
        member.peak = 600
        member.port.join(mix)
        member.port.hear(mix)
    await say_together(members, 1.2)
    window = np.hanning(1600)
    for member in members:
        sound = member.heard()
        # On a busy machine a phone stumbles: the best fifth of a second counts, and the usual one for its own tone.
        windows = np.stack([sound[at : at + 1600] for at in range(1600, len(sound) - 1600, 800)]) * window
        levels = np.abs(np.fft.rfft(windows, 8000)) * (2 / window.sum()) / 600
        for hz in tones:
            if hz == member.frequency_hz:
                assert np.median(levels[:, hz]) < 0.1
            else:
                assert levels[:, hz].max() > 0.5, (member.frequency_hz, hz)
    mix.close()


async def say_together(phones: Sequence[Phone], seconds: float) -> None:
    """All say their tones; what they say is made before, so that many are in time."""
    packets = [[phone.packet() for phone in phones] for _ in range(round(seconds * 50))]
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number, tick in enumerate(packets):
        await asyncio.sleep(begun + 0.02 * number - loop.time())
        for phone, octets in zip(phones, tick, strict=True):
            phone.send(octets)
