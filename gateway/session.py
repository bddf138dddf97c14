"""One inbound call from its first moment to its record.

Owns the call's tasks (one flat TaskGroup), its status and its timeline. What the caller hears and whom he is connected
to is the script's business (gateway/interpreter.py); this file knows when the call begins, is answered and ends.

A call ends in one way: the caller's leg posts ``Ended``, whoever ended it (BYE, script, time limit, shutdown), and
CallEnded leaves the group. Verbs end by cancellation and clean up in their ``finally``.
Source: Twilio "TwiML for Programmable Voice"; Twilio Call resource.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.call import CallModel, CallStatus, Over, PickedUp, PostStatus, unanswered_status
from gateway.leg_record import leg_record
from gateway.parameters import (
    CallFacts,
    Parameters,
    call_parameters,
    progress_parameters,
    whole_seconds,
)
from gateway.routing import Script
from gateway.scripted import DigitListener
from gateway.services import Services
from gateway.store.records import CallRecord, OwedCallback
from gateway.telling import Telling
from gateway.timeline import Timeline
from gateway.verbs.outcome import Fetch, Given
from gateway.webhooks.cookies import CallCookies
from signaling.leg import DigitReceived, Ended, HangupCause, Leg


class CallEnded(Exception):
    """The caller's leg is over: leaves the call's TaskGroup, caught in ``CallSession.run`` alone."""


class CallSession:
    """The call as verbs see it: its leg, its facts, its status, and the means to tell and to note.

    refusal: what an unanswered caller is told when the script ends (a <Dial> that found its party busy leaves "busy").
    """

    def __init__(self, services: Services, leg: Leg, facts: CallFacts, script: Script) -> None:
        self.services = services
        self.leg = leg
        self.facts = facts
        self.script = script
        self.cookies = CallCookies()
        self.refusal = HangupCause.NORMAL
        self.timeline = Timeline(services, call_sid=facts.sid, leg_id=leg.leg_id)
        self._model = CallModel(CallStatus.RINGING)
        self._telling = Telling(
            url=script.status_callback or None,
            method=script.status_callback_method,
            events=frozenset({"completed"}),
        )
        self._listeners: list[DigitListener] = []
        self._group: asyncio.TaskGroup | None = None
        self._script_task: asyncio.Task[None] | None = None
        self._redirected: Fetch | Given | None = None
        self._created_at = services.now()
        self._answered_at: datetime | None = None
        self._answered_s: float | None = None

    @property
    def status(self) -> CallStatus:
        return self._model.status

    @property
    def is_answered(self) -> bool:
        return self._answered_at is not None

    async def run(self) -> None:
        """Run the script until it or the call ends; the call's record and callbacks are written whatever happens."""
        self.services.store.write_soon(self.record(), self.timeline.event("call", details={"device": self.leg.device}))
        limit = asyncio.get_running_loop().call_later(
            self.services.configuration.calls.time_limit_s, self.leg.hangup, HangupCause.NORMAL
        )
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._follow_leg(), name=f"{self.facts.sid} leg")
                group.create_task(self._play_out(group), name=f"{self.facts.sid} scripts")
        except* CallEnded:
            pass
        finally:
            limit.cancel()
            self.leg.hangup(HangupCause.FAILED)
            self._close()

    def redirect(self, following: Fetch | Given) -> bool:
        """Take the running script away and go on with this document instead. False for a call that is over.

        Verbs see a cancellation while their leg still lives: nobody hung up.
        """
        if self.leg.events.ended is not None or self._script_task is None or self._script_task.done():
            return False
        self._redirected = following
        self._script_task.cancel()
        return True

    async def _follow_leg(self) -> None:
        async for event in self.leg.events:
            match event:
                case DigitReceived():
                    for listener in tuple(self._listeners):
                        listener(event)
                case Ended():
                    raise CallEnded
                case _:
                    pass

    async def _play_out(self, group: asyncio.TaskGroup) -> None:
        """One script after the other, each replacing the one before; the last that ends by itself ends the call."""
        following: Fetch | Given | None = None
        while True:
            work = self.services.interpreter.run(self, following)
            self._script_task = group.create_task(work, name=f"{self.facts.sid} script")
            await asyncio.wait([self._script_task])
            if self._redirected is None or not self._script_task.cancelled():
                break
            following, self._redirected = self._redirected, None
        self.leg.hangup(HangupCause.NORMAL if self.is_answered else self.refusal)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """A task of the call: it ends with the call at the latest."""
        assert self._group is not None
        return self._group.create_task(work, name=f"{self.facts.sid} {name}")

    async def answer(self) -> None:
        """Answer the caller if that has not happened yet."""
        if self.is_answered or self.leg.events.ended is not None:
            return
        await self.leg.answer()
        if self.leg.events.ended is not None:
            return
        self._answered_at = self.services.now()
        self._answered_s = self.services.monotonic()
        self._model.receive(PickedUp())
        self.services.store.write_soon(self.record(), self.timeline.event("answered"))

    @contextmanager
    def listening(self, listener: DigitListener) -> Iterator[None]:
        """Hand the caller's digits to ``listener`` for as long as the context lasts."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def parameters(self) -> Parameters:
        """The standard parameters of a request made now; of one whose caller is gone, with the status it ends with."""
        ended = self.leg.events.ended
        if ended is None:
            return call_parameters(self.facts, self.status)
        return call_parameters(self.facts, CallStatus.COMPLETED if self.is_answered else self._final_status(ended))

    def record(self) -> CallRecord:
        return CallRecord(
            sid=self.facts.sid,
            account_sid=self.facts.account_sid,
            from_=self.facts.caller,
            to=self.facts.callee,
            direction=self.facts.direction.value,
            status=self.status.value,
            date_created=self._created_at,
            date_updated=self.services.now(),
            start_time=self._answered_at,
            application_sid=self.facts.application_sid,
            forwarded_from=self.facts.forwarded_from,
            caller_name=self.facts.caller_name or None,
            status_callback=self._telling.url,
            status_callback_method=self._telling.method,
            status_callback_events=tuple(sorted(self._telling.events)),
        )

    def _close(self) -> None:
        """The last words: final status, duration, and the callback that is owed for it."""
        ended = self.leg.events.ended or Ended(HangupCause.FAILED)
        now = self.services.now()
        duration_s = 0 if self._answered_s is None else whole_seconds(self.services.monotonic() - self._answered_s)
        posted = self._model.receive(Over(self._final_status(ended)))
        record = replace(
            self.record(),
            end_time=now,
            duration_s=duration_s if self.is_answered else None,
            sip_status=ended.sip_status,
        )
        self.timeline.log.info("call over", status=self.status.value, cause=ended.cause.value, duration_s=duration_s)
        self.timeline.note(
            record,
            leg_record(
                self.leg,
                call_sid=self.facts.sid,
                target=self.facts.callee,
                created_at=self._created_at,
                answered_at=self._answered_at,
                ended_at=now,
            ),
            self.timeline.event("ended", message=ended.cause.value, details={"by_caller": ended.by_remote}),
            *self._owed(posted, duration_s, ended.sip_status),
        )

    def _final_status(self, ended: Ended) -> CallStatus:
        """An inbound caller who gives up before the answer was not answered; a script may refuse him as busy."""
        if ended.by_remote or ended.cause in (HangupCause.NORMAL, HangupCause.NOT_FOUND):
            return CallStatus.NO_ANSWER
        return unanswered_status(ended.cause)

    def _owed(self, posted: tuple[PostStatus, ...], duration_s: int, sip_status: int | None) -> list[OwedCallback]:
        """An inbound call has one event, its end; so its number is 0."""
        return [
            self.timeline.owe(
                url=url,
                method=self._telling.method,
                parameters=progress_parameters(
                    self.facts,
                    replace(told, sequence=0),
                    at=self.services.now(),
                    duration_s=duration_s,
                    sip_status=sip_status,
                ),
            )
            for told in posted
            if (url := self._telling.url_for(told.event)) is not None
        ]
