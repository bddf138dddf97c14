"""The calls of dialled parties, by their sid, from the moment they are placed until they are over or go their own way.

Owns nothing of them: a <Dial> adds and removes them. What a client of the REST API may do to one is here; a party that
is given a document of its own leaves the <Dial> and is a live call like any other from then on (gateway/live_calls.py).
Source: Twilio Call resource, update (child calls).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gateway.call import CallStatus
from gateway.parameters import CallFacts
from gateway.routing import Script
from gateway.store.records import CallRecord
from gateway.telling import Telling
from gateway.verbs.outcome import Fetch, Given
from signaling.leg import Leg


@dataclass(frozen=True, kw_only=True)
class OwnWay:
    """What a party goes on with. script: asked for its fallback URL. telling None: whoever was told before.

    time_limit_s: of the call from its answer on.
    """

    following: Fetch | Given
    script: Script = Script()
    telling: Telling | None = None
    time_limit_s: float | None = None


class DialledCall(Protocol):
    @property
    def facts(self) -> CallFacts: ...
    @property
    def status(self) -> CallStatus: ...

    @property
    def leg(self) -> Leg | None:
        """The one that answered, as long as it is there."""
        ...

    def record(self) -> CallRecord:
        """The call as it is now."""
        ...

    def hangup(self) -> None:
        """End it in whatever state; before the answer it is canceled."""
        ...

    def limit_time(self, seconds: float) -> None:
        """It ends this long from now at the latest."""
        ...

    def move(self, way: OwnWay) -> bool:
        """Take the party out of its <Dial>, which is over by that. False unless it has answered and is still there."""
        ...


class DialledCalls:
    def __init__(self) -> None:
        self._calls: dict[str, DialledCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[DialledCall]:
        return iter(tuple(self._calls.values()))

    def add(self, call: DialledCall) -> None:
        self._calls[call.facts.sid] = call

    def remove(self, sid: str) -> None:
        """Idempotent."""
        self._calls.pop(sid, None)

    def get(self, sid: str) -> DialledCall | None:
        return self._calls.get(sid)
