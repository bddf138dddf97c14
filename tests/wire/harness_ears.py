"""Judging sound by ear: what a phone heard, what a recording holds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from media.hearing import Span, activity, level_dbfs, tone_level

PRESENT_DBFS = -30.0
ABSENT_DBFS = -50.0


@dataclass(frozen=True, eq=False)
class Heard:
    """samples: one channel, int16."""

    samples: NDArray[np.int16]
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz

    def part(self, start_s: float = 0.0, end_s: float | None = None) -> "Heard":
        """Negative times count from the end."""
        start, end = (self._frame(at_s) for at_s in (start_s, self.duration_s if end_s is None else end_s))
        return Heard(self.samples[start:end], self.rate_hz)

    def level(self, *frequencies_hz: int) -> float:
        """Of the weakest of these tones."""
        return min(tone_level(self.samples, self.rate_hz, frequency) for frequency in frequencies_hz)

    def has(self, *frequencies_hz: int) -> bool:
        return self.level(*frequencies_hz) > PRESENT_DBFS

    def lacks(self, *frequencies_hz: int) -> bool:
        return all(self.level(frequency) < ABSENT_DBFS for frequency in frequencies_hz)

    @property
    def is_silent(self) -> bool:
        return level_dbfs(self.samples) < ABSENT_DBFS

    def spans(self, *, bridge_s: float = 0.05) -> list[Span]:
        return activity(self.samples, self.rate_hz, bridge_s=bridge_s)

    def first_s(self, frequency_hz: int, *, window_s: float = 0.05) -> float | None:
        """When this tone begins."""
        step = round(window_s * self.rate_hz)
        for at in range(0, len(self.samples) - step + 1, step):
            if tone_level(self.samples[at : at + step], self.rate_hz, frequency_hz) > PRESENT_DBFS:
                return at / self.rate_hz
        return None

    def _frame(self, at_s: float) -> int:
        frame = round(at_s * self.rate_hz)
        return max(frame if frame >= 0 else len(self.samples) + frame, 0)


def channels(path: Path) -> list[Heard]:
    """The channels of a WAV file. Blocking."""
    samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    return [Heard(np.ascontiguousarray(samples[:, index]), rate_hz) for index in range(samples.shape[1])]


def listen(path: Path) -> Heard:
    """A file of one channel."""
    (only,) = channels(path)
    return only
