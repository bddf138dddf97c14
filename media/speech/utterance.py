"""What is to be said, as every engine takes it: stretches of text with their manner, and pauses between them.

Pure values. Markup of any origin is flattened to this before it gets here, so that an engine needs no parser and text
cannot become markup.
Source: W3C SSML 1.1 3.2 (the manner of speaking).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

LONGEST_PAUSE_MS: Final = 10_000


class Reading(Enum):
    """WORDS: as a sentence. CHARACTERS: letter by letter. PHONEMES: text is written in X-SAMPA."""

    WORDS = "words"
    CHARACTERS = "characters"
    PHONEMES = "phonemes"


@dataclass(frozen=True, kw_only=True)
class Manner:
    """rate, pitch: 1 is the voice's own, 2 is twice as fast, an octave higher. gain_db: louder or softer.

    language: BCP 47, or None for the voice's own.
    """

    rate: float = 1.0
    pitch: float = 1.0
    gain_db: float = 0.0
    language: str | None = None


PLAIN: Final = Manner()


@dataclass(frozen=True)
class Spoken:
    text: str
    manner: Manner = PLAIN
    reading: Reading = Reading.WORDS


@dataclass(frozen=True)
class Rest:
    """A pause."""

    ms: int


Utterance: TypeAlias = tuple[Spoken | Rest, ...]


def characters(utterance: Utterance) -> int:
    """How much text there is."""
    return sum(len(part.text) for part in utterance if isinstance(part, Spoken))


def is_empty(utterance: Utterance) -> bool:
    """Nothing that can be heard."""
    return not any(part.text.strip() for part in utterance if isinstance(part, Spoken))
