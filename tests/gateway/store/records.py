"""Records as a call would write them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.sids import new_sid
from gateway.store.records import CallRecord, EventRecord, LegRecord, OwedCallback, RecordingRecord

START: Final = datetime(2025, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
ACCOUNT: Final = "AC" + "0" * 32


def url_of(directory: Path) -> str:
    return f"sqlite:///{directory / 'ringfork.db'}"


def call(status: str = "ringing", *, sid: str | None = None) -> CallRecord:
    return CallRecord(
        sid=sid or new_sid("CA"),
        account_sid=ACCOUNT,
        from_="+15550100",
        to="client:alice",
        direction="inbound",
        status=status,
        date_created=START,
        date_updated=START,
        details={"voice_url": "https://app.example.com/voice", "hops": [1, 2]},
    )


def completed(record: CallRecord) -> CallRecord:
    return replace(
        record,
        status="completed",
        start_time=START,
        end_time=START + timedelta(seconds=4),
        duration_s=4,
        status_callback_events=("answered", "completed"),
    )


def leg(call_sid: str) -> LegRecord:
    return LegRecord(
        leg_id=new_sid("LG"),
        call_sid=call_sid,
        kind="sip",
        direction="outbound",
        created_at=START,
        identity="alice",
        codec="PCMU",
        statistics={"lost": 3, "jitter_ms": 1.5},
    )


def recording(call_sid: str, status: str = "in-progress") -> RecordingRecord:
    return RecordingRecord(
        sid=new_sid("RE"),
        account_sid=ACCOUNT,
        call_sid=call_sid,
        source="DialVerb",
        status=status,
        channels=2,
        date_created=START,
        date_updated=START,
        start_time=START,
        duration_s=None if status == "in-progress" else 3.9,
    )


def event(call_sid: str, name: str = "ringing", *, after_s: float = 0.0) -> EventRecord:
    return EventRecord(call_sid=call_sid, at=START + timedelta(seconds=after_s), name=name)


def owed(key: str, number: int = 0, *, url: str = "http://app.example.com/status") -> OwedCallback:
    return OwedCallback(
        order_key=key,
        url=url,
        params=(("CallSid", key), ("SequenceNumber", str(number))),
        created_at=START,
        call_sid=key,
    )
