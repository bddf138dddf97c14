"""What a caller enters: keys or speech, whichever is detected first, until something says that it is complete.

Pure: no IO, no clock, no asyncio. Events in, effects out; what nobody foresaw raises IllegalEvent and changes nothing.
Owns Gathering and MOVES. gateway/verbs/gather.py alone runs the effects; what ends an utterance is decided where the
sound is heard.
Editing rule: every move is a row of MOVES, IGNORED or ILLEGAL; tests/gateway/test_gathering.py fails on a pair that
nobody decided.
Source: Twilio <Gather>.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from gateway.call import IllegalEvent

KEYS: Final = frozenset("0123456789*#")
"""The keys of a telephone. A to D, which no caller has, are no input."""
MAX_DIGITS: Final = 1000
"""Where numDigits says nothing: a machine that never stops sending keys."""


class GatherState(Enum):
    """PROMPTING: the nested verbs sound. COLLECTING: they are over, or the caller began. DONE: complete."""

    PROMPTING = "prompting"
    COLLECTING = "collecting"
    DONE = "done"


@dataclass(frozen=True)
class Started:
    """The verb begins; always the first event."""


@dataclass(frozen=True)
class PromptsOver:
    """The nested verbs ended by themselves."""


@dataclass(frozen=True)
class KeyPressed:
    key: str


@dataclass(frozen=True)
class TimedOut:
    """``timeout`` passed since StartTimer."""


@dataclass(frozen=True)
class SpeechStarted:
    """Somebody speaks, or something is as loud as that."""


@dataclass(frozen=True)
class WordsHeard:
    """What is understood so far; never empty."""

    text: str


@dataclass(frozen=True)
class SpeechOver:
    """The utterance is complete. text: empty for a noise."""

    text: str
    confidence: float | None = None


GatherEvent = Started | PromptsOver | KeyPressed | TimedOut | SpeechStarted | WordsHeard | SpeechOver


@dataclass(frozen=True)
class Digits:
    digits: str


@dataclass(frozen=True)
class Speech:
    text: str
    confidence: float | None = None


@dataclass(frozen=True)
class Nothing:
    """No input: time ran out, or the finishing key came first."""


Outcome = Digits | Speech | Nothing


@dataclass(frozen=True)
class StopPrompts:
    pass


@dataclass(frozen=True)
class StartTimer:
    """From the beginning, whatever it shows."""


@dataclass(frozen=True)
class Listen:
    """Recognise what is said from now on."""


@dataclass(frozen=True)
class StopListening:
    pass


@dataclass(frozen=True)
class TellPartial:
    text: str


@dataclass(frozen=True)
class Finish:
    outcome: Outcome


GatherEffect = StopPrompts | StartTimer | Listen | StopListening | TellPartial | Finish


class Gathering:
    """takes_keys, hears_speech: what counts as input. num_digits: how many are enough, None for no limit.

    finish_on_key: one key, or empty for none. is_interrupted_by_speech: speech ends the prompts; otherwise it is heard
    from their end on.
    """

    def __init__(
        self,
        *,
        takes_keys: bool = True,
        hears_speech: bool = False,
        num_digits: int | None = None,
        finish_on_key: str = "#",
        is_interrupted_by_speech: bool = True,
    ) -> None:
        self.state = GatherState.PROMPTING
        self.digits = ""
        self._takes_keys = takes_keys
        self._hears_speech = hears_speech
        self._enough = num_digits or MAX_DIGITS
        self._finish_on_key = finish_on_key
        self._is_interrupted_by_speech = is_interrupted_by_speech
        self._somebody_speaks = False
        self._has_heard_words = False
        self._is_overdue = False

    def receive(self, event: GatherEvent) -> tuple[GatherEffect, ...]:
        pair = (self.state, type(event))
        if pair in IGNORED:
            return ()
        move = MOVES.get(pair)
        if move is None:
            raise IllegalEvent(f"{type(event).__name__} cannot happen to a gather that is {self.state.value}")
        return tuple(move(self, event))

    def _start(self, _event: Started) -> list[GatherEffect]:
        return [Listen()] if self._hears_speech and self._is_interrupted_by_speech else []

    def _prompts_over(self, _event: PromptsOver) -> list[GatherEffect]:
        self.state = GatherState.COLLECTING
        begins_to_listen = self._hears_speech and not self._is_interrupted_by_speech
        return [*([Listen()] if begins_to_listen else []), StartTimer()]

    def _key(self, event: KeyPressed) -> list[GatherEffect]:
        """The first key decides that the input is keys, unless words were heard before it."""
        if not self._takes_keys or self._has_heard_words or event.key not in KEYS:
            return []
        effects: list[GatherEffect] = self._stop_prompts()
        if event.key == self._finish_on_key:
            return [*effects, *self._finish_with_digits()]
        if not self.digits and self._hears_speech:
            effects.append(StopListening())
        self.digits += event.key
        if len(self.digits) >= self._enough:
            return [*effects, *self._finish_with_digits()]
        return [*effects, StartTimer()]

    def _timed_out(self, _event: TimedOut) -> list[GatherEffect]:
        """An utterance that has begun is heard to its end."""
        if self._somebody_speaks and not self.digits:
            self._is_overdue = True
            return []
        return self._finish_with_digits()

    def _speech_started(self, _event: SpeechStarted) -> list[GatherEffect]:
        if self.digits:
            return []
        self._somebody_speaks = True
        if self.state is GatherState.COLLECTING:
            return []
        return [*self._stop_prompts(), StartTimer()]

    def _words(self, event: WordsHeard) -> list[GatherEffect]:
        """Words decide that the input is speech: keys, the finishing one too, mean nothing any more."""
        if self.digits:
            return []
        effects = self._speech_started(SpeechStarted())
        self._has_heard_words = True
        return [*effects, TellPartial(event.text)]

    def _speech_over(self, event: SpeechOver) -> list[GatherEffect]:
        """A noise without words is no input: the time that began before it goes on."""
        if self.digits:
            return []
        if event.text:
            return [*self._stop_prompts(), *self._finish(Speech(event.text, event.confidence))]
        self._somebody_speaks = self._has_heard_words = False
        return self._finish(Nothing()) if self._is_overdue else []

    def _stop_prompts(self) -> list[GatherEffect]:
        if self.state is not GatherState.PROMPTING:
            return []
        self.state = GatherState.COLLECTING
        return [StopPrompts()]

    def _finish_with_digits(self) -> list[GatherEffect]:
        return self._finish(Digits(self.digits) if self.digits else Nothing())

    def _finish(self, outcome: Outcome) -> list[GatherEffect]:
        self.state = GatherState.DONE
        return [Finish(outcome)]


# Each move takes the event of its row.
Move = Callable[[Gathering, Any], list[GatherEffect]]

MOVES: Final[Mapping[tuple[GatherState, type[GatherEvent]], Move]] = {
    (GatherState.PROMPTING, Started): Gathering._start,
    (GatherState.PROMPTING, PromptsOver): Gathering._prompts_over,
    (GatherState.PROMPTING, KeyPressed): Gathering._key,
    (GatherState.PROMPTING, SpeechStarted): Gathering._speech_started,
    (GatherState.PROMPTING, WordsHeard): Gathering._words,
    (GatherState.PROMPTING, SpeechOver): Gathering._speech_over,
    (GatherState.COLLECTING, KeyPressed): Gathering._key,
    (GatherState.COLLECTING, TimedOut): Gathering._timed_out,
    (GatherState.COLLECTING, SpeechStarted): Gathering._speech_started,
    (GatherState.COLLECTING, WordsHeard): Gathering._words,
    (GatherState.COLLECTING, SpeechOver): Gathering._speech_over,
}
# Prompts that ended as they were stopped; what still comes of a gather that is complete.
IGNORED: Final[frozenset[tuple[GatherState, type[GatherEvent]]]] = frozenset(
    {
        (GatherState.COLLECTING, PromptsOver),
        (GatherState.DONE, PromptsOver),
        (GatherState.DONE, KeyPressed),
        (GatherState.DONE, TimedOut),
        (GatherState.DONE, SpeechStarted),
        (GatherState.DONE, WordsHeard),
        (GatherState.DONE, SpeechOver),
    }
)
# It starts once, and no timer runs while it prompts.
ILLEGAL: Final[frozenset[tuple[GatherState, type[GatherEvent]]]] = frozenset(
    {
        (GatherState.PROMPTING, TimedOut),
        (GatherState.COLLECTING, Started),
        (GatherState.DONE, Started),
    }
)
