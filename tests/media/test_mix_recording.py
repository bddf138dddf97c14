"""Recordings of a whole mix: everything said and played in it, in its place in time."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from media.engine import Engine, Heard, Mixed, Received, Recorded
from media.player import Clip
from tests.media.coded_phone import OPUS, coded_phone, wide_strength
from tests.media.phone import RATE_HZ, Phone, PhoneBooth, loudness, sine, strength, strongest, until

AUDIBLE, SILENT = 6500, 300
FULL = 8000


def read(recorded: Recorded) -> NDArray[np.int16]:
    sound, rate_hz = soundfile.read(recorded.path, dtype="int16", always_2d=True)
    assert rate_hz == recorded.rate_hz
    return np.asarray(sound, np.int16)


def onset(sound: NDArray[np.int16], frequency_hz: float) -> int:
    """The first sample of the 10 ms in which a tone is at half its level."""
    levels = [strength(sound[at : at + 80], frequency_hz) for at in range(0, len(sound) - 80, 8)]
    return int(np.argmax(np.array(levels) > FULL / 2)) * 8


async def member(phones: PhoneBooth, mix: object, frequency_hz: float) -> Phone:
    phone = await phones.phone(frequency_hz=frequency_hz)
    phone.port.join(mix)  # type: ignore[arg-type]
    phone.port.hear(mix)  # type: ignore[arg-type]
    return phone


async def test_recording_of_a_mix_agrees_with_its_members_in_time(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    mix = engine.open_mix()
    alice, bob = await member(phones, mix, 500), await member(phones, mix, 1000)
    whole = engine.record(tmp_path / "mix.wav", [[Mixed(mix)]])
    each = engine.record(tmp_path / "each.wav", [[Received(alice.port)], [Received(bob.port)]])

    async def later(phone: Phone) -> None:
        await asyncio.sleep(0.3)
        await phone.talk(0.6)

    await asyncio.gather(alice.talk(0.9), later(bob))
    total, (left, right) = read(await whole.stop())[:, 0], read(await each.stop()).T
    for sound, hz in ((left, 500), (right, 1000)):
        assert strongest(total, hz) > AUDIBLE
        assert abs(onset(total, hz) - onset(sound, hz)) <= 160
    length = min(len(total), len(left)) - 800
    both = left[:length].astype(np.int32) + right[:length]
    # The two files begin a tick apart at most; what they hold is the same to the sample.
    shifts = range(-320, 321, 160)
    assert min(int(np.abs(np.roll(total[:length], by)[800:-800] - both[800:-800]).max()) for by in shifts) <= 1
    mix.close()


async def test_recording_of_a_mix_has_its_clips_and_leaves_out_whispers(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    mix = engine.open_mix()
    alice, coach = await member(phones, mix, 500), await member(phones, mix, 900)
    coach.port.join(mix, heard_by=[alice.port])
    recorder = engine.record(tmp_path / "clips.wav", [[Mixed(mix)], [Heard(alice.port)]])
    talking = asyncio.gather(alice.talk(0.8), coach.talk(0.8))
    await asyncio.sleep(0.3)
    await mix.play(Clip(sine(1700, 2400), RATE_HZ))
    await talking
    total, heard = read(await recorder.stop()).T
    assert strongest(total, 500) > AUDIBLE
    assert strongest(total, 1700) > AUDIBLE
    assert strongest(total, 900) < SILENT
    assert strongest(heard, 900) > AUDIBLE
    assert abs(onset(total, 1700) - onset(heard, 1700)) <= 160
    mix.close()


async def test_recording_of_a_mix_follows_who_comes_mutes_and_goes(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    mix = engine.open_mix()
    alice, bob = await member(phones, mix, 500), await member(phones, mix, 900)
    recorder = engine.record(tmp_path / "comes.wav", [[Mixed(mix)]])
    talking = asyncio.gather(alice.talk(2.0), bob.talk(1.5))
    await asyncio.sleep(0.5)
    alice.port.join(None)
    await asyncio.sleep(0.5)
    alice.port.join(mix)
    await asyncio.sleep(0.5)
    bob.port.close()
    await talking
    sound = read(await recorder.stop())[:, 0]
    begun = onset(sound, 500)
    parts = [sound[begun + at + 640 : begun + at + 3360] for at in (0, 4000, 8000, 12000)]
    assert [strongest(part, 500) > AUDIBLE for part in parts] == [True, False, True, True]
    assert [strongest(part, 900) > AUDIBLE for part in parts] == [True, True, True, False]
    assert max(strength(part[800:1600], hz) for part, hz in ((parts[1], 500), (parts[3], 900))) < SILENT
    mix.close()


async def test_recording_of_a_mix_goes_on_when_retapped_and_is_silent_when_it_closes(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    mix = engine.open_mix()
    alice = await member(phones, mix, 500)
    recorder = engine.record(tmp_path / "retap.wav", [[Received(alice.port)]])
    talking = asyncio.create_task(alice.talk(1.2))
    await asyncio.sleep(0.3)
    for tap in (Mixed(mix), Received(alice.port), Mixed(mix)):
        await asyncio.sleep(0.1)
        recorder.retap([[tap]])
    await asyncio.sleep(0.2)
    mix.close()
    again = engine.open_mix()
    alice.port.join(again)
    await talking
    sound = read(await recorder.stop())[:, 0]
    begun = onset(sound, 500)
    assert np.abs(sound[begun : begun + 4800]).reshape(-1, 160).max(axis=1).min() > 6000
    assert loudness(sound[-1600:]) == 0
    again.close()
    recorder = engine.record(tmp_path / "closed.wav", [[Mixed(mix)]])
    recorded = await recorder.stop()
    assert recorded.error is None


@pytest.mark.parametrize("rate_hz", [8000, 16000])
async def test_recording_of_a_mix_of_wide_and_narrow_phones(
    engine: Engine, phones: PhoneBooth, tmp_path: Path, rate_hz: int
) -> None:
    mix = engine.open_mix()
    alice, bob = await coded_phone(phones, OPUS, frequency_hz=5000), await phones.phone(frequency_hz=900)
    for port in (alice.phone.port, bob.port):
        port.join(mix)
        port.hear(mix)
    recorder = engine.record(tmp_path / "wide.wav", [[Mixed(mix)]], rate_hz=rate_hz)
    mix.play_nowait(Clip(sine(1300, 9600), RATE_HZ))
    await asyncio.gather(alice.talk(1.0), bob.talk(1.0))
    sound = read(await recorder.stop())[:, 0]
    middle = sound[len(sound) // 2 : len(sound) // 2 + rate_hz // 5]
    assert wide_strength(middle, 900, rate_hz=rate_hz) > 4000
    assert wide_strength(middle, 1300, rate_hz=rate_hz) > 4000
    assert (wide_strength(middle, 5000, rate_hz=rate_hz) > 4000) == (rate_hz == 16000)
    assert rate_hz == 16000 or wide_strength(middle, 3000, rate_hz=rate_hz) < SILENT
    mix.close()


async def test_recorded_mix_leaves_no_slot_and_no_block_behind(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    mix = engine.open_mix()
    before = engine.statistics().free_blocks
    alice = await member(phones, mix, 500)
    recorder = engine.record(tmp_path / "left.wav", [[Mixed(mix)]])
    await alice.talk(0.3)
    alice.port.close()
    mix.close()
    await recorder.stop()
    await until(lambda: engine.slots_held == 0 and engine.statistics().free_blocks == before)
