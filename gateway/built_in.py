"""The built-in application: dial what was asked for, an identity or a number.

Pure. It is what runs where no voice URL is configured, so that two phones can call each other at once, and two browsers
see each other that offer it.
"""

from gateway.routing import Router
from gateway.twiml.model import Client, Dial, Document, Noun, Number, Video
from gateway.twiml.problems import Position
from signaling.location import ClientTarget, NumberTarget

_NOWHERE = Position(1, 1)


def built_in(dialled: str, caller: str, router: Router, *, account_sid: str = "") -> Document:
    """dialled: user part of what was called. A number is shown the first of our own, if we have one."""
    noun: Noun
    shown = None
    match router.target(dialled, account_sid=account_sid):
        case NumberTarget(number):
            noun = Number(position=_NOWHERE, number=number)
            shown = router.first_number(account_sid=account_sid) or caller
        case ClientTarget(identity):
            noun = Client(position=_NOWHERE, identity=identity, video=Video(position=_NOWHERE, enable=True))
    return Document(verbs=(Dial(position=_NOWHERE, nouns=(noun,), answer_on_bridge=True, caller_id=shown),))
