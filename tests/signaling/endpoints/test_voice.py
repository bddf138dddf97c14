"""What a browser-type endpoint says, in frames."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from media.hearing import tone_level
from signaling.endpoints.servers import OptionError
from signaling.endpoints.voice import FRAME, RATE_HZ, Mouth, Speech, speech_of


def said(mouth: Mouth, frames: int) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return np.concatenate([mouth.take() for _ in range(frames)])


def test_tone_goes_on_without_a_seam() -> None:
    samples = said(Mouth(speech_of("tone:619", once=False)), 120)
    assert tone_level(samples, RATE_HZ, 619) == pytest.approx(-12, abs=0.5)
    steps = np.abs(np.diff(samples.astype(int)))
    assert steps.max() <= 2 * np.pi * 619 / RATE_HZ * 8192 + 2


def test_file_is_said_again_and_again_or_once(tmp_path: Path) -> None:
    path = tmp_path / "beep.wav"
    sound = 8000 * np.sin(2 * np.pi * 500 * np.arange(800) / 8000)
    soundfile.write(path, sound.astype(np.int16), 8000)
    again = said(Mouth(speech_of(str(path), once=False)), 20)
    assert tone_level(again[10 * FRAME :], RATE_HZ, 500) > -15
    once = said(Mouth(speech_of(str(path), once=True)), 20)
    assert tone_level(once[: 4 * FRAME], RATE_HZ, 500) > -15
    assert not once[6 * FRAME :].any()


def test_another_sound_begins_at_its_start() -> None:
    mouth = Mouth(Speech(np.arange(2 * FRAME, dtype=np.int16)))
    mouth.take()
    mouth.say(Speech(np.arange(5, 5 + FRAME, dtype=np.int16)))
    assert mouth.take()[0] == 5
    mouth.say(speech_of("", once=False))
    assert not mouth.take().any()


def test_sound_that_is_none_is_refused(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.wav"
    nonsense.write_bytes(b"nothing to hear here")
    with pytest.raises(OptionError, match="expected WAV"):
        speech_of(str(nonsense), once=False)
    with pytest.raises(OptionError, match="no file"):
        speech_of(str(tmp_path / "missing.wav"), once=False)
