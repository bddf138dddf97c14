"""The demo's verdict: one claim that does not hold is enough."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo.checks import Check
from gateway.demo.report import Report

GOOD = Check("a claim", True, "what was measured", "what was expected")
BAD = Check("another", False, "0 %", "at least 95 %")


def report(*checks: Check) -> Report:
    return Report(
        checks=checks,
        recording=Path("recording.wav"),
        duration_s=8.5,
        channels=2,
        waveform=Path("waveform.png"),
        timeline=(),
        elapsed_s=12.0,
    )


@pytest.mark.parametrize(("checks", "verdict"), [((GOOD,), True), ((GOOD, BAD), False)])
def test_report_is_true_only_if_every_check_is(checks: tuple[Check, ...], verdict: bool) -> None:
    assert report(*checks).is_true is verdict
    assert report(*checks).as_json()["ok"] is verdict


def test_report_shows_what_was_expected_of_a_check_that_failed() -> None:
    output = StringIO()
    report(GOOD, BAD).show(Console(file=output, width=120))
    assert "at least 95 %" in output.getvalue()
    assert "what was expected" not in output.getvalue()
    assert "Not all of it is true" in output.getvalue()
