"""<Refer>: the caller's phone is sent elsewhere, by itself; what became of it is told at ``action``.

Source: Twilio <Refer>; RFC 3515.
"""

from typing import Final

from gateway.call import CallStatus, unanswered_status
from gateway.parameters import Parameters
from gateway.scripted import ScriptedCall
from gateway.twiml import resolve_url
from gateway.twiml.model import Refer
from gateway.verbs.outcome import Continue, Fetch, Next, Stop
from signaling.leg import HangupCause, Transferable, TransferResult

NOT_A_SIP_LEG: Final = 13801


async def refer(call: ScriptedCall, verb: Refer, base_url: str | None) -> Next:
    await call.answer()
    action = None if verb.action is None else resolve_url(base_url, verb.action)
    leg = call.leg
    if isinstance(leg, Transferable):
        result = await leg.transfer(verb.sip.uri, dict(verb.sip.headers))
    else:
        call.timeline.warn(NOT_A_SIP_LEG, "<Refer> needs a caller with a SIP phone", level="error")
        result = TransferResult()
    if action is not None and leg.events.ended is not None:
        # Most phones hang up as soon as the other call stands: the application still learns what became of it.
        parameters = call.parameters() + result_parameters(result)
        call.timeline.note(call.timeline.owe(url=action, method=verb.method.value, parameters=parameters))
        return Stop()
    if action is not None:
        return Fetch(url=action, method=verb.method.value, parameters=result_parameters(result))
    return Continue()


def result_parameters(result: TransferResult) -> Parameters:
    """Source: Twilio <Refer>, action parameters; NotifySipResponseCode only if the phone told something."""
    parameters = [("ReferCallStatus", call_status(result).value)]
    if result.sip_status is not None:
        parameters.append(("ReferSipResponseCode", str(result.sip_status)))
    if result.notify_status is not None:
        parameters.append(("NotifySipResponseCode", str(result.notify_status)))
    return parameters


def call_status(result: TransferResult) -> CallStatus:
    """Of the call that the phone was sent to. One that was accepted and of which nothing came goes on unseen."""
    if result.sip_status is None or result.sip_status >= 300:
        return CallStatus.FAILED
    told = result.notify_status
    if told is None or told < 300:
        return CallStatus.IN_PROGRESS
    return CallStatus.CANCELED if told == 487 else unanswered_status(HangupCause.from_sip_status(told))
