"""Who answered: a person, a machine, a fax; told by how long the first words are, by silence, and by tones.

Pure: 20 ms of sound in, a verdict out; time is counted in frames. A person says a word and waits, a machine goes on.
The end of a machine's greeting is a beep, or a silence in which none comes.
Source: Twilio "Answering Machine Detection" (thresholds); ITU-T T.30 (CNG 1100 Hz, CED 2100 Hz).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.activity import FRAME_MS, SpeechActivity

BEEP_MS: Final = 120
"""A tone that is shorter is part of somebody's voice."""
FAX_MS: Final = 500
BEEP_WAIT_MS: Final = 2000
"""How long a beep may stay away once a greeting is over."""

_RATE_HZ: Final = 8000
_FAX_HZ: Final = (1100, 2100)
_FAX_TOLERANCE_HZ: Final = 60
_LOWEST_HZ, _HIGHEST_HZ = 350, 2600
_LEAST_POWER: Final = 32768.0**2 / 2 * 10 ** (-40 / 10)
_PURITY: Final = 0.9
_BAND_BINS: Final = 2
_SAMPLES: Final = _RATE_HZ * FRAME_MS // 1000
_WINDOW: Final = np.hanning(_SAMPLES)
_BIN_HZ: Final = _RATE_HZ / _SAMPLES


class AnsweredBy(Enum):
    HUMAN = "human"
    MACHINE_START = "machine_start"
    MACHINE_END_BEEP = "machine_end_beep"
    MACHINE_END_SILENCE = "machine_end_silence"
    MACHINE_END_OTHER = "machine_end_other"
    FAX = "fax"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """waits_for_end: a machine is told at the end of its greeting instead of at once.

    speech_ms: first words that last longer are a machine's. speech_end_ms: the pause that ends them. silence_ms: how
    long nobody may say anything at first. timeout_ms: for the whole verdict.
    """

    waits_for_end: bool = False
    timeout_ms: int = 30_000
    speech_ms: int = 2400
    speech_end_ms: int = 1200
    silence_ms: int = 5000


class AnsweringMachine:
    """One call, from its answer on. elapsed_ms: how much of it was heard."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._activity = SpeechActivity()
        self._tone = _SteadyTone()
        self._is_machine = False
        self._began_ms: int | None = None
        self.elapsed_ms = 0

    def push(self, frame: NDArray[np.int16]) -> AnsweredBy | None:
        """The verdict, once there is one. frame: (160,) int16 at 8 kHz."""
        self.elapsed_ms += FRAME_MS
        is_speech = self._activity.push(frame)
        tone_ms, frequency_hz, tone_was_ms = self._tone.push(frame)
        if is_speech and self._began_ms is None:
            self._began_ms = self.elapsed_ms - FRAME_MS
        if tone_ms >= FAX_MS and any(abs(frequency_hz - fax) <= _FAX_TOLERANCE_HZ for fax in _FAX_HZ):
            return AnsweredBy.FAX
        if tone_was_ms >= BEEP_MS and self._thresholds.waits_for_end:
            return AnsweredBy.MACHINE_END_BEEP
        if self.elapsed_ms >= self._thresholds.timeout_ms:
            return self.out_of_time()
        if tone_ms >= BEEP_MS:
            return None
        return self._by_speech()

    def out_of_time(self) -> AnsweredBy:
        """The verdict when no more can be heard."""
        return AnsweredBy.MACHINE_END_OTHER if self._is_machine else AnsweredBy.UNKNOWN

    def _by_speech(self) -> AnsweredBy | None:
        thresholds, pause_ms = self._thresholds, self._activity.pause_ms
        if self._began_ms is None:
            return AnsweredBy.UNKNOWN if self.elapsed_ms >= thresholds.silence_ms else None
        if self._is_machine:
            is_over = pause_ms >= thresholds.speech_end_ms + BEEP_WAIT_MS
            return AnsweredBy.MACHINE_END_SILENCE if is_over else None
        spoken_ms = self.elapsed_ms - self._began_ms - pause_ms
        if spoken_ms > thresholds.speech_ms:
            self._is_machine = thresholds.waits_for_end
            return None if self._is_machine else AnsweredBy.MACHINE_START
        return AnsweredBy.HUMAN if pause_ms >= thresholds.speech_end_ms else None


class _SteadyTone:
    """One sine wave, and for how long it has sounded."""

    def __init__(self) -> None:
        self._bin = 0
        self._lasted_ms = 0

    def push(self, frame: NDArray[np.int16]) -> tuple[int, float, int]:
        """How long the tone has sounded, its frequency in Hz, and how long the one lasted that has just ended."""
        found = self._bin_of(frame)
        if found and self._lasted_ms and abs(found - self._bin) <= 1:
            self._lasted_ms += FRAME_MS
            return self._lasted_ms, found * _BIN_HZ, 0
        ended_ms = self._lasted_ms
        self._bin, self._lasted_ms = found, FRAME_MS if found else 0
        return self._lasted_ms, found * _BIN_HZ, ended_ms

    @staticmethod
    def _bin_of(frame: NDArray[np.int16]) -> int:
        """Where nearly all the power of the frame is; 0 if it is no single tone."""
        if len(frame) != _SAMPLES:
            return 0
        sound = frame - frame.mean(dtype=np.float64)
        if float(np.mean(np.square(sound))) < _LEAST_POWER:
            return 0
        power = np.square(np.abs(np.fft.rfft(sound * _WINDOW)))
        peak = int(power.argmax())
        near = power[max(peak - _BAND_BINS, 0) : peak + _BAND_BINS + 1].sum()
        is_tone = near >= _PURITY * power.sum() and _LOWEST_HZ <= peak * _BIN_HZ <= _HIGHEST_HZ
        return peak if is_tone else 0
