"""The embedded recogniser: PocketSphinx with its American English model, installed as a package, without network.

Owns its processes, as many as may listen at once; who comes when all of them listen is refused. Decides what of the
sound they get: from a little before somebody speaks to the end of the pause behind it.
"""

import asyncio
import base64
import importlib.util
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from media.activity import FRAME_MS, SpeechActivity
from media.recognition.band import widened
from media.recognition.recognizer import MAX_SPEECH_S, Finding, LanguageUnknown, Partial, RecognitionError, SpeechBegan
from media.recognition.recognizer import Final as Words
from media.speech.worker import Worker, WorkerError

AT_ONCE: Final = 2
LIMIT_S: Final = 60.0
LEAD_FRAMES: Final = 15
"""Heard from before speech was sure: the onset of its first sound."""
CHUNK_FRAMES: Final = 10
MAX_HINTS: Final = 500


class SphinxRecognizer:
    """Made on a running loop. at_once: processes, each of which takes about 100 MB while it is used."""

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self._workers = [Worker("media.recognition.sphinx_worker", limit_s=LIMIT_S) for _ in range(at_once)]
        self._free = list(self._workers)

    async def recognize(
        self,
        frames: AsyncIterable[NDArray[np.int16]],
        *,
        language: str,
        hints: Sequence[str] = (),
        end_pause_s: float = 1.0,
        max_speech_s: float = MAX_SPEECH_S,
    ) -> AsyncGenerator[Finding, None]:
        """See Recognizer."""
        if not language.lower().startswith("en"):
            raise LanguageUnknown(f"expected English, found {language}")
        if not IS_INSTALLED:
            raise RecognitionError("expected the package pocketsphinx, found none")
        async with self._worker() as worker:
            # At once: a worker that has to start does so while nobody speaks yet.
            utterance = _Utterance(worker, hints)
            activity, lead = SpeechActivity(), deque[NDArray[np.int16]](maxlen=LEAD_FRAMES)
            spoken_frames, text = 0, ""
            try:
                async for frame in frames:
                    is_speech = activity.push(frame)
                    if not spoken_frames and not is_speech:
                        lead.append(frame)
                        continue
                    if not spoken_frames:
                        utterance.lead(lead)
                        yield SpeechBegan()
                    spoken_frames += 1
                    found = utterance.hear(frame)
                    if found and found != text:
                        text = found
                        yield Partial(text)
                    is_long = spoken_frames * FRAME_MS >= max_speech_s * 1000
                    if is_long or activity.pause_ms >= end_pause_s * 1000:
                        break
                if spoken_frames:
                    yield await utterance.end()
            finally:
                await utterance.abandon()

    async def close(self) -> None:
        """Idempotent."""
        for worker in self._workers:
            await worker.close()

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[Worker]:
        if not self._free:
            raise RecognitionError(f"expected fewer than {len(self._workers)} recognitions at once")
        worker = self._free.pop()
        try:
            yield worker
        finally:
            self._free.append(worker)


class _Utterance:
    """What one worker is told. It never holds up the frames: what comes while it works is told with the next chunk."""

    def __init__(self, worker: Worker, hints: Sequence[str]) -> None:
        self._worker = worker
        self._hints = [hint for hint in hints if hint.isascii()][:MAX_HINTS]
        self._unreadable = tuple(hint for hint in hints if not hint.isascii())
        self._untold: list[NDArray[np.int16]] = []
        self._telling = self._task({"do": "begin", "hints": self._hints})

    def lead(self, frames: Iterable[NDArray[np.int16]]) -> None:
        """What was heard before it was sure to be speech."""
        self._untold = list(frames)

    def hear(self, frame: NDArray[np.int16]) -> str:
        """The words so far, if there is news."""
        self._untold.append(frame)
        if not self._telling.done() or len(self._untold) < CHUNK_FRAMES:
            return ""
        answer = self._result(self._telling)
        self._telling = self._task(self._chunk())
        return str(answer.get("text", ""))

    async def end(self) -> Words:
        await asyncio.wait([self._telling])
        self._result(self._telling)
        try:
            if self._untold:
                await self._worker.ask(self._chunk())
            answer, _ = await self._worker.ask({"do": "end"})
        except WorkerError as error:
            raise RecognitionError(str(error)) from error
        unknown = (*map(str, answer["unknown"]), *self._unreadable)
        return Words(str(answer["text"]), float(answer["confidence"]), unknown)

    async def abandon(self) -> None:
        """Nothing of it is left running."""
        self._telling.cancel()
        await asyncio.wait([self._telling])
        if not self._telling.cancelled():
            self._telling.exception()

    def _task(self, request: dict[str, Any]) -> "asyncio.Task[dict[str, Any]]":
        async def ask() -> dict[str, Any]:
            answer, _ = await self._worker.ask(request)
            return answer

        return asyncio.create_task(ask(), name="recognition")

    def _chunk(self) -> dict[str, Any]:
        sound = widened(np.concatenate(self._untold))
        self._untold = []
        return {"do": "hear", "pcm": base64.b64encode(sound.tobytes()).decode("ascii")}

    @staticmethod
    def _result(telling: "asyncio.Task[dict[str, Any]]") -> dict[str, Any]:
        try:
            return telling.result()
        except WorkerError as error:
            raise RecognitionError(str(error)) from error


IS_INSTALLED: Final = importlib.util.find_spec("pocketsphinx") is not None
