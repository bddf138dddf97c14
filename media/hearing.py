"""Listening to what was recorded: which tones sound in it, how loud, and when somebody speaks.

Pure: samples in, findings out. Used by the demo to prove its own recording, by client endpoints and by tests; nothing
in a call depends on it. Levels are dBFS, 0 being a sine wave at full scale.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768.0
SILENCE_DBFS = -120.0
# A Blackman window's main lobe is 6 bins wide: what is nearer to a peak than half of it belongs to the peak.
_LOBE_BINS = 3


@dataclass(frozen=True)
class ToneLevel:
    frequency_hz: float
    level_dbfs: float


@dataclass(frozen=True)
class Span:
    """A stretch of time in which something sounds."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """Level of a stretch of one channel: 0 for a sine wave at full scale, -120 for digital silence."""
    if not len(samples):
        return SILENCE_DBFS
    power = float(np.mean(np.square(samples, dtype=np.float64))) / (FULL_SCALE**2 / 2)
    return _decibel(power)


def loudest_tones(
    samples: NDArray[np.int16], rate_hz: int, *, n: int = 4, floor_dbfs: float = -60.0
) -> list[ToneLevel]:
    """The n strongest sine waves of one channel, loudest first; weaker ones than floor_dbfs are left out.

    Frequencies are exact to a fraction of a bin (0.5 Hz for a clean tone of 0.1 s). Two tones are told apart when they
    are 6 / duration Hz from each other: 60 Hz in 0.1 s, 6 Hz in a second.
    """
    if len(samples) < 16:
        return []
    spectrum_db, bin_hz, lobe = _spectrum(samples, rate_hz)
    found: list[ToneLevel] = []
    left = spectrum_db.copy()
    while len(found) < n:
        peak = int(np.argmax(left))
        if left[peak] < floor_dbfs:
            break
        left[max(peak - lobe, 0) : peak + lobe + 1] = -np.inf
        if _is_summit(spectrum_db, peak):
            offset, level = _vertex(spectrum_db, peak)
            found.append(ToneLevel(frequency_hz=(peak + offset) * bin_hz, level_dbfs=level))
    return found


def tone_level(samples: NDArray[np.int16], rate_hz: int, frequency_hz: float) -> float:
    """How loud exactly this frequency is in one channel, dBFS; its neighbours within 3 / duration Hz count in."""
    if not len(samples):
        return SILENCE_DBFS
    window = np.blackman(len(samples))
    turn = np.exp(-2j * np.pi * frequency_hz / rate_hz * np.arange(len(samples)))
    amplitude = 2 * abs(np.dot(samples * window, turn)) / (window.sum() * FULL_SCALE)
    return _decibel(amplitude**2)


def activity(
    samples: NDArray[np.int16],
    rate_hz: int,
    *,
    threshold_dbfs: float = -45.0,
    frame_s: float = 0.01,
    bridge_s: float = 0.0,
) -> list[Span]:
    """When one channel sounds, in frames of frame_s. bridge_s: a silence no longer than this does not end a span."""
    frame = max(round(frame_s * rate_hz), 1)
    count = len(samples) // frame
    framed = samples[: count * frame].reshape(count, frame)
    power = np.mean(np.square(framed, dtype=np.float32), axis=1) / (FULL_SCALE**2 / 2)
    sounding = np.concatenate(([False], power > 10 ** (threshold_dbfs / 10), [False]))
    edges = np.flatnonzero(sounding[1:] != sounding[:-1]) * frame / rate_hz
    spans: list[Span] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if spans and start - spans[-1].end_s <= bridge_s:
            start = spans.pop().start_s
        spans.append(Span(start, end))
    return spans


def tones_over_time(
    samples: NDArray[np.int16], rate_hz: int, *, window_s: float = 0.25, n: int = 2, floor_dbfs: float = -50.0
) -> Iterator[tuple[Span, list[ToneLevel]]]:
    """loudest_tones of one channel, window after window."""
    window = max(round(window_s * rate_hz), 16)
    for start in range(0, len(samples) - window + 1, window):
        span = Span(start / rate_hz, (start + window) / rate_hz)
        yield span, loudest_tones(samples[start : start + window], rate_hz, n=n, floor_dbfs=floor_dbfs)


def _spectrum(samples: NDArray[np.int16], rate_hz: int) -> tuple[NDArray[np.float64], float, int]:
    """Levels by bin in dBFS, width of a bin in Hz, and how many bins on each side a tone smears over."""
    window = np.blackman(len(samples))
    padded = 1 << (4 * len(samples) - 1).bit_length()
    amplitude = np.abs(np.fft.rfft(samples * window, padded)) * (2 / (window.sum() * FULL_SCALE))
    # Zero padding made the bins narrower than the window's own.
    lobe = int(np.ceil(_LOBE_BINS * padded / len(samples)))
    return 20 * np.log10(np.maximum(amplitude, 1e-6)), rate_hz / padded, lobe


def _is_summit(spectrum_db: NDArray[np.float64], peak: int) -> bool:
    """False for the flank of a neighbour already taken, and for the edges of the spectrum."""
    if not 0 < peak < len(spectrum_db) - 1:
        return False
    return bool(spectrum_db[peak - 1] <= spectrum_db[peak] >= spectrum_db[peak + 1])


def _vertex(spectrum_db: NDArray[np.float64], peak: int) -> tuple[float, float]:
    """Parabola through three points: offset of its top in bins, and its height."""
    before, middle, after = (float(value) for value in spectrum_db[peak - 1 : peak + 2])
    bend = before - 2 * middle + after
    offset = 0.5 * (before - after) / bend if bend else 0.0
    return offset, middle - 0.25 * (before - after) * offset


def _decibel(power: float) -> float:
    return float(10 * np.log10(max(power, 10 ** (SILENCE_DBFS / 10))))
