"""Runs TwiML: one document after the other until the script or the call ends.

Decides what is fetched next, what a failure leads to (fallback URL, then an announcement), and that a script cannot
run for ever without sound. Verbs are gateway/verbs/; documents are gateway/twiml/; requests gateway/webhooks/.
Source: Twilio "TwiML for Programmable Voice"; "Availability and Reliability" (fallback URLs).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.announcement import TIMES, error_announcement
from gateway.built_in import built_in
from gateway.session import CallSession
from gateway.twiml import TwimlError
from gateway.twiml.model import Dial, Document, Hangup, Pause, Play, Redirect, Reject, Verb
from gateway.twiml.reply import document_from_reply
from gateway.verbs.dial import dial
from gateway.verbs.flow import hangup, pause, redirect, reject
from gateway.verbs.outcome import Continue, Fetch, Next, Stop
from gateway.verbs.play import play
from gateway.webhooks.client import Fetched, Request
from gateway.webhooks.errors import FetchCode, FetchError
from media.player import UnplayableAudio

# A script that fetches this many documents in one call is a loop.
MAX_DOCUMENTS: Final = 1000
NOT_EXECUTED: Final = 13750

Run = Callable[[CallSession, Any, str | None], Awaitable[Next]]

VERBS: Final[Mapping[type, Run]] = {
    Dial: dial,
    Hangup: hangup,
    Pause: pause,
    Play: play,
    Redirect: redirect,
    Reject: reject,
}


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


async def run_script(call: CallSession) -> None:
    """The call's whole script, from its voice URL (or the built-in application) to its end."""
    try:
        loaded = await _first(call)
        for _ in range(MAX_DOCUMENTS):
            following = await _run_document(call, loaded)
            if following is None:
                return
            loaded = await _load(call, following)
        raise ScriptError(FetchCode.RETRIEVAL_FAILURE, f"more than {MAX_DOCUMENTS} documents in one call", loaded.url)
    except (FetchError, ScriptError) as error:
        call.warn(int(error.code), error.message, level="error", url=error.url)
        await _announce_error(call)


async def _first(call: CallSession) -> Loaded:
    script = call.script
    if not script.voice_url:
        return Loaded(document=built_in(script.dialled, call.facts.caller, call.services.router))
    return await _load(call, Fetch(url=script.voice_url, method=script.voice_method, parameters=[]))


async def _load(call: CallSession, fetch: Fetch) -> Loaded:
    """Fetch and parse; if either fails, once more from the fallback URL with what went wrong."""
    try:
        return await _load_once(call, fetch)
    except (FetchError, ScriptError) as error:
        if fetch.is_fallback:
            raise
        return await _load_once(call, _fall_back(call, error))


async def _load_once(call: CallSession, fetch: Fetch) -> Loaded:
    reply = await call.services.webhooks.fetch(
        Request(
            url=fetch.url,
            method=fetch.method,
            params=(*call.parameters(), *fetch.parameters),
            call_sid=call.facts.sid,
            cookies=call.cookies,
        )
    )
    try:
        document = document_from_reply(_content_type(reply), reply.body, url=reply.base_url)
    except TwimlError as error:
        call.note(
            call.event(
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
    call.note(
        call.event("document", url=reply.url, details={"verbs": [type(verb).__name__ for verb in document.verbs]})
    )
    call.note_problems(document.warnings, reply.url)
    return Loaded(document=document, base_url=reply.base_url, url=reply.url, is_fallback=fetch.is_fallback)


def _content_type(reply: Fetched) -> str:
    return f"{reply.content_type}; charset={reply.charset}" if reply.charset else reply.content_type


def _fall_back(call: CallSession, error: FetchError | ScriptError) -> Fetch:
    """The fallback document with what went wrong; raises the error if there is none.

    Source: Twilio "Availability and Reliability": ErrorCode and ErrorUrl beside the standard parameters.
    """
    script = call.script
    if not script.fallback_url:
        raise error
    call.warn(int(error.code), error.message, level="error", url=error.url)
    parameters = [("ErrorCode", str(int(error.code)))]
    if error.url is not None:
        parameters.append(("ErrorUrl", error.url))
    return Fetch(url=script.fallback_url, method=script.fallback_method, parameters=parameters, is_fallback=True)


async def _run_document(call: CallSession, loaded: Loaded) -> Fetch | None:
    """Run the verbs in order; the next document to fetch, or None when the script is over."""
    if not loaded.document.leaves_call_unanswered:
        await call.answer()
    for verb in loaded.document.verbs:
        outcome = await _run_verb(call, verb, loaded)
        match outcome:
            case Continue():
                continue
            case Stop():
                return None
            case Fetch():
                return outcome
    return None


async def _run_verb(call: CallSession, verb: Verb, loaded: Loaded) -> Next:
    run = VERBS.get(type(verb))
    if run is None:
        call.warn(NOT_EXECUTED, f"<{verb.tag}> is not executed yet; skipped", url=loaded.url)
        return Continue()
    try:
        return await run(call, verb, loaded.base_url)
    except TwimlError as error:
        failure: FetchError | ScriptError = ScriptError(error.code, error.message, loaded.url)
    except UnplayableAudio as error:
        failure = ScriptError(FetchCode.BAD_AUDIO_TYPE, str(error), loaded.url)
    except FetchError as error:
        failure = error
    if loaded.is_fallback:
        raise failure
    return _fall_back(call, failure)


async def _announce_error(call: CallSession) -> None:
    """The caller is answered and hears that something is wrong; then the call ends."""
    await call.answer()
    await call.leg.media.play(error_announcement(), loops=TIMES)
