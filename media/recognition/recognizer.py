"""What an engine for speech recognition is, and what is found while somebody speaks.

Pure contract. Where speech begins and ends is decided here for all engines, by media/activity.py; an engine only turns
sound into words.
Source: Twilio <Gather>, speech (partial results, confidence, speechTimeout).
"""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

MAX_SPEECH_S = 60.0
"""Longest utterance. Source: Twilio <Gather>, maxSpeechTime."""


class RecognitionError(Exception):
    """The engine could not: it died, or too many ask at once."""


class LanguageUnknown(RecognitionError):
    """No engine of this installation understands the language."""


@dataclass(frozen=True)
class SpeechBegan:
    """Somebody speaks: a prompt may be stopped."""


@dataclass(frozen=True)
class Partial:
    """Words so far; they may still change."""

    text: str


@dataclass(frozen=True)
class Final:
    """The utterance. confidence: 0 to 1. text empty: there was speech, but nothing was understood.

    hints_unknown: hints the engine could not use, because it knows no pronunciation of them.
    """

    text: str
    confidence: float
    hints_unknown: tuple[str, ...] = ()


Finding: TypeAlias = SpeechBegan | Partial | Final


class Recognizer(Protocol):
    def recognize(
        self,
        frames: AsyncIterable[NDArray[np.int16]],
        *,
        language: str,
        hints: Sequence[str] = (),
        end_pause_s: float = 1.0,
        max_speech_s: float = MAX_SPEECH_S,
    ) -> AsyncGenerator[Finding, None]:
        """One utterance: SpeechBegan once, Partials, then exactly one Final, which is the last.

        frames: (160,) int16 at 8 kHz, one every 20 ms; who opened them closes them. end_pause_s: silence that ends it.
        Waits for speech as long as frames come; without any speech it ends without a Final. Close this
        (``aclosing``) when it is left early.
        Raises LanguageUnknown, RecognitionError.
        """
        ...

    async def close(self) -> None: ...
