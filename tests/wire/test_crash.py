"""A killed daemon loses nothing: recordings play up to the last second, and the next start tells what is owed."""

import asyncio
import time
import wave
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application, say_nothing
from tests.wire.harness_gateway import Phones, RunningGateway

pytestmark = pytest.mark.wire

TALK_S = 3.0
DOCUMENT = """<Response><Dial record="record-from-answer-dual" recordingStatusCallback="/recorded">
<Client statusCallback="/status">bob</Client></Dial></Response>"""


async def test_crash_recording_is_playable_and_everything_owed_is_told_after_the_restart(
    tmp_path: Path, needs_pjsua2: None
) -> None:
    gateway = await asyncio.to_thread(RunningGateway.launch, tmp_path / "daemon")
    daemon = gateway.daemon
    recordings = tmp_path / "daemon" / "recordings"
    try:
        async with (
            Application(gateway.secrets.auth_token, gateway.voice_port) as application,
            AsyncExitStack() as stack,
        ):
            application.on("/voice", DOCUMENT)
            application.on("/recorded", say_nothing)
            application.on("/status", say_nothing)
            phones = Phones(gateway, tmp_path, stack)
            await phones("bob", incoming=Incoming.ANSWER, play="tone:1000")
            alice = await phones("alice", play="tone:600")
            await alice.dial("bob")
            await alice.wait("answered")
            await asyncio.sleep(TALK_S)
            killed_at = time.monotonic()
            await asyncio.to_thread(daemon.kill)
            (part,) = recordings.glob("*.wav.part")
            with wave.open(str(part)) as file:
                recorded_s = file.getnframes() / file.getframerate()
            assert recorded_s >= TALK_S - 1.0
            await asyncio.to_thread(daemon.start)
            await asyncio.to_thread(daemon.wait_ready)
            assert time.monotonic() - killed_at < 30
            recorded = await application.wait("/recorded")
            assert recorded["RecordingStatus"] == "completed"
            assert abs(float(recorded["RecordingDuration"]) - TALK_S) <= 1.0
            first, second = await gateway.recording(recorded["RecordingUrl"], tmp_path / "recording.wav")
            assert first.has(600) and first.lacks(1000)
            assert second.has(1000) and second.lacks(600)
            status = await application.wait("/status")
            assert (status["CallStatus"], status["SequenceNumber"]) == ("completed", "3")
            assert abs(float(status["CallDuration"]) - TALK_S) <= 6.0
            await gateway.assert_idle()
            application.verify()
    finally:
        await asyncio.to_thread(daemon.stop)
    assert list(recordings.glob("*.part")) == []
