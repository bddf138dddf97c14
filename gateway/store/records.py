"""What is remembered of a call, its legs, its recordings and events, and what is still owed to an application.

Pure. A record is a whole row: writing it again replaces the row, so whoever owns a call keeps the newest value and
writes that. Times are aware datetimes in UTC.
Source: Twilio Call and Recording resources (fields and enumerations); dial.md 7 and webhooks.md 4 of the specification.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.sids import new_sid

FINAL_CALL_STATUSES: Final = ("completed", "busy", "failed", "no-answer", "canceled")
FINAL_RECORDING_STATUSES: Final = ("completed", "absent", "failed", "deleted")


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """A Call resource, and what is needed to end it properly when the process that ran it is gone.

    duration_s: seconds between start_time and end_time; None unless the call was answered and is over.
    status_callback_events: what the receiver subscribed to; sequence: SequenceNumber of the next status event.
    details: whatever else the call's owner wants to find again; JSON values.
    """

    sid: str
    account_sid: str
    from_: str
    to: str
    direction: str
    status: str
    date_created: datetime
    date_updated: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration_s: int | None = None
    parent_call_sid: str | None = None
    phone_number_sid: str | None = None
    application_sid: str | None = None
    trunk_sid: str | None = None
    group_sid: str | None = None
    forwarded_from: str | None = None
    caller_name: str | None = None
    answered_by: str | None = None
    stir_verstat: str | None = None
    queue_time_ms: int = 0
    status_callback: str | None = None
    status_callback_method: str = "POST"
    status_callback_events: tuple[str, ...] = ("completed",)
    sequence: int = 0
    sip_status: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LegRecord:
    """One party of a call: how it was reached and what its sound was like.

    kind: sip, voice-sdk or webrtc. cause: a HangupCause's value. statistics: packets, loss, jitter …; JSON values.
    """

    leg_id: str
    call_sid: str
    kind: str
    direction: str
    created_at: datetime
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    identity: str | None = None
    device: str | None = None
    target: str | None = None
    remote_address: str | None = None
    sip_call_id: str | None = None
    codec: str | None = None
    cause: str | None = None
    sip_status: int | None = None
    statistics: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RecordingRecord:
    """A Recording resource. Its file is ``<sid>.wav`` in the recordings directory.

    status: in-progress, paused, stopped, processing, completed, absent, failed or deleted.
    duration_s: length of the sound; None until completed.
    """

    sid: str
    account_sid: str
    call_sid: str
    source: str
    status: str
    channels: int
    date_created: datetime
    date_updated: datetime
    start_time: datetime | None = None
    duration_s: float | None = None
    conference_sid: str | None = None
    track: str = "both"
    trim: str = "do-not-trim"
    error_code: int | None = None
    status_callback: str | None = None
    status_callback_method: str = "POST"
    status_callback_events: tuple[str, ...] = ("completed",)
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ConferenceRecord:
    """A Conference resource, and whom to tell of its end when the process that ran it is gone.

    status: init, in-progress or completed. sequence: SequenceNumber of the last event.
    """

    sid: str
    account_sid: str
    friendly_name: str
    status: str
    date_created: datetime
    date_updated: datetime
    region: str | None = None
    reason_conference_ended: str | None = None
    call_sid_ending_conference: str | None = None
    status_callback: str | None = None
    status_callback_method: str = "POST"
    status_callback_events: tuple[str, ...] = ()
    sequence: int = 0


@dataclass(frozen=True, kw_only=True)
class QueueRecord:
    """A Queue resource; who waits in it is known to the living process alone. date_deleted: None: it is in use."""

    sid: str
    account_sid: str
    friendly_name: str
    max_size: int
    date_created: datetime
    date_updated: datetime
    date_deleted: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ConfiguredRecord:
    """What was configured over REST: an account, a key, an application, a number, a SIP login.

    kind: which; gateway/accounts/entries.py knows them. details: JSON values, secrets sealed.
    """

    sid: str
    account_sid: str
    kind: str
    date_created: datetime
    date_updated: datetime
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """One line of a call's timeline, or a warning or an error on it.

    level: info, warning or error. name: what happened, such as ``ringing`` or ``webhook``. code: Twilio's.
    position: order of writing, given by the store.
    account_sid: whose the call is; needed of warnings and errors with a code only, which are listed by account.
    """

    call_sid: str
    at: datetime
    name: str
    level: str = "info"
    code: int | None = None
    message: str = ""
    url: str | None = None
    line: int | None = None
    column: int | None = None
    leg_id: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    position: int = 0
    account_sid: str | None = None


NOTIFICATION: Final = " notification"
"""What an order key ends with that is of a clientNotificationUrl: it waits for nothing else of its call."""
USER_MESSAGE: Final = " user-defined message"
"""What an order key ends with that is of a UserDefinedMessageSubscription."""


@dataclass(frozen=True, kw_only=True)
class OwedCallback:
    """A request an application is owed, until it was delivered or given up.

    order_key: callbacks with the same key reach the same receiver strictly in the order they were written.
    awaits_recording: sid of the recording whose file must be readable at its URL before this may leave.
    token: I-Twilio-Idempotency-Token of every attempt. position: order of writing, given by the store.
    """

    order_key: str
    url: str
    params: tuple[tuple[str, str], ...]
    created_at: datetime
    method: str = "POST"
    call_sid: str = ""
    awaits_recording: str | None = None
    attempts: int = 0
    due_at: datetime | None = None
    token: str = field(default_factory=lambda: new_sid(""))
    position: int = 0

    @property
    def is_notification(self) -> bool:
        """Whether it tells the application that a client is to be woken up."""
        return self.order_key.endswith(NOTIFICATION)

    @property
    def is_user_message(self) -> bool:
        """Whether it tells the application what a client said with ``call.sendMessage``."""
        return self.order_key.endswith(USER_MESSAGE)

    @property
    def account_sid(self) -> str:
        """Whose call it is about, as the parameters say ahead of everything a device or application added."""
        return next((value for name, value in self.params if name == "AccountSid"), "")


@dataclass(frozen=True)
class SettledCallback:
    """The callback at this position is no longer owed."""

    position: int


@dataclass(frozen=True, kw_only=True)
class DeferredCallback:
    """The callback at this position was tried and will be tried again."""

    position: int
    attempts: int
    due_at: datetime


@dataclass(frozen=True)
class DeletedCall:
    """The call of this sid, its legs and its timeline are to be forgotten."""

    sid: str


@dataclass(frozen=True)
class DraftedEvent:
    """An EventRecord whose words take time to find: they are found where it is written, off the loop.

    make: pure; called once for each try to write it.
    """

    call_sid: str
    make: Callable[[], EventRecord]


@dataclass(frozen=True)
class DeletedRecording:
    """The row of this recording is to be forgotten; its sound is gone already."""

    sid: str


@dataclass(frozen=True)
class DeletedConference:
    sid: str


@dataclass(frozen=True)
class DeletedConfigured:
    """What was configured under this sid is to be forgotten."""

    sid: str


Record = (
    CallRecord
    | LegRecord
    | RecordingRecord
    | ConferenceRecord
    | QueueRecord
    | ConfiguredRecord
    | EventRecord
    | DraftedEvent
    | OwedCallback
)
Deletion = DeletedCall | DeletedRecording | DeletedConference | DeletedConfigured
Operation = Record | SettledCallback | DeferredCallback | Deletion
