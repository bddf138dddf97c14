"""The watch that tells a spoiled test from a failed one."""

from collections.abc import Iterator

import pytest

from tests.stalls import Stalls


@pytest.fixture
def stalls() -> Iterator[Stalls]:
    stalls = Stalls()
    stalls.start()
    yield stalls
    stalls.stop()


def test_a_held_interpreter_is_a_stall(stalls: Stalls) -> None:
    # One call into C, in which no other thread of Python runs.
    while not stalls.seen():
        sum(range(5_000_000))


def test_what_was_seen_belongs_to_one_test(stalls: Stalls) -> None:
    stalls.longest_s = 1.0
    assert stalls.seen()
    stalls.begin()
    assert stalls.longest_s < 1.0
