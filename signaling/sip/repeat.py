"""A response that is sent until it is acknowledged: a 2xx until ACK, a reliable 1xx until PRACK.

Owns the repetition only. Source: RFC 3261 13.3.1.4; RFC 3262 3.
"""

from collections.abc import Callable

from signaling.sip.scheduler import Scheduler, TimerHandle
from signaling.sip.transaction import TimerValues


class Repetition:
    """Calls ``again`` after T1, 2*T1, … and ``give_up`` once 64*T1 are over; ``stop`` ends it without a word.

    longest_s: T2 for a 2xx; a reliable 1xx doubles without limit.
    """

    __slots__ = ("_again", "_end", "_give_up", "_handle", "_interval_s", "_longest_s", "_scheduler")

    def __init__(
        self,
        *,
        again: Callable[[], None],
        give_up: Callable[[], None],
        scheduler: Scheduler,
        values: TimerValues,
        longest_s: float,
    ) -> None:
        self._again = again
        self._give_up = give_up
        self._scheduler = scheduler
        self._interval_s = values.t1_s
        self._longest_s = longest_s
        self._end = scheduler.time() + values.patience_s
        self._handle: TimerHandle | None = scheduler.call_later(self._interval_s, self._due)

    @property
    def is_running(self) -> bool:
        return self._handle is not None

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self) -> None:
        self._handle = None
        left_s = self._end - self._scheduler.time()
        if left_s <= 0:
            self._give_up()
            return
        self._interval_s = min(self._interval_s * 2, self._longest_s)
        self._handle = self._scheduler.call_later(min(self._interval_s, left_s), self._due)
        self._again()
