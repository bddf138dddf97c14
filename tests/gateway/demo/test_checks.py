"""The demo's ears: they believe a good recording and no other."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.demo.checks import Check, Ears, Sounding, heard, listen
from media.tones import CallProgress, tone

RATE_HZ = 8000
EARS = Ears(caller_hz=600, answerer_hz=1000, rate_hz=RATE_HZ)
RINGING_S = 3.4


def sine(frequency_hz: int, seconds: float, level: float = 0.25) -> NDArray[np.int16]:
    turn = 2 * np.pi * frequency_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * 32767 * np.sin(turn)).astype(np.int16)


def ringing(seconds: float) -> NDArray[np.int16]:
    return np.resize(tone("uk", CallProgress.RING).samples(RATE_HZ), round(seconds * RATE_HZ))


def recording(first: NDArray[np.int16], second: NDArray[np.int16]) -> NDArray[np.int16]:
    frames = min(len(first), len(second))
    return np.stack([first[:frames], second[:frames]], axis=1)


def called_channel() -> NDArray[np.int16]:
    return np.concatenate([ringing(RINGING_S), sine(1000, 5)])


def failed(channels: NDArray[np.int16]) -> set[str]:
    return {check.name for check in listen(EARS, channels, ringing_s=RINGING_S) if not check.is_true}


def test_checks_believe_a_good_recording() -> None:
    assert failed(recording(sine(600, 8.4), called_channel())) == set()


def test_checks_believe_a_caller_who_starts_a_moment_late() -> None:
    late = np.concatenate([np.zeros(1600, np.int16), sine(600, 8.2)])
    assert failed(recording(late, called_channel())) == set()


def test_checks_find_swapped_channels() -> None:
    assert {"caller's tone in channel 1", "caller's tone not in channel 2"} <= failed(
        recording(called_channel(), sine(600, 8.4))
    )


def test_checks_find_a_caller_who_leaks_into_the_other_channel() -> None:
    leaked = called_channel() + sine(600, 8.4, level=0.02)
    assert "caller's tone not in channel 2" in failed(recording(sine(600, 8.4), leaked))


def test_checks_find_a_missing_ringing_tone() -> None:
    silent = np.concatenate([np.zeros(round(RINGING_S * RATE_HZ), np.int16), sine(1000, 5)])
    assert failed(recording(sine(600, 8.4), silent)) == {"ringing tone in channel 2 before the answer"}


def test_checks_find_a_ringing_tone_that_does_not_stop() -> None:
    ringing_on = np.concatenate([ringing(RINGING_S), sine(1000, 5) + ringing(8.4)[-40000:]])
    assert "ringing tone not in channel 2 after it" in failed(recording(sine(600, 8.4), ringing_on))


def test_checks_find_a_gap() -> None:
    gap = sine(600, 8.4)
    gap[30_000:38_000] = 0
    assert failed(recording(gap, called_channel())) == {"caller's tone in channel 1"}


def test_checks_find_an_answer_at_the_wrong_moment() -> None:
    late = np.concatenate([ringing(RINGING_S + 1), sine(1000, 4)])
    assert failed(recording(sine(600, 8.4), late)) == {"the answer at the right moment"}


def test_checks_survive_silence_and_emptiness() -> None:
    for frames in (0, 100, 60_000):
        assert "caller's tone in channel 1" in failed(np.zeros((frames, 2), np.int16))


@pytest.mark.parametrize(
    ("samples", "sounding"),
    [
        (sine(600, 0.1), Sounding.CALLER),
        (sine(1000, 0.1), Sounding.ANSWERER),
        (ringing(0.1), Sounding.RING),
        (sine(600, 0.1) + sine(1000, 0.1), Sounding.MIXED),
        (np.zeros(800, np.int16), Sounding.NOTHING),
    ],
)
def test_ears_tell_what_sounds_in_a_tenth_of_a_second(samples: NDArray[np.int16], sounding: Sounding) -> None:
    assert EARS.windows(samples) == [sounding]


def test_ears_tell_the_other_party_from_an_echo() -> None:
    def said(samples: NDArray[np.int16]) -> Check:
        return heard("alice heard the other", EARS, samples, 1000, 600)

    assert said(sine(1000, 1)).is_true
    assert not said(sine(600, 1)).is_true
    assert not said(sine(1000, 1) + sine(600, 1)).is_true
