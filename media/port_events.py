"""What is told about one phone's sound while it is there."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class FirstPacket:
    """The phone's first packet came in."""


@dataclass(frozen=True)
class DigitReceived:
    """One key of ``0-9 A-D # *``, told once, when it is over. is_tone: it was heard, and no event said it."""

    digit: str
    duration_ms: int
    is_tone: bool = False


@dataclass(frozen=True)
class FaxToneReceived:
    """A fax machine is at the other end. frequency_hz: 1100, it calls (told for each burst); 2100, it answers."""

    frequency_hz: int


@dataclass(frozen=True)
class SilenceTimeout:
    """Nothing came for as long as watch() allows. Told once; watch() arms it again."""


@dataclass(frozen=True)
class SourceLearned:
    """The phone sends from another address than agreed, and is answered there from now on."""

    address: tuple[str, int]


PortEvent: TypeAlias = FirstPacket | DigitReceived | FaxToneReceived | SilenceTimeout | SourceLearned
