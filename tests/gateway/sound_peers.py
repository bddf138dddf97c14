"""Sound without an engine: ports, mixes, listeners, a recognizer and a voice that note what is asked of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.engine import PortStatistics, Silence
from media.player import Clip
from media.recognition.recognizer import Final, Finding, Partial, RecognitionError, SpeechBegan
from media.speech.engine import SpeechError
from media.speech.utterance import Spoken, Utterance
from media.speech.voices import Voice


class PeerPort:
    """Sound without sound: what it hears now, and everything it was ever told to hear."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rate_hz = 8000
        self.heard: list[Any] = [Silence()]
        self.played: list[Clip] = []
        self.joined: PeerMix | None = None
        self.heard_by: Sequence[Any] | None = None
        self.loops: list[int] = []
        self.played_to_the_end: list[Clip] = []
        self.looks_for_tones: list[bool] = []
        self.delay_limits_ms: list[int | None] = []

    def __repr__(self) -> str:
        return f"<port {self.name}>"

    @property
    def hears(self) -> Any:
        return self.heard[-1]

    def hear(self, source: Any) -> None:
        self.heard.append(source)

    def join(self, mix: "PeerMix | None", *, heard_by: Sequence[Any] | None = None) -> None:
        self.joined = mix
        self.heard_by = heard_by

    def play_nowait(self, clip: Clip, *, loops: int = 0) -> None:
        self.heard.append(clip)

    def limit_delay(self, most_ms: int | None) -> None:
        self.delay_limits_ms.append(most_ms)

    def detect_tones(self, is_on: bool) -> None:
        self.looks_for_tones.append(is_on)

    def statistics(self) -> PortStatistics:
        return PortStatistics(packets_received=50)

    async def play(self, clip: Clip, *, loops: int = 1) -> None:
        self.played.append(clip)
        self.loops.append(loops)
        await asyncio.sleep(clip.duration_s * loops)
        self.played_to_the_end.append(clip)


class PeerFrames:
    """What the caller says, frame by frame: a loud one when ``speaks`` says so for this time of the loop."""

    dropped_frames = 0

    def __init__(self, speaks: Callable[[float], bool], frame_s: float) -> None:
        self._frame_s = frame_s
        self._speaks = speaks
        self._clock = asyncio.get_running_loop().time
        self._next_s = self._clock()
        self.is_closed = False
        self.dropped_frames = 0

    def __aiter__(self) -> "PeerFrames":
        return self

    async def __anext__(self) -> NDArray[np.int16]:
        if self.is_closed:
            raise StopAsyncIteration
        self._next_s += self._frame_s
        await asyncio.sleep(self._next_s - self._clock())
        return np.tile(np.array([4000, -4000] if self._speaks(self._next_s) else [0, 0], np.int16), 80)

    def close(self) -> None:
        self.is_closed = True


class PeerRecognizer:
    """Understands whatever ``utterances`` says, one after the other, a word for each half second of speech.

    asked: what was asked of it, once for each utterance. failure: raised instead.
    """

    def __init__(self) -> None:
        self.utterances: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.failure: RecognitionError | None = None
        self.unknown: tuple[str, ...] = ()

    async def recognize(self, frames: AsyncIterable[NDArray[np.int16]], **asked: Any) -> AsyncGenerator[Finding, None]:
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure
        spoken, quiet, heard = 0, 0, ""
        async for frame in frames:
            is_loud = bool(frame.any())
            if not spoken and not is_loud:
                continue
            spoken, quiet = spoken + 1, 0 if is_loud else quiet + 1
            if spoken == 1:
                words = (self.utterances.pop(0) if self.utterances else "").split()
                yield SpeechBegan()
            if is_loud and words[: spoken // 25] and heard != " ".join(words[: spoken // 25]):
                heard = " ".join(words[: spoken // 25])
                yield Partial(heard)
            if quiet * 0.02 >= asked["end_pause_s"] or spoken * 0.02 >= asked.get("max_speech_s", 60):
                yield Final(" ".join(words), 0.75 if words else 0.0, self.unknown)
                return

    async def close(self) -> None:
        pass


class PeerMix:
    """A mixing group that mixes nothing; what was played into it."""

    rate_hz = 8000

    def __init__(self) -> None:
        self.is_closed = False
        self.played: list[Clip] = []

    def play_nowait(self, clip: Clip, *, loops: int = 1) -> None:
        self.played.append(clip)

    async def play(self, clip: Clip, *, loops: int = 1) -> None:
        self.played.append(clip)
        await asyncio.sleep(clip.duration_s * loops)

    def close(self) -> None:
        self.is_closed = True


class PeerSpeech:
    """A voice that takes 400 ms a word, and remembers what it said. is_broken: it says nothing any more."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Voice]] = []
        self.is_broken = False

    async def say(self, utterance: Utterance, voice: Voice, *, rate_hz: int = 8000) -> Clip:
        if self.is_broken:
            raise SpeechError("expected a voice, found a broken one")
        text = " ".join("".join(part.text for part in utterance if isinstance(part, Spoken)).split())
        self.said.append((text, voice))
        return Clip(np.full(rate_hz * 2 // 5 * len(text.split()), 1000, np.int16), rate_hz)
