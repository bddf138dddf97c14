"""One noun of a <Dial>: its call, its legs, and who is told about them.

Owns the child call's facts, legs and record. Whom a noun dials is gateway/verbs/nouns.py; which of several attempts
wins, gateway/fork.py.
Source: Twilio <Number>, <Client>, <Sip>: status callbacks and parameters; Twilio <Dial>, action.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.call import CallStatus, PostStatus, ProgressEvent, unanswered_status
from gateway.call_progress import CallProgress
from gateway.caller_id import CallerIdRefused
from gateway.leg_record import leg_record
from gateway.parameters import (
    CallDirection,
    CallFacts,
    Parameters,
    RecordingMention,
    call_parameters,
    progress_parameters,
    whole_seconds,
)
from gateway.pictures import asks_for_video, pictures_of
from gateway.scripted import ScriptedCall
from gateway.services import Services
from gateway.sids import new_sid
from gateway.store.records import NOTIFICATION, CallRecord, LegRecord, Operation
from gateway.telling import Telling
from gateway.timeline import Timeline
from gateway.twiml.model import Client, Number, Sip
from gateway.verbs.called_party import CalledParty
from gateway.verbs.machine_detection import Detection, DetectionOrder, Detector
from gateway.verbs.nouns import Order, Way
from signaling.leg import HangupCause, Leg, OutboundCall, Party
from signaling.location import NumberTarget, Target

NOT_EXECUTED = 13750
_EVERYWHERE = ("PCMU", "PCMA")


@dataclass(frozen=True)
class Refused:
    """The noun cannot be dialled at all."""

    cause: HangupCause


def is_told(name: str) -> bool:
    """Whether a header of the far end is told to applications."""
    return name.lower().startswith("x-")


class Attempt:
    """A child call. ``legs`` are its devices in the order they were placed."""

    def __init__(self, call: ScriptedCall, order: Order) -> None:
        self._call = call
        self._noun = order.noun
        self._order = order
        self._ways = deque(order.ways)
        self._telling = order.telling
        self.screening = order.screening
        self.timeout_s = order.timeout_s
        self.legs: list[Leg] = []
        self._tried: list[Leg] = []
        shown = order.shown
        is_refused = isinstance(shown, CallerIdRefused)
        self.facts = CallFacts(
            sid=new_sid("CA"),
            account_sid=call.facts.account_sid,
            caller=call.facts.caller if is_refused else str(shown),
            callee=order.callee,
            direction=CallDirection.OUTBOUND_DIAL,
            parent_sid=call.facts.sid,
            forwarded_from=call.facts.forwarded_from,
        )
        self._created_at: datetime | None = None
        self._answered_at: datetime | None = None
        self._answered_s: float | None = None
        self._answered_leg: Leg | None = None
        self._found: Detection | None = None
        self._answer_headers: dict[int, Mapping[str, str]] = {}
        self._sequence = 0
        self.duration_s = 0
        self.is_moved = False

    @property
    def services(self) -> Services:
        return self._call.services

    def record(self, status: CallStatus) -> CallRecord:
        """The call as it is now."""
        return self._record(status, None)

    @property
    def is_answered(self) -> bool:
        return self._answered_s is not None

    @property
    def answered_leg(self) -> Leg | None:
        return self._answered_leg

    def progress(self, timeline: Timeline, telling: Telling | None) -> CallProgress:
        """For whoever follows the answered call from here on. telling None: as the noun says."""
        assert self._answered_s is not None
        self.is_moved = True
        return CallProgress.taken_over(
            self._call.services,
            self._record(CallStatus.IN_PROGRESS, None),
            self.facts,
            timeline,
            telling or self._telling,
            answered_s=self._answered_s,
        )

    def place(self) -> list[Leg] | Refused:
        """Send it out. An identity without a device gives no legs; a number without a trunk is refused."""
        self._created_at = self._call.services.now()
        self._note_what_is_not_executed()
        shown, impossible = self._order.shown, self._order.impossible
        if impossible is not None:
            self._call.timeline.warn(impossible.code, impossible.message, level=impossible.level)
            return Refused(HangupCause.FAILED)
        if isinstance(shown, CallerIdRefused):
            self._call.timeline.warn(shown.code, shown.message, level="error" if shown.is_fatal else "warning")
            if shown.is_fatal:
                return Refused(HangupCause.FAILED)
        way = self._ways.popleft()
        self.legs = self._dial(way)
        if not self.legs and isinstance(way.target, NumberTarget):
            self._call.timeline.warn(13224, f"no trunk takes {way.target.number}", level="error")
            return Refused(HangupCause.FAILED)
        return self.legs

    def place_next(self, device: int, cause: HangupCause) -> Leg | None:
        """A leg that goes another way to the party, in the place of one that could not reach it; None: there is none.

        A party that was reached and is busy or does not answer has been asked.
        """
        was_reached = device in self._answer_headers or unanswered_status(cause) is not CallStatus.FAILED
        if was_reached or not self._ways:
            return None
        legs = self._dial(self._ways.popleft())
        if not legs:
            return None
        self.legs[device] = legs[0]
        return legs[0]

    def _dial(self, way: Way) -> list[Leg]:
        legs = self._call.services.location.place(way.target, self._request(way))
        self._tried += legs
        return legs

    def note_answer(self, device: int, headers: Mapping[str, str]) -> None:
        """A leg picked up; headers: extension headers of its answer. Which of several counts is the fork's choice."""
        self._answer_headers[device] = headers

    def use_answer(self, device: int) -> None:
        """This leg has the call. Requests of a <Sip> noun tell of it. Source: Twilio <Sip>, request parameters."""
        leg = self._answered_leg = self.legs[device]
        if isinstance(self._noun, Sip):
            told = {name: value for name, value in self._answer_headers[device].items() if is_told(name)}
            self.facts = replace(self.facts, sip=leg.sip, sip_headers=told)
        if self._order.detection is not None:
            self._call.spawn(self._tell_who_answered(leg, self._order.detection), name="machine detection")

    def note_detection(self, found: Detection) -> None:
        """Requests of this call say from now on who answered."""
        self._found = found

    async def _tell_who_answered(self, leg: Leg, order: DetectionOrder) -> None:
        """However the call ends, the application gets its verdict."""
        assert order.callback_url is not None
        detector = Detector(self._call.services, leg, order.thresholds)
        try:
            await detector.run()
        finally:
            self.note_detection(detector.verdict)
            self._call.timeline.note(
                self._call.timeline.owe(
                    url=order.callback_url,
                    method=order.callback_method,
                    parameters=call_parameters(self.facts, CallStatus.IN_PROGRESS) + detector.verdict.parameters(),
                    order_key=f"{self.facts.sid} machine detection",
                )
            )

    def called_party(self) -> CalledParty:
        assert self._answered_leg is not None
        return CalledParty(self._call, self._answered_leg, self.facts)

    def post(self, posted: PostStatus, cause: HangupCause | None, recording: RecordingMention | None) -> None:
        """A status of this call: its record, and whoever is to be told, in one transaction."""
        services = self._call.services
        if posted.event is ProgressEvent.ANSWERED:
            self._answered_at, self._answered_s = services.now(), services.monotonic()
        if posted.status.is_final and self._answered_s is not None:
            self.duration_s = whole_seconds(services.monotonic() - self._answered_s)
        self._sequence = posted.sequence + 1
        sip_status = self._sip_status(cause) if posted.status.is_final else None
        facts: list[Operation] = [
            self._record(posted.status, sip_status),
            self._call.timeline.event(
                posted.status.value,
                message=self.facts.callee,
                details={"child_sid": self.facts.sid, **({"cause": cause.value} if cause else {})},
            ),
        ]
        url = self._telling.url_for(posted.event)
        if url is not None:
            parameters = progress_parameters(
                self.facts,
                posted,
                at=services.now(),
                duration_s=self.duration_s,
                sip_status=sip_status,
                recording=recording,
            )
            if self._found is not None:
                parameters += self._found.parameters()
            facts.append(
                self._call.timeline.owe(
                    url=url, method=self._telling.method, parameters=parameters, order_key=self.facts.sid
                )
            )
        if self._order.notification is not None and posted.event is ProgressEvent.INITIATED:
            facts.append(
                self._call.timeline.owe(
                    url=self._order.notification,
                    method="POST",
                    parameters=call_parameters(self.facts, posted.status)
                    + [(name, value) for name, value in self._order.parameters.items()],
                    order_key=f"{self.facts.sid}{NOTIFICATION}",
                )
            )
        self._call.timeline.note(*facts)

    def sip_parameters(self) -> Parameters:
        """What the action request says about a <Sip> noun. Source: Twilio <Sip>, action parameters."""
        if not isinstance(self._noun, Sip):
            return []
        leg = next((leg for leg in self.legs), None)
        if leg is None:
            return []
        parameters: Parameters = []
        if leg.sip is not None:
            parameters.append(("DialSipCallId", leg.sip.call_id))
        ended = leg.events.ended
        status = 200 if self._answered_at is not None else ended.sip_status if ended is not None else None
        if status is not None:
            parameters.append(("DialSipResponseCode", str(status)))
        if ended is not None:
            parameters += [(f"DialSipHeader_{name}", value) for name, value in ended.headers.items()]
        return parameters

    def leg_records(self) -> list[LegRecord]:
        """What remains of the legs that have ended; the one that was bridged with the figures of its sound."""
        now = self._call.services.now()
        return [
            leg_record(
                leg,
                call_sid=self.facts.sid,
                target=self.facts.callee,
                created_at=self._created_at or now,
                answered_at=self._answered_at if leg is self._answered_leg else None,
                ended_at=now,
            )
            for leg in self._tried
            if not (self.is_moved and leg is self._answered_leg)
        ]

    def _request(self, way: Way) -> OutboundCall:
        return OutboundCall(
            call_sid=self.facts.sid,
            account_sid=self.facts.account_sid,
            caller=Party(address=self.facts.caller, display_name=self._call.leg.caller.display_name),
            callee=Party(address=self.facts.callee),
            headers=way.headers,
            parameters=self._order.parameters,
            diversion=self._call.leg.diversion,
            codec_names=self._codec_names(way.target),
            video=pictures_of(self._call.leg) if asks_for_video(self._noun) else None,
        )

    def _codec_names(self, target: Target) -> tuple[str, ...]:
        """The caller's own codecs first, so that the bridge relays; then what every phone has.

        A trunk that may choose among several is offered G.711 first, which no network behind it has to transcode.
        """
        choices = self._call.leg.codec_choices
        if isinstance(target, NumberTarget) and len(self._call.leg.codec_names) > 1:
            choices = tuple(sorted(choices, key=lambda name: name not in _EVERYWHERE))
        return tuple(dict.fromkeys([*choices, *_EVERYWHERE]))

    def _record(self, status: CallStatus, sip_status: int | None) -> CallRecord:
        now = self._call.services.now()
        record = CallRecord(
            sid=self.facts.sid,
            account_sid=self.facts.account_sid,
            parent_call_sid=self.facts.parent_sid,
            from_=self.facts.caller,
            to=self.facts.callee,
            direction=self.facts.direction.value,
            # The resource has no "initiated": while it dials it shows queued. Source: Twilio Call resource.
            status="queued" if status is CallStatus.INITIATED else status.value,
            date_created=self._created_at or now,
            date_updated=now,
            start_time=self._answered_at,
            forwarded_from=self.facts.forwarded_from,
            status_callback=self._telling.url,
            status_callback_method=self._telling.method,
            status_callback_events=tuple(sorted(self._telling.events)),
            sequence=self._sequence,
            answered_by=None if self._found is None else self._found.answered_by.value,
        )
        if not status.is_final:
            return record
        answered = self._answered_at is not None
        return replace(record, end_time=now, duration_s=self.duration_s if answered else None, sip_status=sip_status)

    def _sip_status(self, cause: HangupCause | None) -> int | None:
        """SipResponseCode: 200 once answered, 487 on our time-out, 404 when nobody was there to ring."""
        if self._answered_at is not None:
            return 200
        if not self.legs:
            return 404
        told = [leg.events.ended for leg in self.legs]
        final = next((end for end in told if end is not None and end.cause is cause and end.sip_status), None)
        if final is not None:
            return final.sip_status
        return 487 if cause in (HangupCause.NO_ANSWER, HangupCause.CANCELED, HangupCause.ANSWERED_ELSEWHERE) else None

    def _note_what_is_not_executed(self) -> None:
        """Attributes that are understood but not acted on are told, never silently ignored."""
        if isinstance(self._noun, Number) and self._noun.byoc is not None:
            self._call.timeline.warn(NOT_EXECUTED, "<Number byoc> is without effect: trunks are chosen here")
        video = self._noun.video if isinstance(self._noun, Client | Sip) else None
        for name in ("overlay", "mode", "resolution", "layout"):
            if video is not None and getattr(video, name) is not None:
                self._call.timeline.warn(
                    NOT_EXECUTED, f"<Video {name}> is without effect: pictures are passed on as they are"
                )
