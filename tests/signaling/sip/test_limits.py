"""What strangers may cost: refusals per source, guesses per source and account. Source: S-01, S-04, S-09."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.sip.limits import GuessGuard, GuessLimits, RateTable, SourceLimiter, SourceLimits


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_rate_table_gives_the_burst_then_the_rate(clock: Clock) -> None:
    table = RateTable(rate=20, burst=60, clock=clock)
    assert sum(table.take("a") for _ in range(100)) == 60
    assert table.take("b"), "another key has a bucket of its own"
    granted = 0
    for _ in range(1000):
        clock.now += 0.01
        granted += table.take("a")
    assert 195 <= granted <= 205


def test_rate_table_refusal_costs_no_token(clock: Clock) -> None:
    table = RateTable(rate=1, burst=2, clock=clock)
    assert [table.take("a") for _ in range(5)] == [True, True, False, False, False]
    clock.now += 1.01
    assert table.take("a")


def test_rate_table_keeps_a_bounded_number_of_keys(clock: Clock) -> None:
    table = RateTable(rate=1, burst=5, clock=clock, limit=100)
    for index in range(1000):
        table.take(str(index))
        assert len(table) <= 100
    clock.now += 10
    table.take("new")
    assert len(table) == 1, "full buckets need no entry"
    assert table.level("0") == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 2)), max_size=200))
@settings(max_examples=200, deadline=None)
def test_rate_table_never_grants_more_than_rate_and_burst(takes: list[tuple[str, float]]) -> None:
    clock = Clock(0.0)
    table = RateTable(rate=2, burst=3, clock=clock)
    granted = dict.fromkeys("abc", 0)
    for key, pause in takes:
        clock.now += pause
        granted[key] += table.take(key)
    assert all(count <= 3 + 2 * clock.now + 1e-6 for count in granted.values())


def test_source_limiter_mutes_after_much_junk_and_forgives(clock: Clock) -> None:
    limiter = SourceLimiter(SourceLimits(rate=20, burst=60, tolerated=200), clock=clock)
    answered = 0
    refusals = 0
    while not limiter.is_muted("192.0.2.1"):
        answered += limiter.charge("192.0.2.1")
        refusals += 1
    assert answered == 60
    assert 255 <= refusals <= 265
    assert not limiter.is_muted("192.0.2.2")
    clock.now += 9
    assert limiter.is_muted("192.0.2.1")
    clock.now += 2
    assert not limiter.is_muted("192.0.2.1")
    assert limiter.charge("192.0.2.1")


def test_source_limiter_never_mutes_a_trusted_source_but_limits_its_answers(clock: Clock) -> None:
    limiter = SourceLimiter(SourceLimits(), clock=clock, is_trusted={"192.0.2.1"}.__contains__)
    assert sum(limiter.charge("192.0.2.1") for _ in range(1000)) == 60
    assert not limiter.is_muted("192.0.2.1")


def test_source_limiter_flood_from_ever_new_sources_stays_small(clock: Clock) -> None:
    limiter = SourceLimiter(SourceLimits(sources=100), clock=clock)
    for index in range(2000):
        for _ in range(270):
            limiter.charge(str(index))
        clock.now += 0.001
    assert len(limiter._patience) <= 100
    assert len(limiter._muted) <= 100


def test_guess_guard_blocks_a_source_after_ten_failures_in_a_minute_and_longer_each_time(clock: Clock) -> None:
    blocks: list[tuple[str, float]] = []
    guard = GuessGuard(GuessLimits(), clock=clock, on_block=lambda source, seconds: blocks.append((source, seconds)))
    for _ in range(10):
        assert not guard.refuses("192.0.2.1", "alice")
        guard.failed("192.0.2.1", "alice")
    assert guard.refuses("192.0.2.1", "alice")
    assert guard.refuses("192.0.2.1", "bob"), "the right password of anybody is refused from there too"
    assert not guard.refuses("192.0.2.2", "alice")
    clock.now += 901
    assert not guard.refuses("192.0.2.1", "alice")
    for _ in range(10):
        guard.failed("192.0.2.1", "alice")
    assert blocks == [("192.0.2.1", 900.0), ("192.0.2.1", 1800.0)]


def test_guess_guard_does_not_block_a_phone_with_an_old_password_that_asks_now_and_then(clock: Clock) -> None:
    guard = GuessGuard(GuessLimits(account_burst=1000), clock=clock)
    for _ in range(100):
        guard.failed("192.0.2.1", "alice")
        clock.now += 10
    assert not guard.refuses("192.0.2.1", "alice")


def test_guess_guard_login_between_guesses_does_not_reset_the_count(clock: Clock) -> None:
    guard = GuessGuard(GuessLimits(), clock=clock)
    for _ in range(10):
        guard.failed("192.0.2.1", "alice")
        guard.succeeded("192.0.2.1", "mallory")
    assert guard.refuses("192.0.2.1", "alice")


def test_guess_guard_of_ipv6_blocks_the_subscriber_not_one_of_his_addresses(clock: Clock) -> None:
    guard = GuessGuard(GuessLimits(), clock=clock)
    for number in range(10):
        guard.failed(f"2001:db8:1:2::{number:x}", "alice")
    assert guard.refuses("2001:db8:1:2:ffff::1", "alice")
    assert guard.block_left_s("2001:db8:1:2:ffff::1") == 900
    assert not guard.refuses("2001:db8:1:3::1", "alice")
    for _ in range(10):
        guard.failed("::ffff:192.0.2.1", "alice")
    assert guard.refuses("192.0.2.1", "alice"), "the same party, whichever way its address is written"
    assert not guard.refuses("not an : address", "alice")


def test_guess_guard_account_guessed_from_everywhere_stays_open_to_its_owner(clock: Clock) -> None:
    guard = GuessGuard(GuessLimits(), clock=clock)
    guard.succeeded("198.51.100.1", "alice")
    checked = 0
    for hour_tenth in range(36_000):
        clock.now += 0.1
        source = f"10.0.{hour_tenth % 500}.1"
        if not guard.refuses(source, "alice"):
            checked += 1
            guard.failed(source, "alice")
    assert checked <= 1000
    assert guard.refuses("192.0.2.77", "alice")
    assert not guard.refuses("198.51.100.1", "alice")
    assert not guard.refuses("192.0.2.77", "bob")


def test_guess_guard_tables_are_bounded(clock: Clock) -> None:
    guard = GuessGuard(GuessLimits(entries=50), clock=clock)
    for index in range(1000):
        guard.failed(f"s{index}", f"u{index}")
        guard.succeeded(f"s{index}", f"u{index}")
    assert len(guard._offenders) <= 50
    assert len(guard._owners) <= 50
    assert len(guard._accounts) <= 50
