"""Records as the console's pages read them: JSON values, times as ISO 8601 in UTC. Pure.

Nothing here comes from outside this account, and no secret: URLs lose user and password and what their queries hide.
"""

from collections.abc import Mapping
from datetime import datetime

from gateway.console.redaction import redact_text
from gateway.store.records import (
    FINAL_CALL_STATUSES,
    CallRecord,
    EventRecord,
    LegRecord,
    RecordingRecord,
)

Row = Mapping[str, object]


def time_of(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


def call_row(record: CallRecord) -> Row:
    return {
        "sid": record.sid,
        "from": record.from_,
        "to": record.to,
        "direction": record.direction,
        "status": record.status,
        "is_live": record.status not in FINAL_CALL_STATUSES,
        "created": time_of(record.date_created),
        "answered": time_of(record.start_time),
        "ended": time_of(record.end_time),
        "duration_s": record.duration_s,
        "parent_sid": record.parent_call_sid,
        "caller_name": record.caller_name,
        "forwarded_from": record.forwarded_from,
        "answered_by": record.answered_by,
        "sip_status": record.sip_status,
    }


def recording_row(record: RecordingRecord) -> Row:
    return {
        "sid": record.sid,
        "call_sid": record.call_sid,
        "conference_sid": record.conference_sid,
        "status": record.status,
        "source": record.source,
        "channels": record.channels,
        "created": time_of(record.date_created),
        "started": time_of(record.start_time),
        "duration_s": record.duration_s,
        "has_sound": record.status == "completed",
    }


def event_row(record: EventRecord) -> Row:
    return {
        "at": time_of(record.at),
        "name": record.name,
        "level": record.level,
        "code": record.code,
        "message": redact_text(record.message),
        "url": None if record.url is None else redact_text(record.url),
        "line": record.line,
        "column": record.column,
        "call_sid": record.call_sid,
        "details": dict(record.details),
    }


def leg_row(record: LegRecord) -> Row:
    return {
        "leg_id": record.leg_id,
        "call_sid": record.call_sid,
        "kind": record.kind,
        "direction": record.direction,
        "device": record.device,
        "target": record.target,
        "remote_address": record.remote_address,
        "sip_call_id": record.sip_call_id,
        "codec": record.codec,
        "cause": record.cause,
        "sip_status": record.sip_status,
        "is_live": False,
        "created": time_of(record.created_at),
        "answered": time_of(record.answered_at),
        "ended": time_of(record.ended_at),
        "quality": quality_of(record.statistics),
    }


def quality_of(statistics: Mapping[str, object]) -> Row | None:
    """What a leg's sound was like: packets, loss in per cent, jitter and delay in ms. None: it had no sound.

    near: what came from the phone; far: what the phone says of what went to it, None where it sent no report.
    """
    if not statistics:
        return None

    def number(name: str) -> float | None:
        value = statistics.get(name)
        return float(value) if isinstance(value, (int, float)) else None

    received, lost = number("packets_received") or 0.0, number("lost") or 0.0
    sent, far_lost = number("packets_sent") or 0.0, number("far_lost")
    return {
        "received": int(received),
        "sent": int(sent),
        "lost": int(lost),
        "loss_percent": _share(lost, received + lost),
        "jitter_ms": number("jitter_ms"),
        "late": number("late"),
        "reordered": number("reordered"),
        "duplicates": number("duplicates"),
        "concealed": number("concealed"),
        "dropped": sum(number(name) or 0.0 for name in _DROPPED),
        "far_loss_percent": None if far_lost is None else _share(far_lost, max(sent, far_lost)),
        "far_jitter_ms": number("far_jitter_ms"),
        "delay_ms": number("rtt_ms"),
    }


_DROPPED = ("dropped_foreign", "dropped_malformed", "dropped_forged", "dropped_other")


def _share(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole > 0 else 0.0
