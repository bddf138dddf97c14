"""What callers are played: <Say>, <Play> and <Pause> made ready and performed, for whoever prompts.

The verbs themselves, a <Gather> that is asked while it listens, a whisper, music in a queue. Everything slow is done
by prepare(): what it gives starts at once.
Source: Twilio <Say>, <Play>, <Pause>; <Gather> (nested Play files are all fetched before the first starts).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from gateway.scripted import ScriptedCall
from gateway.twiml import resolve_url
from gateway.twiml.model import Pause, Play, Say
from media.player import Clip
from signaling.leg import Leg

MAX_LOOPS: Final = 1000
"""What loop="0" comes to. Source: Twilio <Say>, <Play>, loop."""

Prompting = Say | Play | Pause


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Ready to be performed: sound, digits, or a pause. All of them empty: nothing is to be heard."""

    clip: Clip | None = None
    loops: int = 1
    digits: str = ""
    pause_s: float = 0.0

    @property
    def duration_s(self) -> float:
        """Of its sound or pause; digits take as long as the leg needs."""
        return self.pause_s + (self.clip.duration_s * self.loops if self.clip is not None else 0.0)

    async def perform(self, leg: Leg) -> None:
        """Returns when it is over; cancelled, it stops. The leg must have sound already."""
        if self.digits:
            await leg.send_digits(self.digits)
        if self.clip is not None:
            await leg.media.play(self.clip, loops=self.loops)
        if self.pause_s:
            await asyncio.sleep(self.pause_s)


async def prepare(call: ScriptedCall, verb: Prompting, base_url: str | None) -> Prompt:
    """A verb's sound, fetched or spoken, as wide as the leg's codec has it.

    A <Say> that fails is an empty prompt, with the reason on the call's record.
    Raises TwimlError, FetchError and UnplayableAudio for a <Play>, as errors of the document.
    """
    rate_hz = call.leg.media.rate_hz
    match verb:
        case Say():
            clip = await call.services.speaker.say(verb, call.timeline, rate_hz=rate_hz)
            return Prompt(clip=clip, loops=verb.loop or MAX_LOOPS)
        case Play(digits=str(digits)):
            return Prompt(digits=digits)
        case Play():
            url = resolve_url(base_url, verb.url)
            sound = await call.services.sounds.clip(
                url, account_sid=call.facts.account_sid, cookies=call.cookies, rate_hz=rate_hz
            )
            return Prompt(clip=sound, loops=verb.loop or MAX_LOOPS)
        case Pause():
            return Prompt(pause_s=verb.length_s)
        case _:
            assert_never(verb)


async def prepare_all(call: ScriptedCall, verbs: Sequence[Prompting], base_url: str | None) -> list[Prompt]:
    """All of them, made ready at the same time. Raises as prepare(), for the first that fails; the rest is given up."""
    tasks = [asyncio.create_task(prepare(call, verb, base_url)) for verb in verbs]
    try:
        return [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
