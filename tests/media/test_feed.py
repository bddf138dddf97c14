"""A feed: sound written while it is played, judged by its phase at the phone."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from media.engine import Engine, FeedFull, Heard, PortsExhausted, Silence
from media.feed import FIRST_SAMPLES, MAX_UNPLAYED_SAMPLES
from tests.media.coded_phone import OPUS, coded_phone, wide_strength
from tests.media.phone import FRAME, Phone, PhoneBooth, loudness, sine, strength, until
from tests.media.test_listening import take
from tests.tries import keeps

AUDIBLE = 6000


def voiced(sound: NDArray[np.int16]) -> NDArray[np.int16]:
    """From the first to the last sample that is not silence."""
    at = np.flatnonzero(np.abs(sound) > 8)
    return sound[at[0] : at[-1] + 1] if len(at) else sound[:0]


def phase_steps(sound: NDArray[np.int16], frequency_hz: float) -> NDArray[np.float64]:
    """How far each 20 ms is from where a sine that goes on would be, in turns."""
    turns = 2j * np.pi * frequency_hz / 8000 * np.arange(len(sound))
    turned = sound.astype(np.float64) * np.exp(-turns)
    phases = np.array([np.angle(turned[at : at + FRAME].sum()) for at in range(0, len(sound) - FRAME + 1, FRAME)])
    return np.asarray(np.diff(np.unwrap(phases)) / (2 * np.pi), np.float64)


async def test_feed_sine_in_uneven_writes_is_heard_as_one(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    sound, at = sine(450, 8000), 0
    for size in (400, 80, 1, 399, 700, 420, 3000, 3000):
        assert feed.write(sound[at : at + size]) == at + size
        at += size
        await asyncio.sleep(0.01)
    await feed.wait_played(8000)
    await asyncio.sleep(0.05)
    heard = voiced(phone.heard())
    assert len(heard) == pytest.approx(8000, abs=40)
    assert np.abs(phase_steps(heard, 450)).max() < 0.02
    feed.close()


async def test_feed_written_in_real_time_has_no_gap(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    loop = asyncio.get_running_loop()
    sound, begun = sine(450, 8000), loop.time()
    latest_s = 0.0
    for number in range(50):
        # Up to 8 ms late.
        due = begun + number * 0.02 + number % 5 * 0.002
        await asyncio.sleep(due - loop.time())
        latest_s = max(latest_s, loop.time() - due)
        feed.write(sound[number * FRAME : (number + 1) * FRAME])
    await feed.wait_played(8000)
    await asyncio.sleep(0.05)
    heard = voiced(phone.heard())
    assert len(heard) >= 7960
    # A machine that kept this writer waiting made gaps itself.
    if latest_s < 0.004:
        assert len(heard) <= 8040
        assert np.abs(phase_steps(heard, 450)).max() < 0.02
    feed.close()


async def test_feed_reaches_the_wire_within_two_ticks(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    await phone.has(3)
    loop = asyncio.get_running_loop()

    async def took_s() -> float:
        await until(lambda: loudness(phone.heard()[-FRAME:]) == 0)
        written = loop.time()
        feed.write(sine(800, FRAME))
        await until(lambda: loudness(phone.heard()[-FRAME:]) > 1000)
        return loop.time() - written

    await keeps(0.06, took_s)
    feed.close()


async def test_feed_empty_is_silence_and_goes_on_when_more_comes(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    feed.write(sine(800, 1600))
    await feed.wait_played(1600)
    await asyncio.sleep(0.2)
    before = len(phone.received)
    assert not phone.heard()[-5 * FRAME :].any()
    await feed.wait_played(feed.write(sine(1300, 1600)))
    await asyncio.sleep(0.05)
    assert strength(voiced(phone.heard()[before * FRAME :]), 1300) > AUDIBLE
    steps = {(b.sequence - a.sequence) & 0xFFFF for a, b in zip(phone.received, phone.received[1:], strict=False)}
    assert steps == {1}
    feed.close()


async def test_feed_clear_drops_what_waits_and_counts_it_as_passed(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    end = feed.write(sine(800, 80_000))
    waiting = asyncio.create_task(feed.wait_played(end))
    await asyncio.sleep(0.3)
    assert 800 <= feed.played < 8000
    assert not waiting.done()
    feed.clear()
    assert feed.played == end
    await asyncio.wait_for(waiting, 0.5)
    position = feed.write(sine(1300, 1600))
    assert position == end + 1600
    await asyncio.wait_for(feed.wait_played(position), 1.0)
    await asyncio.sleep(0.05)
    heard = voiced(phone.heard())
    assert len(heard) < 8000
    assert strength(heard[-1000:], 1300) > AUDIBLE
    feed.clear()
    assert feed.played == position
    feed.close()


async def test_feed_wait_played_returns_when_its_position_is_reached(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    feed.write(sine(800, 8000))
    reached: dict[int, float] = {}

    async def wait(position: int) -> None:
        await feed.wait_played(position)
        assert feed.played >= position
        reached[position] = loop.time() - begun

    async with asyncio.timeout(3), asyncio.TaskGroup() as group:
        for position in (8000, 1600, 4800, 0):
            group.create_task(wait(position))
    for position, seconds in reached.items():
        assert seconds == pytest.approx(position / 8000 + 0.02 * (position > 0), abs=0.06)
    feed.close()


async def test_feed_wait_played_ends_with_the_feed(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    waiting = asyncio.create_task(feed.wait_played(feed.write(sine(800, 800))))
    cancelled = asyncio.create_task(feed.wait_played(100))
    await asyncio.sleep(0.05)
    cancelled.cancel()
    assert not waiting.done()
    feed.close()
    feed.close()
    await asyncio.wait_for(waiting, 0.5)
    assert feed.write(sine(800, 800)) == 800
    assert feed.played == 0
    await until(lambda: engine.statistics().feeds == 0)


async def test_feed_full_says_so_and_takes_nothing(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    sound = sine(800, 8000)
    for _ in range(60):
        feed.write(sound)
    with pytest.raises(FeedFull) as full:
        feed.write(sound[:1])
    assert (full.value.room, feed.room, feed.written) == (0, 0, MAX_UNPLAYED_SAMPLES)
    phone.port.hear(feed)
    await feed.wait_played(1600)
    assert feed.room >= 1600
    feed.write(sound[:1600])
    feed.clear()
    assert feed.room == MAX_UNPLAYED_SAMPLES
    feed.close()


async def test_feed_that_grows_while_it_plays_is_heard_as_one(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    sound = sine(450, 4 * FIRST_SAMPLES)
    for at in range(0, 8000, 800):
        feed.write(sound[at : at + 800])
        await asyncio.sleep(0.07)
    feed.write(sound[8000:])
    await asyncio.sleep(0.4)
    heard = voiced(phone.heard())
    assert len(heard) > 8000
    assert np.abs(phase_steps(heard[: len(heard) // FRAME * FRAME], 450)).max() < 0.02
    feed.close()


async def test_feed_round_and_round_its_memory_is_heard_as_one(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    sound = sine(450, 2 * FIRST_SAMPLES)
    feed.write(sound[:12_000])
    for at in range(12_000, len(sound), 4000):
        await feed.wait_played(at - 8000)
        feed.write(sound[at : at + 4000])
    await feed.wait_played(len(sound))
    await asyncio.sleep(0.05)
    heard = voiced(phone.heard())
    assert len(heard) == pytest.approx(len(sound), abs=40)
    assert np.abs(phase_steps(heard, 450)).max() < 0.02
    feed.close()


async def test_feed_is_heard_by_several_at_the_same_time(engine: Engine, phones: PhoneBooth) -> None:
    alice, bob, carol = await phones.phone(), await phones.phone(), await coded_phone(phones, OPUS)
    feed = engine.open_feed()
    for port in (alice.port, bob.port, carol.phone.port):
        port.hear(feed)
    await feed.wait_played(feed.write(sine(900, 8000)))
    await asyncio.sleep(0.05)
    for phone in (alice, bob):
        assert np.abs(phase_steps(voiced(phone.heard()), 900)).max() < 0.02
    heard = carol.heard()
    assert max(wide_strength(heard[at : at + 3200], 900) for at in range(0, len(heard) - 3200, 1600)) > 4000
    feed.close()


async def test_feed_stands_still_while_nobody_hears_it(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    feed.write(sine(900, 4000))
    phone.port.hear(feed)
    await feed.wait_played(1600)
    phone.port.hear(Silence())
    await asyncio.sleep(0.05)
    played = feed.played
    await asyncio.sleep(0.1)
    assert feed.played == played < 4000
    phone.port.hear(feed)
    await asyncio.wait_for(feed.wait_played(4000), 1.0)
    feed.close()


async def test_feed_closed_under_its_hearer_is_silence(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    phone.port.hear(feed)
    listener = engine.listen(Heard(phone.port))
    feed.write(sine(900, 80_000))
    await take(listener, 10)
    feed.close()
    assert not (await take(listener, 10))[-5 * FRAME :].any()
    await until(lambda: engine.statistics().feeds == 0)
    phone.port.hear(feed)
    await phone.has(len(phone.received) + 3)
    listener.close()


async def test_feed_number_of_a_closed_one_serves_another(engine: Engine, phone: Phone) -> None:
    feeds = [engine.open_feed() for _ in range(50)]
    with pytest.raises(PortsExhausted):
        engine.open_feed()
    for feed in feeds:
        feed.write(sine(900, 80_000))
        phone.port.hear(feed)
        feed.close()
    await until(lambda: engine.statistics().feeds == 0)
    feed = engine.open_feed()
    phone.port.hear(feed)
    await feed.wait_played(feed.write(sine(1300, 1600)))
    await asyncio.sleep(0.05)
    assert strength(voiced(phone.heard())[-1000:], 1300) > AUDIBLE


async def test_feed_open_when_the_engine_stops_lets_its_waiters_go(engine: Engine, phone: Phone) -> None:
    feed = engine.open_feed()
    waiting = asyncio.create_task(feed.wait_played(feed.write(sine(900, 8000))))
    await asyncio.sleep(0)
    await engine.stop()
    await asyncio.wait_for(waiting, 1.0)
