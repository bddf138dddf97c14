from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media import wav
from media.waveform import WAVES, draw_waveform
from tests.media.sounds import silence, sine, write_wav


def ink(picture: Path, channel: int) -> "np.typing.NDArray[np.bool_]":
    """Which columns of the picture a channel's wave is drawn in."""
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    is_wave = (pixels == WAVES[channel]).all(axis=2)
    return np.asarray(is_wave.sum(axis=0) > 20)


def test_waveform_draws_each_channel_where_it_sounds(tmp_path: Path) -> None:
    first = np.concatenate([sine(400, seconds=5), silence(seconds=5)])
    second = np.concatenate([silence(seconds=5), sine(400, seconds=5)])
    draw_waveform(write_wav(tmp_path / "a.wav", first, second), tmp_path / "a.png", channel_names=("caller", "alice"))
    with Image.open(tmp_path / "a.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (1200, 400))
    middle = 60 + (1200 - 60 - 24) // 2
    for channel, is_early in ((0, True), (1, False)):
        columns = np.flatnonzero(ink(tmp_path / "a.png", channel))
        assert len(columns) == pytest.approx(558, abs=4)
        assert (columns.max() <= middle + 2) if is_early else (columns.min() >= middle - 2)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.05, 200.0])
def test_waveform_of_any_length_is_drawn(tmp_path: Path, seconds: float) -> None:
    draw_waveform(write_wav(tmp_path / "a.wav", sine(400, seconds=seconds)), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1200, 400)


def test_waveform_of_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"junk" * 20)
    with pytest.raises(wav.NotARecording):
        draw_waveform(tmp_path / "a.wav", tmp_path / "a.png")
