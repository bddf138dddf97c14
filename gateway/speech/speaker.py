"""The installation's voice: turns a <Say> into a clip, and says on the call's record what of it could not be.

Decides which voice speaks and how much text is too much. A <Say> that fails is not heard, and the document goes on, as
the level of its codes (warnings) says. Sound is made by media/speech/.
Source: Twilio <Say>; errors 13511, 13512, 13520, 13521.
"""

from typing import TYPE_CHECKING, Final, Protocol

from gateway.speech.markup import flatten
from gateway.twiml.model import Say
from media.player import Clip
from media.speech.engine import SpeechError
from media.speech.utterance import Spoken, Utterance, characters, is_empty
from media.speech.voices import NoSuchLanguage, NoSuchVoice, Voice, VoiceChoice

if TYPE_CHECKING:
    from gateway.timeline import Timeline

MAX_CHARACTERS: Final = 4096
INTERNAL_FAILURE: Final = 12400
BAD_VOICE: Final = 13511
BAD_LANGUAGE: Final = 13512
NO_TEXT: Final = 13520
TEXT_TOO_LONG: Final = 13521


class Speech(Protocol):
    """What makes the sound: media/speech/speech.py, or a peer of it in tests."""

    async def say(self, utterance: Utterance, voice: Voice, *, rate_hz: int = 8000) -> Clip: ...


class Speaker:
    def __init__(self, speech: Speech, choice: VoiceChoice) -> None:
        self._speech = speech
        self._choice = choice

    async def say(self, verb: Say, timeline: "Timeline", *, rate_hz: int = 8000) -> Clip | None:
        """The sound of the verb; None, and the reason on the record, where it fails.

        rate_hz: of the clip, as whoever hears it has use for.
        """
        utterance, voice = self._read(verb, timeline)
        if voice is None:
            return None
        try:
            return await self._speech.say(utterance, voice, rate_hz=rate_hz)
        except SpeechError as error:
            timeline.warn(INTERNAL_FAILURE, f"<Say>: {error}", level="error")
            return None

    async def words(self, text: str) -> Clip | None:
        """An English announcement of our own; None if nothing can speak."""
        try:
            return await self._speech.say((Spoken(text),), VoiceChoice().choose("woman", "en-US"))
        except SpeechError:
            return None

    def _read(self, verb: Say, timeline: "Timeline") -> tuple[Utterance, Voice | None]:
        try:
            voice = self._choice.choose(verb.voice, verb.language)
        except NoSuchVoice as error:
            timeline.warn(BAD_VOICE, f"<Say voice>: {error}; not said")
            return (), None
        except NoSuchLanguage as error:
            timeline.warn(BAD_LANGUAGE, f"<Say language>: {error}; not said")
            return (), None
        utterance, problems = flatten(verb.content, voice)
        timeline.note_problems(problems, None)
        length = characters(utterance)
        if is_empty(utterance):
            timeline.warn(NO_TEXT, "<Say>: expected text, found none; not said")
        elif length > MAX_CHARACTERS:
            timeline.warn(
                TEXT_TOO_LONG, f"<Say>: expected at most {MAX_CHARACTERS} characters, found {length}; not said"
            )
        else:
            return utterance, voice
        return (), None
