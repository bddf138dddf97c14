"""<Enqueue>: wait in a queue until somebody takes the call, or it goes; <Leave>: go.

The queue itself is gateway/rooms/. The action is asked for right away when the call leaves by itself, and when the
talk is over if it was taken; it is owed when the caller hangs up or the REST API takes the call away.
Source: Twilio <Enqueue>, <Leave>; Errors 14204, 14207.
"""

import asyncio
from typing import Final

from gateway.parameters import Parameters, whole_seconds
from gateway.rooms.ambience import Ambience, Music, Quiet
from gateway.rooms.queue import LiveQueue, Membership
from gateway.rooms.queue_events import QueueResult
from gateway.scripted import ScriptedCall
from gateway.store import StorageUnavailable
from gateway.twiml import resolve_url
from gateway.twiml.model import Enqueue
from gateway.twiml.model import Leave as LeaveVerb
from gateway.verbs.outcome import Continue, Fetch, Leave, Next, Stop

NOT_EXECUTED: Final = 13750
NO_NAME: Final = 14204
FULL: Final = 14207


async def leave(call: ScriptedCall, _verb: LeaveVerb, _base_url: str | None) -> Next:
    """Outside a queue there is nothing to leave, and the next verb runs."""
    if call.services.queues.holds(call.facts.sid):
        return Leave()
    call.timeline.warn(NOT_EXECUTED, "<Leave>: expected a call that waits in a queue, found none; skipped")
    return Continue()


async def enqueue(call: ScriptedCall, verb: Enqueue, base_url: str | None) -> Next:
    action = None if verb.action is None else resolve_url(base_url, verb.action)
    waiting = _waiting(verb, base_url)
    await call.answer()
    for name, is_given in (("workflowSid", verb.workflow_sid is not None), ("Task", verb.task is not None)):
        if is_given:
            call.timeline.warn(NOT_EXECUTED, f"<Enqueue> {name} is not executed: there is no TaskRouter here")
    visit = _Visit(call, verb, action)
    if not verb.queue:
        call.timeline.warn(NO_NAME, "<Enqueue>: expected the name of a queue, found none", level="error")
        return visit.over([("QueueResult", QueueResult.ERROR.value)])
    try:
        async with call.services.queues.made(
            verb.queue, account_sid=call.facts.account_sid, max_size=verb.max_queue_size
        ) as queue:
            return await visit.wait(queue, waiting)
    except StorageUnavailable as error:
        call.timeline.log.error("queue not found", queue=verb.queue, reason=str(error))
        return visit.over([("QueueResult", QueueResult.SYSTEM_ERROR.value)])


class _Visit:
    """One call in one queue, from the verb's point of view."""

    def __init__(self, call: ScriptedCall, verb: Enqueue, action: str | None) -> None:
        self._call = call
        self._verb = verb
        self._action = action

    async def wait(self, queue: LiveQueue, waiting: Ambience) -> Next:
        call = self._call
        membership = queue.enqueue(call, waiting, max_size=self._verb.max_queue_size)
        if membership is None:
            call.timeline.warn(FULL, f"<Enqueue>: the queue {queue.record.friendly_name!r} is full")
            return self.over([("QueueResult", QueueResult.QUEUE_FULL.value)])
        call.timeline.note(call.timeline.event("enqueued", message=queue.record.sid))
        try:
            stay = await membership.until_over()
        except asyncio.CancelledError:
            has_hung_up = call.leg.events.ended is not None
            membership.leave(QueueResult.HANGUP if has_hung_up else QueueResult.REDIRECTED)
            self._owe(_parameters(queue, membership))
            raise
        if stay.following is not None:
            self._owe(_parameters(queue, membership))
            return stay.following
        if stay.is_hung_up:
            self._owe(_parameters(queue, membership))
            return Stop()
        return self.over(_parameters(queue, membership))

    def over(self, parameters: Parameters) -> Next:
        """The action, or the next verb."""
        if self._action is None:
            return Continue()
        return Fetch(url=self._action, method=self._verb.method.value, parameters=parameters)

    def _owe(self, parameters: Parameters) -> None:
        """The application is told; what it answers has no effect on a call that goes on elsewhere, or not at all."""
        if self._action is not None:
            call = self._call
            every = call.parameters() + parameters
            call.timeline.note(call.timeline.owe(url=self._action, method=self._verb.method.value, parameters=every))


def _parameters(queue: LiveQueue, membership: Membership) -> Parameters:
    assert membership.stay is not None
    return [
        ("QueueResult", membership.stay.result.value),
        ("QueueSid", queue.record.sid),
        ("QueueTime", str(whole_seconds(membership.stay.waited_s))),
    ]


def _waiting(verb: Enqueue, base_url: str | None) -> Ambience:
    match verb.wait_url:
        case None:
            return Music()
        case "":
            return Quiet()
        case url:
            return Fetch(url=resolve_url(base_url, url), method=verb.wait_url_method.value)
