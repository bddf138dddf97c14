"""Recordings from their first sample to their last callback.

Decides what a recording is called, where it lies, what becomes of it when it ends, and what is owed for one that a
killed process left behind. Owns the files of the recordings directory: ``<sid>.wav.part`` grows, ``<sid>.wav`` is
complete. Samples are the engine's business (media/), serving the file is gateway/rest/recordings.py.

Order of the end, so that nothing is lost whenever the process dies: the file is closed and synced, trimmed beside
itself, renamed; then one transaction says "completed" and owes the callback. Until that transaction the record says
in-progress and ``recover`` does the rest at the next start.
Source: Twilio <Dial>, record and recordingStatusCallback; Twilio Recording resource.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from gateway.background import Background
from gateway.parameters import RecordingMention, whole_seconds
from gateway.sids import new_sid
from gateway.store import StorageUnavailable, Store
from gateway.store.records import EventRecord, Operation, OwedCallback, RecordingRecord
from gateway.transcription import TranscriptionOrder
from gateway.webhooks.callbacks import recording_parameters
from media import disk, trim, wav
from media.engine import Engine, PortsExhausted, Recorder, Tap

log = structlog.get_logger(__name__)

TOO_SHORT = 16101
SILENT = 16102


Settled = Callable[[RecordingRecord, Path, str], Awaitable[None]]
"""What is done with a recording when it is complete, or absent: its record, file and URL."""

REPEATED_FOR: Final = timedelta(hours=24)
"""A transcription that was lost with its process is made good for as long as a callback is tried."""


@dataclass(frozen=True, kw_only=True)
class RecordingOrder:
    """What the application asked for. events: of in-progress, completed, absent."""

    call_sid: str
    account_sid: str
    conference_sid: str | None = None
    source: str = "DialVerb"
    track: str = "both"
    is_trimmed: bool = False
    callback_url: str | None = None
    callback_method: str = "POST"
    callback_events: frozenset[str] = frozenset({"completed"})
    transcription: TranscriptionOrder | None = None


class ActiveRecording:
    """A recording that runs. ``finish`` may be called again; only the first call counts.

    status: in-progress or paused, stopped when it is finished; absent where the engine had no room for it.
    """

    def __init__(
        self,
        owner: "Recordings",
        record: RecordingRecord,
        recorder: Recorder | None,
        started_s: float,
        channels: Sequence[Sequence[Tap]],
    ) -> None:
        """recorder None: nothing is recorded; whoever asked goes on all the same."""
        self._owner = owner
        self._recorder = recorder
        self._started_s = started_s
        self._channels = channels
        self._mention: RecordingMention | None = None
        self._is_silent = False
        self.status = "in-progress" if recorder is not None else "absent"
        self.record = record

    def retap(self, channels: Sequence[Sequence[Tap]]) -> None:
        self._channels = channels
        if self._recorder is not None and not self._is_silent:
            self._recorder.retap(channels)

    def pause(self, *, is_skipping: bool) -> None:
        """Until it is resumed the file gets silence, or nothing where the stretch is skipped."""
        if self._recorder is None or self.status != "in-progress":
            return
        self.status = "paused"
        if is_skipping:
            self._recorder.skip(True)
        else:
            self._is_silent = True
            self._recorder.retap([[] for _ in self._channels])

    def resume(self) -> None:
        if self._recorder is None or self.status != "paused":
            return
        self.status = "in-progress"
        if self._is_silent:
            self._is_silent = False
            self._recorder.retap(self._channels)
        else:
            self._recorder.skip(False)

    def finish(self) -> RecordingMention:
        """Stop now; the file, its record and its callback are completed in the background."""
        if self._mention is None and self._recorder is None:
            self._mention = RecordingMention(sid=self.record.sid, url=self._owner.url(self.record), duration_s=0)
        elif self._mention is None and self._recorder is not None:
            self.status = "stopped"
            self._mention = self._owner.complete_later(self, self._recorder, self._started_s)
        assert self._mention is not None
        return self._mention


class Recordings:
    """All recordings of the process.

    now: wall clock, aware. monotonic: seconds. Files are only ever named after our own sids.
    transcribe: done with each recording that is settled, and again at the next start if the process dies before.
    settled: told of each recording of which nothing is left to be done here.
    """

    def __init__(
        self,
        *,
        directory: Path,
        public_url: str,
        engine: Engine,
        store: Store,
        background: Background,
        transcribe: Settled,
        settled: Callable[[str], None] = lambda _sid: None,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._base_url = f"{public_url}/2010-04-01/Accounts"
        self._engine = engine
        self._store = store
        self._background = background
        self._transcribe = transcribe
        self._settled = settled
        self._now = now
        self._monotonic = monotonic
        self._active: dict[str, ActiveRecording] = {}

    def url(self, record: RecordingRecord) -> str:
        return f"{self._base_url}/{record.account_sid}/Recordings/{record.sid}"

    def begin(
        self, order: RecordingOrder, channels: Sequence[Sequence[Tap]], *, rate_hz: int = 8000
    ) -> ActiveRecording:
        """Start recording; ``channels`` holds the taps of each channel of the file.

        Where the engine has no room the recording is ``absent``, and its receiver told so; the call goes on.
        """
        now = self._now()
        record = RecordingRecord(
            sid=new_sid("RE"),
            account_sid=order.account_sid,
            call_sid=order.call_sid,
            conference_sid=order.conference_sid,
            source=order.source,
            status="in-progress",
            channels=len(channels),
            date_created=now,
            date_updated=now,
            start_time=now,
            track=order.track,
            trim="trim-silence" if order.is_trimmed else "do-not-trim",
            status_callback=order.callback_url,
            status_callback_method=order.callback_method,
            status_callback_events=tuple(sorted(order.callback_events)),
            details={} if order.transcription is None else order.transcription.details(),
        )
        self._store.write_soon(record, *self._owed(record))
        try:
            recorder = self._engine.record(self._part(record.sid), channels, rate_hz=rate_hz)
        except PortsExhausted as error:
            log.error("no room for a recording", recording_sid=record.sid, call_sid=order.call_sid, reason=str(error))
            self._background.start(self._complete(record, str(error)), name=f"recording {record.sid}")
            return ActiveRecording(self, record, None, self._monotonic(), channels)
        active = ActiveRecording(self, record, recorder, self._monotonic(), channels)
        self._active[record.sid] = active
        return active

    def active(self, call_sid: str) -> list[ActiveRecording]:
        """Those of a call that run now, the oldest first."""
        return [each for each in self._active.values() if each.record.call_sid == call_sid]

    def active_in(self, conference_sid: str) -> list[ActiveRecording]:
        """Those of a conference that run now."""
        return [each for each in self._active.values() if each.record.conference_sid == conference_sid]

    def complete_later(self, active: ActiveRecording, recorder: Recorder, started_s: float) -> RecordingMention:
        record = active.record
        self._active.pop(record.sid, None)
        elapsed_s = self._monotonic() - started_s
        self._background.start(self._complete(record, recorder), name=f"recording {record.sid}")
        return RecordingMention(sid=record.sid, url=self.url(record), duration_s=whole_seconds(elapsed_s))

    async def recover(self) -> int:
        """Complete what a killed process left; returns how many. One bad record or file never stops the others."""
        recovered = 0
        for record in await self._store.unfinished_recordings():
            try:
                await self._recover(record)
                recovered += 1
            except (OSError, ValueError) as error:
                log.error("recording not recovered", recording_sid=record.sid, error=str(error))
        untranscribed = await self._store.untranscribed_recordings(since=self._now() - REPEATED_FOR)
        if untranscribed:
            self._background.start(self._hand_on_each(untranscribed), name="transcriptions of the process before")
        return recovered

    async def _hand_on_each(self, settled: Sequence[RecordingRecord]) -> None:
        """One after the other: few are recognised at once, and calls come first."""
        for record in settled:
            try:
                await self._hand_on(record)
            except (OSError, StorageUnavailable) as error:
                log.error("recording not transcribed", recording_sid=record.sid, error=str(error))

    async def _recover(self, record: RecordingRecord) -> None:
        final, part = self._final(record.sid), self._part(record.sid)
        if await asyncio.to_thread(final.exists):
            found = await asyncio.to_thread(wav.probe, final)
            await self._settle(record, found.duration_s)
            return
        repaired = await asyncio.to_thread(wav.repair, part)
        if repaired.problem is not None:
            await self._settle(record, 0.0, error=repaired.problem)
            return
        await self._finish_file(record, repaired.duration_s)

    async def _complete(self, record: RecordingRecord, recorder: Recorder | str) -> None:
        """recorder: or why there is none."""
        if isinstance(recorder, str):
            settled = await self._settle(record, 0.0, error=recorder)
        else:
            settled = await self._complete_file(record, recorder)
        await self._hand_on(settled)

    async def _hand_on(self, settled: RecordingRecord) -> None:
        await self._transcribe(settled, self._final(settled.sid), self.url(settled))
        self._settled(settled.sid)

    async def _complete_file(self, record: RecordingRecord, recorder: Recorder) -> RecordingRecord:
        recorded = await recorder.stop()
        if recorded.error is not None:
            log.error("recording ended early", recording_sid=record.sid, error=recorded.error)
        if recorded.lost_frames:
            log.warning("recording has gaps", recording_sid=record.sid, lost_frames=recorded.lost_frames)
        if recorded.frames == 0:
            return await self._settle(record, 0.0, error=recorded.error)
        return await self._finish_file(record, recorded.duration_s)

    async def _finish_file(self, record: RecordingRecord, duration_s: float) -> RecordingRecord:
        part, final = self._part(record.sid), self._final(record.sid)
        if record.trim == "trim-silence":
            trimmed = part.with_suffix(".trimmed")
            result = await trim.trim_silence(part, trimmed)
            if result.frames == 0:
                await asyncio.to_thread(part.unlink, missing_ok=True)
                return await self._settle(record, 0.0, code=SILENT)
            await disk.finish(trimmed, final)
            await asyncio.to_thread(part.unlink, missing_ok=True)
            duration_s = result.duration_s
        else:
            await disk.finish(part, final)
        return await self._settle(record, duration_s)

    async def _settle(
        self, record: RecordingRecord, duration_s: float, *, error: str | None = None, code: int | None = None
    ) -> RecordingRecord:
        """Say what became of it and owe the callback, in one transaction."""
        is_there = duration_s > 0
        settled = replace(
            record,
            status="completed" if is_there else "absent",
            duration_s=duration_s if is_there else None,
            error_code=None if is_there else code or TOO_SHORT,
            date_updated=self._now(),
        )
        event = EventRecord(
            call_sid=record.call_sid,
            account_sid=record.account_sid,
            at=self._now(),
            name="recording",
            level="info" if is_there else "warning",
            code=settled.error_code,
            message=error or f"recording {settled.status}",
            url=self.url(record),
        )
        await self._store.write(settled, event, *self._owed(settled))
        return settled

    def _owed(self, record: RecordingRecord) -> list[Operation]:
        if record.status_callback is None or record.status not in record.status_callback_events:
            return []
        return [
            OwedCallback(
                order_key=record.conference_sid or record.call_sid,
                url=record.status_callback,
                method=record.status_callback_method,
                params=tuple(recording_parameters(record, self.url(record))),
                created_at=self._now(),
                call_sid=record.call_sid,
                awaits_recording=record.sid if record.status == "completed" else None,
            )
        ]

    def _part(self, sid: str) -> Path:
        return self._directory / f"{sid}.wav.part"

    def _final(self, sid: str) -> Path:
        return self._directory / f"{sid}.wav"
