"""<Dial>, by what it holds: parties to be rung, or a room where others are.

The first noun decides; a room stands alone, what is beside it is not dialled.
Source: Twilio <Dial>, <Conference>, <Queue>; Error 13000.
"""

from gateway.scripted import ScriptedCall
from gateway.twiml.model import Conference, Dial
from gateway.verbs.conference import dial_conference
from gateway.verbs.dial import dial
from gateway.verbs.outcome import Next


async def dial_parties_or_room(call: ScriptedCall, verb: Dial, base_url: str | None) -> Next:
    match verb.nouns:
        case (Conference() as room, *_):
            return await dial_conference(call, verb, room, base_url)
        case _:
            return await dial(call, verb, base_url)
