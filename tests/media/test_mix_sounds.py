"""What is played into a mix, and who hears whom in it: clips, coaching, muting, hold. Judged by ear."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from media.engine import Engine, MediaPort, Mix, Mixed, PortsExhausted
from media.kernel import layout
from media.player import Clip
from tests.media.coded_phone import G722, OPUS, coded_phone, wide_sine, wide_strength
from tests.media.phone import RATE_HZ, Phone, PhoneBooth, loudness, sine, strength, strongest, until

AUDIBLE, SILENT = 5000, 300


def clip(frequency_hz: float, seconds: float) -> Clip:
    return Clip(sine(frequency_hz, round(seconds * RATE_HZ)), RATE_HZ)


async def members(phones: PhoneBooth, mix: Mix, *tones: float) -> list[Phone]:
    """Phones that joined the mix and hear it, each with its tone."""
    joined = [await phones.phone(frequency_hz=tone) for tone in tones]
    for phone in joined:
        phone.port.join(mix)
        phone.port.hear(mix)
    return joined


async def talk(*phones: Phone, seconds: float = 0.5) -> None:
    await asyncio.gather(*(phone.talk(seconds) for phone in phones))


def end(phone: Phone, samples: int = 1600) -> NDArray[np.int16]:
    return phone.heard()[-samples:]


def steepest(sound: NDArray[np.int16]) -> int:
    return int(np.abs(np.diff(sound.astype(np.int32))).max())


def silences(sound: NDArray[np.int16]) -> list[tuple[int, int]]:
    """From and to which sample nothing is heard, where that is longer than 10 ms."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], sound == 0, [True])).astype(np.int8)))
    pairs = np.concatenate(([0], edges, [len(sound)])).reshape(-1, 2).tolist()
    return [(begins, ends) for begins, ends in pairs if ends - begins > 80]


async def test_mix_clip_is_heard_by_everybody_beside_the_others(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    alice, bob = await members(phones, mix, 500, 900)
    talking = asyncio.gather(alice.talk(0.6), bob.talk(0.6))
    await asyncio.sleep(0.2)
    await mix.play(clip(1700, 0.25))
    for phone, other in ((alice, 900), (bob, 500)):
        assert strongest(phone.heard(), 1700) > AUDIBLE
        assert strongest(phone.heard(), other) > AUDIBLE
    await talking
    assert strength(end(alice, 800), 1700) < SILENT
    assert mix.sounds_held == 0


async def test_mix_beep_during_an_announcement_is_heard_beside_it(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    (alice,) = await members(phones, mix, 500)
    announcing = asyncio.create_task(mix.play(clip(700, 0.6)))
    await asyncio.sleep(0.2)
    await mix.play(clip(1700, 0.1))
    await announcing
    heard = alice.heard()
    sounding = heard[int(np.argmax(np.abs(heard) > 1000)) :]
    assert strongest(sounding[1200:3200], 1700) > AUDIBLE
    assert strongest(sounding[3200:4600], 700) > AUDIBLE
    assert 0.5 * RATE_HZ < np.count_nonzero(np.abs(sounding) > 100) < 0.61 * RATE_HZ


async def test_mix_clips_beyond_the_bound_are_over_at_once(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    await members(phones, mix, 500)
    playing = [asyncio.create_task(mix.play(clip(700, 60))) for _ in range(layout.MAX_MIX_SOUNDS)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        await mix.play(clip(700, 60))
    assert not any(task.done() for task in playing)
    mix.close()
    async with asyncio.timeout(1):
        await asyncio.gather(*playing)
        await mix.play(clip(700, 60))
    await until(lambda: mix.sounds_held == 0)


async def test_mix_cancelled_clip_fades_and_its_memory_is_given_back(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    (alice,) = await members(phones, mix, 500)
    playing = asyncio.create_task(mix.play(clip(400, 0.5), loops=0))
    await asyncio.sleep(0.3)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    await until(lambda: mix.sounds_held == 0)
    await alice.has(len(alice.received) + 4)
    heard = alice.heard()
    assert loudness(heard[-160:]) == 0
    assert steepest(heard) < 1.15 * steepest(sine(400, 400))


async def test_mix_clip_is_over_though_nobody_is_there(engine: Engine) -> None:
    mix = engine.open_mix()
    async with asyncio.timeout(2):
        await mix.play(clip(700, 0.1), loops=2)
    with pytest.raises(ValueError, match="8000"):
        mix.play_nowait(Clip(np.zeros(10, np.int16), 48000))
    await mix.play(Clip(np.zeros(0, np.int16), RATE_HZ))


async def test_mix_clip_is_heard_wide_and_narrow(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    alice, bob = await coded_phone(phones, OPUS), await coded_phone(phones, G722)
    carol = await phones.phone()
    for port in (alice.phone.port, bob.phone.port, carol.port):
        port.join(mix)
        port.hear(mix)
    playing = asyncio.create_task(mix.play(clip(1300, 0.8)))
    mix.play_nowait(Clip(wide_sine(2100, 12800), 16000))
    await asyncio.gather(alice.talk(0.6), bob.talk(0.6), carol.talk(0.6))
    assert strength(end(carol), 2100) > 4000
    assert wide_strength(alice.heard()[-3200:], 1300) > 4000
    assert wide_strength(bob.heard()[-3200:], 1300) > 4000
    assert strength(end(carol), 1300) > 4000
    mix.close()
    await playing


async def coached(engine: Engine, phones: PhoneBooth) -> tuple[Mix, Phone, Phone, Phone]:
    mix = engine.open_mix()
    coach, agent, customer = await members(phones, mix, 500, 900, 1700)
    return mix, coach, agent, customer


async def test_coach_is_heard_by_the_one_named_and_hears_everybody(engine: Engine, phones: PhoneBooth) -> None:
    mix, coach, agent, customer = await coached(engine, phones)
    coach.port.join(mix, heard_by=[agent.port])
    await talk(coach, agent, customer)
    assert strength(end(coach), 900) > AUDIBLE
    assert strength(end(coach), 1700) > AUDIBLE
    assert strength(end(coach), 500) < SILENT
    assert strength(end(agent), 500) > AUDIBLE
    assert strength(end(agent), 1700) > AUDIBLE
    assert strength(end(customer), 500) < SILENT
    assert strength(end(customer), 900) > AUDIBLE


async def test_coach_changes_while_talking_without_a_gap(engine: Engine, phones: PhoneBooth) -> None:
    mix, coach, agent, customer = await coached(engine, phones)
    talking = asyncio.create_task(coach.talk(1.1))
    await asyncio.sleep(0.3)
    routes: list[Sequence[MediaPort] | None] = [[agent.port], None, [agent.port, customer.port], [agent.port]]
    for heard_by in routes:
        coach.port.join(mix, heard_by=heard_by)
        await asyncio.sleep(0.15)
    await talking
    heard = agent.heard()
    begun = int(np.argmax(np.abs(heard) > 1000))
    middle = heard[begun + 800 : begun + 7200]
    # It was the agent's all the time: a sine wave goes on, however the others' hearing changes.
    assert np.abs(middle).reshape(-1, 160).max(axis=1).min() > 7000
    assert steepest(middle) < 1.15 * steepest(sine(500, 400))
    assert steepest(customer.heard()) < 1.15 * steepest(sine(500, 400))
    assert loudness(end(customer, 320)) == 0


async def test_coach_of_one_who_left_is_heard_by_nobody(engine: Engine, phones: PhoneBooth) -> None:
    mix, coach, agent, customer = await coached(engine, phones)
    coach.port.join(mix, heard_by=[agent.port, coach.port])
    agent.port.close()
    later = await phones.phone()
    later.port.hear(mix)
    await talk(coach, customer)
    for phone in (later, customer, coach):
        assert strength(end(phone), 500) < SILENT
    with pytest.raises(ValueError, match="at most 10"):
        coach.port.join(mix, heard_by=[customer.port] * 11)


async def test_muted_member_is_not_heard_hears_and_comes_back_without_clicks(
    engine: Engine, phones: PhoneBooth
) -> None:
    mix = engine.open_mix()
    alice, bob = await members(phones, mix, 400, 900)
    talking = asyncio.gather(alice.talk(1.2), bob.talk(1.2))
    await asyncio.sleep(0.3)
    alice.port.join(None)
    await asyncio.sleep(0.3)
    assert strength(end(bob, 800), 400) < SILENT
    assert strength(end(alice, 800), 900) > AUDIBLE
    alice.port.join(mix)
    await talking
    assert strength(end(bob, 800), 400) > AUDIBLE
    heard = bob.heard()
    begins, ends = silences(heard)[-1]
    assert ends - begins > 1600
    assert steepest(heard[begins - 320 : begins]) < 1.15 * steepest(sine(400, 400))
    assert steepest(heard[ends : ends + 320]) < 1.15 * steepest(sine(400, 400))


async def test_held_member_hears_its_music_and_comes_back(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    alice, bob = await members(phones, mix, 400, 900)
    talking = asyncio.gather(alice.talk(1.2), bob.talk(1.2))
    await asyncio.sleep(0.3)
    alice.port.join(None)
    alice.port.play_nowait(clip(1700, 0.2), loops=0)
    await asyncio.sleep(0.35)
    assert strength(end(alice, 800), 1700) > AUDIBLE
    assert strength(end(alice, 800), 900) < SILENT
    assert strength(end(bob, 800), 400) < SILENT
    alice.port.hear(mix)
    alice.port.join(mix)
    await talking
    assert strength(end(alice, 800), 900) > AUDIBLE
    assert strength(end(alice, 800), 1700) < SILENT
    assert strength(end(bob, 800), 400) > AUDIBLE


async def test_member_changes_mixes(engine: Engine, phones: PhoneBooth) -> None:
    first, second = engine.open_mix(), engine.open_mix()
    alice, bob = await phones.phone(), await phones.phone()
    listener, other = await phones.phone(), await phones.phone()
    alice.port.join(first)
    bob.port.join(second)
    listener.port.hear(first)
    other.port.hear(second)
    await alice.talk(0.3)
    alice.port.join(second)
    await alice.talk(0.4)
    assert strength(end(other), 440) > AUDIBLE
    assert loudness(end(listener, 800)) == 0


ORDERS = ["mix", "clip-mix", "coach-mix", "agent-coach-mix", "mix-agent"]


@pytest.mark.parametrize("order", ORDERS)
async def test_mix_closed_in_any_order_leaves_nothing(engine: Engine, phones: PhoneBooth, order: str) -> None:
    mix, coach, agent, customer = await coached(engine, phones)
    coach.port.join(mix, heard_by=[agent.port])
    playing = asyncio.create_task(mix.play(clip(700, 60)))
    await talk(coach, agent, customer, seconds=0.1)
    for what in order.split("-"):
        match what:
            case "mix":
                mix.close()
            case "clip":
                playing.cancel()
            case "coach":
                coach.port.close()
            case "agent":
                agent.port.close()
    await asyncio.wait([playing], timeout=1)
    assert playing.done()
    await customer.has(len(customer.received) + 4)
    assert loudness(end(customer, 160)) == 0
    for phone in (coach, agent, customer):
        phone.port.close()
    await until(lambda: engine.slots_held == 0 and mix.sounds_held == 0)
    opened = [engine.open_mix() for _ in range(1024)]
    with pytest.raises(PortsExhausted):
        engine.open_mix()
    for other in opened:
        other.close()


async def test_mix_is_listened_to_until_it_closes(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    alice, bob = await members(phones, mix, 500, 900)
    listener = engine.listen(Mixed(mix))
    mix.play_nowait(clip(1700, 0.6))
    await talk(alice, bob, seconds=0.6)
    mix.close()
    async with asyncio.timeout(1):
        sound = np.concatenate([frame async for frame in listener])
    for hz in (500, 900, 1700):
        assert strongest(sound, hz) > AUDIBLE
    async with asyncio.timeout(1):
        assert [frame async for frame in engine.listen(Mixed(mix))] == []
