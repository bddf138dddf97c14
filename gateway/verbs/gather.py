"""<Gather>: ask the caller for keys or words, say what was entered.

The shell of Gathering (gateway/gathering.py): runs its effects on the prompts, a timer and the caller's keys. The keys
that count are those pressed from the verb's first moment on, while prompts are still being fetched too; what was
pressed before it is lost, as at Twilio. A caller who hangs up cancels the verb, and nobody is asked for anything.
Keys may be secrets: neither log nor record says which they were.
Source: Twilio <Gather>.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.gathering import (
    Digits,
    Finish,
    GatherEffect,
    GatherEvent,
    Gathering,
    KeyPressed,
    Listen,
    Nothing,
    Outcome,
    PromptsOver,
    Speech,
    Started,
    StartTimer,
    StopListening,
    StopPrompts,
    TellPartial,
    TimedOut,
)
from gateway.parameters import Parameters
from gateway.scripted import ScriptedCall
from gateway.twiml import TwimlError, resolve_url
from gateway.twiml.model import Gather
from gateway.twiml.values import Auto, GatherInput
from gateway.verbs.attempt import NOT_EXECUTED
from gateway.verbs.gather_speech import PartialResults, hear_speech
from gateway.verbs.keys import asking_for_keys
from gateway.verbs.outcome import Continue, Fetch, Next
from gateway.verbs.prompts import prepare_all
from gateway.webhooks.errors import FetchCode, FetchError
from media.player import UnplayableAudio
from signaling.leg import DigitReceived

DEFAULT_TIMEOUT_S = 5
UNPLAYABLE_PROMPT = 13325


async def gather(call: ScriptedCall, verb: Gather, base_url: str | None) -> Next:
    await call.answer()
    # Resolved before anything sounds: a URL that cannot be requested is an error of the document.
    action = resolve_url(base_url, verb.action or "")
    _note_what_is_not_executed(call, verb)
    outcome = await _GatherRun(call, verb, base_url).until_finished()
    parameters = _parameters(outcome, verb)
    if isinstance(outcome, Nothing) and not verb.action_on_empty_result:
        return Continue()
    return Fetch(url=action, method=verb.method.value, parameters=parameters)


def _parameters(outcome: Outcome, verb: Gather) -> Parameters:
    """What the action request says beside the standard parameters. Source: Twilio <Gather>, action."""
    match outcome:
        case Digits(digits):
            return [("Digits", digits)]
        case Speech(text, confidence):
            told = [("SpeechResult", text)]
            return told if confidence is None else [*told, ("Confidence", str(confidence))]
        case Nothing():
            return [("Digits" if GatherInput.DTMF in verb.input else "SpeechResult", "")]


def _note_what_is_not_executed(call: ScriptedCall, verb: Gather) -> None:
    """There is one model, and it tells nothing about itself."""
    given = {"speechModel": verb.speech_model, "enhanced": verb.enhanced, "debug": verb.debug}
    for name in (name for name, value in given.items() if value):
        call.timeline.warn(NOT_EXECUTED, f"<Gather {name}> has no effect")


class _GatherRun:
    def __init__(self, call: ScriptedCall, verb: Gather, base_url: str | None) -> None:
        self._call = call
        self._verb = verb
        self._base_url = base_url
        self._timeout_s = DEFAULT_TIMEOUT_S if verb.timeout_s is Auto.AUTO else verb.timeout_s
        self._model = Gathering(
            takes_keys=GatherInput.DTMF in verb.input,
            hears_speech=GatherInput.SPEECH in verb.input,
            num_digits=verb.num_digits,
            finish_on_key=verb.finish_on_key,
            is_interrupted_by_speech=verb.barge_in,
        )
        self._partial_results = PartialResults(call, verb, base_url)
        self._inbox: asyncio.Queue[GatherEvent | BaseException] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._deadline: float | None = None
        self._prompts: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._outcome: Outcome | None = None

    async def until_finished(self) -> Outcome:
        with asking_for_keys(self._call, self._key):
            self._prompts = self._start(self._prompt(), name="prompts", over=PromptsOver())
            try:
                self._tell(Started())
                while self._outcome is None:
                    self._tell(await self._next_event())
            finally:
                self._partial_results.close()
                await self._stop()
        return self._outcome

    def _start(self, work: Coroutine[Any, Any, None], *, name: str, over: GatherEvent | None) -> asyncio.Task[None]:
        """A task that stops alone: its failure is the verb's. over: what its end means."""

        def note_end(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (happened := task.exception() or over) is not None:
                self._inbox.put_nowait(happened)

        task = self._loop.create_task(work, name=f"{self._call.facts.sid} {name}")
        task.add_done_callback(note_end)
        return task

    async def _stop(self) -> None:
        """All are told to stop before any is waited for: the waiting may be cut off, as when a call that was sent to
        another document is hung up in the same moment."""
        running = [task for task in (self._prompts, self._listening) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    async def _next_event(self) -> GatherEvent:
        """What happened first; a key that is there already comes before the end of its time. Raises what failed."""
        deadline = self._deadline if self._inbox.empty() else None
        try:
            async with asyncio.timeout_at(deadline):
                happened = await self._inbox.get()
        except TimeoutError:
            self._deadline = None
            return TimedOut()
        if isinstance(happened, BaseException):
            raise happened
        return happened

    def _tell(self, event: GatherEvent) -> None:
        for effect in self._model.receive(event):
            self._perform(effect)

    def _perform(self, effect: GatherEffect) -> None:
        match effect:
            case StopPrompts():
                assert self._prompts is not None
                self._prompts.cancel()
            case StartTimer():
                self._deadline = self._loop.time() + self._timeout_s
            case Listen():
                work = hear_speech(self._call, self._verb, self._inbox.put_nowait, timeout_s=self._timeout_s)
                self._listening = self._start(work, name="speech", over=None)
            case StopListening():
                if self._listening is not None:
                    self._listening.cancel()
            case TellPartial(text):
                self._partial_results.tell(text)
            case Finish(outcome):
                self._outcome = outcome

    async def _prompt(self) -> None:
        try:
            prompts = await prepare_all(self._call, self._verb.prompts, self._base_url)
        except UnplayableAudio as error:
            raise TwimlError(UNPLAYABLE_PROMPT, f"<Gather><Play>: {error}") from error
        except FetchError as error:
            if error.code is not FetchCode.BAD_AUDIO_TYPE:
                raise
            raise TwimlError(UNPLAYABLE_PROMPT, f"<Gather><Play>: {error.message}") from error
        for prompt in prompts:
            await prompt.perform(self._call.leg)

    def _key(self, pressed: DigitReceived) -> None:
        self._inbox.put_nowait(KeyPressed(pressed.digit))
