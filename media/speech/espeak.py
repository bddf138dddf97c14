"""The embedded engine: espeak-ng, installed as a package, without network.

Decides how an utterance is written for it; the markup is pure, and text is escaped so that it cannot become any. Its
phoneme brackets are ours alone. The library itself runs in media/speech/espeak_worker.py.
Source: espeak-ng, docs/markup.md and docs/phonemes.md.
"""

import importlib.metadata
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape

import numpy as np

from media.player import Clip
from media.speech.engine import MAX_SPEECH_S, SpeechError
from media.speech.phonemes import espeak_phonemes
from media.speech.utterance import Manner, Reading, Rest, Spoken, Utterance
from media.speech.voices import Gender, Voice, espeak_language
from media.speech.worker import Worker, WorkerError

NAME: Final = "espeak-ng"
LIMIT_S: Final = 20.0
_VERSION: Final = importlib.metadata.version("espeakng-loader")
_VARIANTS: Final = {Gender.MALE: "", Gender.FEMALE: "+f2"}
# C0 and C1 controls, and noncharacters: some of them steer the library.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]+")


class EspeakSynthesizer:
    """Made on a running loop. Its process starts with the first utterance."""

    def __init__(self) -> None:
        self._worker = Worker("media.speech.espeak_worker", limit_s=LIMIT_S)

    @property
    def name(self) -> str:
        return f"{NAME} {_VERSION}"

    @property
    def worker(self) -> Worker:
        return self._worker

    async def synthesize(self, utterance: Utterance, voice: Voice) -> Clip:
        parts = [{"voice": name, "markup": markup} for name, markup in espeak_parts(utterance, voice)]
        try:
            answer, octets = await self._worker.ask({"parts": parts, "limit_s": MAX_SPEECH_S})
        except WorkerError as error:
            raise SpeechError(str(error)) from error
        return Clip(np.frombuffer(octets, np.int16), int(answer["rate_hz"]))

    async def close(self) -> None:
        await self._worker.close()


def espeak_parts(utterance: Utterance, voice: Voice) -> Iterator[tuple[str, str]]:
    """The utterance as (voice, markup), a new one wherever the language changes."""
    variant = _VARIANTS[voice.gender]
    languages = [_language(part, voice) for part in utterance]
    # A pause stays with what goes before it.
    for at, part in enumerate(utterance):
        if at and isinstance(part, Rest):
            languages[at] = languages[at - 1]
    paired = zip(languages, utterance, strict=True)
    for language, parts in groupby(paired, key=lambda pair: pair[0]):
        yield language + variant, "<speak>" + "".join(_markup(part) for _, part in parts) + "</speak>"


def _language(part: Spoken | Rest, voice: Voice) -> str:
    wanted = part.manner.language if isinstance(part, Spoken) else None
    return (wanted and espeak_language(wanted)) or voice.name


def _markup(part: Spoken | Rest) -> str:
    if isinstance(part, Rest):
        return f'<break time="{part.ms}ms"/>'
    match part.reading:
        case Reading.WORDS:
            text = _escaped(part.text)
        case Reading.CHARACTERS:
            text = f'<say-as interpret-as="tts:char">{_escaped(part.text)}</say-as>'
        case Reading.PHONEMES:
            # Brackets stand outside of the escaping, and nothing else may hold them.
            text = f" [[{escape(espeak_phonemes(part.text) or '')}]] "
    return _in_manner(text, part.manner)


def _in_manner(text: str, manner: Manner) -> str:
    attributes = ""
    if manner.rate != 1:
        attributes += f' rate="{round(manner.rate * 100)}%"'
    if manner.pitch != 1:
        # Half an octave is 50 % of its scale downwards and upwards.
        attributes += f' pitch="{round((manner.pitch - 1) * 100):+d}%"'
    if manner.gain_db:
        attributes += f' volume="{round(100 * 10 ** (manner.gain_db / 20))}%"'
    return f"<prosody{attributes}>{text}</prosody>" if attributes else text


def _escaped(text: str) -> str:
    """Text that stays text: neither markup nor phonemes nor a command."""
    return escape(_CONTROLS.sub(" ", text).replace("[[", "[ ["))
