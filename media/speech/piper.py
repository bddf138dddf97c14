"""Better voices: Piper's, given by the path of their model, with the extra ``ringfork[piper]``.

Decides how an utterance is cut for it: Piper speaks text at one speed and loudness at a time and has no markup. The
library (GPL-3.0) and its models run in media/speech/piper_worker.py; nothing is ever downloaded.
Source: OHF-Voice/piper1-gpl, docs/API_PYTHON.md.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from media.player import Clip
from media.speech.engine import MAX_SPEECH_S, SpeechError
from media.speech.utterance import Reading, Rest, Utterance
from media.speech.voices import Engine, Gender, Voice
from media.speech.worker import Worker, WorkerError

LIMIT_S: Final = 60.0
"""For one utterance, the first of a voice with the loading of its model."""
SUFFIX: Final = ".onnx"


class NoPiper(Exception):
    """Piper voices are configured that cannot speak; says what is missing."""


def piper_voices(paths: Iterable[str]) -> dict[str, Voice]:
    """Voices by their names in TwiML, ``Piper.<name>`` without the prefix, in lower case. Pure."""
    voices = {}
    for path in paths:
        stem = Path(path).name.removesuffix(SUFFIX)
        language = stem.partition("-")[0].replace("_", "-")
        voices[stem.lower()] = Voice(engine=Engine.PIPER, name=path, language=language, gender=Gender.FEMALE)
    return voices


def check_piper(paths: Iterable[str]) -> str:
    """The library's version. Blocking. Raises NoPiper for a missing model or description, and without the library."""
    for path in paths:
        for needed in (path, path + ".json"):
            if not Path(needed).is_file():
                raise NoPiper(f"speech.piper: expected a file, found none at {needed}")
    try:
        return version("piper-tts")
    except PackageNotFoundError:
        raise NoPiper("speech.piper: needs the library; pip install 'ringfork[piper]'") from None


class PiperSynthesizer:
    """Made on a running loop. library: its version, from check_piper."""

    def __init__(self, library: str) -> None:
        self.name = f"piper {library}"
        self._worker = Worker("media.speech.piper_worker", limit_s=LIMIT_S)

    async def synthesize(self, utterance: Utterance, voice: Voice) -> Clip:
        request = {"model": voice.name, "parts": piper_parts(utterance), "limit_s": MAX_SPEECH_S}
        try:
            answer, octets = await self._worker.ask(request)
        except WorkerError as error:
            raise SpeechError(str(error)) from error
        return Clip(np.frombuffer(octets, np.int16), int(answer["rate_hz"]))

    async def close(self) -> None:
        await self._worker.close()


def piper_parts(utterance: Utterance) -> list[dict[str, Any]]:
    """What its worker is asked: text with length and volume, or a pause."""
    parts: list[dict[str, Any]] = []
    for part in utterance:
        if isinstance(part, Rest):
            parts.append({"pause_ms": part.ms})
            continue
        spelled = part.reading is Reading.CHARACTERS
        text = ". ".join(part.text.replace(" ", "")) if spelled else part.text
        if text.strip():
            # Two brackets would begin phonemes.
            parts.append(
                {
                    "text": text.replace("[[", "[ ["),
                    "length": 1 / part.manner.rate,
                    "volume": 10 ** (part.manner.gain_db / 20),
                }
            )
    return parts
