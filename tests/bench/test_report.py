"""What a report makes of the figures it is given."""

import os

import pytest

from tests.bench.report import build
from tests.bench.rtp import RtpFigures
from tests.bench.window import Window


def rtp(**changes: float) -> dict[str, float]:
    figures = RtpFigures(
        legs=2, sent=100, received=90, lost=10, not_sent=0, unpaired=0, crossed=0, reordered=0, unstamped=0, made=0,
        delay_p50_ms=1.0, delay_p99_ms=9.0, delay_max_ms=9.0, spacing_p99_ms=21.0,
        lateness_p50_ms=0.5, lateness_p99_ms=1.0, stalls=0,
    )  # fmt: skip
    return {**vars(figures), **changes}


def goals(figures: dict[str, float], drops: tuple[int, int], *, made_of: int | None = None) -> dict[str, bool | None]:
    window = Window(os.getpid(), os.getpid())
    report = build(bench="engine", load={}, window=window, calls=1, rtp=figures, drops=drops, made_of=made_of)
    return {goal.name: goal.reached for goal in report.goals}


@pytest.mark.parametrize(("drops", "reached"), [((0, 0), False), ((0, 9), False), ((0, 10), True), ((5, 99), True)])
def test_report_packets_the_load_dropped_are_not_the_gateways_loss(drops: tuple[int, int], reached: bool) -> None:
    assert goals(rtp(), drops)["packets lost by the gateway"] is reached


def test_report_delays_are_judged_when_the_load_was_in_time() -> None:
    found = goals(rtp(), (0, 0))
    assert (found["packet held, p50"], found["packet held, p99"]) == (True, False)


def test_report_delays_are_not_judged_when_the_load_was_late() -> None:
    found = goals(rtp(lateness_p99_ms=20.0), (0, 0))
    assert (found["packet held, p50"], found["packet held, p99"]) == (None, None)
    assert found["packets lost by the gateway"] is False


def test_report_what_nobody_told_is_not_judged() -> None:
    assert goals(rtp(), (0, 0))["tick lateness, p99"] is None


@pytest.mark.parametrize(("made", "reached"), [(1000, True), (990, True), (989, False)])
def test_report_sound_made_by_the_gateway_is_judged_by_how_much_of_it_came(made: int, reached: bool) -> None:
    found = goals(rtp(made=made), (0, 0), made_of=1000)
    assert found["sound made in time"] is reached
    assert "packet held, p50" not in found and "packets lost by the gateway" not in found
