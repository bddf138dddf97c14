"""The rate at which calls are placed."""

import pytest

from gateway.pace import Pace


def test_pace_lets_a_burst_of_a_second_through_and_then_spaces() -> None:
    pace = Pace(10, longest_wait_s=60)
    waits = [pace.reserve(100.0) for _ in range(30)]
    assert waits[:11] == [0.0] * 11
    assert [wait for wait in waits[11:]] == pytest.approx([(n + 1) * 0.1 for n in range(19)])


def test_pace_refuses_what_would_wait_too_long_and_recovers() -> None:
    pace = Pace(1, longest_wait_s=3)
    waits = [pace.reserve(50.0) for _ in range(8)]
    assert waits == [0.0, 0.0, 1.0, 2.0, 3.0, None, None, None]
    assert pace.reserve(54.0) == 0.0
