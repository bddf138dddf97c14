"""The running call that a request below ``Calls/{call_sid}`` is about, which is its account's.

A call there is not, or of another account, is 404; one that is there and not in progress is for the resource to refuse.
"""

from dataclasses import dataclass

from gateway.call import CallStatus
from gateway.dialled_calls import DialledCalls
from gateway.live_calls import LiveCalls
from gateway.parameters import CallFacts
from gateway.rest.dispatch import Ask
from gateway.rest.known_calls import KnownCalls
from gateway.session import CallSession
from gateway.store import Store
from signaling.leg import Leg


@dataclass(frozen=True, kw_only=True)
class Party:
    """Who is talking on a call. leg: has answered and is there."""

    leg: Leg
    facts: CallFacts


class LiveParties:
    def __init__(self, *, store: Store, calls: LiveCalls, dialled: DialledCalls) -> None:
        self._known = KnownCalls(store=store, calls=calls, dialled=dialled)
        self._calls = calls
        self._dialled = dialled

    async def session(self, ask: Ask) -> CallSession | None:
        """None: the call is not in progress, or is that of a dialled party. Raises RestError 404."""
        record = await self._known.record(ask)
        call = self._calls.get(record.sid)
        if call is None or call.session is None or call.status is not CallStatus.IN_PROGRESS:
            return None
        # Its leg is over before its status says so.
        return call.session if call.session.leg.events.ended is None else None

    async def party(self, ask: Ask) -> Party | None:
        """Also of a dialled call. None: the call is not in progress. Raises RestError 404."""
        session = await self.session(ask)
        if session is not None:
            return Party(leg=session.leg, facts=session.facts)
        dialled = self._dialled.get(ask.parts["call_sid"])
        leg = None if dialled is None else dialled.leg
        return None if dialled is None or leg is None else Party(leg=leg, facts=dialled.facts)
