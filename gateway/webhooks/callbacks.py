"""What a recording's status callback says.

Pure. Parameters of a call's status are made with the call (gateway/parameters.py).
Source: webhooks.md 9 and dial.md 7 of the specification; Twilio recordingStatusCallback.
"""

from gateway.parameters import Parameters, rfc2822, whole_seconds
from gateway.store.records import RecordingRecord


def recording_parameters(record: RecordingRecord, url: str) -> Parameters:
    """Parameters of a recordingStatusCallback. url: where the recording will be read; what has no value is left out."""
    is_completed = record.status == "completed"
    conference = record.conference_sid
    found: list[tuple[str, str | None]] = [
        ("AccountSid", record.account_sid),
        ("CallSid", record.call_sid) if conference is None else ("ConferenceSid", conference),
        ("RecordingSid", record.sid),
        ("RecordingUrl", url),
        ("RecordingStatus", record.status),
        ("RecordingDuration", str(whole_seconds(record.duration_s or 0.0)) if is_completed else None),
        ("RecordingChannels", str(record.channels)),
        ("RecordingStartTime", rfc2822(record.start_time) if record.start_time is not None else None),
        ("RecordingSource", record.source),
        ("RecordingTrack", record.track),
        ("ErrorCode", str(record.error_code) if record.error_code is not None else None),
    ]
    return [(name, value) for name, value in found if value is not None]
