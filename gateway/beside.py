"""What runs beside a call's script: streams and recordings that <Start> began, by name, until <Stop> or the call's end.

Owns no sound; a task each, which belongs to its call. What has a sid is found by it too: a client of the REST API may
stop what a document started. Source: Twilio <Start>, <Stop>; Twilio Stream resource.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from gateway.scripted import ScriptedCall

STREAM: Final = "stream"
MOST: Final = 16
"""Of one call at once: each takes its share of the media engine, which others want too."""


class NotStarted(Exception):
    """Something of that kind and name runs for the call already (NameTaken), or too much does."""


class NameTaken(NotStarted):
    """Something of that kind and name runs for the call already."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """key: what <Stop> knows it by. name: as it was given. sid: of its resource. Both "" where there is none."""

    key: str
    name: str
    sid: str
    task: asyncio.Task[Any]


class Beside:
    """All of the process; a call that is over has none."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str, str], Running] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(
        self,
        call: ScriptedCall,
        kind: str,
        key: str,
        work: Coroutine[Any, Any, None],
        *,
        name: str = "",
        sid: str = "",
    ) -> None:
        """Run it until it ends, is stopped, or the call is over. Raises NotStarted, and then never runs it."""
        place = (call.facts.sid, kind, key)
        refusal: NotStarted | None = None
        if place in self._running:
            refusal = NameTaken(f"{kind} {key!r} is running already")
        elif sum(of_call == call.facts.sid for of_call, _, _ in self._running) >= MOST:
            refusal = NotStarted(f"expected at most {MOST} streams and recordings at once")
        if refusal is not None:
            work.close()
            raise refusal
        task = call.spawn(work, name=f"{kind} {key}")
        self._running[place] = Running(key=key, name=name, sid=sid, task=task)
        # Also of one that is cancelled before its first step.
        task.add_done_callback(lambda done: self._forget(place, done))

    def find(self, call: ScriptedCall, kind: str, named: str) -> Running | None:
        """What runs for the call by this name or sid."""
        own = (each for (of_call, of, _), each in self._running.items() if (of_call, of) == (call.facts.sid, kind))
        return next((each for each in own if named and named in (each.name, each.sid)), None)

    def stop(self, call: ScriptedCall, kind: str, key: str) -> bool:
        """Whether there was one to stop. Its key is free at once."""
        running = self._running.pop((call.facts.sid, kind, key), None)
        if running is not None:
            running.task.cancel()
        return running is not None

    def _forget(self, place: tuple[str, str, str], done: asyncio.Task[Any]) -> None:
        running = self._running.get(place)
        if running is not None and running.task is done:
            del self._running[place]
