"""Timers of the load, stepped by hand."""

import math

from tests.bench.timers import GIVE_UP_S, Repeated, Timers


class SteppedClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(timers: Timers, clock: SteppedClock, seconds: float) -> None:
    end = clock.now + seconds
    while (wait := timers.wait_s(math.inf)) <= end - clock.now:
        clock.now += wait
        timers.run_due()
    clock.now = end


def test_timers_run_in_order_of_time_and_skip_what_was_cancelled() -> None:
    clock, ran = SteppedClock(), list[str]()
    timers = Timers(clock)
    timers.after(2, lambda: ran.append("late"))
    timers.after(1, lambda: ran.append("early"))
    timers.after(1.5, lambda: ran.append("cancelled")).cancel()
    run(timers, clock, 1.2)
    assert ran == ["early"]
    assert timers.wait_s(9) == 0.8
    run(timers, clock, 5)
    assert ran == ["early", "late"]
    assert timers.wait_s(9) == 9


def test_repeated_message_goes_out_at_growing_intervals_until_it_is_given_up() -> None:
    clock, sent, given_up = SteppedClock(), list[float](), list[float]()
    timers = Timers(clock)
    Repeated(timers, lambda: sent.append(clock.now), lambda: given_up.append(clock.now))
    run(timers, clock, 100)
    assert sent == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert given_up == [GIVE_UP_S]


def test_repeated_invite_doubles_without_limit() -> None:
    clock, sent = SteppedClock(), list[float]()
    timers = Timers(clock)
    Repeated(timers, lambda: sent.append(clock.now), lambda: None, limit_s=math.inf)
    run(timers, clock, 100)
    assert sent == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_repeated_message_stops_when_told() -> None:
    clock, sent = SteppedClock(), list[float]()
    timers = Timers(clock)
    repeated = Repeated(timers, lambda: sent.append(clock.now), lambda: None)
    run(timers, clock, 0.7)
    repeated.stop()
    run(timers, clock, 100)
    assert sent == [0, 0.5]
    assert repeated.repeats == 1
