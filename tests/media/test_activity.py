"""Who speaks when: bursts like syllables in noise of many levels, tones, clicks and silence."""

import numpy as np
import pytest
from numpy.typing import NDArray

from media.activity import FRAME_MS, SpeechActivity

FRAME = 160


def noise(seconds: float, dbfs: float, *, seed: int = 1) -> NDArray[np.float64]:
    rms = 32768 / np.sqrt(2) * 10 ** (dbfs / 20)
    return np.random.default_rng(seed).normal(0, rms, round(seconds * 8000))


def syllables(seconds: float, dbfs: float) -> NDArray[np.float64]:
    """A voice of 140 Hz with its overtones, four syllables a second, each 160 ms with a gap of 90 ms."""
    time_s = np.arange(round(seconds * 8000)) / 8000
    voice = sum(np.sin(2 * np.pi * 140 * overtone * time_s) / overtone for overtone in range(1, 12))
    envelope = np.sin(np.pi * np.clip(time_s % 0.25 / 0.16, 0, 1))
    sound = voice * envelope
    return np.asarray(sound / np.sqrt(np.mean(sound**2)) * 32768 / np.sqrt(2) * 10 ** (dbfs / 20))


def silence(seconds: float) -> NDArray[np.float64]:
    return np.zeros(round(seconds * 8000))


def heard(activity: SpeechActivity, *parts: NDArray[np.float64]) -> list[bool]:
    samples = np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)
    return [activity.push(samples[start : start + FRAME]) for start in range(0, len(samples) - FRAME + 1, FRAME)]


def share(verdicts: list[bool], start_s: float, end_s: float) -> float:
    part = verdicts[round(start_s * 50) : round(end_s * 50)]
    return sum(part) / len(part)


@pytest.mark.parametrize(("noise_dbfs", "voice_dbfs"), [(-90, -38), (-65, -35), (-55, -30), (-48, -25), (-40, -18)])
def test_activity_speech_is_told_from_the_lines_noise(noise_dbfs: float, voice_dbfs: float) -> None:
    activity = SpeechActivity()
    parts = (silence(2), syllables(3, voice_dbfs), silence(2))
    mixed = np.concatenate(parts)
    verdicts = heard(activity, mixed + noise(len(mixed) / 8000, noise_dbfs))
    assert share(verdicts, 0.5, 2.0) == 0
    assert share(verdicts, 2.2, 5.0) == 1
    assert share(verdicts, 5.4, 7.0) == 0
    assert 1800 <= activity.pause_ms <= 2200


def test_activity_digital_silence_is_none() -> None:
    activity = SpeechActivity()
    assert not any(heard(activity, silence(5)))
    assert (activity.pause_ms, activity.has_spoken) == (5000, False)


def test_activity_who_speaks_at_once_is_heard() -> None:
    verdicts = heard(SpeechActivity(), syllables(1.0, -25) + noise(1.0, -60))
    assert share(verdicts, 0.3, 1.0) == 1


def test_activity_a_fan_that_is_switched_on_is_noise_after_two_seconds() -> None:
    verdicts = heard(SpeechActivity(), noise(2, -70), noise(6, -40))
    assert share(verdicts, 4.5, 8.0) == 0


def test_activity_a_loud_tone_is_never_silence() -> None:
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(8 * 8000) / 8000)
    activity = SpeechActivity()
    assert all(heard(activity, tone)[5:])
    assert activity.pause_ms == 0


def test_activity_a_click_is_no_speech_and_ends_no_pause() -> None:
    activity = SpeechActivity()
    quiet = noise(2, -60)
    quiet[8000:8100] = 20_000
    assert not any(heard(activity, quiet))
    assert activity.pause_ms == 2000


def test_activity_an_offset_of_the_converter_is_silence() -> None:
    assert not any(heard(SpeechActivity(), silence(2) + 3000))


def test_activity_pause_is_counted_from_the_last_loud_frame() -> None:
    activity = SpeechActivity()
    heard(activity, noise(1, -60), syllables(1, -25) + noise(1, -60))
    spoken = activity.spoken_ms
    pauses = []
    for frame in range(100):
        heard(activity, noise(FRAME_MS / 1000, -60, seed=frame))
        pauses.append(activity.pause_ms)
    assert 500 <= spoken <= 1000
    assert activity.spoken_ms - spoken <= FRAME_MS
    steps = {after - before for before, after in zip(pauses, pauses[1:], strict=False)}
    assert steps == {FRAME_MS}
    assert 1980 <= pauses[-1] <= 2180
