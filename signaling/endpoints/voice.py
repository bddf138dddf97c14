"""What a browser-type endpoint says: a tone or a sound file, without end, in 20 ms frames at 48 kHz.

Pure but for reading the file once. One Speech is what all calls say; each call has a Mouth with its own place in it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.player import UnplayableAudio, decode
from signaling.endpoints.servers import OptionError
from signaling.endpoints.sound import TONE_VOLUME, check_sound, tone_hz

RATE_HZ, FRAME = 48_000, 960


@dataclass(frozen=True)
class Speech:
    """samples: int16 mono at RATE_HZ, repeated from the start unless ``once``; empty is silence."""

    samples: NDArray[np.int16]
    once: bool = False

    def frame(self, start: int) -> NDArray[np.int16]:
        """FRAME samples from the place ``start``, counted without end."""
        length = len(self.samples)
        if length == 0 or (self.once and start >= length):
            return np.zeros(FRAME, np.int16)
        if not self.once:
            return self.samples.take(range(start, start + FRAME), mode="wrap")
        said = self.samples[start : start + FRAME]
        return np.pad(said, (0, FRAME - len(said)))


SILENCE = Speech(np.zeros(0, np.int16))


def speech_of(sound: str, *, once: bool) -> Speech:
    """A file or ``tone:HZ``; empty: silence. Raises OptionError."""
    if not sound:
        return SILENCE
    check_sound(sound)
    frequency = tone_hz(sound)
    if frequency is not None:
        # One second holds whole periods of every whole number of hertz.
        return Speech(
            np.rint(TONE_VOLUME * np.sin(2 * np.pi * frequency * np.arange(RATE_HZ) / RATE_HZ)).astype(np.int16)
        )
    try:
        return Speech(decode(Path(sound), rate_hz=RATE_HZ).samples, once)
    except UnplayableAudio as error:
        raise OptionError(f"{sound}: {error}") from error


class Mouth:
    """One call's place in what is said."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._place = 0

    def say(self, speech: Speech) -> None:
        self._speech, self._place = speech, 0

    def take(self) -> NDArray[np.int16]:
        frame = self._speech.frame(self._place)
        self._place += FRAME
        return frame
