"""Verbs that only steer: Hangup, Reject, Redirect, Pause; and Echo.

Source: Twilio <Hangup>, <Reject>, <Redirect>, <Pause>; SIP and TwiML Interaction (404 and 486 for a rejected call).
"""

import asyncio
from typing import Final

from gateway.scripted import ScriptedCall
from gateway.twiml import resolve_url
from gateway.twiml.model import Echo, Hangup, Pause, Redirect, Reject
from gateway.twiml.values import RejectReason
from gateway.verbs.outcome import Continue, Fetch, Next, Stop
from media.engine import Silence
from signaling.leg import HangupCause

NOT_EXECUTED: Final = 13750


async def hangup(call: ScriptedCall, verb: Hangup, _base_url: str | None) -> Next:
    """Hangup as the first verb still answers the call."""
    _tell_of_parameters(call, verb)
    await call.answer()
    return Stop()


async def reject(call: ScriptedCall, verb: Reject, _base_url: str | None) -> Next:
    """Refuse a call that nobody answered; on an answered one it is a Hangup."""
    _tell_of_parameters(call, verb)
    if not call.is_answered:
        call.refusal = HangupCause.BUSY if verb.reason is RejectReason.BUSY else HangupCause.NOT_FOUND
    return Stop()


def _tell_of_parameters(call: ScriptedCall, verb: Hangup | Reject) -> None:
    if verb.parameters:
        call.timeline.warn(NOT_EXECUTED, f"<{verb.tag}><Parameter> has no effect")


async def redirect(_call: ScriptedCall, verb: Redirect, base_url: str | None) -> Next:
    return Fetch(url=resolve_url(base_url, verb.url), method=verb.method.value, is_redirect=True)


async def pause(call: ScriptedCall, verb: Pause, _base_url: str | None) -> Next:
    """As the first verb it passes before the call is answered."""
    await asyncio.sleep(verb.length_s)
    await call.answer()
    return Continue()


async def echo(call: ScriptedCall, _verb: Echo, _base_url: str | None) -> Next:
    """The caller hears himself until he hangs up. Source: twilio-python, Echo."""
    await call.answer()
    port = call.leg.media
    port.hear(port)
    until_hung_up: asyncio.Future[Next] = asyncio.get_running_loop().create_future()
    try:
        return await until_hung_up
    finally:
        port.hear(Silence())
