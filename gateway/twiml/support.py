"""The whole language, element by element, and how much of it runs.

Pure. The names come from the table (schema.py); EXECUTED says which of them have an effect. README's table of what is
supported and its test read this.
Editing rule: an element or attribute enters EXECUTED together with the test that fails when it is ignored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gateway.twiml.model import VERBS
from gateway.twiml.schema import shape_of, tag_of
from gateway.twiml.ssml import SSML


class Status(Enum):
    """PARSED: read and checked, without effect yet. EXECUTED: has its effect. ACCEPTED: there is none to have here."""

    PARSED = "parsed"
    ACCEPTED = "accepted"
    EXECUTED = "executed"


@dataclass(frozen=True, kw_only=True)
class Element:
    """path: ``Dial/Client``. attributes: by name, in the order of the table."""

    path: str
    status: Status
    attributes: Mapping[str, Status]


_STATUS_CALLBACK = frozenset({"statusCallback", "statusCallbackMethod", "statusCallbackEvent"})
_WHISPER = frozenset({"url", "method"})
_STREAM = frozenset({"url", "name", "statusCallback", "statusCallbackMethod"})
_RECORDING = frozenset({"recordingStatusCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent"})
_MACHINE_DETECTION = frozenset(
    {"machineDetection", "machineDetectionTimeout", "machineDetectionSpeechThreshold", "amdStatusCallback"}
    | {"machineDetectionSpeechEndThreshold", "machineDetectionSilenceTimeout", "amdStatusCallbackMethod"}
)

EXECUTED: Mapping[str, frozenset[str]] = {
    "Dial": frozenset(
        {"action", "method", "callerId", "timeout", "timeLimit", "hangupOnStar", "answerOnBridge", "ringTone"}
        | {"sequential", "record", "trim", "recordingStatusCallback", "recordingStatusCallbackMethod"}
        | {"recordingStatusCallbackEvent", "recordingTrack", "referUrl", "referMethod", "dialMusic"}
    ),
    "Dial/Number": _STATUS_CALLBACK | _WHISPER | _MACHINE_DETECTION | {"sendDigits"},
    "Dial/Client": _STATUS_CALLBACK | _WHISPER | {"name", "clientNotificationUrl"},
    "Dial/Client/Identity": frozenset(),
    "Dial/Client/Parameter": frozenset({"name", "value"}),
    "Dial/Client/Video": frozenset({"enable"}),
    "Dial/Sip/Video": frozenset({"enable"}),
    "Dial/Sip": _STATUS_CALLBACK | _WHISPER | _MACHINE_DETECTION | {"username", "password"},
    "Dial/Sip/Headers": frozenset(),
    "Dial/Sip/Uri": frozenset({"username", "password", "priority", "weight"}),
    "Dial/Sim": frozenset(),
    "Dial/WhatsApp": _STATUS_CALLBACK,
    "Dial/Application": _STATUS_CALLBACK | {"url", "method", "customerId", "copyParentTo"},
    "Dial/Application/ApplicationSid": frozenset(),
    "Dial/Application/Parameter": frozenset({"name", "value"}),
    "Dial/Sip/Headers/Header": frozenset({"name", "value"}),
    "Echo": frozenset(),
    "Dial/Conference": _STATUS_CALLBACK
    | {"name", "muted", "startConferenceOnEnter", "endConferenceOnExit", "participantLabel", "waitUrl", "waitMethod"}
    | {"maxParticipants", "region", "beep", "coach", "record", "trim", "jitterBufferSize", "recordingStatusCallback"}
    | {"recordingStatusCallbackMethod", "recordingStatusCallbackEvent"},
    "Dial/Queue": _WHISPER,
    "Enqueue": frozenset({"action", "method", "waitUrl", "waitUrlMethod", "maxQueueSize"}),
    "Gather": frozenset(
        {"input", "action", "method", "timeout", "numDigits", "finishOnKey", "actionOnEmptyResult"}
        | {
            "speechTimeout",
            "maxSpeechTime",
            "partialResultCallback",
            "partialResultCallbackMethod",
            "language",
            "hints",
        }
        | {"bargeIn", "profanityFilter"}
    ),
    "Gather/Pause": frozenset({"length"}),
    "Gather/Play": frozenset({"loop"}),
    "Hangup": frozenset(),
    "Leave": frozenset(),
    "Pause": frozenset({"length"}),
    "Play": frozenset({"digits", "loop"}),
    "Record": frozenset(
        {"action", "method", "timeout", "finishOnKey", "maxLength", "playBeep", "trim", "recordingStatusCallback"}
        | {"transcribe", "transcribeCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent"}
    ),
    "Redirect": frozenset({"method"}),
    "Refer": frozenset({"action", "method"}),
    "Refer/Sip": frozenset(),
    "Reject": frozenset({"reason"}),
    **{
        f"{say}/{tag}": names if tag != "w" else frozenset()
        for say in ("Say", "Gather/Say")
        for tag, (names, _) in SSML.items()
    },
    "Say": frozenset({"voice", "language", "loop"}),
    "Start": frozenset(),
    "Start/Stream": _STREAM | {"track"},
    "Start/Stream/Parameter": frozenset({"name", "value"}),
    "Start/Recording": _RECORDING | {"name", "track", "channels", "trim"},
    "Stop": frozenset(),
    "Stop/Stream": frozenset({"name", "url"}),
    "Stop/Recording": frozenset({"name"}),
    "Connect": frozenset({"action", "method"}),
    "Connect/Stream": _STREAM | {"track"},
    "Connect/Stream/Parameter": frozenset({"name", "value"}),
    "Gather/Say": frozenset({"voice", "language", "loop"}),
}
"""Path of an element that runs: its attributes that have their effect."""

ACCEPTED: Mapping[str, frozenset[str]] = {
    "Dial": frozenset({"callReason", "events", "passports", "recordingConfigurationId"}),
    "Dial/Sip": frozenset({"name"}),
}
"""Path of an element: attributes of its maker's own network or cloud, taken silently. Source: spec of <Dial>, 1."""


def without_effect(path: str, element: Any) -> tuple[str, ...]:
    """Attributes of an element in this place that have another value than their default, and no effect."""
    cls: type = element.__class__
    running, silent = EXECUTED.get(path, frozenset()), ACCEPTED.get(path, frozenset())
    return tuple(
        name
        for name, known in shape_of(cls).attributes.items()
        if known.group is None
        and name not in running
        and name not in silent
        and getattr(element, known.target) != known.default
    )


def language() -> tuple[Element, ...]:
    """Every element in every place where it may stand, parents before children."""
    return tuple(element for verb in VERBS for element in _elements(verb, tag_of(verb)))


def _elements(cls: type, path: str) -> Iterator[Element]:
    shape = shape_of(cls)
    yield _element(path, tuple(shape.attributes))
    if shape.text is not None and shape.text.element is not None:
        yield _element(f"{path}/{shape.text.element}", ())
    for wrapper, nested in shape.wrapped.items():
        yield _element(f"{path}/{wrapper}", ())
        for inner in nested.classes:
            yield from _elements(inner, f"{path}/{wrapper}/{tag_of(inner)}")
    for tag, (_, inner) in shape.children.items():
        yield from _elements(inner, f"{path}/{tag}")
    if shape.markup is not None:
        for tag, (names, _) in SSML.items():
            yield _element(f"{path}/{tag}", tuple(sorted(names)))


def _element(path: str, attributes: tuple[str, ...]) -> Element:
    running = EXECUTED.get(path)
    return Element(
        path=path,
        status=Status.PARSED if running is None else Status.EXECUTED,
        attributes={
            name: Status.EXECUTED
            if running is not None and name in running
            else Status.ACCEPTED
            if name in ACCEPTED.get(path, ())
            else Status.PARSED
            for name in attributes
        },
    )
