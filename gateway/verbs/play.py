"""<Play>: a sound file, or digits, to the caller.

The file is fetched whole, without the standard parameters, before it starts. What cannot be fetched or played is an
error of the document, so that the fallback URL gets its chance.
Source: Twilio <Play>.
"""

from gateway.scripted import ScriptedCall
from gateway.twiml import resolve_url
from gateway.twiml.model import Play
from gateway.verbs.outcome import Continue, Next
from media.player import load_clip

MAX_LOOPS = 1000


async def play(call: ScriptedCall, verb: Play, base_url: str | None) -> Next:
    await call.answer()
    if verb.digits is not None:
        await call.leg.send_digits(verb.digits)
        return Continue()
    audio = await call.services.webhooks.fetch_audio(resolve_url(base_url, verb.url), cookies=call.cookies)
    clip = await load_clip(audio.body, content_type=audio.content_type)
    await call.leg.media.play(clip, loops=verb.loop or MAX_LOOPS)
    return Continue()
