"""A call's status from its first to its last, what its record says, and what is told about it.

The shell of CallModel (gateway/call.py): each step is written together with the callbacks it owes, in one transaction.
One of these per call that has a script of its own, whoever began it; whom the call is connected to is not known here.
Source: Twilio Call resource; Twilio "TwiML for Programmable Voice", status callbacks.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.call import CallEvent, CallModel, CallStatus, Over, PickedUp, PostStatus
from gateway.leg_record import leg_record
from gateway.parameters import CallDirection, CallFacts, RecordingMention, progress_parameters, whole_seconds
from gateway.services import Services
from gateway.store.records import CallRecord, LegRecord, OwedCallback
from gateway.telling import Telling
from gateway.timeline import Timeline
from gateway.verbs.machine_detection import Detection
from signaling.leg import Ended, Leg


class CallProgress:
    """telling: may be replaced while the call runs. recording: how its last callback mentions its recording.

    detection: what answering-machine detection found; answered_by: what was found before the call was taken over.
    """

    def __init__(
        self,
        services: Services,
        facts: CallFacts,
        timeline: Timeline,
        telling: Telling,
        *,
        status: CallStatus,
        sequence: int = 0,
    ) -> None:
        self.facts = facts
        self.timeline = timeline
        self.telling = telling
        self.recording: RecordingMention | None = None
        self.answered_by: str | None = None
        self.detection: Detection | None = None
        self.queue_time_ms = 0
        self.created_at = services.now()
        self.answered_at: datetime | None = None
        self._services = services
        self._model = CallModel(status, sequence=sequence)
        self._answered_s: float | None = None
        self._last_record: CallRecord | None = None

    @classmethod
    def taken_over(
        cls,
        services: Services,
        record: CallRecord,
        facts: CallFacts,
        timeline: Timeline,
        telling: Telling,
        *,
        answered_s: float,
    ) -> "CallProgress":
        """Of an answered call that somebody else followed so far. answered_s: when, by services.monotonic."""
        progress = cls(services, facts, timeline, telling, status=CallStatus.IN_PROGRESS, sequence=record.sequence)
        progress.created_at, progress.answered_at = record.date_created, record.start_time
        progress.answered_by = record.answered_by
        progress._answered_s = answered_s
        return progress

    @property
    def status(self) -> CallStatus:
        return self._model.status

    @property
    def is_answered(self) -> bool:
        return self.answered_at is not None

    @property
    def duration_s(self) -> int:
        """Since the answer, whole seconds; 0 without one."""
        return 0 if self._answered_s is None else whole_seconds(self._services.monotonic() - self._answered_s)

    def begin(self, **details: Any) -> None:
        """The call is on record from here on."""
        self.timeline.note(self.record(), self.timeline.event("call", details=details))

    def advance(self, event: CallEvent) -> None:
        """A step on the way to the answer, or the answer. What the status was already changes nothing."""
        posted = self._model.receive(event)
        if not posted:
            return
        if isinstance(event, PickedUp):
            self.answered_at, self._answered_s = self._services.now(), self._services.monotonic()
        name = "answered" if isinstance(event, PickedUp) else self.status.value
        self.timeline.note(self.record(), self.timeline.event(name), *self._owed(posted, None))

    def write(self) -> None:
        """Write the record again: something about the call changed beside its status."""
        self.timeline.note(self.record())

    def close(self, status: CallStatus, *, leg: Leg | None, ended: Ended) -> None:
        """The last words: final status (of a call nobody answered), duration, and the callback that is owed for it."""
        now = self._services.now()
        duration_s = self.duration_s
        posted = self._model.receive(Over(status))
        record = replace(
            self.record(),
            end_time=now,
            duration_s=duration_s if self.is_answered else None,
            sip_status=ended.sip_status,
        )
        self._last_record = record
        self.timeline.log.info("call over", status=self.status.value, cause=ended.cause.value, duration_s=duration_s)
        legs = [] if leg is None else [self._leg_record(leg, now)]
        self.timeline.note(
            record,
            *legs,
            self.timeline.event("ended", message=ended.cause.value, details={"by_remote": ended.by_remote}),
            *self._owed(posted, ended.sip_status),
        )

    def record(self) -> CallRecord:
        """The call as it is now."""
        if self._last_record is not None:
            return self._last_record
        status = self.status
        return CallRecord(
            sid=self.facts.sid,
            account_sid=self.facts.account_sid,
            from_=self.facts.caller,
            to=self.facts.callee,
            direction=self.facts.direction.value,
            # The resource has no "initiated": while it dials it shows queued. Source: Twilio Call resource.
            status="queued" if status is CallStatus.INITIATED else status.value,
            date_created=self.created_at,
            date_updated=self._services.now(),
            start_time=self.answered_at,
            parent_call_sid=self.facts.parent_sid,
            application_sid=self.facts.application_sid,
            forwarded_from=self.facts.forwarded_from,
            caller_name=self.facts.caller_name or None,
            answered_by=self.answered_by if self.detection is None else self.detection.answered_by.value,
            queue_time_ms=self.queue_time_ms,
            status_callback=self.telling.url,
            status_callback_method=self.telling.method,
            status_callback_events=tuple(sorted(self.telling.events)),
            sequence=self._model.sequence,
        )

    def _leg_record(self, leg: Leg, now: datetime) -> LegRecord:
        return leg_record(
            leg,
            call_sid=self.facts.sid,
            target=self.facts.callee,
            created_at=self.created_at,
            answered_at=self.answered_at,
            ended_at=now,
        )

    def _owed(self, posted: tuple[PostStatus, ...], sip_status: int | None) -> list[OwedCallback]:
        """An inbound call has one event, its end; so its number is 0."""
        is_inbound = self.facts.direction is CallDirection.INBOUND
        return [
            self.timeline.owe(
                url=url,
                method=self.telling.method,
                parameters=progress_parameters(
                    self.facts,
                    replace(told, sequence=0) if is_inbound else told,
                    at=self._services.now(),
                    duration_s=self.duration_s,
                    sip_status=sip_status,
                    recording=self.recording if told.status.is_final else None,
                )
                + ([] if self.detection is None else self.detection.parameters()),
            )
            for told in posted
            if (url := self.telling.url_for(told.event)) is not None
        ]
