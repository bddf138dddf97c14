"""What every request to the application says about its call.

Pure. Owns the names on the wire and their order; converts from our words to Twilio's here and nowhere else.
Source: Twilio "TwiML for Programmable Voice", request parameters; Twilio "SIP and TwiML Interaction".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from gateway.call import CallStatus, PostStatus, ProgressEvent
from signaling.leg import SipDetails

API_VERSION = "2010-04-01"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Parameters = list[tuple[str, str]]


class CallDirection(Enum):
    INBOUND = "inbound"
    OUTBOUND_API = "outbound-api"
    OUTBOUND_DIAL = "outbound-dial"


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    """What stays the same about a call from its first moment to its record.

    sip_headers: X- headers of the INVITE, as they were spelled. extra: parameters of the device or of the application
    that made the call; they never replace one of ours.
    """

    sid: str
    account_sid: str
    caller: str
    callee: str
    direction: CallDirection
    parent_sid: str | None = None
    application_sid: str | None = None
    caller_name: str = ""
    forwarded_from: str | None = None
    sip: SipDetails | None = None
    sip_headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


def call_parameters(facts: CallFacts, status: CallStatus) -> Parameters:
    """The standard parameters; one that has no value is left out."""
    parameters = [
        ("CallSid", facts.sid),
        ("AccountSid", facts.account_sid),
        ("From", facts.caller),
        ("To", facts.callee),
        ("CallStatus", status.value),
        ("ApiVersion", API_VERSION),
        ("Direction", facts.direction.value),
        ("Caller", facts.caller),
        ("Called", facts.callee),
    ]
    if facts.parent_sid:
        parameters.append(("ParentCallSid", facts.parent_sid))
    if facts.application_sid:
        parameters.append(("ApplicationSid", facts.application_sid))
    if facts.forwarded_from:
        parameters.append(("ForwardedFrom", facts.forwarded_from))
    if facts.caller_name:
        parameters.append(("CallerName", facts.caller_name))
    if facts.sip is not None:
        parameters += [
            ("SipCallId", facts.sip.call_id),
            ("SipDomain", facts.sip.domain),
            ("SipSourceIp", facts.sip.source_ip),
        ]
        parameters += [(f"SipHeader_{name}", value) for name, value in facts.sip_headers.items()]
    ours = {name for name, _ in parameters}
    parameters += [(name, value) for name, value in facts.extra.items() if name not in ours]
    return parameters


@dataclass(frozen=True, kw_only=True)
class RecordingMention:
    """A recording as a call's own callbacks and requests name it."""

    sid: str
    url: str
    duration_s: int

    def parameters(self) -> Parameters:
        return [
            ("RecordingUrl", self.url),
            ("RecordingSid", self.sid),
            ("RecordingDuration", str(self.duration_s)),
        ]


def progress_parameters(
    facts: CallFacts,
    posted: PostStatus,
    *,
    at: datetime,
    duration_s: int = 0,
    sip_status: int | None = None,
    recording: RecordingMention | None = None,
) -> Parameters:
    """A status callback: the standard parameters and what the event adds.

    duration_s: from the answer to the end, whole seconds; 0 if nobody answered.
    Source: Twilio <Client>, "Status Callback HTTP Parameters"; Twilio Call resource.
    """
    parameters = call_parameters(facts, posted.status)
    if posted.event is ProgressEvent.COMPLETED:
        parameters += [("CallDuration", str(duration_s)), ("Duration", str(math.ceil(duration_s / 60)))]
        if sip_status is not None:
            parameters.append(("SipResponseCode", str(sip_status)))
        if recording is not None:
            parameters += recording.parameters()
    return [
        *parameters,
        ("Timestamp", rfc2822(at)),
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", str(posted.sequence)),
    ]


def rfc2822(moment: datetime) -> str:
    """``Fri, 20 Aug 2010 01:13:42 +0000``; the moment must be aware.

    By hand: a list of calls has hundreds of them, and the standard library takes longer for them than for all the rest.
    """
    at = moment.astimezone(UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02} {month} {at.year:04} {at.hour:02}:{at.minute:02}:{at.second:02} +0000"


def whole_seconds(seconds: float) -> int:
    """Durations are told in whole seconds, the nearest one, never negative."""
    return max(0, math.floor(seconds + 0.5))
