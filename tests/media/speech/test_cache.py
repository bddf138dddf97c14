"""Speech on disk: bounded, whole, private, and found again by the next process."""

import os
import stat
from pathlib import Path

import pytest

from media.speech.cache import SpeechFiles


def test_cache_finds_what_it_kept_also_after_a_restart(tmp_path: Path) -> None:
    SpeechFiles(tmp_path / "speech", capacity=100).keep("a", b"x" * 40)
    files = SpeechFiles(tmp_path / "speech", capacity=100)
    path = files.find("a")
    assert path is not None and path.read_bytes() == b"x" * 40
    assert files.find("b") is None
    assert files.total_bytes == 40


def test_cache_least_recently_heard_goes_first(tmp_path: Path) -> None:
    files = SpeechFiles(tmp_path, capacity=100)
    for name in "abc":
        files.keep(name, b"x" * 30)
    files.find("a")
    files.keep("d", b"x" * 30)
    assert [name for name in "abcd" if files.find(name)] == ["a", "c", "d"]
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "c", "d"]


def test_cache_order_survives_a_restart_and_a_smaller_limit(tmp_path: Path) -> None:
    files = SpeechFiles(tmp_path, capacity=100)
    for age, name in enumerate("cab"):
        files.keep(name, b"x" * 30)
        os.utime(tmp_path / f"{name}.wav", (age, age))
    again = SpeechFiles(tmp_path, capacity=60)
    assert [name for name in "abc" if again.find(name)] == ["a", "b"]


def test_cache_half_written_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a.1234.part").write_bytes(b"half")
    files = SpeechFiles(tmp_path, capacity=100)
    assert files.find("a") is None
    assert list(tmp_path.iterdir()) == []


def test_cache_is_for_its_owner_alone(tmp_path: Path) -> None:
    files = SpeechFiles(tmp_path / "speech", capacity=100)
    files.keep("a", b"your balance is")
    assert stat.S_IMODE((tmp_path / "speech").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "speech" / "a.wav").stat().st_mode) == 0o600


def test_cache_of_no_size_keeps_nothing(tmp_path: Path) -> None:
    files = SpeechFiles(tmp_path / "speech", capacity=0)
    files.keep("a", b"x")
    assert files.find("a") is None
    assert not (tmp_path / "speech").exists()


def test_cache_file_larger_than_all_is_not_kept(tmp_path: Path) -> None:
    files = SpeechFiles(tmp_path, capacity=100)
    files.keep("a", b"x" * 60)
    files.keep("b", b"x" * 101)
    assert files.find("a") is not None and files.find("b") is None


def test_cache_file_that_somebody_removed_is_forgotten(tmp_path: Path) -> None:
    files = SpeechFiles(tmp_path, capacity=100)
    files.keep("a", b"x" * 60)
    (tmp_path / "a.wav").unlink()
    assert files.find("a") is None
    assert files.total_bytes == 0


def test_cache_that_cannot_be_written_costs_nothing_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "speech").write_text("a file, no directory")
    files = SpeechFiles(tmp_path / "speech", capacity=100)
    for _ in range(3):
        files.keep("a", b"x")
        assert files.find("a") is None
    assert len(caplog.records) == 1
