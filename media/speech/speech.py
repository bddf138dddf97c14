"""The door to speech: an utterance becomes a clip, from memory, from disk, or from the engine.

Owns what was said before. Equal requests at the same time are one piece of work, which goes on when one of those who
wait hangs up. Everything slow is in worker threads and processes; the loop only waits.
"""

import asyncio
import hashlib
import io
import json
import wave
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

import numpy as np
import soxr

from media.clips import ClipCache
from media.player import Clip, UnplayableAudio, decode
from media.speech.cache import SpeechFiles
from media.speech.engine import SpeechError, Synthesizer
from media.speech.utterance import Rest, Utterance
from media.speech.voices import Engine, Voice

KEPT_RATE_HZ: Final = 16_000
MEMORY_BYTES: Final = 32 * 2**20
_FORMAT: Final = 1
"""Counts up when the same words would sound different: old files are then not found any more."""


class Speech:
    """Made on a running loop; close() ends the engines. rate_hz of clips: as the engine plays."""

    def __init__(
        self, engines: Mapping[Engine, Synthesizer], files: SpeechFiles, *, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._engines = engines
        self._files = files
        self._ready = ClipCache(capacity=memory_bytes)
        self._making: dict[tuple[str, int], asyncio.Task[Clip]] = {}

    async def say(self, utterance: Utterance, voice: Voice, *, rate_hz: int = 8000) -> Clip:
        """The utterance as sound. Raises SpeechError."""
        engine = self._engines.get(voice.engine)
        if engine is None:
            raise SpeechError(f"expected an engine for {voice.engine.value}, found none")
        key = (_digest(engine.name, utterance, voice), rate_hz)
        clip = self._ready.get(key)
        if clip is not None:
            return clip
        making = self._making.get(key)
        if making is None:
            making = asyncio.create_task(self._make(engine, utterance, voice, key), name="speech")
            self._making[key] = making
            making.add_done_callback(lambda task: self._forget(key, task))
        # One who hangs up does not take the others' words away.
        return await asyncio.shield(making)

    def _forget(self, key: tuple[str, int], task: "asyncio.Task[Clip]") -> None:
        del self._making[key]
        if not task.cancelled():
            # All who asked may have hung up: nobody else looks at what went wrong.
            task.exception()

    async def close(self) -> None:
        """Idempotent. Who still waits is told by a SpeechError or a cancellation."""
        for making in list(self._making.values()):
            making.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        for engine in self._engines.values():
            await engine.close()

    async def _make(self, engine: Synthesizer, utterance: Utterance, voice: Voice, key: tuple[str, int]) -> Clip:
        digest, rate_hz = key
        clip = await asyncio.to_thread(self._from_disk, digest, rate_hz)
        if clip is None:
            made = await engine.synthesize(utterance, voice)
            if not len(made.samples):
                raise SpeechError("expected sound, found none")
            clip = await asyncio.to_thread(self._to_disk, digest, made, rate_hz)
        self._ready.put(key, clip)
        return clip

    def _from_disk(self, digest: str, rate_hz: int) -> Clip | None:
        path = self._files.find(digest)
        if path is None:
            return None
        try:
            return decode(path, rate_hz=rate_hz)
        except UnplayableAudio:
            self._files.drop(digest)
            return None

    def _to_disk(self, digest: str, made: Clip, rate_hz: int) -> Clip:
        octets = _wav(_resampled(made, KEPT_RATE_HZ))
        self._files.keep(digest, octets)
        # By the same way as from disk, so that the same words are the same samples.
        return decode(octets, rate_hz=rate_hz)


def _digest(engine: str, utterance: Utterance, voice: Voice) -> str:
    parts = [
        ["rest", part.ms] if isinstance(part, Rest) else [part.reading.value, part.text, asdict(part.manner)]
        for part in utterance
    ]
    said = json.dumps([_FORMAT, engine, voice.name, voice.language, voice.gender.value, parts])
    return hashlib.sha256(said.encode()).hexdigest()


def _resampled(clip: Clip, rate_hz: int) -> Clip:
    if clip.rate_hz == rate_hz:
        return clip
    samples = soxr.resample(clip.samples.astype(np.float32), clip.rate_hz, rate_hz, quality="HQ")
    return Clip(np.clip(np.rint(samples), -32768, 32767).astype(np.int16), rate_hz)


def _wav(clip: Clip) -> bytes:
    document = io.BytesIO()
    with wave.open(document, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(clip.rate_hz)
        file.writeframes(clip.samples.tobytes())
    return document.getvalue()
