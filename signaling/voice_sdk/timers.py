"""Timers by name on the running loop: each runs once, and is started anew, stopped, or let run out."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


class Timers(Generic[Name]):
    """on_end: told the name of a timer that ran out."""

    def __init__(self, on_end: Callable[[Name], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._running: dict[Name, asyncio.TimerHandle] = {}

    def start(self, name: Name, delay_s: float) -> None:
        self.stop(name)
        self._running[name] = self._loop.call_later(delay_s, self._end, name)

    def stop(self, name: Name) -> None:
        handle = self._running.pop(name, None)
        if handle is not None:
            handle.cancel()

    def stop_all(self) -> None:
        for name in tuple(self._running):
            self.stop(name)

    def _end(self, name: Name) -> None:
        del self._running[name]
        self._on_end(name)
