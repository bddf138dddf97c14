"""What was said in a recording, for <Record transcribe>: recognised once the file is complete, then told.

The order lies with the recording's record until it is carried out; text and callback are written in the transaction
that clears it, so that a process that dies in between does it again at the next start.
Source: Twilio <Record>, transcribe and transcribeCallback.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.parameters import Parameters
from gateway.sids import new_sid
from gateway.store import Store
from gateway.store.records import EventRecord, Operation, OwedCallback, RecordingRecord
from media.player import UnplayableAudio, load_clip
from media.recognition.recognizer import Final as Utterance
from media.recognition.recognizer import RecognitionError, Recognizer

log = structlog.get_logger(__name__)

LANGUAGE: Final = "en-US"
END_PAUSE_S: Final = 1.0
LONGEST_S: Final = 120.0
"""Source: Twilio <Record>, transcribe (recordings of at most two minutes)."""
FRAME: Final = 160
UNTRANSCRIBED: Final = 12400
ORDERED: Final = "transcription"
"""Key of the order among a recording's details."""


@dataclass(frozen=True, kw_only=True)
class TranscriptionOrder:
    """url: of the callback. parameters: those of the call when it was ordered; its status is told as it is then."""

    url: str
    parameters: Parameters

    def details(self) -> dict[str, object]:
        """As the recording's record keeps it."""
        return {ORDERED: {"url": self.url, "parameters": [list(pair) for pair in self.parameters]}}

    @staticmethod
    def of(record: RecordingRecord) -> "TranscriptionOrder | None":
        """None: there is none, or it was carried out."""
        ordered: Any = record.details.get(ORDERED)
        if ordered is None:
            return None
        return TranscriptionOrder(
            url=ordered["url"], parameters=[(name, value) for name, value in ordered["parameters"]]
        )


class Transcriber:
    """Carries out what is ordered. Holds nothing of any recording."""

    def __init__(self, *, recognizer: Recognizer, store: Store, now: Callable[[], datetime]) -> None:
        self._recognizer = recognizer
        self._store = store
        self._now = now

    async def settle(self, record: RecordingRecord, file: Path, recording_url: str) -> None:
        """Recognise and tell; of a recording that is absent, that it failed. Nothing, if nothing is ordered."""
        order = TranscriptionOrder.of(record)
        if order is None:
            return
        text: str | None = None
        told: list[Operation] = []
        if record.status == "completed":
            try:
                text = await transcribe(self._recognizer, file)
            except (RecognitionError, UnplayableAudio) as error:
                told.append(self._failure(record, str(error)))
        parameters = await self._parameters(record, order)
        parameters += transcription_parameters(record.sid, recording_url, text)
        callback = OwedCallback(
            order_key=record.call_sid,
            url=order.url,
            params=tuple(parameters),
            created_at=self._now(),
            call_sid=record.call_sid,
        )
        # As it is by now: it may have been deleted meanwhile.
        newest = await self._store.recording(record.sid) or record
        details = {name: value for name, value in newest.details.items() if name != ORDERED}
        await self._store.write(replace(newest, details=details), *told, callback)

    async def _parameters(self, record: RecordingRecord, order: TranscriptionOrder) -> Parameters:
        call = await self._store.call(record.call_sid)
        status = None if call is None else call.status
        return [(name, status if name == "CallStatus" and status else value) for name, value in order.parameters]

    def _failure(self, record: RecordingRecord, message: str) -> EventRecord:
        log.warning("not transcribed", recording_sid=record.sid, call_sid=record.call_sid, reason=message)
        return EventRecord(
            call_sid=record.call_sid,
            account_sid=record.account_sid,
            at=self._now(),
            name="problem",
            level="warning",
            code=UNTRANSCRIBED,
            message=f"<Record transcribe>: {message}",
        )


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
