"""What runs beside a call's script: streams and recordings that <Start> began, by name, until <Stop> or the call's end.

Owns no sound; a task each, which belongs to its call. Source: Twilio <Start>, <Stop>.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from gateway.scripted import ScriptedCall

MOST: Final = 16
"""Of one call at once: each takes its share of the media engine, which others want too."""


class NotStarted(Exception):
    """Something of that kind and name runs for the call already, or too much does."""


class Beside:
    """All of the process; a call that is over has none."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, str, str], asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, call: ScriptedCall, kind: str, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run it until it ends, is stopped, or the call is over. Raises NotStarted, and then never runs it."""
        key = (call.facts.sid, kind, name)
        refusal = None
        if key in self._tasks:
            refusal = f"{kind} {name!r} is running already"
        elif sum(sid == call.facts.sid for sid, _, _ in self._tasks) >= MOST:
            refusal = f"expected at most {MOST} streams and recordings at once"
        if refusal is not None:
            work.close()
            raise NotStarted(refusal)
        task = self._tasks[key] = call.spawn(work, name=f"{kind} {name}")
        # Also of one that is cancelled before its first step.
        task.add_done_callback(lambda done: self._forget(key, done))

    def stop(self, call: ScriptedCall, kind: str, name: str) -> bool:
        """Whether there was one to stop. Its name is free at once."""
        task = self._tasks.pop((call.facts.sid, kind, name), None)
        if task is not None:
            task.cancel()
        return task is not None

    def _forget(self, key: tuple[str, str, str], done: asyncio.Task[Any]) -> None:
        if self._tasks.get(key) is done:
            del self._tasks[key]
