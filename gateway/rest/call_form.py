"""What a client says of a call it wants: the form of POST Calls, checked and made an order.

Pure. Source: rest-api.md 4 and 9 of the specification; Twilio Call resource, create.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gateway import caller_id
from gateway.call_recordings import CallRecordingOrder
from gateway.caller_id import CallerIdRefused
from gateway.outgoing import CallOrder
from gateway.parameters import CallDirection, CallFacts
from gateway.recordings import RecordingOrder
from gateway.rest.errors import RestError
from gateway.rest.form import Form, bad_parameter
from gateway.routing import Router, Script
from gateway.sids import is_sid, new_sid
from gateway.telling import Telling
from gateway.twiml import TwimlError, parse
from gateway.twiml.addresses import BadAddress, check_identity, clean_number, clean_sip_uri, split_query
from gateway.verbs.machine_detection import DetectionOrder, PlacedDetection
from gateway.verbs.outcome import Given
from media.answering_machine import Thresholds
from signaling.location import ClientTarget, NumberTarget, SipTarget, Target

EVENTS: Final = ("initiated", "ringing", "answered", "completed")
MAX_TWIML: Final = 4000
MAX_TIMEOUT_S: Final = 600
DEFAULT_TIMEOUT_S: Final = 60
MAX_DIGITS: Final = 32
DIGITS: Final = frozenset("0123456789ABCD#*wW")
NO_TO, NO_FROM, BAD_TO, BAD_FROM = 21201, 21213, 21211, 21212
FROM_NOT_OURS, NO_URL, BAD_URL = 21210, 21205, 21205
BAD_DIGITS, BAD_TIMEOUT, BAD_METHOD, BAD_APPLICATION = 21206, 21208, 21209, 21218
BAD_RECORDING_CALLBACK, BAD_RECORDING_EVENT = 13256, 13621
BAD_DETECTION, NO_DETECTION_CALLBACK = 21234, 21262
NOT_PERMITTED = 21215
BAD_CALLBACK, TWIML_TOO_LONG, TWIML_AND_URL = 21502, 32018, 32019


@dataclass(frozen=True, kw_only=True)
class Callee:
    """target: whom to ring; address: how To names it; headers, parameters: written behind its ``?``."""

    target: Target
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


def callee_of(form: Form) -> Callee:
    """``client:name?k=v``, ``sip:user@host?X-H=v`` or a phone number. Raises RestError."""
    written = form.required("To", code=NO_TO, longest=2000).strip()
    scheme, colon, rest = written.partition(":")
    kind = scheme.lower() if colon else ""
    address, query = split_query(rest if kind == "client" else written)
    if query.is_too_long:
        raise bad_parameter(BAD_TO, "To: what is written behind the ? is too long")
    try:
        match kind:
            case "client":
                check_identity(address)
                return Callee(
                    target=ClientTarget(address),
                    address=f"client:{address}",
                    headers=dict(query.headers),
                    parameters=dict(query.pairs),
                )
            case "sip" | "sips":
                uri = clean_sip_uri(address)
                headers = dict(query.headers)
                target = SipTarget(
                    uri=uri,
                    username=form.text("SipAuthUsername", longest=255, code=21221) or "",
                    password=form.text("SipAuthPassword", longest=255, code=21222) or "",
                    headers=headers,
                )
                return Callee(target=target, address=uri, headers=headers)
            case _:
                number = clean_number(written)
                return Callee(target=NumberTarget(number), address=number)
    except BadAddress as error:
        raise bad_parameter(BAD_TO, f"To: {error} expected, found {written[:100]!r}") from None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the answered call does, and who is told of it."""

    script: Script
    telling: Telling
    document: Given | None = None
    detection: PlacedDetection | None = None


def order_of(form: Form, *, account_sid: str, router: Router) -> CallOrder:
    """Raises RestError for the first thing that is wrong."""

    def answer(callee: Callee) -> Answer:
        application_sid = form.text("ApplicationSid")
        if application_sid is None:
            script, document = _script(form, callee.address)
            return Answer(script=script, document=document, telling=telling_of(form), detection=call_detection(form))
        script = _of_application(application_sid, router, callee.address, account_sid)
        telling = Telling(url=script.status_callback or None, method=script.status_callback_method)
        return Answer(script=script, telling=telling, detection=call_detection(form))

    return placed(form, account_sid=account_sid, router=router, answer=answer)


def placed(form: Form, *, account_sid: str, router: Router, answer: Callable[[Callee], Answer]) -> CallOrder:
    """What all calls that are placed have in common. Raises RestError for the first thing that is wrong."""
    callee = callee_of(form)
    if isinstance(callee.target, NumberTarget) and not router.may_call(callee.target.number, account_sid=account_sid):
        raise bad_parameter(NOT_PERMITTED, f"To: the account may not call {callee.address}")
    caller = form.required("From", code=NO_FROM, longest=256).strip()
    facts = CallFacts(
        sid=new_sid("CA"),
        account_sid=account_sid,
        caller=_caller(caller, callee, router, account_sid),
        callee=callee.address,
        direction=CallDirection.OUTBOUND_API,
    )
    shown = form.text("CallerId", longest=256, code=BAD_FROM)
    answered = answer(callee)
    timeout_s = form.integer("Timeout", default=DEFAULT_TIMEOUT_S, lowest=1, highest=10**9, code=BAD_TIMEOUT)
    assert timeout_s is not None
    return CallOrder(
        facts=facts,
        target=callee.target,
        script=answered.script,
        document=answered.document,
        telling=answered.telling,
        timeout_s=min(timeout_s, MAX_TIMEOUT_S),
        time_limit_s=form.integer("TimeLimit", default=None, lowest=1, highest=86_400),
        shown=shown,
        digits=_digits(form),
        detection=answered.detection,
        recording=recording_of(form, facts.sid, account_sid=account_sid, source="OutboundAPI", trim="trim-silence")
        if form.boolean("Record", default=False)
        else None,
        headers=callee.headers,
        parameters=callee.parameters,
        notification=form.url("ClientNotificationUrl", code=BAD_CALLBACK, callback=True)
        if isinstance(callee.target, ClientTarget)
        else None,
    )


def call_detection(form: Form) -> PlacedDetection | None:
    """MachineDetection… and AsyncAmd…, of a call. Raises RestError."""
    is_async = form.boolean("AsyncAmd", default=False, code=BAD_DETECTION)
    url = form.url("AsyncAmdStatusCallback", code=BAD_CALLBACK, callback=True)
    order = detection_of(form, url=url, method=form.method("AsyncAmdStatusCallbackMethod"))
    if order is None:
        return None
    if is_async and url is None:
        raise bad_parameter(NO_DETECTION_CALLBACK, "AsyncAmd: AsyncAmdStatusCallback is required")
    # Awaited, the document itself is told.
    return PlacedDetection(order=order if is_async else replace(order, callback_url=None), is_awaited=not is_async)


def detection_of(form: Form, *, url: str | None, method: str) -> DetectionOrder | None:
    """The MachineDetection… parameters. url, method: who is told. Raises RestError."""
    mode = form.choice("MachineDetection", ("Enable", "DetectMessageEnd"), default=None, code=BAD_DETECTION)
    usual = Thresholds()

    def number(name: str, default: int, lowest: int, highest: int) -> int:
        found = form.integer(
            f"MachineDetection{name}", default=default, lowest=lowest, highest=highest, code=BAD_DETECTION
        )
        assert found is not None
        return found

    thresholds = Thresholds(
        waits_for_end=mode == "DetectMessageEnd",
        timeout_ms=number("Timeout", usual.timeout_ms // 1000, 3, 60) * 1000,
        speech_ms=number("SpeechThreshold", usual.speech_ms, 1000, 6000),
        speech_end_ms=number("SpeechEndThreshold", usual.speech_end_ms, 500, 5000),
        silence_ms=number("SilenceTimeout", usual.silence_ms, 2000, 10_000),
    )
    return None if mode is None else DetectionOrder(thresholds=thresholds, callback_url=url, callback_method=method)


def telling_of(form: Form) -> Telling:
    """StatusCallback and its companions; nobody when there is none."""
    url = form.url("StatusCallback", code=BAD_CALLBACK, callback=True)
    return Telling(
        url=url,
        method=form.method("StatusCallbackMethod"),
        events=form.words("StatusCallbackEvent", EVENTS, default=("completed",)),
    )


def recording_of(form: Form, call_sid: str, *, account_sid: str, source: str, trim: str) -> CallRecordingOrder:
    """The Recording… parameters. trim: what holds where none is given. Raises RestError."""
    order = RecordingOrder(
        call_sid=call_sid,
        account_sid=account_sid,
        source=source,
        track=form.choice("RecordingTrack", ("inbound", "outbound", "both"), default="both") or "both",
        is_trimmed=form.choice("Trim", ("trim-silence", "do-not-trim"), default=trim) == "trim-silence",
        callback_url=form.url("RecordingStatusCallback", code=BAD_RECORDING_CALLBACK, callback=True),
        callback_method=form.method("RecordingStatusCallbackMethod"),
        callback_events=form.words(
            "RecordingStatusCallbackEvent",
            ("in-progress", "completed", "absent"),
            default=("completed",),
            code=BAD_RECORDING_EVENT,
        ),
    )
    channels = form.choice("RecordingChannels", ("mono", "dual"), default="mono")
    return CallRecordingOrder(order=order, is_dual=channels == "dual")


def document_of(form: Form) -> Given | None:
    """The ``Twiml`` parameter; of no account beside a Url. Raises RestError for one that cannot run."""
    written = form.text("Twiml", longest=1_000_000)
    if written is None:
        return None
    if len(written) > MAX_TWIML:
        raise bad_parameter(TWIML_TOO_LONG, f"Twiml: expected at most {MAX_TWIML} characters, found {len(written)}")
    try:
        return Given(document=parse(written.encode()))
    except TwimlError as error:
        raise bad_parameter(error.code, f"Twiml: {error.message}") from None


def _script(form: Form, dialled: str) -> tuple[Script, Given | None]:
    url = form.url("Url", code=BAD_URL)
    document = document_of(form) if url is None else None
    if url is None and document is None:
        raise bad_parameter(NO_URL, "Url, Twiml or ApplicationSid is required")
    fallback = form.url("FallbackUrl", code=BAD_URL)
    script = Script(
        voice_url=url or "",
        voice_method=form.method("Method", code=BAD_METHOD),
        fallback_url=fallback or "",
        fallback_method=form.method("FallbackMethod", code=BAD_METHOD),
        dialled=dialled,
    )
    return script, document


def _of_application(sid: str, router: Router, dialled: str, account_sid: str) -> Script:
    application = router.application(sid, account_sid=account_sid) if is_sid("AP", sid) else None
    if application is None:
        raise bad_parameter(BAD_APPLICATION, f"ApplicationSid: {sid[:40]!r} is no application of this account")
    return Script.of(application, dialled, sid)


def _caller(written: str, callee: Callee, router: Router, account_sid: str) -> str:
    """A number where a number is called, one of our own if there are any; else whatever the far end may be shown."""
    if not isinstance(callee.target, NumberTarget):
        if not written.isprintable():
            raise bad_parameter(BAD_FROM, "From: expected printable characters")
        return written
    try:
        number = clean_number(written)
    except BadAddress as error:
        raise bad_parameter(BAD_FROM, f"From: {error} expected, found {written[:100]!r}") from None
    asking = CallFacts(
        sid="", account_sid=account_sid, caller=number, callee=callee.address, direction=CallDirection.OUTBOUND_API
    )
    allowed = caller_id.for_number(number, asking, router)
    if isinstance(allowed, CallerIdRefused) or not router.may_show(number, account_sid=account_sid):
        raise RestError(400, FROM_NOT_OURS, f"From: {number} is no number of this account")
    return allowed


def _digits(form: Form) -> str | None:
    digits = form.text("SendDigits")
    if digits is not None and (len(digits) > MAX_DIGITS or not set(digits) <= DIGITS):
        raise bad_parameter(BAD_DIGITS, f"SendDigits: expected at most {MAX_DIGITS} of 0-9 A-D # * w W")
    return digits
