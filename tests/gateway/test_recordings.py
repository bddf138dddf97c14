"""Recordings with the real engine, store and disk: from the first sample to the callback that is owed."""

import asyncio
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from gateway.background import Background
from gateway.recordings import RecordingOrder, Recordings
from gateway.sids import first_sid, new_sid
from gateway.store import Store
from gateway.store.records import OwedCallback, RecordingRecord
from gateway.transcription import TranscriptionOrder
from media.engine import PCMU, Engine, EngineSettings, Heard, RemoteMedia
from media.hearing import loudest_tones
from media.tones import CallProgress, tone
from tests.media.sounds import sine, write_wav

ACCOUNT = "AC" + "0" * 32
CALLBACK = "http://app.example.com/recorded"
URL = f"http://ringfork.example.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/"


class Studio:
    """Everything a recording needs, on real files."""

    def __init__(self, directory: Path, engine: Engine, store: Store) -> None:
        self.directory = directory
        self.engine = engine
        self.store = store
        self.background = Background()
        self.owed: list[OwedCallback] = []
        self.handed: list[tuple[str, str, Path, str]] = []
        store.listen_owed(self.owed.extend)
        self.recordings = Recordings(
            directory=directory,
            public_url="http://ringfork.example.com",
            engine=engine,
            store=store,
            background=self.background,
            transcribe=self.transcribe,
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
        )

    async def transcribe(self, record: RecordingRecord, file: Path, url: str) -> None:
        self.handed.append((record.sid, record.status, file, url))

    async def settle(self) -> None:
        assert await self.background.close(timeout_s=10)
        await self.store.flush()
        await asyncio.sleep(0.05)

    def part(self, sid: str) -> Path:
        return self.directory / f"{sid}.wav.part"

    def final(self, sid: str) -> Path:
        return self.directory / f"{sid}.wav"


@pytest_asyncio.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=(31000, 31099), capacity=16))
    await engine.start()
    store = await Store.open(f"sqlite:///{tmp_path}/ringfork.db")
    studio = Studio(tmp_path, engine, store)
    try:
        yield studio
    finally:
        await studio.settle()
        await engine.stop()
        await store.close()


def order(**more: object) -> RecordingOrder:
    return replace(RecordingOrder(call_sid=new_sid("CA"), account_sid=ACCOUNT, callback_url=CALLBACK), **more)  # type: ignore[arg-type]


async def record_tone(studio: Studio, wanted: RecordingOrder, *, seconds: float = 1.2, sounds: bool = True) -> str:
    """Record what one port hears: the Swedish dial tone (425 Hz without end) or silence."""
    port = studio.engine.open_port(lambda event: None)
    port.connect(
        RemoteMedia(
            address=("127.0.0.1", 9), rtcp_address=None, codec=PCMU, payload_type=0, digits_payload_type=None,
            send=True, receive=True, learn_from=None,
        )
    )  # fmt: skip
    if sounds:
        port.hear(tone("se", CallProgress.DIAL))
    active = studio.recordings.begin(wanted, [[Heard(port)]])
    await asyncio.sleep(seconds)
    mention = active.finish()
    assert active.finish() is mention
    port.close()
    await studio.settle()
    return mention.sid


def words(callback: OwedCallback) -> dict[str, str]:
    return dict(callback.params)


async def test_recording_is_on_disk_before_its_callback_is_owed(studio: Studio) -> None:
    sid = await record_tone(studio, order())
    record = await studio.store.recording(sid)
    assert record is not None and record.status == "completed"
    with wave.open(str(studio.final(sid))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert record.duration_s == pytest.approx(len(samples) / 8000)
    assert record.duration_s == pytest.approx(1.2, abs=0.4)
    assert loudest_tones(samples, 8000)[0].frequency_hz == pytest.approx(425, abs=3)
    assert not studio.part(sid).exists()
    (callback,) = studio.owed
    assert words(callback)["RecordingStatus"] == "completed"
    assert words(callback)["RecordingUrl"].endswith(f"/Recordings/{sid}")
    assert callback.awaits_recording == sid


async def test_recording_in_progress_event_is_owed_at_the_start(studio: Studio) -> None:
    await record_tone(studio, order(callback_events=frozenset({"in-progress", "completed"})), seconds=0.5)
    assert [words(callback)["RecordingStatus"] for callback in studio.owed] == ["in-progress", "completed"]


async def test_recording_of_silence_trimmed_is_absent(studio: Studio) -> None:
    wanted = order(is_trimmed=True, callback_events=frozenset({"absent"}))
    sid = await record_tone(studio, wanted, seconds=0.6, sounds=False)
    record = await studio.store.recording(sid)
    assert record is not None and (record.status, record.error_code) == ("absent", 16102)
    assert [words(callback)["RecordingStatus"] for callback in studio.owed] == ["absent"]
    assert list(studio.directory.glob("*.wav*")) == []


@pytest.mark.parametrize(("sounds", "status"), [(True, "completed"), (False, "absent")])
async def test_recording_that_is_settled_is_handed_on(studio: Studio, sounds: bool, status: str) -> None:
    sid = await record_tone(studio, order(is_trimmed=True), seconds=0.5, sounds=sounds)
    assert studio.handed == [(sid, status, studio.final(sid), URL + sid)]


ORDERED = TranscriptionOrder(url=CALLBACK, parameters=[("CallSid", "CA1"), ("CallStatus", "in-progress")])


async def test_recording_keeps_its_transcription_order_on_record(studio: Studio) -> None:
    sid = await record_tone(studio, order(transcription=ORDERED), seconds=0.5)
    record = await studio.store.recording(sid)
    assert record is not None and TranscriptionOrder.of(record) == ORDERED


async def test_recover_hands_on_what_is_settled_and_not_transcribed(studio: Studio) -> None:
    """Those the process before left unfinished too; what is older than a day is given up."""
    now = datetime.now(UTC)
    fresh, plain, gone, cut_off = (new_sid("RE") for _ in range(4))
    old = first_sid("RE", now - timedelta(hours=25))
    details = ORDERED.details()
    write_wav(studio.part(cut_off), sine(440, seconds=1))
    await studio.store.write(
        unfinished(old, status="completed", details=details),
        unfinished(fresh, status="completed", details=details),
        unfinished(plain, status="completed"),
        unfinished(gone, status="deleted", details=details),
        unfinished(cut_off, details=details),
    )
    assert await studio.recordings.recover() == 1
    await studio.settle()
    assert sorted(sid for sid, *_ in studio.handed) == sorted([fresh, cut_off])


def unfinished(sid: str, **more: object) -> RecordingRecord:
    now = datetime.now(UTC)
    record = RecordingRecord(
        sid=sid,
        account_sid=ACCOUNT,
        call_sid=new_sid("CA"),
        source="DialVerb",
        status="in-progress",
        channels=1,
        date_created=now,
        date_updated=now,
        start_time=now,
        status_callback=CALLBACK,
    )
    return replace(record, **more)  # type: ignore[arg-type]


def write_torn(path: Path, seconds: float) -> None:
    """What a killed process leaves: a header that promises nothing, and half a sample at the end."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.full(int(8000 * seconds), 1000, np.int16).tobytes())
    torn = bytearray(path.read_bytes()) + b"\x01"
    torn[4:8] = torn[40:44] = b"\0\0\0\0"
    path.write_bytes(torn)


async def test_recovery_completes_file_record_and_callback(studio: Studio) -> None:
    sid = new_sid("RE")
    write_torn(studio.part(sid), 2.5)
    await studio.store.write(unfinished(sid))
    assert await studio.recordings.recover() == 1
    await studio.settle()
    record = await studio.store.recording(sid)
    assert record is not None and (record.status, record.duration_s) == ("completed", 2.5)
    with wave.open(str(studio.final(sid))) as file:
        assert file.getnframes() == 20000
    (callback,) = studio.owed
    assert words(callback)["RecordingDuration"] == "3"
    assert await studio.recordings.recover() == 0


async def test_recovery_after_the_rename_only_tells(studio: Studio) -> None:
    sid = new_sid("RE")
    write_torn(studio.part(sid), 1.0)
    await studio.store.write(unfinished(sid))
    await studio.recordings.recover()
    await studio.store.write(unfinished(sid))
    assert await studio.recordings.recover() == 1
    record = await studio.store.recording(sid)
    assert record is not None and (record.status, record.duration_s) == ("completed", 1.0)


async def test_recovery_one_bad_file_does_not_stop_the_others(studio: Studio) -> None:
    missing, empty, junk, good = (new_sid("RE") for _ in range(4))
    studio.part(empty).write_bytes(b"")
    studio.part(junk).write_bytes(b"\xff" * 100)
    write_torn(studio.part(good), 1.0)
    for sid in (missing, empty, junk, good):
        await studio.store.write(unfinished(sid, status_callback_events=("completed", "absent")))
    assert await studio.recordings.recover() == 4
    await studio.settle()
    told = {words(callback)["RecordingSid"]: words(callback)["RecordingStatus"] for callback in studio.owed}
    assert told == {missing: "absent", empty: "absent", junk: "absent", good: "completed"}


async def test_recording_that_the_engine_has_no_room_for_is_absent_and_told(studio: Studio) -> None:
    port = studio.engine.open_port(lambda event: None)
    running = [studio.recordings.begin(order(callback_url=None), [[Heard(port)]]) for _ in range(16)]
    wanted = order(callback_events=frozenset({"absent"}))
    beyond = studio.recordings.begin(wanted, [[Heard(port)]])
    assert (beyond.status, [each.status for each in running]) == ("absent", ["in-progress"] * 16)
    beyond.retap([[]])
    beyond.pause(is_skipping=True)
    mention = beyond.finish()
    assert (mention.sid, mention.duration_s) == (beyond.record.sid, 0)
    assert studio.recordings.active(wanted.call_sid) == []
    for each in running:
        each.finish()
    port.close()
    await studio.settle()
    record = await studio.store.recording(beyond.record.sid)
    assert record is not None and record.status == "absent"
    (callback,) = studio.owed
    assert words(callback)["RecordingStatus"] == "absent"
