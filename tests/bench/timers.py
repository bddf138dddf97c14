"""Timers of the load's single loop, and the one thing they are for: sending again what UDP may have lost.

Pure but for the clock handed in. Owns a heap of times; a cancelled timer is skipped when its time comes.
Source: RFC 3261 17.1.1.2 (timer A), 17.1.2.2 (timer E), 13.3.1.4 (2xx), T1 0.5 s, T2 4 s, 64*T1 32 s.
"""

import heapq
import itertools
from collections.abc import Callable

T1_S = 0.5
T2_S = 4.0
GIVE_UP_S = 32.0


class Timer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Timers:
    """clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Timer]] = []

    def after(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        return self.at(self._clock() + delay_s, callback)

    def at(self, when_s: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._heap, (when_s, next(self._order), timer))
        return timer

    def run_due(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()

    def wait_s(self, at_most: float) -> float:
        """How long until the next timer, at most ``at_most``."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return min(at_most, max(0.0, self._heap[0][0] - self._clock())) if self._heap else at_most


class Repeated:
    """A message sent now and again, at growing intervals, until ``stop``; then, after 32 s, ``give_up``."""

    __slots__ = ("_elapsed", "_give_up", "_interval", "_limit", "_send", "_timer", "_timers", "repeats")

    def __init__(
        self,
        timers: Timers,
        send: Callable[[], None],
        give_up: Callable[[], None],
        *,
        limit_s: float = T2_S,
    ) -> None:
        """limit_s: longest interval; infinite for an INVITE."""
        self._timers, self._send, self._give_up, self._limit = timers, send, give_up, limit_s
        self._interval, self._elapsed, self.repeats = T1_S, 0.0, 0
        send()
        self._timer = timers.after(self._interval, self._again)

    def _again(self) -> None:
        self._elapsed += self._interval
        if self._elapsed >= GIVE_UP_S:
            self._give_up()
            return
        self.repeats += 1
        self._send()
        self._interval = min(self._interval * 2, self._limit, GIVE_UP_S - self._elapsed)
        self._timer = self._timers.after(self._interval, self._again)

    def stop(self) -> None:
        self._timer.cancel()
