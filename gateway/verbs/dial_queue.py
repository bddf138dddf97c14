"""<Dial><Queue>: take the first call that waits in a queue, or wait for one, and be connected to it.

Who gets whom is the queue's business (gateway/rooms/queue_model.py); the sound and the recording are those of any
<Dial> (dial_sound.py). The queued caller goes on with its own document when the talk is over.
Source: Twilio <Queue>; Twilio <Dial>, action, timeout, timeLimit, hangupOnStar, record; Error 14213.
"""

import asyncio
from contextlib import ExitStack
from typing import Final

from gateway.call import CallStatus
from gateway.parameters import Parameters, whole_seconds
from gateway.rooms.ambience import started
from gateway.rooms.queue import GivenUp, Joined, LiveQueue, Lost, Membership, Parted, Taking
from gateway.scripted import ScriptedCall
from gateway.store import StorageUnavailable
from gateway.twiml import resolve_url
from gateway.twiml.model import Dial, Queue
from gateway.verbs.dial_sound import DialSound
from gateway.verbs.nouns import TIMEOUT_EXTRA_S
from gateway.verbs.outcome import Continue, Fetch, Next
from signaling.leg import DigitReceived, HangupCause, Leg

NOT_EXECUTED: Final = 13750
NO_SUCH_QUEUE: Final = 14213


async def dial_queue(call: ScriptedCall, verb: Dial, noun: Queue, base_url: str | None) -> Next:
    # Resolved before anything else: a URL that cannot be requested is an error of the document.
    action = None if verb.action is None else resolve_url(base_url, verb.action)
    whisper = None if noun.url is None else Fetch(url=resolve_url(base_url, noun.url), method=noun.method.value)
    if not verb.answer_on_bridge:
        await call.answer()
    for name, value in (("reservationSid", noun.reservation_sid), ("postWorkActivitySid", noun.post_work_activity_sid)):
        if value is not None:
            call.timeline.warn(NOT_EXECUTED, f"<Queue {name}> is not executed: there is no TaskRouter here")
    talk = _Talk(call, verb, base_url)
    try:
        async with call.services.queues.found(noun.queue, account_sid=call.facts.account_sid) as queue:
            if queue is None:
                message = f"<Queue>: expected a queue, found none with the name or sid {noun.queue!r:.80}"
                call.timeline.warn(NO_SUCH_QUEUE, message, level="error")
            else:
                await talk.until_over(queue, whisper)
    except StorageUnavailable as error:
        call.timeline.log.error("queue not found", queue=noun.queue, reason=str(error))
    except asyncio.CancelledError:
        if action is not None and call.leg.events.ended is not None:
            parameters = call.parameters() + talk.abandoned_parameters()
            call.timeline.note(call.timeline.owe(url=action, method=verb.method.value, parameters=parameters))
        raise
    finally:
        talk.close()
    if talk.status is not CallStatus.COMPLETED:
        call.refusal = HangupCause.NO_ANSWER if talk.status is CallStatus.NO_ANSWER else HangupCause.FAILED
    if action is not None:
        return Fetch(url=action, method=verb.method.value, parameters=talk.result_parameters())
    return Continue()


class _Talk:
    """One <Dial> of a queue: waiting, then talking. status: as the action is told."""

    def __init__(self, call: ScriptedCall, verb: Dial, base_url: str | None) -> None:
        self.status = CallStatus.FAILED
        self._call = call
        self._verb = verb
        self._sound = DialSound(call, verb, base_url)
        self._queue: LiveQueue | None = None
        self._partner: Membership | None = None
        self._begun_s = 0.0
        self._duration_s = 0
        self._was_redirected = False
        self._is_late = False

    async def until_over(self, queue: LiveQueue, whisper: Fetch | None) -> None:
        self._queue = queue
        self.status = CallStatus.NO_ANSWER
        await self._sound.start_ringback()
        taking = queue.take(self._call, whisper)
        timeout = asyncio.get_running_loop().call_later(self._verb.timeout_s + TIMEOUT_EXTRA_S, self._time_out, taking)
        with ExitStack() as stack:
            stack.callback(taking.leave)
            stack.callback(timeout.cancel)
            stack.enter_context(self._call.listening(lambda pressed: self._digit(taking, pressed)))
            while True:
                match await taking.inbox.get():
                    case Joined(membership):
                        timeout.cancel()
                        await self._connect(stack, taking, membership)
                    case Lost() if self._is_late and taking.is_waiting:
                        return
                    case Lost():
                        pass
                    case Parted(was_redirected):
                        self._was_redirected = was_redirected
                        return
                    case GivenUp():
                        return

    async def _connect(self, stack: ExitStack, taking: Taking, membership: Membership) -> None:
        call, verb = self._call, self._verb
        await call.answer()
        self._partner = membership
        self.status = CallStatus.COMPLETED
        self._begun_s = call.services.monotonic()
        self._sound.stop_ringback()
        self._sound.bridge(membership.call.leg)
        # The other way round for keys that the bridge does not carry; what it carries is sound.
        stack.enter_context(membership.call.listening(lambda pressed: self._pass_on(pressed, call.leg)))
        limit_s = min(verb.time_limit_s, call.services.configuration.calls.time_limit_s)
        limit = asyncio.get_running_loop().call_later(limit_s, taking.inbox.put_nowait, GivenUp())
        stack.callback(limit.cancel)
        call.timeline.note(call.timeline.event("bridged", message=membership.call.facts.sid))

    def close(self) -> None:
        self._sound.stop_ringback()
        self._sound.close()

    def abandoned_parameters(self) -> Parameters:
        """Of a caller who hung up."""
        if self._partner is None and self.status is CallStatus.NO_ANSWER:
            self.status = CallStatus(self._call.services.configuration.calls.status_when_caller_hangs_up)
        return self.result_parameters()

    def result_parameters(self) -> Parameters:
        """Source: Twilio <Dial>, action; the queue's own as at <Queue>, url."""
        partner, queue = self._partner, self._queue
        parameters = [("DialCallStatus", self.status.value)]
        if partner is not None and queue is not None:
            parameters.append(("DialCallSid", partner.call.facts.sid))
            if not self._was_redirected:
                seconds = self._call.services.monotonic() - self._begun_s
                parameters.append(("DialCallDuration", str(whole_seconds(seconds))))
        parameters.append(("DialBridged", "false" if partner is None else "true"))
        if partner is not None and queue is not None:
            parameters += [
                ("QueueSid", queue.record.sid),
                ("QueueTime", str(whole_seconds(partner.waited_s))),
                ("DequeingCallSid", self._call.facts.sid),
            ]
        recording = self._sound.finish_recording()
        return parameters if recording is None else parameters + recording.parameters()

    def _time_out(self, taking: Taking) -> None:
        """The time is for an empty queue: a member that is being prepared is waited for."""
        self._is_late = True
        if taking.is_waiting:
            taking.inbox.put_nowait(GivenUp())

    def _digit(self, taking: Taking, pressed: DigitReceived) -> None:
        if pressed.digit == "*" and self._verb.hangup_on_star:
            taking.inbox.put_nowait(GivenUp())
        elif self._partner is not None:
            self._pass_on(pressed, self._partner.call.leg)

    def _pass_on(self, pressed: DigitReceived, leg: Leg) -> None:
        """Keys that came beside the sound (SIP INFO) are not carried by the bridge."""
        if not pressed.is_in_media and leg.events.ended is None:
            started(self._call, leg.send_digits(pressed.digit), name="digit")
