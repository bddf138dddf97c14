"""Whom a <Dial> may dial: a number, a client, a SIP party, an application, WhatsApp, a SIM.

Pure values, each a noun as written, cleaned. url and method are the document that runs on the called party's leg
before the parties are connected.
Source: Twilio <Number>, <Client>, <Sip>, <Application>, <WhatsApp>, <Sim>; CallAPI <Client> (name, Video, headers).
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.twiml.addresses import Pairs
from gateway.twiml.kinds import (
    BOOL,
    CALL_EVENTS,
    CALLBACK_URL,
    DIGITS,
    KEY_URL,
    METHOD,
    TEXT,
    WHISPER_URL,
    WORD,
    choice,
    integer,
)
from gateway.twiml.problems import Position
from gateway.twiml.schema import attribute, child, children, group, text
from gateway.twiml.values import CallEvent, MachineDetectionMode, Method, RecordingEvent

COMPLETED = frozenset({CallEvent.COMPLETED})
RECORDING_COMPLETED = frozenset({RecordingEvent.COMPLETED})


@dataclass(frozen=True, kw_only=True)
class StatusCallback:
    """Who is told of a dialled leg's progress, and of what."""

    url: str = attribute("statusCallback", KEY_URL, default="")
    method: Method = attribute("statusCallbackMethod", METHOD, default=Method.POST)
    events: frozenset[CallEvent] = attribute("statusCallbackEvent", CALL_EVENTS, default=COMPLETED)


@dataclass(frozen=True, kw_only=True)
class MachineDetection:
    """Whether a person or a machine answered, and how long to listen for it."""

    mode: MachineDetectionMode = attribute(
        "machineDetection", choice(MachineDetectionMode), default=MachineDetectionMode.ENABLE
    )
    timeout_s: int = attribute("machineDetectionTimeout", integer(3, 60, unit="s"), default=30)
    speech_threshold_ms: int = attribute(
        "machineDetectionSpeechThreshold", integer(1000, 6000, unit="ms"), default=2400
    )
    speech_end_threshold_ms: int = attribute(
        "machineDetectionSpeechEndThreshold", integer(500, 5000, unit="ms"), default=1200
    )
    silence_timeout_ms: int = attribute("machineDetectionSilenceTimeout", integer(2000, 10000, unit="ms"), default=5000)
    callback: str | None = attribute("amdStatusCallback", CALLBACK_URL, default=None)
    callback_method: Method = attribute("amdStatusCallbackMethod", METHOD, default=Method.POST)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    tag: ClassVar[str] = "Parameter"
    position: Position
    name: str = attribute("name", WORD, default="")
    value: str = attribute("value", TEXT, default="")


@dataclass(frozen=True, kw_only=True)
class Header:
    """An extension header of an INVITE."""

    tag: ClassVar[str] = "Header"
    position: Position
    name: str = attribute("name", WORD, default="")
    value: str = attribute("value", TEXT, default="")


@dataclass(frozen=True, kw_only=True)
class Video:
    tag: ClassVar[str] = "Video"
    position: Position
    enable: bool = attribute("enable", BOOL, default=False)
    overlay: str | None = attribute("overlay", WORD, default=None)
    mode: str | None = attribute("mode", WORD, default=None)
    resolution: str | None = attribute("resolution", WORD, default=None)
    layout: str | None = attribute("layout", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A phone number, cleaned as addresses.clean_number says. headers: those written behind a ``?``."""

    tag: ClassVar[str] = "Number"
    position: Position
    number: str = text(WORD, default="", code=13223)
    headers: Pairs = ()
    send_digits: str | None = attribute("sendDigits", DIGITS, default=None, code=13222)
    url: str | None = attribute("url", WHISPER_URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST, code=13221)
    byoc: str | None = attribute("byoc", WORD, default=None)
    status: StatusCallback | None = group(StatusCallback, key="statusCallback")
    machine_detection: MachineDetection | None = group(MachineDetection, key="machineDetection")


@dataclass(frozen=True, kw_only=True)
class Client:
    """An identity, on all its devices.

    parameters: for an SDK device, those behind a ``?`` first, then the <Parameter> children; on the same name the last
    counts. headers: those behind a ``?`` that fit an INVITE, for a SIP device.
    """

    tag: ClassVar[str] = "Client"
    position: Position
    identity: str = text(WORD, default="", code=31105, element="Identity")
    name: str = attribute("name", WORD, default="")
    parameters: Pairs = children(Parameter, pairs=True)
    headers: Pairs = ()
    url: str | None = attribute("url", WHISPER_URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST)
    status: StatusCallback | None = group(StatusCallback, key="statusCallback")
    client_notification_url: str | None = attribute("clientNotificationUrl", CALLBACK_URL, default=None, code=13806)
    video: Video | None = child(Video)


@dataclass(frozen=True, kw_only=True)
class SipUri:
    """One way to reach a SIP party; lower priority values are tried first, weight chooses among equals.

    headers: those of the URI's query.
    """

    tag: ClassVar[str] = "Uri"
    position: Position
    uri: str = text(WORD, default="", code=13243)
    username: str = attribute("username", WORD, default="", code=13249)
    password: str = attribute("password", TEXT, default="", secret=True)
    priority: int = attribute("priority", integer(0, 65535), default=0)
    weight: int = attribute("weight", integer(0, 65535), default=0)
    headers: Pairs = ()


@dataclass(frozen=True, kw_only=True)
class Sip:
    """A SIP party. uris: every way to it, best first, the element's own text before its <Uri> children; never empty.

    uri, username, password: of the first. headers: of the first URI's query, then those of the <Headers> child.
    """

    tag: ClassVar[str] = "Sip"
    position: Position
    uri: str = text(WORD, default="", code=13243)
    username: str = attribute("username", WORD, default="", code=13249)
    password: str = attribute("password", TEXT, default="", secret=True)
    headers: Pairs = children(Header, within="Headers", pairs=True)
    uris: tuple[SipUri, ...] = children(SipUri)
    url: str | None = attribute("url", WHISPER_URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST, code=13241)
    status: StatusCallback | None = group(StatusCallback, key="statusCallback")
    machine_detection: MachineDetection | None = group(MachineDetection, key="machineDetection")
    name: str = attribute("name", WORD, default="")
    video: Video | None = child(Video)


@dataclass(frozen=True, kw_only=True)
class Application:
    """Another application of the account. customer_id None: the account's own sid."""

    tag: ClassVar[str] = "Application"
    position: Position
    application_sid: str = text(WORD, default="", element="ApplicationSid")
    parameters: Pairs = children(Parameter, pairs=True)
    customer_id: str | None = attribute("customerId", WORD, default=None)
    copy_parent_to: bool = attribute("copyParentTo", BOOL, default=False)
    url: str | None = attribute("url", WHISPER_URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST)
    status: StatusCallback | None = group(StatusCallback, key="statusCallback")


@dataclass(frozen=True, kw_only=True)
class WhatsApp:
    tag: ClassVar[str] = "WhatsApp"
    position: Position
    number: str = text(WORD, default="", code=13223)
    url: str | None = attribute("url", WHISPER_URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST)
    status: StatusCallback | None = group(StatusCallback, key="statusCallback")


@dataclass(frozen=True, kw_only=True)
class Sim:
    tag: ClassVar[str] = "Sim"
    position: Position
    sim_sid: str = text(WORD, default="")
