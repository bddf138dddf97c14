"""What somebody hears who is not with the others: music, silence, or documents of the application.

Decides which verbs such documents may hold. Values but for ``started``, which runs one as a task of its call.
Source: Twilio <Conference>, waitUrl; Twilio Participant resource, HoldUrl, AnnounceUrl; Twilio <Enqueue>, waitUrl;
Error 13238.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from gateway.scripted import Rules, ScriptedCall
from gateway.twiml.model import Gather, Hangup, Leave, Pause, Play, Redirect, Say
from gateway.twiml.reply import Afterwards
from gateway.verbs.outcome import Fetch

ILLEGAL_VERB: Final = 13238


@dataclass(frozen=True)
class Music:
    """The hold music of the house."""


@dataclass(frozen=True)
class Quiet:
    """Silence, as an empty waitUrl asks for."""


Ambience = Music | Quiet | Fetch

WAITING: Final = Rules(
    verbs=frozenset({Play, Say, Pause, Redirect}),
    code=ILLEGAL_VERB,
    afterwards=Afterwards.REPEAT,
    falls_back=False,
    is_endless=True,
)
"""waitUrl and HoldUrl of a conference."""

ANNOUNCEMENT: Final = Rules(
    verbs=frozenset({Play, Say, Pause, Redirect}),
    code=ILLEGAL_VERB,
    afterwards=Afterwards.GO_ON,
    falls_back=False,
)
"""AnnounceUrl, and the url of <Queue> that a queued caller hears before he is connected."""

QUEUED: Final = Rules(
    verbs=frozenset({Play, Say, Pause, Hangup, Redirect, Leave, Gather}),
    code=ILLEGAL_VERB,
    afterwards=Afterwards.GO_ON,
    falls_back=False,
    is_endless=True,
)
"""waitUrl of <Enqueue>."""


def started(call: ScriptedCall, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None] | None:
    """A task of the call. None if its leg is over: the room hears of that in a moment, and others may come first."""
    if call.leg.events.ended is not None:
        work.close()
        return None
    return call.spawn(work, name=name)
