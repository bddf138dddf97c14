"""<Dial>, by what it holds: parties to be rung, a room where others are, or another application.

The first noun decides; a room or an application stands alone, what is beside it is not dialled.
Source: Twilio <Dial>, <Conference>, <Queue>, <Application>; Error 13000.
"""

from gateway.scripted import ScriptedCall
from gateway.twiml.model import Application, Conference, Dial, Queue
from gateway.verbs.attempt import NOT_EXECUTED
from gateway.verbs.conference import dial_conference
from gateway.verbs.dial import dial
from gateway.verbs.dial_application import dial_application
from gateway.verbs.dial_queue import dial_queue
from gateway.verbs.outcome import Next


async def dial_parties_or_room(call: ScriptedCall, verb: Dial, base_url: str | None) -> Next:
    if any(isinstance(noun, Conference) and noun.video and noun.video.enable for noun in verb.nouns):
        call.timeline.warn(NOT_EXECUTED, "<Conference><Video>: a room has no pictures; the call goes on as audio")
    match verb.nouns:
        case (Conference() as room, *_):
            return await dial_conference(call, verb, room, base_url)
        case (Queue() as queue, *_):
            return await dial_queue(call, verb, queue, base_url)
        case (Application() as application, *_):
            return await dial_application(call, verb, application, base_url)
        case _:
            return await dial(call, verb, base_url)
