"""Whether somebody speaks, frame by frame, by how loud it is against the line's own noise.

Pure: 20 ms of sound in, a verdict out; no clock, so that time is counted in frames. Used for the pause that ends an
utterance, for <Record>'s silence and for what answering machines are known by. The noise is the quietest stretch of
the last two seconds: speech dips to it between words, a fan or comfort noise stays on it. What is as loud as speech on
any line always counts, so that music and tones are no silence.
Source: R. Martin, minimum statistics (the floor); ITU-T P.56 (activity by envelope and hang-over).
"""

import math
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAME_MS: Final = 20

ABOVE_NOISE_DB: Final = 9.0
QUIETEST_SPEECH_DBFS: Final = -50.0
"""Nothing below this is speech, however quiet the line."""
LOUDEST_NOISE_DBFS: Final = -30.0
"""Everything above this counts, however long it lasts."""
ONSET_FRAMES: Final = 3
ONSET_WINDOW: Final = 5
"""So many of the last frames must be loud: a click is none."""
HANGOVER_FRAMES: Final = 10
"""Speech lasts for so many frames behind the last loud one: over the gap of a plosive."""

_SMOOTHING: Final = 0.4
_STRETCH_FRAMES: Final = 25
_STRETCHES: Final = 4
_SILENCE_DBFS: Final = -120.0
_FULL_SCALE_POWER: Final = 32768.0**2 / 2


class SpeechActivity:
    """One direction of one call.

    pause_ms: since the last loud frame, or since the start; 0 within speech, and not reset by a click.
    spoken_ms: loud frames of speech so far. has_spoken: whether there was any.
    """

    def __init__(self) -> None:
        self.pause_ms = 0
        self.spoken_ms = 0
        self._is_speech = False
        self._quiet_frames = 0
        self._recent: deque[bool] = deque(maxlen=ONSET_WINDOW)
        self._smoothed: float | None = None
        self._stretch = math.inf
        self._stretch_frames = 0
        self._stretches: deque[float] = deque(maxlen=_STRETCHES - 1)

    @property
    def has_spoken(self) -> bool:
        return self.spoken_ms > 0

    @property
    def noise_dbfs(self) -> float:
        """The line's own noise as far as it is known; 0 dBFS is a sine wave at full scale."""
        floor = min(self._stretch, *self._stretches) if self._stretches else self._stretch
        return _decibel(floor) if math.isfinite(floor) else _SILENCE_DBFS

    def push(self, frame: NDArray[np.int16]) -> bool:
        """Whether this frame belongs to speech. frame: (160,) int16 at 8 kHz, or any other 20 ms."""
        sound = frame.astype(np.float64)
        power = float(np.mean(np.square(sound - sound.mean()))) / _FULL_SCALE_POWER if len(sound) else 0.0
        self._learn_noise(power)
        is_loud = _decibel(power) > self._threshold_dbfs()
        self._recent.append(is_loud)
        if is_loud:
            self._quiet_frames = 0
        else:
            self._quiet_frames += 1
        if not self._is_speech and sum(self._recent) >= ONSET_FRAMES:
            self._is_speech = True
            self.spoken_ms += (sum(self._recent) - is_loud) * FRAME_MS
        elif self._is_speech and self._quiet_frames > HANGOVER_FRAMES:
            self._is_speech = False
            self._recent.clear()
        if self._is_speech:
            self.spoken_ms += is_loud * FRAME_MS
            self.pause_ms = self._quiet_frames * FRAME_MS
        else:
            self.pause_ms += FRAME_MS
        return self._is_speech

    def _threshold_dbfs(self) -> float:
        return min(max(self.noise_dbfs + ABOVE_NOISE_DB, QUIETEST_SPEECH_DBFS), LOUDEST_NOISE_DBFS)

    def _learn_noise(self, power: float) -> None:
        """The least smoothed power of each half second; the floor is the least of the last four."""
        before = power if self._smoothed is None else self._smoothed
        self._smoothed = before + _SMOOTHING * (power - before)
        self._stretch = min(self._stretch, self._smoothed)
        self._stretch_frames += 1
        if self._stretch_frames == _STRETCH_FRAMES:
            self._stretches.append(self._stretch)
            self._stretch, self._stretch_frames = self._smoothed, 0


def _decibel(power: float) -> float:
    return 10 * math.log10(power) if power > 1e-12 else _SILENCE_DBFS
