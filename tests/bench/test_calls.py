"""Whole calls through the real daemon: a small run loses nothing, leaves nothing and its JSON can be used."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.calls import Plan, measure_calls, measure_setup
from tests.bench.report import show

CALLS = 4

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def assert_nothing_left(report: dict[str, Any]) -> None:
    left = {name: value for name, value in report["statistics"].items() if name.endswith("_left")}
    assert len(left) == 4
    assert not any(left.values()), left


async def test_calls_four_recorded_calls_lose_nothing_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(calls=CALLS, rate=20, record="dual", seconds=1, idle_s=0.2, settle_s=0.5)
    show(await measure_calls(plan, tmp_path), as_json=True)
    report = printed(capsys)
    rtp, set_up = report["rtp"], report["set_up"]
    assert (rtp["lost"], rtp["unpaired"], rtp["crossed"]) == (0, 0, 0)
    assert rtp["sent"] == rtp["received"] > 2 * CALLS * 20
    assert report["statistics"]["packets_sent"] >= rtp["received"]
    assert (set_up["answered"], set_up["failures"], set_up["dropped"]) == (CALLS, {}, 0)
    assert set_up["webhooks"] == CALLS
    assert 0 < set_up["invite_to_180_net_ms"]["p50"] < set_up["invite_to_180_ms"]["p50"]
    assert report["ticks"]["source"].startswith("/metrics")
    assert report["ticks"]["lateness_p50_ms"] <= report["ticks"]["lateness_p99_ms"]
    recordings = report["recordings"]
    assert (recordings["files"], recordings["channels"], recordings["unreadable"]) == (CALLS, 2, 0)
    assert recordings["shortest_s"] >= 1.4
    assert report["gateway"]["memory_kb_per_call"] is not None
    assert_nothing_left(report)


async def test_setup_calls_end_by_themselves_with_all_callbacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(calls=CALLS, rate=20, hold_s=0.1, callbacks=True, sound=False, idle_s=0.2)
    show(await measure_setup(plan, tmp_path), as_json=True)
    report = printed(capsys)
    set_up = report["set_up"]
    assert report["rtp"] is None
    assert (set_up["offered"], set_up["answered"], set_up["failures"], set_up["dropped"]) == (CALLS, CALLS, {}, 0)
    assert set_up["callbacks"] == 4 * CALLS
    phones_own_ms = plan.answer_after_s * 1000
    assert set_up["invite_to_200_ms"]["p50"] - set_up["invite_to_200_net_ms"]["p50"] >= phones_own_ms
    assert report["gateway"]["cpu_ms_per_set_up"] > 0
    assert report["gateway"]["cpu_percent_per_call"] is None
    assert_nothing_left(report)
