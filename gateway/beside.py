"""What runs beside a call's script: streams and recordings that <Start> began, by name, until <Stop> or the call's end.

Owns no sound; a task each, which belongs to its call. Source: Twilio <Start>, <Stop>.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.scripted import ScriptedCall


class NameTaken(Exception):
    """Something of that kind and name runs for the call already."""


class _Running:
    """task None: it has not begun yet."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.is_stopped = False


class Beside:
    """All of the process; a call that is over has none."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str, str], _Running] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, call: ScriptedCall, kind: str, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run it until it ends, is stopped, or the call is over. Raises NameTaken, and then never runs it."""
        key = (call.facts.sid, kind, name)
        if key in self._running:
            work.close()
            raise NameTaken(f"{kind} {name!r} is running already")
        running = self._running[key] = _Running()

        async def run() -> None:
            running.task = asyncio.current_task()
            try:
                if running.is_stopped:
                    work.close()
                else:
                    await work
            finally:
                del self._running[key]

        call.spawn(run(), name=f"{kind} {name}")

    def stop(self, call: ScriptedCall, kind: str, name: str) -> bool:
        """Whether there was one to stop."""
        running = self._running.get((call.facts.sid, kind, name))
        if running is None or running.is_stopped:
            return False
        running.is_stopped = True
        if running.task is not None:
            running.task.cancel()
        return True
