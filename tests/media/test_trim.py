import asyncio
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media import wav
from media.trim import trim, trim_silence
from tests.media.sounds import silence, sine, write_wav


def line_noise(*, seconds: float, level_dbfs: float = -62.0) -> NDArray[np.int16]:
    noise = np.random.default_rng(1).normal(size=round(seconds * 8000))
    sound: NDArray[np.int16] = np.rint(noise * 32768 / np.sqrt(2) * 10 ** (level_dbfs / 20)).astype(np.int16)
    return sound


async def test_trim_cuts_both_channels_together_at_the_first_and_last_sound_of_either(tmp_path: Path) -> None:
    first = np.concatenate([silence(seconds=3), sine(400, seconds=1), silence(seconds=6)])
    second = np.concatenate([silence(seconds=5), sine(900, seconds=2), silence(seconds=3)])
    recording = write_wav(tmp_path / "a.wav", first, second)
    result = await trim_silence(recording, tmp_path / "b.wav")
    assert result.duration_s == pytest.approx(4, abs=0.1)
    assert result.leading_frames + result.frames + result.trailing_frames == 80_000
    samples, rate_hz = await asyncio.to_thread(wav.read, tmp_path / "b.wav")
    assert (rate_hz, len(samples)) == (8000, result.frames)
    original, _ = await asyncio.to_thread(wav.read, recording)
    assert np.array_equal(samples, original[result.leading_frames :][: result.frames])


async def test_trim_of_a_recording_without_silence_leaves_all_of_it(tmp_path: Path) -> None:
    result = await trim_silence(write_wav(tmp_path / "a.wav", sine(400, seconds=2)), tmp_path / "b.wav")
    assert (result.frames, result.leading_frames, result.trailing_frames) == (16_000, 0, 0)
    assert (tmp_path / "b.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()


@pytest.mark.parametrize("seconds", [0.0, 0.01, 30.0])
async def test_trim_of_silence_leaves_nothing_and_says_so(tmp_path: Path, seconds: float) -> None:
    quiet = line_noise(seconds=seconds)
    result = await trim_silence(write_wav(tmp_path / "a.wav", quiet, quiet), tmp_path / "b.wav")
    assert result.is_silent and result.frames == 0
    assert not (tmp_path / "b.wav").exists()


async def test_trim_takes_line_noise_for_silence_and_a_quiet_voice_for_sound(tmp_path: Path) -> None:
    quiet_voice = sine(300, seconds=1, level_dbfs=-44)
    sound = np.concatenate([line_noise(seconds=2), quiet_voice, line_noise(seconds=2)])
    result = await trim_silence(write_wav(tmp_path / "a.wav", sound), tmp_path / "b.wav")
    assert result.duration_s == pytest.approx(1, abs=0.1)


async def test_trim_does_not_let_a_click_hold_the_silence(tmp_path: Path) -> None:
    click = silence(seconds=2)
    click[8000:8040] = 20_000
    sound = np.concatenate([click, sine(300, seconds=1), silence(seconds=1)])
    result = await trim_silence(write_wav(tmp_path / "a.wav", sound), tmp_path / "b.wav")
    assert result.leading_frames / 8000 == pytest.approx(2, abs=0.1)


async def test_trim_takes_a_constant_offset_of_the_line_for_silence(tmp_path: Path) -> None:
    sound = np.concatenate([silence(seconds=1), sine(300, seconds=1)]) + np.int16(800)
    result = await trim_silence(write_wav(tmp_path / "a.wav", sound), tmp_path / "b.wav")
    assert result.leading_frames / 8000 == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("at_s", [9.97, 9.98, 9.99, 10.0, 19.98])
async def test_trim_finds_a_short_sound_wherever_its_blocks_meet(tmp_path: Path, at_s: float) -> None:
    sound = np.concatenate([silence(seconds=at_s), sine(1000, seconds=0.06), silence(seconds=11.3)])
    result = await trim_silence(write_wav(tmp_path / "a.wav", sound), tmp_path / "b.wav")
    assert result.leading_frames / 8000 == pytest.approx(at_s - 0.04, abs=0.021)
    assert result.duration_s == pytest.approx(0.14, abs=0.041)


def test_trim_of_a_long_recording_needs_no_more_memory_than_of_a_short_one(tmp_path: Path) -> None:
    sound = np.repeat(sine(500, seconds=1), 2).tobytes()
    size = 1200 * 32_000
    with (tmp_path / "a.wav").open("wb") as file:
        file.write(wav.header(rate_hz=8000, channels=2, data_bytes=size))
        file.seek(600 * 32_000, 1)
        file.write(sound)
        file.truncate(wav.HEADER_BYTES + size)
    tracemalloc.start()
    result = trim(tmp_path / "a.wav", tmp_path / "b.wav")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.duration_s == pytest.approx(1, abs=0.1)
    assert peak < 8 * 2**20


async def test_trim_of_junk_raises_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(wav.NotARecording):
        await trim_silence(tmp_path / "a.wav", tmp_path / "b.wav")
    assert not (tmp_path / "b.wav").exists()
