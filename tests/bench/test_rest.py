"""The bench of the REST API: what it makes of what the clients tell, and a small run end to end."""

from pathlib import Path

import pytest

from tests.bench.report import RecordingFigures
from tests.bench.rest import RestPlan, created_figures, measure_rest, not_whole

MS = 1_000_000


def test_created_calls_count_when_a_phone_answered_them() -> None:
    rows = [(10, 0, 5.0), (11, 20 * MS, 5.0), (12, 40 * MS, 5.0)]
    answers = {10: 60 * MS, 12: 100 * MS, 99: 500 * MS}
    told = {"rows": rows, "failures": {"429": 1}}
    figures = created_figures(told, answers, offered=4, rate=50)
    assert (figures["offered"], figures["created"], figures["answered"]) == (4, 3, 2)
    assert (figures["rate_reached"], figures["failures"]) == (20.0, {"429": 1})
    assert figures["request_to_answer_ms"]["p50"] == 60.0


def test_created_calls_of_which_none_was_answered_are_no_rate() -> None:
    figures = created_figures({"rows": [], "failures": {"503": 2}}, {}, offered=2, rate=50)
    assert (figures["answered"], figures["rate_reached"], figures["request_to_201_ms"]["p50"]) == (0, 0.0, None)


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (None, 3),
        (RecordingFigures(files=3, channels=2, shortest_s=5.1, longest_s=9, unreadable=0), 0),
        (RecordingFigures(files=2, channels=2, shortest_s=4.9, longest_s=9, unreadable=0), 2),
        (RecordingFigures(files=3, channels=2, shortest_s=5.1, longest_s=9, unreadable=1), 1),
    ],
)
def test_recordings_are_whole_when_all_are_there_and_as_long_as_their_window(
    found: RecordingFigures | None, missing: int
) -> None:
    assert not_whole(found, RestPlan(calls=3, seconds=5)) == missing


@pytest.mark.wire
@pytest.mark.timeout(240)
async def test_rest_small_run_creates_reads_and_leaves_nothing(tmp_path: Path) -> None:
    plan = RestPlan(created=6, rate=20, calls=2, clients=3, seconds=0.5, idle_s=0.1, settle_s=0.3)
    report = await measure_rest(plan, tmp_path)
    created, crowd, reads = (report.statistics[name] for name in ("created", "crowd", "reads"))
    assert (created["created"], created["answered"], created["failures"]) == (6, 6, {})
    assert crowd["requests"] >= 3 and crowd["failures"] == {}
    assert (reads["requests"], reads["failures"]) == (20, {})
    assert reads["recordings_ms"]["p50"] > 0
    assert report.rtp is not None and report.rtp.lost == 0
    assert (report.statistics["calls_failed"], not_whole(report.recordings, plan)) == (0, 0)
    assert not any(value for name, value in report.statistics.items() if name.endswith("_left"))
    assert {goal.name for goal in report.goals} >= {"calls created and answered", "packets lost by the gateway"}
