"""Timers of the call side, on the event loop or on a clock that a test steps.

Owns the protocols; LoopScheduler is the one for the running gateway.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol


class TimerHandle(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        """Call it once after delay_s, unless the handle is cancelled before."""
        ...

    def time(self) -> float:
        """Monotonic seconds."""
        ...


class LoopScheduler:
    """The running event loop as a scheduler."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        return self._loop.call_later(delay_s, callback)

    def time(self) -> float:
        return self._loop.time()
