"""Listening to a port while it talks: tones by ear, the clock by count, and every order of closing."""

import asyncio
import functools

import numpy as np
import pytest
from numpy.typing import NDArray

from media.engine import Codec, Engine, Heard, Listener, PortsExhausted, Received, Silence
from media.kernel import layout
from media.player import Clip
from tests.media.coded_phone import G722, OPUS, coded_phone
from tests.media.phone import FRAME, Phone, PhoneBooth, loudness, sine, strength, strongest, until
from tests.tries import keeps

AUDIBLE = 6000
SILENT = 200


async def take(listener: Listener, frames: int) -> NDArray[np.int16]:
    """The next frames, one after the other."""
    taken: list[NDArray[np.int16]] = []
    async with asyncio.timeout(frames * 0.02 + 3):
        async for frame in listener:
            taken.append(frame)
            if len(taken) == frames:
                break
    assert {(frame.shape, frame.dtype.name) for frame in taken} <= {((FRAME,), "int16")}
    return np.concatenate(taken) if taken else np.zeros(0, np.int16)


async def drain(listener: Listener) -> int:
    """Frames up to the end."""
    count = 0
    async with asyncio.timeout(3):
        async for _ in listener:
            count += 1
    return count


def gaps(sound: NDArray[np.int16], frequency_hz: float) -> int:
    """Frames in which a tone that should be there throughout is not."""
    return sum(strength(sound[at : at + FRAME], frequency_hz) < AUDIBLE for at in range(0, len(sound), FRAME))


async def test_listening_gives_what_a_phone_says_without_a_gap(engine: Engine, phone: Phone) -> None:
    listener = engine.listen(Received(phone.port))
    talking = asyncio.create_task(phone.talk(1.2))
    sound = await take(listener, 55)
    await talking
    assert strongest(sound, 440) > AUDIBLE
    # The phone may stumble on a busy machine.
    assert gaps(sound[-4800:], 440) < 3
    listener.close()


async def test_listening_gives_a_frame_for_every_20_ms_also_of_a_silent_phone(engine: Engine, phone: Phone) -> None:
    loop = asyncio.get_running_loop()
    received, heard = engine.listen(Received(phone.port)), engine.listen(Heard(phone.port))
    await take(received, 1)

    async def off_s() -> float:
        begun = loop.time()
        assert not (await take(received, 50)).any()
        return abs(loop.time() - begun - 1.0)

    await keeps(0.1, off_s)
    assert not (await take(heard, 50)).any()


async def test_listening_is_less_than_100_ms_behind_the_wire(engine: Engine, phone: Phone) -> None:
    loop = asyncio.get_running_loop()

    async def behind_s() -> float:
        listener = engine.listen(Received(phone.port))
        said: list[float] = []

        async def talk() -> None:
            await asyncio.sleep(0.5)
            said.append(loop.time())
            await phone.talk(0.4)

        talking = asyncio.create_task(talk())
        async with asyncio.timeout(3):
            async for frame in listener:
                if said and loudness(frame) > 1000:
                    break
        # The packet's first sample is 20 ms old when it is sent.
        behind = loop.time() - said[0] + 0.02
        await talking
        listener.close()
        return behind

    await keeps(0.1, behind_s)


async def test_listening_hears_a_clip_as_it_is_played(engine: Engine, phone: Phone) -> None:
    listener = engine.listen(Heard(phone.port))
    phone.port.play_nowait(Clip(sine(900, 8000), 8000), loops=0)
    sound = await take(listener, 30)
    assert gaps(sound[-3200:], 900) == 0
    listener.close()


async def test_listening_hears_what_is_relayed_and_what_follows_it(engine: Engine, phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(frequency_hz=700), await phones.phone()
    bob.port.hear(alice.port)
    listener = engine.listen(Heard(bob.port))
    talking = asyncio.create_task(alice.talk(1.6))
    relayed = (await take(listener, 40))[-3200:]
    assert strongest(relayed, 700) > AUDIBLE
    bob.port.play_nowait(Clip(sine(1500, 8000), 8000), loops=0)
    played = (await take(listener, 20))[-1600:]
    assert gaps(played, 1500) == 0
    bob.port.hear(alice.port)
    assert strongest((await take(listener, 20))[-1600:], 700) > AUDIBLE
    bob.port.hear(Silence())
    await talking
    listener.close()


@pytest.mark.parametrize("codec", [OPUS, G722], ids=lambda codec: codec.name)
async def test_listening_to_a_wideband_phone_is_at_8_khz_without_aliases(
    engine: Engine, phones: PhoneBooth, codec: Codec
) -> None:
    low, high = await coded_phone(phones, codec, frequency_hz=1200), await coded_phone(phones, codec, frequency_hz=5000)
    ears = [engine.listen(tap) for tap in (Received(low.phone.port), Received(high.phone.port))]
    high.phone.port.hear(low.phone.port)
    ears.append(engine.listen(Heard(high.phone.port)))
    talking = asyncio.gather(low.talk(0.9), high.talk(0.9))
    of_low, of_high, heard = await asyncio.gather(*(take(listener, 40) for listener in ears))
    await talking
    assert strength(of_low[-3200:], 1200) > 4000
    assert strength(heard[-3200:], 1200) > 4000
    assert loudness(of_high[-3200:]) < SILENT


async def test_listening_to_a_transcoded_bridge_hears_both(engine: Engine, phones: PhoneBooth) -> None:
    alice, bob = await coded_phone(phones, OPUS, frequency_hz=700), await phones.phone(frequency_hz=1100)
    alice.phone.port.hear(bob.port)
    bob.port.hear(alice.phone.port)
    taps = (Received(alice.phone.port), Heard(alice.phone.port), Received(bob.port), Heard(bob.port))
    ears = [engine.listen(tap) for tap in taps]
    talking = asyncio.gather(alice.talk(1.0), bob.talk(1.0))
    sounds = await asyncio.gather(*(take(listener, 45) for listener in ears))
    await talking
    for sound, frequency_hz in zip(sounds, (700, 1100, 1100, 700), strict=True):
        assert strongest(sound[-3200:], frequency_hz) > 4000


async def test_listening_to_a_member_of_a_mix_changes_nothing_for_the_mix(engine: Engine, phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(frequency_hz=700), await phones.phone(frequency_hz=1100)
    listener = engine.listen(Received(alice.port))
    mix = engine.open_mix()
    for phone in (alice, bob):
        phone.port.join(mix)
        phone.port.hear(mix)
    talking = asyncio.gather(alice.talk(1.2), bob.talk(1.2))
    sound = await take(listener, 40)
    mix.close()
    after = await take(listener, 10)
    await talking
    assert strongest(sound[-3200:], 700) > AUDIBLE
    assert strongest(after, 700) > AUDIBLE
    assert strongest(bob.heard(), 700) > AUDIBLE


async def test_listening_many_at_once_each_hears_its_own(engine: Engine, phones: PhoneBooth) -> None:
    callers = [await phones.phone(frequency_hz=400 + 100 * number) for number in range(25)]
    ears = [engine.listen(tap(phone.port)) for phone in callers for tap in (Received, Received)]
    talking = asyncio.gather(*(phone.talk(1.0) for phone in callers))
    sounds = await asyncio.gather(*(take(listener, 45) for listener in ears))
    await talking
    for number, sound in enumerate(sounds):
        assert strongest(sound[-3200:], 400 + 100 * (number // 2)) > AUDIBLE
    assert engine.statistics().listeners == 50
    for listener in ears:
        listener.close()
    await until(lambda: engine.statistics().listeners == 0)


async def test_listening_slow_reader_loses_the_oldest_frames_and_is_told_how_many(engine: Engine, phone: Phone) -> None:
    slow, quick = engine.listen(Received(phone.port)), engine.listen(Received(phone.port))
    count = 0
    async with asyncio.timeout(10):
        async for _ in quick:
            count += 1
            if count == 290:
                break
    assert slow.dropped_frames == pytest.approx(40, abs=3)
    assert quick.dropped_frames == 0
    assert len(await take(slow, 250)) == 250 * FRAME


async def test_listening_close_ends_the_iteration_of_one_who_waits(engine: Engine, phone: Phone) -> None:
    listener = engine.listen(Received(phone.port))
    reading = asyncio.create_task(drain(listener))
    await asyncio.sleep(0.1)
    listener.close()
    listener.close()
    assert await reading < 10
    assert await drain(listener) == 0
    await until(lambda: engine.statistics().listeners == 0)


async def test_listening_ends_with_the_port_and_gives_what_had_come(engine: Engine, phone: Phone) -> None:
    listener = engine.listen(Received(phone.port))
    await phone.talk(0.5)
    phone.port.close()
    await until(lambda: engine.statistics().listeners == 0)
    sound = await take(listener, 1000)
    assert 20 * FRAME <= len(sound) < 40 * FRAME
    assert strength(sound[-1600:-320], 440) > AUDIBLE
    assert await drain(listener) == 0
    listener.close()


async def test_listening_close_in_every_order_leaves_nothing(engine: Engine, phones: PhoneBooth) -> None:
    for order in range(6):
        phone = await phones.phone()
        first, second = engine.listen(Received(phone.port)), engine.listen(Heard(phone.port))
        if order % 2:
            await take(first, 2)
        steps = [first.close, second.close, phone.port.close]
        for step in steps[order // 2 :] + steps[: order // 2]:
            step()
            if order % 2:
                await asyncio.sleep(0.03)
        assert (await drain(first), await drain(second)) == (0, 0)
        await until(lambda: engine.statistics().listeners == 0)
        await until(lambda: engine.slots_held == 0)


async def test_listening_to_a_closed_port_ends_at_once(engine: Engine, phone: Phone) -> None:
    phone.port.close()
    listener = engine.listen(Received(phone.port))
    assert await drain(listener) == 0
    await until(lambda: engine.statistics().listeners == 0)


async def test_listening_more_than_there_are_places_is_refused(engine: Engine, phone: Phone) -> None:
    ears = [engine.listen(Received(phone.port)) for _ in range(100)]
    with pytest.raises(PortsExhausted):
        engine.listen(Received(phone.port))
    ears.pop().close()
    await until(lambda: engine.statistics().listeners == 99)
    engine.listen(Received(phone.port))


async def test_listening_ends_when_the_engine_stops(engine: Engine, phone: Phone) -> None:
    listener = engine.listen(Received(phone.port))
    reading = asyncio.create_task(drain(listener))
    await asyncio.sleep(0.05)
    await engine.stop()
    assert await reading > 0


async def test_listening_cancelled_reader_may_go_on_later(engine: Engine, phone: Phone) -> None:
    listener = engine.listen(Received(phone.port))
    reading = asyncio.create_task(drain(listener))
    await asyncio.sleep(0.1)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert len(await take(listener, 5)) == 5 * FRAME


class Bench:
    """A Listener on memory and a clock that the test writes, as the thread would."""

    def __init__(self) -> None:
        self.frames = np.zeros((layout.LISTEN_FRAMES, FRAME), np.int16)
        self.clock = np.zeros(1, np.int64)
        self.listener = Listener(self.frames, self.clock, lambda: None)

    def tick(self, ticks: int) -> None:
        """Frames that hold their own number, written but not told of."""
        for _ in range(ticks):
            self.clock += FRAME
            number = int(self.clock[0]) // FRAME - 1
            self.frames[number % layout.LISTEN_FRAMES] = number

    def tell(self) -> None:
        self.listener.note_ready(0, int(self.clock[0]))


async def test_listening_frame_overwritten_under_a_loop_that_stood_still_is_dropped_not_torn() -> None:
    bench = Bench()
    bench.tick(10)
    bench.tell()
    bench.tick(layout.LISTEN_FRAMES - 10 + 4)
    next_frame = functools.partial(anext, bench.listener)
    assert (await next_frame())[0] == 4
    assert bench.listener.dropped_frames == 4


async def test_listening_rest_is_given_although_its_memory_is_another_listeners() -> None:
    bench = Bench()
    bench.tick(3)
    bench.listener.note_over(0, int(bench.clock[0]))
    bench.tick(1000)
    assert [int(frame[0]) async for frame in bench.listener] == [0, 1, 2]
