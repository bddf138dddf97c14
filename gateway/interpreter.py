"""Runs TwiML: one document after the other until the script or the call ends.

Decides what is fetched next, what a failure leads to (fallback URL, then an announcement), and that a script cannot
run for ever. Verbs are handed in (gateway/verbs/table.py); documents are gateway/twiml/; requests gateway/webhooks/.
Source: Twilio "TwiML for Programmable Voice"; "Availability and Reliability" (fallback URLs).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from gateway.announcement import error_announcement
from gateway.built_in import built_in
from gateway.codec_choice import look_ahead
from gateway.parameters import Parameters
from gateway.pictures import foresee_pictures
from gateway.scripted import VOICE, Rules, ScriptedCall
from gateway.twiml import TwimlError
from gateway.twiml.model import Dial, Document, Pay, Prompt, Queue, Sms, Verb
from gateway.twiml.problems import SCHEMA_WARNING
from gateway.twiml.reply import document_from_reply
from gateway.verbs.outcome import Continue, Fetch, Given, Next, Over
from gateway.webhooks.client import Fetched, Request
from gateway.webhooks.errors import FetchCode, FetchError
from media.player import UnplayableAudio

# A script that fetches this many documents in one call is a loop.
MAX_DOCUMENTS: Final = 1000
# So many that only redirect, one after the other and in less than this each, are a loop as well.
MAX_REDIRECTS: Final = 20
NO_TIME_S: Final = 0.1
# Waiting documents that take no time are asked for once in so long.
SHORTEST_ROUND_S: Final = 1.0
NOT_EXECUTED: Final = 13750
# In the language, but nothing that a call's sound takes part in.
FOREIGN: Final = (Pay, Prompt, Queue, Sms)

More = Callable[[], Parameters]

Run = Callable[[ScriptedCall, Any, str | None], Awaitable[Next]]
"""A verb: the call, the element, the URL its relative URLs are read against."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A document. base_url: what its relative URLs are read against, url: how it is told; None if not fetched."""

    document: Document
    base_url: str | None = None
    url: str | None = None
    is_fallback: bool = False


class ScriptError(Exception):
    """A document could be had but not executed. code: Twilio's."""

    def __init__(self, code: int, message: str, url: str | None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.url = url


class Interpreter:
    """Performs documents with the verbs it was given. Holds no state of any call."""

    def __init__(self, verbs: Mapping[type, Run]) -> None:
        self._verbs = verbs

    async def run(self, call: ScriptedCall, following: Fetch | Given | None = None) -> None:
        """See gateway/scripted.py, Performer."""
        try:
            await self.perform(call, following or _first(call))
        except (FetchError, ScriptError) as error:
            call.timeline.warn(int(error.code), error.message, level="error", url=error.url)
            await _announce_error(call)

    async def perform(
        self,
        call: ScriptedCall,
        following: Fetch | Given,
        rules: Rules = VOICE,
        *,
        parameters: Parameters | Callable[[], Parameters] | None = None,
    ) -> Over:
        """See gateway/scripted.py, Performer."""
        more = parameters if callable(parameters) else lambda: parameters or []
        loaded = await self._load(call, following, rules, more)
        redirects = 0
        for _ in count() if rules.is_endless else range(MAX_DOCUMENTS):
            begun_s = call.services.monotonic()
            outcome = await self._run_document(call, loaded, rules)
            if not isinstance(outcome, Fetch):
                return outcome
            took_s = call.services.monotonic() - begun_s
            redirects = redirects + 1 if outcome.is_redirect and took_s < NO_TIME_S else 0
            if rules.is_endless and outcome.is_redirect:
                await asyncio.sleep(max(0.0, SHORTEST_ROUND_S - took_s))
            elif redirects > MAX_REDIRECTS and not rules.is_endless:
                message = f"more than {MAX_REDIRECTS} documents in a row that only redirect"
                raise ScriptError(FetchCode.RETRIEVAL_FAILURE, message, loaded.url)
            loaded = await self._load(call, outcome, rules, more)
        message = f"more than {MAX_DOCUMENTS} documents in one call"
        raise ScriptError(FetchCode.RETRIEVAL_FAILURE, message, loaded.url)

    async def _load(self, call: ScriptedCall, following: Fetch | Given, rules: Rules, more: More) -> Loaded:
        """Fetch and parse; if either fails, once more from the fallback URL with what went wrong."""
        if isinstance(following, Given):
            call.timeline.note_problems(following.document.warnings, following.base_url)
            return Loaded(document=following.document, base_url=following.base_url, url=following.base_url)
        try:
            return await _load_once(call, following, rules, more)
        except (FetchError, ScriptError) as error:
            if following.is_fallback:
                raise
            return await _load_once(call, _fall_back(call, error, rules), rules, more)

    async def _run_document(self, call: ScriptedCall, loaded: Loaded, rules: Rules) -> Next:
        """Run the verbs in order, until one of them says otherwise than to go on."""
        # A <Dial> at the head answers by itself, once it knows what whoever it dials can speak.
        verbs = loaded.document.verbs
        look_ahead(call, verbs)
        foresee_pictures(call, verbs)
        if not loaded.document.leaves_call_unanswered and not (verbs and isinstance(verbs[0], Dial)):
            await call.answer()
        for verb in loaded.document.verbs:
            outcome = await self._run_verb(call, verb, loaded, rules)
            if not isinstance(outcome, Continue):
                return outcome
        return Continue()

    async def _run_verb(self, call: ScriptedCall, verb: Verb, loaded: Loaded, rules: Rules) -> Next:
        try:
            if type(verb) not in rules.verbs:
                raise ScriptError(rules.code, f"<{verb.tag}> may not stand in this document", loaded.url)
            run = self._verbs.get(type(verb))
            if run is None:
                is_foreign = isinstance(verb, FOREIGN)
                call.timeline.warn(
                    SCHEMA_WARNING if is_foreign else NOT_EXECUTED,
                    f"<{verb.tag}> is no verb of a voice call; skipped"
                    if is_foreign
                    else f"<{verb.tag}> is not executed yet; skipped",
                    url=loaded.url,
                )
                return Continue()
            return await _performed(call, verb, run(call, verb, loaded.base_url), loaded.url)
        except TwimlError as error:
            failure: FetchError | ScriptError = ScriptError(error.code, error.message, loaded.url)
        except UnplayableAudio as error:
            failure = ScriptError(FetchCode.BAD_AUDIO_TYPE, str(error), loaded.url)
        except (FetchError, ScriptError) as error:
            failure = error
        if loaded.is_fallback:
            raise failure
        return _fall_back(call, failure, rules)


async def _performed(call: ScriptedCall, verb: Verb, work: Awaitable[Next], url: str | None) -> Next:
    """Run a verb; its beginning and its end are on the call's record, however it ends."""
    details = {"verb": verb.tag}
    line, column = verb.position.line, verb.position.column
    call.timeline.step("verb", message=f"<{verb.tag}>", url=url, line=line, column=column, details=details)
    begun_s = call.services.monotonic()
    try:
        with call.timeline.performing(url=url, line=line, column=column):
            return await work
    finally:
        took_ms = round((call.services.monotonic() - begun_s) * 1000)
        call.timeline.step("verb over", message=f"<{verb.tag}>", line=line, details={**details, "took_ms": took_ms})


def _first(call: ScriptedCall) -> Fetch | Given:
    script = call.script
    if not script.voice_url:
        facts = call.facts
        document = built_in(script.dialled, facts.caller, call.services.router, account_sid=facts.account_sid)
        return Given(document=document)
    return Fetch(url=script.voice_url, method=script.voice_method)


async def _load_once(call: ScriptedCall, fetch: Fetch, rules: Rules, more: More) -> Loaded:
    reply = await call.services.webhooks.fetch(
        Request(
            url=fetch.url,
            method=fetch.method,
            params=(*call.parameters(), *more(), *fetch.parameters),
            call_sid=call.facts.sid,
            account_sid=call.facts.account_sid,
            cookies=call.cookies,
        )
    )
    try:
        document = document_from_reply(
            _content_type(reply), reply.body, url=reply.base_url, afterwards=rules.afterwards
        )
    except TwimlError as error:
        call.timeline.note(
            call.timeline.event(
                "problem",
                level="error",
                code=error.code,
                message=error.message,
                url=reply.url,
                line=error.line,
                column=error.column,
            )
        )
        raise ScriptError(error.code, error.message, reply.url) from error
    call.timeline.step("document", url=reply.url, details={"verbs": [verb.tag for verb in document.verbs]})
    call.timeline.note_problems(document.warnings, reply.url)
    return Loaded(document=document, base_url=reply.base_url, url=reply.url, is_fallback=fetch.is_fallback)


def _content_type(reply: Fetched) -> str:
    return f"{reply.content_type}; charset={reply.charset}" if reply.charset else reply.content_type


def _fall_back(call: ScriptedCall, error: FetchError | ScriptError, rules: Rules) -> Fetch:
    """The fallback document with what went wrong; raises the error if there is none.

    Source: Twilio "Availability and Reliability": ErrorCode and ErrorUrl beside the standard parameters.
    """
    script = call.script
    if not script.fallback_url or not rules.falls_back:
        raise error
    call.timeline.warn(int(error.code), error.message, level="error", url=error.url)
    parameters = [("ErrorCode", str(int(error.code)))]
    if error.url is not None:
        parameters.append(("ErrorUrl", error.url))
    return Fetch(url=script.fallback_url, method=script.fallback_method, parameters=parameters, is_fallback=True)


async def _announce_error(call: ScriptedCall) -> None:
    """The caller is answered and hears that something is wrong; then the call ends."""
    await call.answer()
    await call.leg.media.play(await error_announcement(call.services.speaker))
