"""<Say>: text to the caller, in a voice. Source: Twilio <Say>."""

from gateway.scripted import ScriptedCall
from gateway.twiml.model import Say
from gateway.verbs.outcome import Continue, Next
from gateway.verbs.prompts import prepare


async def say(call: ScriptedCall, verb: Say, base_url: str | None) -> Next:
    await call.answer()
    prompt = await prepare(call, verb, base_url)
    await prompt.perform(call.leg)
    return Continue()
