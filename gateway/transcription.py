"""What was said in a recording, for <Record transcribe>: recognised once the file is complete, then told.

Owns nothing: the text is in its callback alone. A process that dies in between leaves the callback untold.
Source: Twilio <Record>, transcribe and transcribeCallback.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.parameters import Parameters
from gateway.scripted import ScriptedCall
from gateway.sids import new_sid
from gateway.store.records import RecordingRecord
from media.player import UnplayableAudio, load_clip
from media.recognition.recognizer import Final as Utterance
from media.recognition.recognizer import RecognitionError, Recognizer

LANGUAGE: Final = "en-US"
END_PAUSE_S: Final = 1.0
LONGEST_S: Final = 120.0
"""Source: Twilio <Record>, transcribe (recordings of at most two minutes)."""
FRAME: Final = 160
UNTRANSCRIBED: Final = 12400


@dataclass(frozen=True, kw_only=True)
class Transcription:
    """call: whose record is told of a failure. url: of the callback. recording_url: as applications know it."""

    call: ScriptedCall
    url: str

    async def settled(self, record: RecordingRecord, file: Path, recording_url: str) -> None:
        """Recognise and tell; of a recording that is absent, that it failed."""
        text = None
        if record.status == "completed":
            try:
                text = await transcribe(self.call.services.recognizer, file)
            except (RecognitionError, UnplayableAudio) as error:
                self.call.timeline.warn(UNTRANSCRIBED, f"<Record transcribe>: {error}")
        parameters = self.call.parameters() + transcription_parameters(record.sid, recording_url, text)
        self.call.timeline.note(self.call.timeline.owe(url=self.url, method="POST", parameters=parameters))


def transcription_parameters(recording_sid: str, recording_url: str, text: str | None) -> Parameters:
    """text None: it failed. Source: Twilio <Record>, transcribeCallback."""
    sid = new_sid("TR")
    return [
        ("TranscriptionSid", sid),
        ("TranscriptionText", text or ""),
        ("TranscriptionStatus", "failed" if text is None else "completed"),
        ("TranscriptionUrl", recording_url.replace(f"/Recordings/{recording_sid}", f"/Transcriptions/{sid}")),
        ("RecordingSid", recording_sid),
        ("RecordingUrl", recording_url),
    ]


async def transcribe(recognizer: Recognizer, file: Path) -> str:
    """All that is said in a sound file, utterance by utterance. Raises RecognitionError, UnplayableAudio."""
    clip = await load_clip(file, max_seconds=LONGEST_S)
    frames = _frames(clip.samples)
    understood: list[str] = []
    while True:
        utterance = await _utterance(recognizer, frames)
        if utterance is None:
            return " ".join(understood)
        if utterance.text:
            understood.append(utterance.text)


async def _utterance(recognizer: Recognizer, frames: AsyncIterator[NDArray[np.int16]]) -> Utterance | None:
    async with aclosing(recognizer.recognize(frames, language=LANGUAGE, end_pause_s=END_PAUSE_S)) as findings:
        async for finding in findings:
            if isinstance(finding, Utterance):
                return finding
    return None


async def _frames(samples: NDArray[np.int16]) -> AsyncIterator[NDArray[np.int16]]:
    """Faster than it was spoken, but never so fast that calls would notice."""
    for start in range(0, len(samples) - FRAME + 1, FRAME):
        yield samples[start : start + FRAME]
        await asyncio.sleep(0.001)
