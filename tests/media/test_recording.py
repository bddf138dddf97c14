"""Recordings judged by ear: the right sound in the right channel, at the right time, as long as the wall says."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from media.engine import PCMA, Engine, Heard, Received, Recorded
from media.player import Clip
from media.tones import parse_tone
from tests.media.phone import RATE_HZ, Phone, PhoneBooth, encode, loudness, rtp, sine, strength, strongest, until

Sound = NDArray[np.int16]


def read(recorded: Recorded) -> Sound:
    """(frames, channels)"""
    sound, rate_hz = soundfile.read(recorded.path, dtype="int16", always_2d=True)
    assert (rate_hz, sound.shape) == (RATE_HZ, (recorded.frames, recorded.channels))
    return np.asarray(sound, np.int16)


def onset(channel: Sound) -> int:
    return int(np.argmax(np.abs(channel) > 1000))


async def bridge(phones: PhoneBooth) -> tuple[Phone, Phone]:
    alice, bob = await phones.phone(frequency_hz=500), await phones.phone(PCMA, frequency_hz=900)
    alice.port.hear(bob.port)
    bob.port.hear(alice.port)
    return alice, bob


async def test_recording_dual_has_each_party_in_its_channel(engine: Engine, phones: PhoneBooth, tmp_path: Path) -> None:
    alice, bob = await bridge(phones)
    recorder = engine.record(tmp_path / "dual.wav", [[Received(alice.port)], [Received(bob.port)]])
    await asyncio.gather(alice.talk(1.0), bob.talk(1.0))
    recorded = await recorder.stop()
    assert recorded.error is None
    assert recorded.lost_frames == 0
    assert recorded.duration_s == pytest.approx(1.0, abs=0.15)
    left, right = read(recorded)[1600:6400].T
    assert strongest(left, 500) > 7500
    assert strength(left, 900) < 50
    assert strongest(right, 900) > 7500
    assert strength(right, 500) < 50


async def test_recording_mono_has_both_parties_in_one_channel(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    alice, bob = await bridge(phones)
    recorder = engine.record(tmp_path / "mono.wav", [[Received(alice.port), Received(bob.port)]])
    await asyncio.gather(alice.talk(0.6), bob.talk(0.6))
    sound = read(await recorder.stop())[1600:3200, 0]
    assert strongest(sound, 500) > 7500
    assert strongest(sound, 900) > 7500


async def test_recording_from_ringing_has_the_tone_then_the_answer_without_a_gap(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    alice, bob = await phones.phone(frequency_hz=500), await phones.phone(frequency_hz=900)
    alice.port.hear(parse_tone("test", "425"))
    recorder = engine.record(tmp_path / "ringing.wav", [[Received(alice.port)], [Heard(alice.port)]])
    await asyncio.gather(alice.talk(0.5), bob.talk(0.5))
    recorder.retap([[Received(alice.port)], [Received(bob.port)]])
    alice.port.hear(bob.port)
    await asyncio.gather(alice.talk(0.5), bob.talk(0.5))
    recorded = await recorder.stop()
    assert recorded.duration_s == pytest.approx(1.0, abs=0.15)
    left, right = read(recorded).T
    assert strongest(left[800:7200], 500) > 7500
    assert strength(right[800:3200], 425) > 2000
    assert strongest(right[4800:7200], 900) > 7500
    # No silence between: every 20 ms of the middle sounds.
    middle = np.abs(right[1600:6400]).reshape(-1, 160).max(axis=1)
    assert middle.min() > 500


async def test_recording_heard_has_what_a_bridge_gives(engine: Engine, phones: PhoneBooth, tmp_path: Path) -> None:
    alice, bob = await bridge(phones)
    recorder = engine.record(tmp_path / "heard.wav", [[Received(bob.port)], [Heard(alice.port)]])
    await asyncio.gather(alice.talk(0.4), bob.talk(0.4))
    left, right = read(await recorder.stop()).T
    assert strongest(right[800:2400], 900) > 7500
    # The first packets may find their place only when the next have come; what was given away is not moved.
    assert (left[1600:2400] == right[1600:2400]).all()


async def test_recording_channels_are_aligned_whatever_the_packets_do(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    alice, bob = await bridge(phones)
    bob.packet_samples = 240
    recorder = engine.record(tmp_path / "aligned.wav", [[Received(alice.port)], [Received(bob.port)]])
    await asyncio.gather(alice.talk(0.4), bob.talk(0.4))
    await asyncio.sleep(0.2)
    # Silence suppression: both say nothing for 0.2 s, and their timestamps know it.
    alice.timestamp += 1600
    bob.timestamp += 1600
    await asyncio.gather(alice.talk(0.2), bob.talk(0.2))
    left, right = read(await recorder.stop()).T
    quiet = [np.flatnonzero(np.abs(channel) > 1000) for channel in (left, right)]
    gaps = [int(at[np.argmax(np.diff(at))]) for at in quiet]
    assert abs(gaps[0] - gaps[1]) <= 160
    assert abs(onset(left) - onset(right)) <= 240


async def test_recording_bad_arrival_is_put_right_by_the_timestamps(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    alice = await phones.phone()
    recorder = engine.record(tmp_path / "jitter.wav", [[Received(alice.port)]])
    await alice.talk(0.2)
    packets = [alice.packet() for _ in range(20)]
    for first in range(0, 20, 4):
        await asyncio.sleep(0.08)
        for number in (3, 0, 2, 1):
            alice.send(packets[first + number])
    recorded = await recorder.stop()
    sound = read(recorded)[:, 0]
    begun = onset(sound)
    said = sine(440, 30 * 160)
    heard = sound[begun : begun + 4000].astype(np.float64)
    # A packet out of its place would be out of phase.
    likeness = [np.corrcoef(heard, said[shift : len(heard) + shift])[0, 1] for shift in range(20)]
    assert max(likeness) > 0.95
    assert alice.port.statistics().reordered == 15


async def test_recording_lost_packet_is_concealed(engine: Engine, phones: PhoneBooth, tmp_path: Path) -> None:
    alice = await phones.phone()
    recorder = engine.record(tmp_path / "lost.wav", [[Received(alice.port)]])
    await alice.talk(0.2)
    alice.packet()
    await asyncio.sleep(0.02)
    await alice.talk(0.2)
    sound = read(await recorder.stop())[:, 0]
    begun = onset(sound)
    levels = np.abs(sound[begun : begun + 2400]).reshape(-1, 160).max(axis=1)
    assert levels.min() > 4000
    assert alice.port.statistics().lost == 1
    assert alice.port.statistics().concealed >= 1


async def test_recording_closed_port_is_silence_and_its_last_sound_is_kept(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    alice, bob = await bridge(phones)
    recorder = engine.record(tmp_path / "closed.wav", [[Received(alice.port)], [Received(bob.port)]])
    await asyncio.gather(alice.talk(0.4), bob.talk(0.4))
    bob.port.close()
    later = await phones.phone(frequency_hz=1700)
    await asyncio.gather(alice.talk(0.6), later.talk(0.6))
    left, right = read(await recorder.stop()).T
    assert strongest(left[800:7200], 500) > 7500
    assert strongest(right[800:2800], 900) > 7500
    assert loudness(right[4000:]) == 0


async def test_recording_flood_of_packets_does_not_make_it_longer_than_the_wall(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    alice = await phones.phone()
    loop = asyncio.get_running_loop()
    recorder = engine.record(tmp_path / "flood.wav", [[Received(alice.port)]])
    begun, payload = loop.time(), encode(sine(440, 160))
    for number in range(3000):
        alice.send(rtp(payload, sequence=number, timestamp=number * 123_457, ssrc=number // 7))
        if number % 100 == 99:
            await asyncio.sleep(0.01)
    recorded = await recorder.stop()
    assert recorded.duration_s <= loop.time() - begun
    assert recorded.lost_frames == 0


async def test_recording_of_nobody_is_silence(engine: Engine, tmp_path: Path) -> None:
    recorder = engine.record(tmp_path / "nobody.wav", [[], []])
    await asyncio.sleep(0.3)
    recorded = await recorder.stop()
    assert recorded.duration_s == pytest.approx(0.3, abs=0.1)
    assert not read(recorded).any()
    assert await recorder.stop() == recorded


async def test_recording_stopped_at_once_is_a_file(engine: Engine, tmp_path: Path) -> None:
    recorded = await engine.record(tmp_path / "short.wav", [[]]).stop()
    assert recorded.frames <= 320
    assert len(read(recorded)) == recorded.frames


async def test_recording_retapped_many_times_goes_on(engine: Engine, phones: PhoneBooth, tmp_path: Path) -> None:
    alice, bob = await bridge(phones)
    recorder = engine.record(tmp_path / "many.wav", [[Received(alice.port)]])
    for _ in range(30):
        recorder.retap([[Received(alice.port), Received(bob.port)]])
    await asyncio.gather(alice.talk(0.5), bob.talk(0.5))
    sound = read(await recorder.stop())[1600:3200, 0]
    assert strongest(sound, 500) > 7500
    assert strongest(sound, 900) > 7500


@pytest.mark.parametrize(
    "channels", [lambda tap: [], lambda tap: [[tap]] * 9, lambda tap: [[tap] * 13]], ids=["none", "nine", "taps"]
)
async def test_recording_with_too_much_is_refused(
    engine: Engine, phone: Phone, tmp_path: Path, channels: Callable[[Received], list[list[Received]]]
) -> None:
    with pytest.raises(ValueError, match="found"):
        engine.record(tmp_path / "never.wav", channels(Received(phone.port)))
    assert engine.statistics().recordings == 0


async def test_recording_of_another_channel_count_is_refused(engine: Engine, phone: Phone, tmp_path: Path) -> None:
    recorder = engine.record(tmp_path / "one.wav", [[Received(phone.port)]])
    with pytest.raises(ValueError, match="found 2"):
        recorder.retap([[], []])
    await recorder.stop()


async def test_recording_slots_are_used_again(engine: Engine, tmp_path: Path) -> None:
    for number in range(3):
        recorders = [engine.record(tmp_path / f"{number}-{index}.wav", [[]]) for index in range(50)]
        await asyncio.gather(*(recorder.stop() for recorder in recorders))
    assert engine.statistics().recordings == 0


async def test_recording_is_finished_when_the_engine_stops(engine: Engine, phone: Phone, tmp_path: Path) -> None:
    recorder = engine.record(tmp_path / "stop.wav", [[Heard(phone.port)]])
    phone.port.play_nowait(Clip(sine(700, 4000), RATE_HZ))
    await phone.talk(0.3)
    await engine.stop()
    recorded = await recorder.stop()
    assert strongest(read(recorded)[800:1600, 0], 700) > 7500


async def test_recording_that_cannot_be_written_tells_why(engine: Engine, tmp_path: Path) -> None:
    recorded = await engine.record(tmp_path / "missing" / "x.wav", [[]]).stop()
    assert recorded.error is not None


async def test_recording_leaves_no_block_behind(engine: Engine, phone: Phone, tmp_path: Path) -> None:
    recorder = engine.record(tmp_path / "blocks.wav", [[Received(phone.port)]])
    before = engine.statistics().free_blocks
    await phone.talk(1.0)
    await recorder.stop()
    await until(lambda: engine.statistics().free_blocks >= before)


async def test_recording_that_is_skipped_leaves_the_stretch_out(
    engine: Engine, phones: PhoneBooth, tmp_path: Path
) -> None:
    """Three tones one after the other; the one in the middle is skipped."""
    alice = await phones.phone(frequency_hz=500)
    recorder = engine.record(tmp_path / "skipped.wav", [[Received(alice.port)]])
    await alice.talk(0.6)
    recorder.skip(True)
    alice.frequency_hz = 900
    await alice.talk(0.6)
    recorder.skip(False)
    alice.frequency_hz = 1300
    await alice.talk(0.6)
    recorded = await recorder.stop()
    sound = read(recorded)[:, 0]
    assert recorded.lost_frames == 0
    assert recorded.duration_s == pytest.approx(1.2, abs=0.25)
    assert strongest(sound[800:3200], 500) > 7500
    assert strongest(sound[-1600:-1200], 1300) > 5000
    assert all(strength(part, 900) < 1000 for part in (sound[:3200], sound[-3200:]))
