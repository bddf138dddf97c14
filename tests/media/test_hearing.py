import numpy as np
import pytest

from media.hearing import activity, level_dbfs, loudest_tones, tone_level, tones_over_time
from tests.media.sounds import silence, sine


def test_loudest_tones_of_a_mix_are_found_in_order_of_level() -> None:
    mix = (
        sine(440, seconds=1, level_dbfs=-12)
        + sine(620, seconds=1, level_dbfs=-20)
        + sine(3000, seconds=1, level_dbfs=-30)
    )
    found = loudest_tones(mix, 8000, n=3)
    assert [tone.frequency_hz for tone in found] == pytest.approx([440, 620, 3000], abs=0.5)
    assert [tone.level_dbfs for tone in found] == pytest.approx([-12, -20, -30], abs=0.2)


def test_loudest_tones_between_two_bins_of_a_short_burst_is_exact() -> None:
    (found,) = loudest_tones(sine(433.3, seconds=0.1), 8000, n=1)
    assert found.frequency_hz == pytest.approx(433.3, abs=0.5)


def test_loudest_tones_of_silence_and_of_nothing_are_none() -> None:
    assert loudest_tones(silence(seconds=1), 8000) == []
    assert loudest_tones(silence(seconds=0), 8000) == []


def test_one_tone_is_one_finding_however_many_are_asked_for() -> None:
    assert len(loudest_tones(sine(1000, seconds=0.5), 8000, n=5)) == 1


def test_tone_level_tells_a_tone_from_its_absence() -> None:
    sound = sine(700, seconds=1, level_dbfs=-20)
    assert tone_level(sound, 8000, 700) == pytest.approx(-20, abs=0.1)
    assert tone_level(sound, 8000, 900) < -80
    assert tone_level(silence(seconds=0), 8000, 900) == -120


def test_level_of_full_scale_sine_is_zero() -> None:
    assert level_dbfs(sine(1000, seconds=1, level_dbfs=0)) == pytest.approx(0, abs=0.01)
    assert level_dbfs(silence(seconds=1)) == -120


def test_activity_gives_the_spans_that_sound() -> None:
    sound = np.concatenate(
        [silence(seconds=0.5), sine(500, seconds=1), silence(seconds=0.2), sine(500, seconds=0.3), silence(seconds=1)]
    )
    spans = activity(sound, 8000)
    assert [span.start_s for span in spans] == pytest.approx([0.5, 1.7], abs=0.011)
    assert [span.end_s for span in spans] == pytest.approx([1.5, 2.0], abs=0.011)
    (bridged,) = activity(sound, 8000, bridge_s=0.25)
    assert (bridged.start_s, bridged.end_s) == pytest.approx((0.5, 2.0), abs=0.011)
    assert activity(silence(seconds=1), 8000) == []


def test_tones_over_time_follows_a_change() -> None:
    sound = np.concatenate([sine(500, seconds=0.5), sine(900, seconds=0.5)])
    heard = [(span.start_s, round(tones[0].frequency_hz)) for span, tones in tones_over_time(sound, 8000)]
    assert heard == [(0.0, 500), (0.25, 500), (0.5, 900), (0.75, 900)]
