"""The call of a dialled party as the REST API finds it while its <Dial> goes on: ended, limited, or sent its own way.

Source: Twilio Call resource, update; rest-api.md 4 of the specification (one leg of a bridged pair).
"""

import asyncio
from typing import Protocol

from gateway.call import CallStatus
from gateway.dialled_calls import OwnWay
from gateway.parameters import CallFacts
from gateway.session import CallSession
from gateway.store.records import CallRecord
from gateway.timeline import Timeline
from gateway.verbs.attempt import Attempt
from media.engine import Silence
from signaling.leg import Leg, Transferable


class Dialling(Protocol):
    """What of a running <Dial> is needed. number: of the attempt."""

    def status_of(self, number: int) -> CallStatus: ...

    def drop(self, number: int) -> None:
        """Hang up every leg of it."""
        ...

    def release(self, number: int) -> "tuple[Leg, asyncio.Task[None] | None] | None":
        """Give up its answered leg, and what is still being cancelled on it; None where there is none."""
        ...


class ChildCall:
    """number: of its attempt."""

    def __init__(self, dialling: Dialling, number: int, attempt: Attempt) -> None:
        self._dialling = dialling
        self._number = number
        self._attempt = attempt
        self._limit: asyncio.TimerHandle | None = None

    @property
    def facts(self) -> CallFacts:
        return self._attempt.facts

    @property
    def status(self) -> CallStatus:
        return self._dialling.status_of(self._number)

    @property
    def leg(self) -> Leg | None:
        leg = self._attempt.answered_leg
        return leg if leg is not None and leg.events.ended is None else None

    def record(self) -> CallRecord:
        return self._attempt.record(self.status)

    def hangup(self) -> None:
        self._dialling.drop(self._number)

    def limit_time(self, seconds: float) -> None:
        self.forget_limit()
        self._limit = asyncio.get_running_loop().call_later(seconds, self.hangup)

    def forget_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def move(self, way: OwnWay) -> bool:
        released = self._dialling.release(self._number)
        if released is None:
            return False
        self.forget_limit()
        leg, unfinished = released
        leg.media.hear(Silence())
        if isinstance(leg, Transferable):
            leg.accept_transfers(False)
        services, facts = self._attempt.services, self._attempt.facts
        timeline = Timeline(services, facts, leg_id=leg.leg_id)
        progress = self._attempt.progress(timeline, way.telling)
        session = CallSession(
            services,
            leg,
            facts,
            way.script,
            progress=progress,
            first=way.following,
            time_limit_s=None if way.time_limit_s is None else max(1.0, way.time_limit_s - progress.duration_s),
            after=unfinished,
        )
        services.launch(session)
        return True
