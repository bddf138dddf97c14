"""The calls that are running, by their sid.

Owns nothing of them: a call enters when it begins and leaves when it is over. Others find it here to coach it, to
redirect it or to end it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from gateway.call import CallStatus
from gateway.call_progress import CallProgress
from gateway.parameters import CallFacts
from gateway.session import CallSession
from gateway.verbs.outcome import Fetch, Given
from signaling.leg import HangupCause


class LiveCall(Protocol):
    """What can be done to a call from outside. session: None while nobody has answered a call that was placed here."""

    @property
    def facts(self) -> CallFacts: ...
    @property
    def status(self) -> CallStatus: ...
    @property
    def progress(self) -> CallProgress: ...
    @property
    def session(self) -> CallSession | None: ...

    def hangup(self, cause: HangupCause = HangupCause.NORMAL) -> None: ...

    def redirect(self, following: Fetch | Given) -> bool:
        """Another document instead of what runs now. False for a call that is over."""
        ...

    def fall_back_to(self, url: str, method: str) -> None: ...


class LiveCalls:
    def __init__(self) -> None:
        self._calls: dict[str, LiveCall] = {}
        self._of_account: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, call: LiveCall) -> None:
        self._calls[call.facts.sid] = call
        self._of_account[call.facts.account_sid] += 1
        self._idle.clear()

    def remove(self, call: LiveCall) -> None:
        del self._calls[call.facts.sid]
        self._of_account[call.facts.account_sid] -= 1
        if not self._of_account[call.facts.account_sid]:
            del self._of_account[call.facts.account_sid]
        if not self._calls:
            self._idle.set()

    def get(self, sid: str) -> LiveCall | None:
        return self._calls.get(sid)

    def count_of(self, account_sid: str) -> int:
        """How many calls of the account are running."""
        return self._of_account[account_sid]

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[LiveCall]:
        return iter(tuple(self._calls.values()))

    async def wait_idle(self) -> None:
        """Returns when none is running."""
        await self._idle.wait()
