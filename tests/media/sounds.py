"""Sounds and files for the tests of this folder."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media import wav


def sine(frequency_hz: float, *, seconds: float, rate_hz: int = 8000, level_dbfs: float = -12.0) -> NDArray[np.int16]:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.rint(32767 * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.int16)


def silence(*, seconds: float, rate_hz: int = 8000) -> NDArray[np.int16]:
    return np.zeros(round(seconds * rate_hz), np.int16)


def write_wav(path: Path, *channels: NDArray[np.int16], rate_hz: int = 8000) -> Path:
    """A WAV file of channels of equal length."""
    frames = np.stack(channels, axis=1)
    path.write_bytes(wav.header(rate_hz=rate_hz, channels=len(channels), data_bytes=frames.nbytes) + frames.tobytes())
    return path
