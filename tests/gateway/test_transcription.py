"""<Record transcribe>: what was said is recognised when the recording is complete, and told; failures too."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gateway.store.records import RecordingRecord
from gateway.transcription import Transcription, transcribe
from media.recognition.recognizer import RecognitionError
from tests.gateway.peers import PeerRecognizer, Scene
from tests.media.sounds import silence, sine, write_wav
from tests.virtual_time import run

URL = "http://ringfork.example.com/2010-04-01/Accounts/AC1/Recordings/RE1"


def spoken(path: Path, *seconds: float) -> Path:
    """Sounds with two seconds of silence behind each."""
    parts = [part for each in seconds for part in (sine(440, seconds=each), silence(seconds=2))]
    return write_wav(path, np.concatenate(parts))


def record(status: str) -> RecordingRecord:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return RecordingRecord(
        sid="RE1",
        account_sid="AC1",
        call_sid="CA1",
        source="RecordVerb",
        status=status,
        channels=1,
        date_created=now,
        date_updated=now,
        start_time=now,
        track="inbound",
        trim="trim-silence",
    )


def test_transcription_is_all_utterances_in_order(tmp_path: Path) -> None:
    recognizer = PeerRecognizer()
    recognizer.utterances = ["hello there", "", "call me back"]
    file = spoken(tmp_path / "a.wav", 1.0, 0.5, 1.5)
    assert run(transcribe(recognizer, file)) == "hello there call me back"
    assert recognizer.asked[0]["language"] == "en-US"


def test_transcription_of_silence_is_empty(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", silence(seconds=2))
    assert run(transcribe(PeerRecognizer(), file)) == ""


@pytest.mark.parametrize(
    ("status", "failure", "outcome", "text", "codes"),
    [
        ("completed", None, "completed", "hello there", []),
        ("completed", RecognitionError("busy"), "failed", "", [12400]),
        ("absent", None, "failed", "", []),
    ],
)
def test_transcription_is_told_with_the_call_and_its_recording(
    tmp_path: Path, status: str, failure: RecognitionError | None, outcome: str, text: str, codes: list[int]
) -> None:
    file = spoken(tmp_path / "a.wav", 1.0)

    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        transcription = Transcription(call=scene.session, url="http://app.example.com/text")
        await transcription.settled(record(status), file, URL)
        scene.caller.hangs_up()

    scene = Scene({"/voice": "<Response><Pause/><Pause length='60'/></Response>"})
    scene.recognizer.utterances, scene.recognizer.failure = ["hello there"], failure
    run(scene.run(story))
    (told,) = scene.owed("/text")
    assert (told["TranscriptionStatus"], told["TranscriptionText"]) == (outcome, text)
    assert told["TranscriptionSid"].startswith("TR")
    assert told["TranscriptionUrl"] == URL.replace("Recordings/RE1", f"Transcriptions/{told['TranscriptionSid']}")
    assert (told["RecordingSid"], told["RecordingUrl"]) == ("RE1", URL)
    assert told["CallSid"] == scene.session.facts.sid
    assert scene.codes() == codes
