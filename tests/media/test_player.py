"""What is playable, what is not, and what a hostile file may cost."""

import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media import wav
from media.hearing import loudest_tones
from media.player import Clip, UnplayableAudio, decode, load_clip
from tests.media.sounds import sine


def encoded(
    *,
    format: str,
    subtype: str,
    rate_hz: int = 8000,
    channels: int = 1,
    seconds: float = 1.0,
    frequency_hz: float = 700,
) -> bytes:
    sound = sine(frequency_hz, seconds=seconds, rate_hz=rate_hz).astype(np.float32) / 32768
    document = io.BytesIO()
    soundfile.write(document, np.stack([sound] * channels, axis=1), rate_hz, format=format, subtype=subtype)
    return document.getvalue()


def assert_is_the_tone(clip: Clip, *, seconds: float = 1.0, frequency_hz: float = 700) -> None:
    assert clip.samples.dtype == np.int16 and clip.samples.ndim == 1
    assert clip.duration_s == pytest.approx(seconds, abs=0.1)
    middle = clip.samples[len(clip.samples) // 4 : -len(clip.samples) // 4]
    (found,) = loudest_tones(middle, clip.rate_hz, n=1)
    assert found.frequency_hz == pytest.approx(frequency_hz, abs=2)
    assert found.level_dbfs == pytest.approx(-12, abs=1)


PLAYABLE = [
    ("WAV", "PCM_16", 8000, 1),
    ("WAV", "PCM_16", 44_100, 2),
    ("WAV", "PCM_U8", 11_025, 1),
    ("WAV", "PCM_24", 48_000, 6),
    ("WAV", "FLOAT", 16_000, 2),
    ("WAV", "DOUBLE", 8000, 1),
    ("WAV", "ULAW", 8000, 1),
    ("WAV", "ALAW", 8000, 1),
    ("WAV", "GSM610", 8000, 1),
    ("WAV", "IMA_ADPCM", 8000, 1),
    ("WAVEX", "PCM_16", 16_000, 1),
    ("RF64", "PCM_16", 16_000, 1),
    ("AIFF", "PCM_16", 22_050, 2),
    ("AIFF", "ULAW", 8000, 1),
    ("AU", "ULAW", 8000, 1),
    ("FLAC", "PCM_16", 48_000, 2),
    ("OGG", "VORBIS", 48_000, 2),
    ("MP3", "MPEG_LAYER_III", 44_100, 2),
]


@pytest.mark.parametrize(("format", "subtype", "rate_hz", "channels"), PLAYABLE, ids=str)
async def test_load_clip_plays_what_is_listed_as_mono_at_the_rate_asked_for(
    format: str, subtype: str, rate_hz: int, channels: int
) -> None:
    document = encoded(format=format, subtype=subtype, rate_hz=rate_hz, channels=channels)
    clip = await load_clip(document)
    assert clip.rate_hz == 8000
    assert_is_the_tone(clip)


async def test_load_clip_of_a_path_reads_the_file(tmp_path: Path) -> None:
    document = encoded(format="WAV", subtype="PCM_16")
    path = tmp_path / "a.wav"
    path.write_bytes(document)
    for source in (path, str(path)):
        assert_is_the_tone(await load_clip(source, rate_hz=16_000))


async def test_load_clip_at_its_own_rate_changes_no_sample() -> None:
    document = encoded(format="WAV", subtype="PCM_16")
    assert np.array_equal((await load_clip(document)).samples, sine(700, seconds=1))


@pytest.mark.parametrize("content_type", ["audio/basic", "audio/ulaw; charset=binary", "AUDIO/PCMU"])
async def test_load_clip_of_raw_mulaw_goes_by_its_content_type(content_type: str) -> None:
    raw = encoded(format="RAW", subtype="ULAW")
    assert_is_the_tone(await load_clip(raw, content_type=content_type))


async def test_load_clip_of_raw_gsm_goes_by_its_content_type() -> None:
    assert_is_the_tone(await load_clip(encoded(format="RAW", subtype="GSM610"), content_type="audio/x-gsm"))


async def test_load_clip_believes_the_bytes_before_the_content_type() -> None:
    assert_is_the_tone(await load_clip(encoded(format="AU", subtype="ULAW"), content_type="audio/basic"))
    assert_is_the_tone(await load_clip(encoded(format="WAV", subtype="PCM_16"), content_type="audio/basic"))


async def test_load_clip_plays_no_more_than_max_seconds() -> None:
    document = encoded(format="WAV", subtype="PCM_16", rate_hz=44_100, seconds=5)
    assert_is_the_tone(await load_clip(document, max_seconds=2), seconds=2)


REFUSED = {
    "nothing": (b"", "0 bytes"),
    "a page": (b"<html><body>404</body></html>", "found b'<htm'"),
    "half a header": (b"RIFF\x24\0\0\0WAVEfmt ", "can be decoded"),
    "a header alone": (wav.header(rate_hz=8000, channels=1, data_bytes=0), "one sample"),
    "a rate of 0": (wav.header(rate_hz=0, channels=1, data_bytes=800) + b"\0" * 800, "expected"),
    "a rate of 2 GHz": (wav.header(rate_hz=2_000_000_000, channels=1, data_bytes=800) + b"\0" * 800, "expected"),
    "a thousand channels": (wav.header(rate_hz=8000, channels=1000, data_bytes=8000) + b"\0" * 8000, "channels"),
    "another reader's format": (b"SDS \0\0\0\0" * 100, "expected WAV"),
    "an mp3 that ends at once": (b"ID3\x04\0\0\0\0\0\x7f", "expected"),
    "zeros": (bytes(100_000), "expected WAV"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_load_clip_refuses(name: str) -> None:
    document, message = REFUSED[name]
    with pytest.raises(UnplayableAudio, match=message):
        await load_clip(document)


async def test_load_clip_refuses_more_bytes_than_allowed() -> None:
    with pytest.raises(UnplayableAudio, match="at most 1000 bytes"):
        await load_clip(encoded(format="WAV", subtype="PCM_16"), max_bytes=1000)


async def test_load_clip_of_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none.wav", tmp_path, tmp_path / "pipe", Path("a\0b"), Path("/dev/zero")):
        with pytest.raises(UnplayableAudio):
            await load_clip(path)


@pytest.mark.parametrize("promised", [0, 100, 2**31, 2**32 - 1])
async def test_load_clip_plays_what_is_there_where_a_header_lies(promised: int) -> None:
    samples = sine(700, seconds=1).tobytes()
    header = bytearray(wav.header(rate_hz=8000, channels=1, data_bytes=len(samples)))
    header[40:44] = promised.to_bytes(4, "little")
    try:
        clip = await load_clip(bytes(header) + samples)
    except UnplayableAudio:
        assert promised == 0
    else:
        assert len(clip.samples) <= 8000


async def test_load_clip_of_floats_that_are_no_numbers_plays_silence_in_their_place() -> None:
    sound = sine(700, seconds=1).astype(np.float32) / 32768
    sound[1000:1100] = np.nan
    sound[2000] = np.inf
    sound[3000] = -1e30
    document = io.BytesIO()
    soundfile.write(document, sound, 16_000, format="WAV", subtype="FLOAT")
    clip = await load_clip(document.getvalue())
    assert len(clip.samples) == pytest.approx(4000, abs=2)
    assert np.abs(clip.samples[1700:3500]).max() == pytest.approx(8230, abs=200)


def test_small_file_with_hours_in_it_costs_bounded_memory() -> None:
    document = io.BytesIO()
    with soundfile.SoundFile(document, "w", samplerate=8000, channels=1, format="FLAC") as file:
        for _ in range(120):
            file.write(np.zeros(8000 * 60, dtype=np.int16))
    assert len(document.getvalue()) < 2**20
    tracemalloc.start()
    clip = decode(document.getvalue(), max_seconds=60)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clip.duration_s == 60
    assert peak < 8 * 2**20


@pytest.mark.parametrize(("format", "subtype", "rate_hz", "channels"), PLAYABLE, ids=str)
def test_truncated_file_is_sound_or_refused(format: str, subtype: str, rate_hz: int, channels: int) -> None:
    document = encoded(format=format, subtype=subtype, rate_hz=rate_hz, channels=channels, seconds=0.2)
    for kept in np.linspace(1, len(document) - 1, 40).astype(int):
        try:
            assert decode(document[:kept]).duration_s <= 0.5
        except UnplayableAudio:
            pass


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(PLAYABLE), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12)
)
def test_damaged_file_is_sound_or_refused(kind: tuple[str, str, int, int], damage: list[tuple[float, int]]) -> None:
    format, subtype, rate_hz, channels = kind
    document = bytearray(encoded(format=format, subtype=subtype, rate_hz=rate_hz, channels=channels, seconds=0.05))
    for where, value in damage:
        # Headers are at the start: most of the damage goes there.
        document[int(len(document) * where**4)] = value
    try:
        clip = decode(bytes(document), max_seconds=2)
    except UnplayableAudio:
        return
    assert 0 < clip.duration_s <= 2.5
