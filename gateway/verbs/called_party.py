"""A dialled party that hears a document of its own: its leg as verbs see it.

Lives from the answer of a child call until it is bridged or dropped. It is answered already, so nothing here answers
it, and it belongs to the parent's call: its tasks end with that at the latest.
Source: Twilio <Number>, <Client>, <Sip>: url.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from gateway.call import CallStatus
from gateway.parameters import CallFacts, Parameters, call_parameters
from gateway.routing import Script
from gateway.scripted import DigitListener, ScriptedCall
from gateway.services import Services
from gateway.timeline import Timeline
from gateway.webhooks.cookies import CallCookies
from signaling.leg import DigitReceived, HangupCause, Leg


class CalledParty:
    """facts: of the child call. more: parameters of every request made for it, beside the standard ones."""

    def __init__(self, parent: ScriptedCall, leg: Leg, facts: CallFacts) -> None:
        self._parent = parent
        self.more: Parameters = []
        self._listeners: list[DigitListener] = []
        self.leg = leg
        self.facts = facts
        # The fallback document of the parent speaks to the caller; it is none for the callee.
        self.script = Script()
        self.cookies = CallCookies()
        self.timeline = Timeline(parent.services, facts, leg_id=leg.leg_id)
        self.refusal = HangupCause.NORMAL
        self.is_answered = True

    @property
    def services(self) -> Services:
        return self._parent.services

    @property
    def status(self) -> CallStatus:
        return CallStatus.IN_PROGRESS if self.leg.events.ended is None else CallStatus.COMPLETED

    async def answer(self) -> None:
        """It has answered."""

    @contextmanager
    def listening(self, listener: DigitListener) -> Iterator[None]:
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def hear_digit(self, digit: DigitReceived) -> None:
        for listener in tuple(self._listeners):
            listener(digit)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        return self._parent.spawn(work, name=f"{self.facts.sid} {name}")

    def parameters(self) -> Parameters:
        return call_parameters(self.facts, self.status) + self.more
