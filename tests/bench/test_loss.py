"""The loss bench: what it hears is what was said, and it says so when something is missing."""

from pathlib import Path

import numpy as np
import pytest

from tests.bench.loss import RATE_HZ, Heard, _sound, judge, measure_loss, with_goals
from tests.bench.report import Report

SYMBOLS = np.random.default_rng(1).integers(0, 2, 180)
LOSS_S = 7.0


def judged(sound: "np.ndarray[tuple[int], np.dtype[np.int16]]", delay_s: float = 0.06) -> dict[str, float]:
    return judge(Heard(sound, 100.0 + delay_s), SYMBOLS, begun_s=100.0, seconds=LOSS_S)


def test_loss_whole_sound_is_delivered_with_its_delay() -> None:
    found = judged(_sound(SYMBOLS, RATE_HZ))
    assert found["delivered_percent"] > 99 and found["delivered_clear_percent"] > 99
    assert found["delay_before_ms"] == pytest.approx(60, abs=10)
    assert found["delay_back_ms"] == pytest.approx(60, abs=10)


def test_loss_what_is_missing_is_not_delivered() -> None:
    sound = _sound(SYMBOLS, RATE_HZ)
    for start in range(3 * RATE_HZ, 10 * RATE_HZ, 1600):
        sound[start : start + 160] = 0
    assert judged(sound)["delivered_percent"] == pytest.approx(90, abs=3)


def test_loss_delay_that_stays_is_seen() -> None:
    sound = _sound(SYMBOLS, RATE_HZ)
    late = np.concatenate([sound[: 4 * RATE_HZ], np.zeros(1600, np.int16), sound[4 * RATE_HZ :]])
    found = judged(late)
    assert found["delay_back_ms"] - found["delay_before_ms"] == pytest.approx(200, abs=10)


@pytest.mark.wire
@pytest.mark.timeout(240)
async def test_loss_without_loss_everything_is_delivered(tmp_path: Path) -> None:
    report: Report = await measure_loss(percent=0.0, seconds=1.0, run=tmp_path)
    assert report.statistics["packets_lost_on_purpose"] == 0
    assert report.statistics["delivered_clear_percent"] > 90
    assert [goal.name for goal in with_goals(report).goals][0] == "sound delivered"
