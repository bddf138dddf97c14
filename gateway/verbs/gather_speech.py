"""What a <Gather> makes of speech: utterances as events of the gather, partial results for the application.

What is spoken is recognised by services.recognizer; where an utterance begins and ends is decided there. A recogniser
that cannot (a language it does not know, too many at once) is on the call's record, and the gather goes on deaf.
Source: Twilio <Gather>, input speech, speechTimeout, partialResultCallback, profanityFilter.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.gathering import GatherEvent, SpeechOver, SpeechStarted, WordsHeard
from gateway.profanity import without_profanity
from gateway.scripted import ScriptedCall
from gateway.twiml import TwimlError, resolve_url
from gateway.twiml.model import Gather
from gateway.twiml.values import Auto
from gateway.webhooks.client import Request
from gateway.webhooks.errors import FetchError
from media.engine import PortsExhausted, Received
from media.recognition.recognizer import Final as Utterance
from media.recognition.recognizer import LanguageUnknown, Partial, RecognitionError, SpeechBegan

INTERNAL_FAILURE: Final = 12400
BAD_LANGUAGE: Final = 13331
BAD_HINTS: Final = 13330
BAD_PARTIAL_CALLBACK: Final = 11100
AUTO_PAUSE_S: Final = 1.0
"""Silence that ends an utterance with speechTimeout="auto"."""

Tell = Callable[[GatherEvent], None]


def end_pause_s(verb: Gather, timeout_s: float) -> float:
    """The silence that ends an utterance. Source: Twilio <Gather>, speechTimeout (default: timeout)."""
    match verb.speech_timeout_s:
        case None:
            return AUTO_PAUSE_S if verb.timeout_s is Auto.AUTO else timeout_s
        case Auto.AUTO:
            return AUTO_PAUSE_S
        case seconds:
            return seconds


async def hear_speech(call: ScriptedCall, verb: Gather, tell: Tell, *, timeout_s: float) -> None:
    """Tell what is said, utterance by utterance, until cancelled or deaf."""
    try:
        frames = call.services.listen(Received(call.leg.media))
    except PortsExhausted as error:
        call.timeline.warn(INTERNAL_FAILURE, f"<Gather>: {error}")
        return
    try:
        while await _hear_utterance(call, verb, aiter(frames), tell, timeout_s):
            pass
    except LanguageUnknown as error:
        call.timeline.warn(BAD_LANGUAGE, f"<Gather language>: {error}")
        tell(SpeechOver(""))
    except RecognitionError as error:
        call.timeline.warn(INTERNAL_FAILURE, f"<Gather>: {error}")
        tell(SpeechOver(""))
    finally:
        frames.close()


async def _hear_utterance(
    call: ScriptedCall, verb: Gather, frames: AsyncIterator[NDArray[np.int16]], tell: Tell, timeout_s: float
) -> bool:
    """Whether another may follow: it was a noise, and the call goes on."""
    findings = call.services.recognizer.recognize(
        frames,
        language=verb.language,
        hints=verb.hints,
        end_pause_s=end_pause_s(verb, timeout_s),
        max_speech_s=verb.max_speech_time_s,
    )
    async with aclosing(findings):
        async for finding in findings:
            match finding:
                case SpeechBegan():
                    tell(SpeechStarted())
                case Partial(text) if text:
                    tell(WordsHeard(_clean(verb, text)))
                case Utterance(text, confidence, unknown):
                    if unknown:
                        call.timeline.warn(BAD_HINTS, f"<Gather hints>: {len(unknown)} of them cannot be recognised")
                    tell(SpeechOver(_clean(verb, text), confidence))
                    return not text
                case _:
                    pass
    return False


def _clean(verb: Gather, text: str) -> str:
    return without_profanity(text) if verb.profanity_filter else text


class PartialResults:
    """Partial results on their way to the application, one request at a time.

    A result that is not sent before the next one comes is dropped: only the newest says what was understood so far.
    Replies are ignored; the first failure ends it, so that no call waits for a callback that does not answer.
    """

    def __init__(self, call: ScriptedCall, verb: Gather, base_url: str | None) -> None:
        self._call = call
        self._method = verb.partial_result_callback_method.value
        self._url = _callback_url(call, verb, base_url)
        self._newest: str | None = None
        self._is_sending = False
        self._sequence = 0

    def tell(self, text: str) -> None:
        if self._url is None:
            return
        self._newest = text
        if not self._is_sending:
            self._is_sending = True
            self._call.spawn(self._send(self._url), name="partial results")

    def close(self) -> None:
        """What was not sent by now is of no use any more."""
        self._newest = None

    async def _send(self, url: str) -> None:
        try:
            while self._newest is not None:
                text, self._newest = self._newest, None
                await self._call.services.webhooks.fetch(
                    Request(
                        url=url,
                        method=self._method,
                        params=(
                            *self._call.parameters(),
                            ("UnstableSpeechResult", text),
                            ("SequenceNumber", str(self._sequence)),
                        ),
                        call_sid=self._call.facts.sid,
                        account_sid=self._call.facts.account_sid,
                        cookies=self._call.cookies,
                        may_be_empty=True,
                    )
                )
                self._sequence += 1
        except FetchError as error:
            self._url = None
            self._call.timeline.warn(int(error.code), f"partialResultCallback: {error.message}", url=error.url)
        finally:
            self._is_sending = False


def _callback_url(call: ScriptedCall, verb: Gather, base_url: str | None) -> str | None:
    if verb.partial_result_callback is None:
        return None
    try:
        return resolve_url(base_url, verb.partial_result_callback, callback=True)
    except TwimlError as error:
        call.timeline.warn(BAD_PARTIAL_CALLBACK, f"partialResultCallback: {error.message}")
        return None
