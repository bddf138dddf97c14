"""What an engine for speech is: the contract that embedded and better ones share. Pure.

Another engine is one class with these four names, given to Speech beside the others.
"""

from typing import Final, Protocol

from media.player import Clip
from media.speech.utterance import Utterance
from media.speech.voices import Voice

MAX_SPEECH_S: Final = 600.0
"""Sound of one utterance; what goes beyond is cut off."""


class SpeechError(Exception):
    """The engine could not say it."""


class Synthesizer(Protocol):
    """name: with its version, since what it says is kept under it."""

    @property
    def name(self) -> str: ...

    async def synthesize(self, utterance: Utterance, voice: Voice) -> Clip:
        """The sound at the engine's own rate. Raises SpeechError."""

    async def close(self) -> None: ...
