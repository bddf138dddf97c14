"""The bench of hostile datagrams: what it judges, and a small run end to end."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.bench.hostile import HostilePlan, goals_of, measure_hostile
from tests.bench.report import build
from tests.bench.window import Window

PLAN = HostilePlan(running=50, visits=200, datagrams=500)
FIGURES = {
    "came_up": 200,
    "running_up": 50,
    "datagrams_per_s": 490.0,
    "set_up_quiet_ms": {"p50": 50.0},
    "set_up_attacked_ms": {"p50": 250.0},
}


@pytest.mark.parametrize(
    ("changes", "reached"),
    [
        ({}, [True, True, True, True]),
        ({"came_up": 199}, [False, True, True, True]),
        ({"running_up": 49}, [True, False, True, True]),
        ({"set_up_attacked_ms": {"p50": 251.0}}, [True, True, False, True]),
        ({"set_up_attacked_ms": {"p50": None}}, [True, True, None, True]),
        ({"datagrams_per_s": 400.0}, [True, True, True, False]),
    ],
)
def test_hostile_goals_are_all_calls_up_soon_under_the_whole_attack(
    changes: dict[str, Any], reached: list[bool | None]
) -> None:
    report = build(
        bench="hostile",
        load={},
        window=Window(os.getpid(), os.getpid()),
        calls=1,
        rtp=None,
        drops=(0, 0),
        statistics=FIGURES | changes,
    )
    assert [goal.reached for goal in goals_of(report, PLAN)] == reached


@pytest.mark.wire
@pytest.mark.timeout(240)
async def test_hostile_small_run_every_call_comes_up_and_stays(tmp_path: Path) -> None:
    plan = HostilePlan(running=2, quiet=1, visits=3, rate=4, idle_s=0.1)
    report = await measure_hostile(plan, tmp_path)
    figures = report.statistics
    assert (figures["came_up"], figures["failures"]) == (3, {})
    assert (figures["running_up"], figures["running_ended"], figures["calls_in_the_gateway"]) == (2, {}, 2)
    assert figures["datagrams_per_s"] > 0
    assert 0 < figures["set_up_quiet_ms"]["p50"] and 0 < figures["set_up_attacked_ms"]["p50"]
    assert not any(value for name, value in figures.items() if name.endswith("_left"))
