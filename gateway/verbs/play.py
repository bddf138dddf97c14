"""<Play>: a sound file, or digits, to the caller.

The file is fetched whole, without the standard parameters, before it starts. What cannot be fetched or played is an
error of the document, so that the fallback URL gets its chance.
Source: Twilio <Play>.
"""

from gateway.scripted import ScriptedCall
from gateway.twiml.model import Play
from gateway.verbs.outcome import Continue, Next
from gateway.verbs.prompts import prepare


async def play(call: ScriptedCall, verb: Play, base_url: str | None) -> Next:
    await call.answer()
    prompt = await prepare(call, verb, base_url)
    await prompt.perform(call.leg)
    return Continue()
