"""Headers, and what repair makes of files whose writer did not end well."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import wav
from tests.media.sounds import sine, write_wav


def read_by_others(path: Path) -> tuple[int, int, int]:
    with wave.open(str(path)) as file:
        assert len(file.readframes(file.getnframes())) == file.getnframes() * file.getnchannels() * 2
        return file.getnframes(), file.getframerate(), file.getnchannels()


def test_header_is_understood_by_another_reader(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(400, seconds=1), sine(500, seconds=1))
    assert read_by_others(path) == (8000, 8000, 2)
    assert len(wav.header(rate_hz=8000, channels=2, data_bytes=0)) == wav.HEADER_BYTES


@pytest.mark.parametrize("promised", [0, 4, 12_000, 2**32 - 1])
@pytest.mark.parametrize("odd_tail", [0, 1, 3])
def test_repair_makes_the_header_say_what_is_there(tmp_path: Path, promised: int, odd_tail: int) -> None:
    path = write_wav(tmp_path / "a.wav", sine(400, seconds=2), sine(500, seconds=2))
    found = bytearray(path.read_bytes() + b"\x55" * odd_tail)
    struct.pack_into("<I", found, 4, 0)
    struct.pack_into("<I", found, 40, promised)
    path.write_bytes(found)
    repaired = wav.repair(path)
    assert repaired == wav.Repaired(frames=16_000, rate_hz=8000, channels=2, was_changed=True)
    assert repaired.duration_s == 2
    assert read_by_others(path) == (16_000, 8000, 2)


def test_repair_leaves_a_right_file_alone(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(400, seconds=1))
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert wav.repair(path) == wav.Repaired(frames=8000, rate_hz=8000, channels=1, was_changed=False)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_repair_of_a_file_with_nothing_but_its_header_is_an_empty_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav.header(rate_hz=8000, channels=2, data_bytes=0))
    assert wav.repair(path) == wav.Repaired(frames=0, rate_hz=8000, channels=2, was_changed=False)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "found 0 bytes"),
        (b"RIFF", "expected RIFF"),
        (b"\0" * 5000, "expected RIFF"),
        (wav.header(rate_hz=8000, channels=2, data_bytes=0)[:30], "fmt chunk"),
        (wav.header(rate_hz=8000, channels=2, data_bytes=0)[:40], "end of the file"),
        (wav.header(rate_hz=8000, channels=0, data_bytes=0), "0 channels"),
        (wav.header(rate_hz=0, channels=2, data_bytes=0), "0 Hz"),
        (b"RIFF\0\0\0\0WAVEdata\x10\0\0\0" + b"\0" * 16, "no fmt chunk"),
        (b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 40, "16 chunks"),
    ],
)
def test_repair_says_what_is_wrong_with_a_file_that_cannot_be_used(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    repaired = wav.repair(path)
    assert not repaired.is_usable and repaired.frames == 0 and repaired.duration_s == 0
    assert problem in (repaired.problem or "")
    assert path.read_bytes() == content


def test_repair_of_what_is_no_file_says_so(tmp_path: Path) -> None:
    assert "ENOENT" in (wav.repair(tmp_path / "none.wav").problem or "")
    assert "EISDIR" in (wav.repair(tmp_path).problem or "")
    assert not wav.repair(Path("a\0b.wav")).is_usable


def test_probe_believes_the_file_where_the_header_promises_more(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(400, seconds=1))
    path.write_bytes(path.read_bytes()[: 44 + 8001])
    assert wav.probe(path).frames == 4000


def test_probe_leaves_out_what_lies_behind_the_samples(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(400, seconds=1))
    path.write_bytes(path.read_bytes() + b"LIST\4\0\0\0abcd")
    assert (wav.probe(path).frames, wav.probe(path).duration_s) == (8000, 1.0)


def test_probe_finds_the_samples_behind_other_chunks(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(400, seconds=1))
    content = path.read_bytes()
    path.write_bytes(content[:36] + b"LIST\3\0\0\0abc\0" + content[36:])
    assert wav.probe(path).frames == 8000
    assert np.array_equal(wav.read(path)[0][:, 0], sine(400, seconds=1))


def test_read_of_a_part_gives_that_part(tmp_path: Path) -> None:
    first, second = sine(400, seconds=2), sine(500, seconds=2)
    samples, _ = wav.read(write_wav(tmp_path / "a.wav", first, second), start_s=0.5, seconds=1)
    assert np.array_equal(samples, np.stack([first[4000:12_000], second[4000:12_000]], axis=1))
    assert wav.read(tmp_path / "a.wav", start_s=9)[0].shape == (0, 2)


@given(st.binary(max_size=120), st.integers(0, 44))
def test_repair_of_any_junk_never_raises_and_never_grows_a_file(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, kept: int
) -> None:
    path = tmp_path_factory.mktemp("junk") / "a.wav"
    path.write_bytes(wav.header(rate_hz=8000, channels=2, data_bytes=len(junk))[:kept] + junk)
    size = path.stat().st_size
    repaired = wav.repair(path)
    assert path.stat().st_size <= size
    if repaired.is_usable:
        assert read_by_others(path)[0] == repaired.frames
