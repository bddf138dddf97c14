"""Announcements to a whole room: a document performed for everybody who is in it.

The room stands in for a call: its leg is the mix, into which sounds are played beside what everybody says.
Source: Twilio Conference resource, AnnounceUrl, AnnounceMethod.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, cast

from gateway.call import CallStatus
from gateway.parameters import API_VERSION, CallFacts, Parameters
from gateway.routing import Script
from gateway.scripted import DigitListener, ScriptedCall
from gateway.services import Services
from gateway.timeline import Timeline
from gateway.webhooks.cookies import CallCookies
from media.engine import Mix
from signaling.leg import HangupCause, Leg


class _Loudspeaker:
    """What of a leg an announcement uses: its sound goes to all, keys go nowhere."""

    def __init__(self, mix: Mix) -> None:
        self.media = mix

    async def send_digits(self, digits: str) -> None:
        pass


class RoomVoice:
    """member: a call in the room, on whose record it stands what becomes of the document."""

    def __init__(self, member: ScriptedCall, mix: Mix, *, conference_sid: str, friendly_name: str) -> None:
        self._member = member
        self._conference_sid = conference_sid
        self._friendly_name = friendly_name
        # Announcements may only hold verbs that play: nothing else of a leg is reached.
        self.leg = cast(Leg, _Loudspeaker(mix))
        self.script = Script()
        self.cookies = CallCookies()
        self.refusal = HangupCause.NORMAL
        self.is_answered = True

    @property
    def services(self) -> Services:
        return self._member.services

    @property
    def facts(self) -> CallFacts:
        return self._member.facts

    @property
    def timeline(self) -> Timeline:
        return self._member.timeline

    @property
    def status(self) -> CallStatus:
        return CallStatus.IN_PROGRESS

    async def answer(self) -> None:
        """Nobody calls."""

    @contextmanager
    def listening(self, _listener: DigitListener) -> Iterator[None]:
        yield

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        return self._member.spawn(work, name=name)

    def parameters(self) -> Parameters:
        return [
            ("ConferenceSid", self._conference_sid),
            ("FriendlyName", self._friendly_name),
            ("AccountSid", self._member.facts.account_sid),
            ("ApiVersion", API_VERSION),
        ]
