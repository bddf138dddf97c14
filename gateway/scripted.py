"""A call as verbs see it, whoever's leg it is: the contract between the interpreter, the verbs and those who own calls.

A document is performed on one leg: that of the call a script belongs to (gateway/session.py), or that of a dialled
party which hears a whisper before it is connected. Pure contract; no state here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.call import CallStatus
from gateway.parameters import CallFacts, Parameters
from gateway.twiml.model import VERBS, Verb
from gateway.twiml.reply import Afterwards
from gateway.verbs.outcome import Fetch, Given, Over
from signaling.leg import DigitReceived, HangupCause, Leg

if TYPE_CHECKING:
    from gateway.routing import Script
    from gateway.services import Services
    from gateway.timeline import Timeline
    from gateway.webhooks.cookies import CallCookies

REFER_NOT_WANTED: Final = 13802
"""A REFER that no document asked for."""

DigitListener = Callable[[DigitReceived], None]


class ScriptedCall(Protocol):
    """What a verb may use.

    script: its fallback URL is asked for when a document fails. cookies: of the requests made for this call.
    refusal: what an unanswered caller is told when the script ends (a <Dial> that found its party busy leaves "busy").
    """

    @property
    def services(self) -> "Services": ...
    @property
    def leg(self) -> Leg: ...
    @property
    def facts(self) -> CallFacts: ...
    @property
    def script(self) -> "Script": ...
    @property
    def cookies(self) -> "CallCookies": ...
    @property
    def timeline(self) -> "Timeline": ...
    @property
    def status(self) -> CallStatus: ...
    @property
    def is_answered(self) -> bool: ...

    refusal: HangupCause

    async def answer(self) -> None:
        """Answer the call if that has not happened yet. The sound of the leg may be used from here on."""
        ...

    def listening(self, listener: DigitListener) -> AbstractContextManager[None]:
        """Hand this party's digits to ``listener`` for as long as the context lasts."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """A task of the call: it ends with the call at the latest. It may be cancelled by itself."""
        ...

    def parameters(self) -> Parameters:
        """The standard parameters of a request made now."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which verbs a document may hold; any other is an error of the document. code: Twilio's for it.

    afterwards: what follows an answer that is a sound or a text instead of a document. falls_back: whether the
    script's fallback URL is asked for when such a document fails. is_endless: documents may follow each other for as
    long as the call lasts, though never in no time.
    """

    verbs: frozenset[type[Verb]]
    code: int
    afterwards: Afterwards = Afterwards.HANG_UP
    falls_back: bool = True
    is_endless: bool = False


VOICE: Final = Rules(verbs=frozenset(VERBS), code=13750)
"""The script of a call: every verb there is."""


class Performer(Protocol):
    """Runs documents; verbs that have documents of their own (whisper, waiting) are handed it with Services."""

    async def run(self, call: ScriptedCall, following: Fetch | Given | None = None) -> None:
        """A call's whole script to its end. following None: from its voice URL, or the built-in application.

        What no fallback helps is announced to the caller.
        """
        ...

    async def perform(
        self,
        call: ScriptedCall,
        following: Fetch | Given,
        rules: Rules = VOICE,
        *,
        parameters: Parameters | Callable[[], Parameters] | None = None,
    ) -> Over:
        """Perform a document and what it leads to, until a verb ends it or there are none left.

        parameters: beside the standard ones, in every request of this run; a function is asked for each of them (a
        queue's position, say).
        Raises FetchError or ScriptError when a document cannot be had or executed and no fallback helps.
        """
        ...
