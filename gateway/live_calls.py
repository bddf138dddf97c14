"""The calls that are running, by their sid.

Owns nothing of them: a session enters when it begins and leaves when it is over. Others find a call here to coach it,
to redirect it or to end it.
"""

import asyncio
from collections.abc import Iterator

from gateway.session import CallSession


class LiveCalls:
    def __init__(self) -> None:
        self._sessions: dict[str, CallSession] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, session: CallSession) -> None:
        self._sessions[session.facts.sid] = session
        self._idle.clear()

    def remove(self, session: CallSession) -> None:
        del self._sessions[session.facts.sid]
        if not self._sessions:
            self._idle.set()

    def get(self, sid: str) -> CallSession | None:
        return self._sessions.get(sid)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[CallSession]:
        return iter(tuple(self._sessions.values()))

    async def wait_idle(self) -> None:
        """Returns when none is running."""
        await self._idle.wait()
