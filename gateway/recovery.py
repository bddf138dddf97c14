"""What a killed process left: calls and conferences without an end.

Decides how such a call is ended on the record and tells whoever subscribed to it. When the process died is read from a
file it touched while it lived. Recordings are completed by gateway/recordings.py.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from gateway.call import CallStatus, PostStatus, ProgressEvent
from gateway.parameters import CallDirection, CallFacts, RecordingMention, progress_parameters, whole_seconds
from gateway.rooms.callbacks import conference_parameters
from gateway.rooms.conference_events import ConferenceState, EndReason, Post
from gateway.store import Store
from gateway.store.records import (
    CallRecord,
    ConferenceRecord,
    EventRecord,
    Operation,
    OwedCallback,
    RecordingRecord,
)
from gateway.twiml.values import ConferenceEvent

log = structlog.get_logger(__name__)

BEAT_S = 5.0
_MARK = ".alive"
_OF_WHOLE_CALLS = ("OutboundAPI", "StartCallRecordingAPI")


class Heartbeat:
    """Touches a file for as long as the process lives, so that the next one knows when it died."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _MARK
        self._task: asyncio.Task[None] | None = None

    async def last(self) -> datetime | None:
        """When the former process was last alive."""
        try:
            found = await asyncio.to_thread(self._path.stat)
        except FileNotFoundError:
            return None
        return datetime.fromtimestamp(found.st_mtime, UTC)

    def start(self) -> None:
        self._task = asyncio.create_task(self._beat(), name="heartbeat")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _beat(self) -> None:
        while True:
            try:
                await asyncio.to_thread(_touch, self._path)
            except OSError as error:
                log.warning("heartbeat not written", error=str(error))
            await asyncio.sleep(BEAT_S)


def _touch(path: Path) -> None:
    path.touch()
    os.utime(path)


async def end_unfinished_calls(
    store: Store,
    *,
    died_at: datetime | None,
    recording_url: Callable[[RecordingRecord], str],
    now: Callable[[], datetime],
) -> int:
    """End every call that the former process left open; returns how many.

    Before recordings are recovered: which of them ran with the call is told by their status.
    """
    records = await store.unfinished_calls()
    for record in records:
        ended_at = max(min(died_at or record.date_updated, now()), record.start_time or record.date_created)
        recording = await _recording_of(store, record)
        mention = None
        if recording is not None:
            made_s = recording.duration_s
            if made_s is None:
                made_s = (ended_at - _began_at(recording)).total_seconds()
            mention = RecordingMention(
                sid=recording.sid, url=recording_url(recording), duration_s=whole_seconds(made_s)
            )
        await store.write(*_ending(record, ended_at, now(), mention))
    return len(records)


async def _recording_of(store: Store, record: CallRecord) -> RecordingRecord | None:
    """Which one a call's last callback names: the first of the whole call, or that of the <Dial> it is part of."""
    if record.parent_call_sid is None:
        of_call = await store.recordings(record.sid)
        return min((each for each in of_call if each.source in _OF_WHOLE_CALLS), key=_began_at, default=None)
    of_parent = await store.recordings(record.parent_call_sid)
    running = (each for each in of_parent if each.source == "DialVerb" and each.status == "in-progress")
    return max(running, key=_began_at, default=None)


def _began_at(recording: RecordingRecord) -> datetime:
    return recording.start_time or recording.date_created


async def end_unfinished_conferences(store: Store, *, now: Callable[[], datetime]) -> int:
    """End every conference that the former process left open; returns how many. All its participants have gone."""
    records = await store.unfinished_conferences()
    for record in records:
        post = Post(
            name="conference-end",
            subject=ConferenceEvent.END,
            sequence=record.sequence + 1,
            more=(
                ("ReasonConferenceEnded", EndReason.LAST_LEFT.value),
                ("Reason", "ended by a restart of the gateway"),
            ),
        )
        ended = replace(
            record,
            status=ConferenceState.COMPLETED.value,
            reason_conference_ended=EndReason.LAST_LEFT.value,
            date_updated=now(),
            sequence=post.sequence,
        )
        await store.write(ended, *_owed_end(ended, post, now()))
    return len(records)


def _owed_end(record: ConferenceRecord, post: Post, now: datetime) -> list[OwedCallback]:
    if not record.status_callback or post.subject.value not in record.status_callback_events:
        return []
    parameters = conference_parameters(
        post,
        conference_sid=record.sid,
        friendly_name=record.friendly_name,
        account_sid=record.account_sid,
        at=now,
        call_status=None,
    )
    return [
        OwedCallback(
            order_key=record.sid,
            url=record.status_callback,
            method=record.status_callback_method,
            params=tuple(parameters),
            created_at=now,
        )
    ]


def _ending(
    record: CallRecord, ended_at: datetime, now: datetime, recording: RecordingMention | None
) -> list[Operation]:
    is_answered = record.start_time is not None
    status = CallStatus.COMPLETED if is_answered else CallStatus.FAILED
    duration_s = whole_seconds((ended_at - record.start_time).total_seconds()) if record.start_time is not None else 0
    ended = replace(
        record,
        status=status.value,
        end_time=ended_at,
        date_updated=now,
        duration_s=duration_s if is_answered else None,
    )
    operations: list[Operation] = [
        ended,
        EventRecord(
            call_sid=record.parent_call_sid or record.sid,
            at=now,
            name="recovered",
            level="warning",
            message="ended by a restart of the gateway",
        ),
    ]
    if record.status_callback and ProgressEvent.COMPLETED.value in record.status_callback_events:
        facts = CallFacts(
            sid=record.sid,
            account_sid=record.account_sid,
            caller=record.from_,
            callee=record.to,
            direction=CallDirection(record.direction),
            parent_sid=record.parent_call_sid,
            application_sid=record.application_sid,
            forwarded_from=record.forwarded_from,
            caller_name=record.caller_name or "",
        )
        # As gateway/call_progress.py numbers it.
        sequence = 0 if facts.direction is CallDirection.INBOUND else record.sequence
        posted = PostStatus(ProgressEvent.COMPLETED, status, sequence)
        operations.append(
            OwedCallback(
                order_key=record.sid,
                url=record.status_callback,
                method=record.status_callback_method,
                params=tuple(
                    progress_parameters(facts, posted, at=ended_at, duration_s=duration_s, recording=recording)
                ),
                created_at=now,
                call_sid=record.parent_call_sid or record.sid,
            )
        )
    return operations
