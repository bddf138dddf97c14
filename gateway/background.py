"""Work that outlives the call it belongs to: closing a recording, storing what became of it.

Owns the tasks; a failure is logged once, with the work's name, and ends only that piece of work.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Background:
    """Tasks of the process. ``close`` waits for what was begun."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def close(self, *, timeout_s: float) -> bool:
        """Wait for all work, then cancel what is left. Returns whether everything finished by itself."""
        if not self._tasks:
            return True
        _, unfinished = await asyncio.wait(set(self._tasks), timeout=timeout_s)
        for task in unfinished:
            log.warning("background work cut off", work=task.get_name())
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)
        return not unfinished

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("background work failed", work=task.get_name(), exc_info=task.exception())
