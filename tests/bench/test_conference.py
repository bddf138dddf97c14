"""The conference bench end to end: everybody is heard, and what is printed can be read."""

import json
from pathlib import Path

import pytest

from tests.bench.conference import measure_conference
from tests.bench.parties import RATE_HZ, judge, new_parties
from tests.bench.report import show


@pytest.mark.wire
@pytest.mark.timeout(240)
async def test_conference_everybody_hears_all_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = await measure_conference(parties=6, seconds=1.2, run=tmp_path, settle_s=0.3)
    show(report, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    heard = printed["statistics"]
    assert printed["bench"] == "conference"
    assert heard["pairs"] == 30
    assert heard["hear_themselves"] == 0
    assert heard["pairs_unheard"] == 0 or heard["sent_late"]
    assert heard["sent"] > 6 * 40
    assert [goal["name"] for goal in printed["goals"]][0] == "CPU of the conference"
    assert 0 < printed["goals"][0]["measured"] < 100


def test_conference_judge_sees_who_is_missing_and_who_hears_itself() -> None:
    parties = new_parties(3)
    said = parties.sounds
    # The first hears nobody, the second the first, the third itself.
    parties.heard[1] = said[0]
    parties.heard[2] = said[2]
    parties.heard_at[:] = RATE_HZ
    found = judge(parties)
    assert (found["pairs"], found["pairs_unheard"], found["hear_themselves"]) == (6, 5, 1)
    assert found["weakest_other"] == pytest.approx(0, abs=0.05)
    assert found["strongest_own"] == pytest.approx(1, abs=0.1)
