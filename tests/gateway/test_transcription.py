"""<Record transcribe>: what was said is recognised when the recording is complete, and told; failures too."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from gateway.store import Store
from gateway.store.records import OwedCallback
from gateway.transcription import Transcriber, TranscriptionOrder, transcribe
from media.recognition.recognizer import RecognitionError
from tests.gateway.sound_peers import PeerRecognizer
from tests.gateway.store.records import call, completed, recording, url_of
from tests.media.sounds import silence, sine, write_wav
from tests.virtual_time import run

URL = "http://ringfork.example.com/2010-04-01/Accounts/AC1/Recordings/RE1"


def spoken(path: Path, *seconds: float) -> Path:
    """Sounds with two seconds of silence behind each."""
    parts = [part for each in seconds for part in (sine(440, seconds=each), silence(seconds=2))]
    return write_wav(path, np.concatenate(parts))


def test_transcription_is_all_utterances_in_order(tmp_path: Path) -> None:
    recognizer = PeerRecognizer()
    recognizer.utterances = ["hello there", "", "call me back"]
    file = spoken(tmp_path / "a.wav", 1.0, 0.5, 1.5)
    assert run(transcribe(recognizer, file)) == "hello there call me back"
    assert recognizer.asked[0]["language"] == "en-US"


def test_transcription_of_silence_is_empty(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", silence(seconds=2))
    assert run(transcribe(PeerRecognizer(), file)) == ""


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(url_of(tmp_path))
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("status", "failure", "outcome", "text", "codes"),
    [
        ("completed", None, "completed", "hello there", []),
        ("completed", RecognitionError("busy"), "failed", "", [12400]),
        ("absent", None, "failed", "", []),
    ],
)
async def test_transcription_is_told_with_the_call_and_its_recording(
    store: Store,
    tmp_path: Path,
    status: str,
    failure: RecognitionError | None,
    outcome: str,
    text: str,
    codes: list[int],
) -> None:
    owed: list[OwedCallback] = []
    store.listen_owed(owed.extend)
    recognizer = PeerRecognizer()
    recognizer.utterances, recognizer.failure = ["hello there"], failure
    transcriber = Transcriber(recognizer=recognizer, store=store, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    caller = completed(call())
    order = TranscriptionOrder(
        url="http://app.example.com/text", parameters=[("CallSid", caller.sid), ("CallStatus", "in-progress")]
    )
    record = replace(recording(caller.sid, status), sid="RE1", details={**order.details(), "other": 1})
    await store.write(caller, record)
    await transcriber.settle(record, spoken(tmp_path / "a.wav", 1.0), URL)
    (callback,) = owed
    told = dict(callback.params)
    assert (callback.url, callback.order_key) == ("http://app.example.com/text", caller.sid)
    assert (told["TranscriptionStatus"], told["TranscriptionText"]) == (outcome, text)
    assert told["TranscriptionSid"].startswith("TR")
    assert told["TranscriptionUrl"] == URL.replace("Recordings/RE1", f"Transcriptions/{told['TranscriptionSid']}")
    assert (told["RecordingSid"], told["RecordingUrl"]) == ("RE1", URL)
    assert (told["CallSid"], told["CallStatus"]) == (caller.sid, "completed")
    assert [event.code for event in await store.events(caller.sid)] == codes
    # It was carried out, and is not again.
    kept = await store.recording("RE1")
    assert kept is not None and (kept.details, kept.status) == ({"other": 1}, status)
    await transcriber.settle(kept, tmp_path / "a.wav", URL)
    assert len(owed) == 1


async def test_transcription_of_a_recording_deleted_meanwhile_leaves_it_deleted(store: Store, tmp_path: Path) -> None:
    transcriber = Transcriber(recognizer=PeerRecognizer(), store=store, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    order = TranscriptionOrder(url="http://app.example.com/text", parameters=[("CallSid", "CA1")])
    record = replace(recording("CA1", "completed"), details=order.details())
    await store.write(replace(record, status="deleted"))
    await transcriber.settle(record, tmp_path / "gone.wav", URL)
    kept = await store.recording(record.sid)
    assert kept is not None and (kept.status, kept.details) == ("deleted", {})
