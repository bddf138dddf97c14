"""Who answered, from made-up greetings: each threshold moves the verdict, and tones are told from voices."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from media.answering_machine import AnsweredBy, AnsweringMachine, Thresholds

RATE_HZ = 8000
Sound = NDArray[np.float64]


def voice(seconds: float) -> Sound:
    """A vowel-like buzz of many harmonics whose pitch and loudness move."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(130 + 25 * np.sin(2 * np.pi * 3 * t)) / RATE_HZ
    buzz: Sound = sum((np.sin(n * phase) / n for n in range(1, 12)), start=np.zeros(len(t)))
    return 4000 * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t) ** 2)


def silence(seconds: float) -> Sound:
    return np.random.default_rng(1).normal(0, 8, round(seconds * RATE_HZ))


def tone(seconds: float, frequency_hz: float, level: float = 6000) -> Sound:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return level * np.sin(2 * np.pi * frequency_hz * t)


def verdict(sounds: Sequence[Sound], **thresholds: int | bool) -> tuple[AnsweredBy | None, float]:
    """What was found, and after how many seconds."""
    machine = AnsweringMachine(Thresholds(**thresholds))  # type: ignore[arg-type]
    heard = np.concatenate(sounds).astype(np.int16)
    for start in range(0, len(heard) - 159, 160):
        found = machine.push(heard[start : start + 160])
        if found is not None:
            return found, machine.elapsed_ms / 1000
    return None, machine.elapsed_ms / 1000


HELLO = (silence(0.6), voice(0.7), silence(20))
GREETING = (silence(0.5), voice(5.0), silence(0.5), voice(2.0))


def test_machine_person_who_says_a_word_and_waits_is_human() -> None:
    found, after_s = verdict(HELLO)
    assert found is AnsweredBy.HUMAN
    assert after_s == pytest.approx(0.6 + 0.7 + 1.2, abs=0.25)


def test_machine_greeting_is_told_as_soon_as_it_is_too_long_for_a_person() -> None:
    found, after_s = verdict((*GREETING, silence(10)))
    assert found is AnsweredBy.MACHINE_START
    assert after_s == pytest.approx(0.5 + 2.4, abs=0.25)


@pytest.mark.parametrize("threshold_ms", [1000, 4000])
def test_machine_speech_threshold_is_how_long_a_person_may_speak(threshold_ms: int) -> None:
    found, _ = verdict((silence(0.5), voice(2.4), silence(10)), speech_ms=threshold_ms)
    assert found is (AnsweredBy.MACHINE_START if threshold_ms == 1000 else AnsweredBy.HUMAN)


@pytest.mark.parametrize("threshold_ms", [500, 3000])
def test_machine_speech_end_threshold_is_the_pause_that_ends_the_words(threshold_ms: int) -> None:
    found, after_s = verdict(HELLO, speech_end_ms=threshold_ms)
    assert found is AnsweredBy.HUMAN
    assert after_s == pytest.approx(1.3 + threshold_ms / 1000, abs=0.25)


@pytest.mark.parametrize("timeout_ms", [2000, 9000])
def test_machine_silence_at_first_is_unknown(timeout_ms: int) -> None:
    found, after_s = verdict((silence(20),), silence_ms=timeout_ms)
    assert (found, after_s) == (AnsweredBy.UNKNOWN, timeout_ms / 1000)


def test_machine_time_is_limited() -> None:
    found, after_s = verdict((silence(20),), silence_ms=10_000, timeout_ms=3000)
    assert (found, after_s) == (AnsweredBy.UNKNOWN, 3.0)
    found, after_s = verdict((silence(0.5), voice(40)), timeout_ms=8000, waits_for_end=True)
    assert (found, after_s) == (AnsweredBy.MACHINE_END_OTHER, 8.0)


@pytest.mark.parametrize("frequency_hz", [440, 850, 1000, 1400, 2000])
@pytest.mark.parametrize("pause_s", [0.1, 1.0, 2.5])
def test_machine_message_end_is_the_end_of_the_beep(frequency_hz: float, pause_s: float) -> None:
    sounds = (*GREETING, silence(pause_s), tone(0.4, frequency_hz), silence(10))
    found, after_s = verdict(sounds, waits_for_end=True)
    assert found is AnsweredBy.MACHINE_END_BEEP
    assert after_s == pytest.approx(8.0 + pause_s + 0.4, abs=0.1)


def test_machine_message_end_without_a_beep_is_a_silence() -> None:
    found, after_s = verdict((*GREETING, silence(20)), waits_for_end=True)
    assert found is AnsweredBy.MACHINE_END_SILENCE
    assert after_s == pytest.approx(8.0 + 1.2 + 2.0, abs=0.3)


def test_machine_person_is_told_at_once_also_when_the_end_of_a_message_is_waited_for() -> None:
    found, after_s = verdict(HELLO, waits_for_end=True)
    assert found is AnsweredBy.HUMAN and after_s < 3


@pytest.mark.parametrize("frequency_hz", [1100, 2100])
@pytest.mark.parametrize("waits_for_end", [True, False])
def test_machine_fax_is_known_by_its_tone(frequency_hz: float, waits_for_end: bool) -> None:
    found, after_s = verdict((silence(1.8), tone(3.0, frequency_hz)), waits_for_end=waits_for_end)
    assert found is AnsweredBy.FAX
    assert after_s == pytest.approx(1.8 + 0.5, abs=0.1)


@pytest.mark.parametrize("level", [30, 200])
def test_machine_noise_on_the_line_is_no_speech(level: int) -> None:
    noise = np.random.default_rng(2).normal(0, level, 8 * RATE_HZ)
    assert verdict((noise,))[0] is AnsweredBy.UNKNOWN


def test_machine_voice_on_a_noisy_line_is_still_told() -> None:
    noise = np.random.default_rng(3).normal(0, 60, 12 * RATE_HZ)
    said = np.concatenate((silence(1.0), voice(0.8), silence(10.2)))
    assert verdict((noise + said,))[0] is AnsweredBy.HUMAN


@pytest.mark.parametrize("length", [0, 1, 80, 320])
def test_machine_frames_of_another_length_do_no_harm(length: int) -> None:
    machine = AnsweringMachine(Thresholds())
    assert machine.push(np.zeros(length, np.int16)) is None
