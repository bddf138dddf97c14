"""<Dial><Application>: another application of the account takes the caller, in a call of its own.

The dialled party is the application itself: its documents are performed on the caller's leg, with the child call's
parameters, until they are over; then the <Dial> goes on as if a callee had hung up. It may dial in turn. A recording
has the caller and all that he hears meanwhile.
Source: Twilio <Application>.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final

from gateway.accounts import entries
from gateway.call import CallStatus, PickedUp, Placed
from gateway.call_progress import CallProgress
from gateway.interpreter import ScriptError
from gateway.parameters import CallDirection, CallFacts, Parameters, call_parameters
from gateway.routing import Script
from gateway.scripted import VOICE, DigitListener, ScriptedCall
from gateway.services import Services
from gateway.sids import new_sid
from gateway.timeline import Timeline
from gateway.twiml import resolve_url
from gateway.twiml.model import Application, Dial
from gateway.verbs.dial_sound import DialSound
from gateway.verbs.nouns import UNSUPPORTED_NOUN, telling_for
from gateway.verbs.outcome import Continue, Fetch, Next
from gateway.webhooks.cookies import CallCookies
from gateway.webhooks.errors import FetchError
from signaling.leg import DigitReceived, Ended, HangupCause, Leg

MOST_CUSTOMER_ID: Final = 256


class ApplicationCall:
    """The child call as its documents see it: they are heard on the caller's leg."""

    def __init__(
        self, parent: ScriptedCall, facts: CallFacts, script: Script, progress: CallProgress, sound: DialSound
    ) -> None:
        self._parent = parent
        self._sound = sound
        self._progress = progress
        self.leg: Leg = parent.leg
        self.facts = facts
        self.script = script
        self.cookies = CallCookies()
        self.timeline: Timeline = progress.timeline
        self.refusal = HangupCause.NORMAL

    @property
    def services(self) -> Services:
        return self._parent.services

    @property
    def status(self) -> CallStatus:
        return self._progress.status

    @property
    def is_answered(self) -> bool:
        return self._parent.is_answered

    async def answer(self) -> None:
        """There is nothing to record before."""
        await self._parent.answer()
        if self.is_answered and not self._sound.is_recording:
            self._sound.record_parent()

    def listening(self, listener: DigitListener) -> AbstractContextManager[None]:
        return self._parent.listening(listener)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        return self._parent.spawn(work, name=f"{self.facts.sid} {name}")

    def parameters(self) -> Parameters:
        return call_parameters(self.facts, self.status)


async def dial_application(call: ScriptedCall, verb: Dial, noun: Application, base_url: str | None) -> Next:
    action = None if verb.action is None else resolve_url(base_url, verb.action)
    following = _following(call, noun, base_url)
    if not verb.answer_on_bridge:
        await call.answer()
    child = _child_of(call, verb, noun, base_url)
    if len(verb.nouns) > 1:
        call.timeline.warn(UNSUPPORTED_NOUN, "<Application> is dialled alone; what stands beside it is left out")
    if following is None:
        child.has_failed = True
        call.timeline.warn(UNSUPPORTED_NOUN, f"<Application>: no [[applications]] has {noun.application_sid[:40]!r}")
        child.close(CallStatus.FAILED)
        return _next(call, verb, action, child)
    try:
        await _run(call, verb, child, following)
    except (FetchError, ScriptError) as error:
        child.has_failed = True
        child.call.timeline.warn(int(error.code), error.message, level="error", url=error.url)
    except asyncio.CancelledError:
        child.close(CallStatus.COMPLETED)
        if action is not None and call.leg.events.ended is not None:
            parameters = call.parameters() + child.result_parameters()
            call.timeline.note(call.timeline.owe(url=action, method=verb.method.value, parameters=parameters))
        raise
    child.close(CallStatus.COMPLETED)
    return _next(call, verb, action, child)


def _next(call: ScriptedCall, verb: Dial, action: str | None, child: "_Child") -> Next:
    if action is None:
        return Continue()
    return Fetch(url=action, method=verb.method.value, parameters=child.result_parameters())


def _following(call: ScriptedCall, noun: Application, base_url: str | None) -> Fetch | None:
    """The first document: of the noun if it names one, else of the application."""
    application = _application(call, noun)
    if application is None:
        return None
    if noun.url is not None:
        return Fetch(url=resolve_url(base_url, noun.url), method=noun.method.value)
    return Fetch(url=application.voice_url, method=application.voice_method) if application.voice_url else None


async def _run(call: ScriptedCall, verb: Dial, child: "_Child", following: Fetch) -> None:
    """Until its documents are over, its time is, or the caller presses * to leave it."""
    loop = asyncio.get_running_loop()
    limit_s = min(verb.time_limit_s, call.services.configuration.calls.time_limit_s)
    child.progress.advance(PickedUp())
    if call.is_answered:
        await child.call.answer()
    try:
        async with asyncio.timeout(limit_s) as limit:

            def leave(pressed: DigitReceived) -> None:
                if pressed.digit == "*" and verb.hangup_on_star:
                    limit.reschedule(loop.time())

            with call.listening(leave):
                await call.services.interpreter.perform(child.call, following, VOICE)
    except TimeoutError:
        # Both ways the caller stays and goes on as if a callee had been hung up.
        pass


def _application(call: ScriptedCall, noun: Application) -> entries.Application | None:
    return call.services.router.application(noun.application_sid, account_sid=call.facts.account_sid)


def _child_of(call: ScriptedCall, verb: Dial, noun: Application, base_url: str | None) -> "_Child":
    account_sid = call.facts.account_sid
    facts = CallFacts(
        sid=new_sid("CA"),
        account_sid=account_sid,
        caller=call.facts.caller,
        callee=call.facts.callee if noun.copy_parent_to else noun.application_sid,
        direction=CallDirection.OUTBOUND_DIAL,
        parent_sid=call.facts.sid,
        application_sid=noun.application_sid,
        forwarded_from=call.facts.forwarded_from,
        extra={
            "CustomerId": (noun.customer_id or account_sid)[:MOST_CUSTOMER_ID],
            **{f"Param_{name}": value for name, value in noun.parameters},
        },
    )
    application = _application(call, noun)
    script = Script() if application is None else Script.of(application, noun.application_sid, noun.application_sid)
    progress = CallProgress(
        call.services,
        facts,
        Timeline(call.services, facts, leg_id=call.leg.leg_id),
        telling_for(call, noun.status, base_url),
        status=CallStatus.QUEUED,
    )
    progress.begin(application=noun.application_sid)
    progress.advance(Placed())
    sound = DialSound(call, verb, base_url)
    return _Child(ApplicationCall(call, facts, script, progress, sound), progress, sound)


class _Child:
    """has_failed: its documents could not be had or performed; then nobody was connected."""

    def __init__(self, call: ApplicationCall, progress: CallProgress, sound: DialSound) -> None:
        self.call = call
        self.progress = progress
        self._sound = sound
        self.has_failed = False
        self._duration_s = 0

    def close(self, status: CallStatus) -> None:
        self._duration_s = self.progress.duration_s
        cause = HangupCause.FAILED if status is CallStatus.FAILED else HangupCause.NORMAL
        self.progress.recording = self._sound.finish_recording()
        self.progress.close(status, leg=None, ended=Ended(cause))

    def result_parameters(self) -> Parameters:
        parameters = [
            ("DialCallStatus", CallStatus.FAILED.value if self.has_failed else self.progress.status.value),
            ("DialCallSid", self.call.facts.sid),
            ("DialCallDuration", str(self._duration_s)),
            ("DialBridged", "false" if self.has_failed else "true"),
        ]
        recording = self._sound.finish_recording()
        return parameters if recording is None else parameters + recording.parameters()
