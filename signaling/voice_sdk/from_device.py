"""What a browser says: every message of the Voice SDK, read with bounds.

Pure. A frame that is no message at all raises BrokenFrame, which closes the socket; a known message with a payload it
cannot have raises BadMessage, which is answered and forgotten. Unknown types are kept as Unknown: newer SDKs may have
more to say. Strings come out as valid Unicode of bounded length.
Source: voice-sdk.md 5 of the specification; reliability check S-20.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from signaling.call_message import CONTENT_TYPE, MAX_CONTENT, MAX_DEPTH, MESSAGE_TYPE, is_small
from signaling.errors import PeerError
from signaling.voice_sdk.parameters import decode_parameters

MAX_BEFORE_LOGIN = 64 * 1024
MAX_AFTER_LOGIN = 256 * 1024
MAX_SDP = 64 * 1024
MAX_TOKEN_TEXT = 16 * 1024
MAX_DIGITS = 128
MAX_RECONNECT_S = 30

HEARTBEAT = "\n"
MALFORMED = 31100
MESSAGE_TYPE_INVALID = 31210
MESSAGE_TOO_LARGE = 31212

_CALL_SID = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch
_EVENT_SID = re.compile(r"[A-Za-z0-9]{1,64}").fullmatch
_DIGITS = re.compile(r"[0-9*#A-Da-dw,]+").fullmatch
_MESSAGE_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch
_CONTENT_TYPE = re.compile(r"[ -~]{1,128}").fullmatch


class BrokenFrame(PeerError):
    """The peer does not speak the protocol. close_code: what to close the socket with. Source: RFC 6455 7.4.1."""

    def __init__(self, message: str, *, close_code: int) -> None:
        super().__init__(message)
        self.close_code = close_code


class BadMessage(PeerError):
    """A message with a payload it cannot have. code: what the SDK is told; call_sid, event_sid: what it belongs to."""

    def __init__(self, message: str, *, code: int = MALFORMED, call_sid: str = "", event_sid: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.call_sid = call_sid
        self.event_sid = event_sid


@dataclass(frozen=True)
class Heartbeat:
    """The echo of ours."""


@dataclass(frozen=True)
class Listen:
    """Login, and on the same socket a new token. reconnect_timeout_s: how long it hopes we keep calls without it."""

    token: str = field(repr=False)
    reconnect_timeout_s: float = 0.0


@dataclass(frozen=True)
class Register:
    """wants_calls: reachable from now on, or no longer."""

    wants_calls: bool


@dataclass(frozen=True)
class Invite:
    """A call from the device. call_sid: its own name for it (``TJS…``) until it is told ours."""

    call_sid: str
    sdp: str = field(repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reconnect:
    """A call the device knows already, or takes over from another one. sdp may be empty."""

    call_sid: str
    token: str = field(repr=False)
    sdp: str = field(repr=False, default="")


@dataclass(frozen=True)
class Answer:
    call_sid: str
    sdp: str = field(repr=False)


@dataclass(frozen=True)
class Reject:
    call_sid: str


@dataclass(frozen=True)
class Hangup:
    call_sid: str
    reason: str = ""


@dataclass(frozen=True)
class Reinvite:
    """ICE restart: sdp is an offer."""

    call_sid: str
    sdp: str = field(repr=False)


@dataclass(frozen=True)
class Dtmf:
    """``w`` and ``,`` wait half a second."""

    call_sid: str
    digits: str = field(repr=False)


@dataclass(frozen=True)
class CallMessage:
    """A message beside the sound. content: any JSON value. event_sid: the sender's name for it, to be acknowledged."""

    call_sid: str
    content: Any = field(repr=False)
    content_type: str = CONTENT_TYPE
    message_type: str = MESSAGE_TYPE
    event_sid: str = ""


@dataclass(frozen=True)
class Unknown:
    kind: str


ForCall: TypeAlias = Reconnect | Answer | Reject | Hangup | Reinvite | Dtmf | CallMessage
FromDevice: TypeAlias = Heartbeat | Listen | Register | Invite | ForCall | Unknown


def read(frame: str, *, limit: int) -> FromDevice:
    """One text frame. limit: in bytes. Raises BrokenFrame or BadMessage."""
    if frame == HEARTBEAT:
        return Heartbeat()
    if len(frame) > limit or len(frame.encode("utf-8", "replace")) > limit:
        raise BrokenFrame(f"expected at most {limit} bytes, found {len(frame)} characters", close_code=1009)
    try:
        message = json.loads(frame, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BrokenFrame("expected one JSON object in a frame", close_code=1007) from None
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str):
        raise BrokenFrame("expected a JSON object with a type", close_code=1008)
    payload = message.get("payload", {})
    if not isinstance(payload, dict):
        raise BadMessage(f"expected an object as payload of {kind[:32]!r}")
    reader = _READERS.get(kind)
    return Unknown(kind[:32]) if reader is None else reader(payload)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _text(payload: dict[str, Any], name: str, *, most: int, required: bool = True) -> str:
    """Half surrogate pairs, which JSON can spell and nothing else can carry, become question marks."""
    value = payload.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value) or len(value) > most:
        raise BadMessage(f"expected {name}: a string of at most {most} characters", call_sid=_known_call_sid(payload))
    return value.encode("utf-8", "replace").decode()


def _known_call_sid(payload: dict[str, Any]) -> str:
    """For telling which call a bad message belongs to."""
    value = payload.get("callsid")
    return value if isinstance(value, str) and _CALL_SID(value) else ""


def _call_sid(payload: dict[str, Any]) -> str:
    found = _known_call_sid(payload)
    if not found:
        raise BadMessage("expected callsid: 1 to 64 letters, digits, dots, dashes")
    return found


def _listen(payload: dict[str, Any]) -> Listen:
    # A token that is no string is a wrong token, not a wrong message: it is refused as one.
    token = payload.get("token")
    wanted = payload.get("reconnectTimeout", 0)
    is_number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
    return Listen(
        token=token if isinstance(token, str) and len(token) <= MAX_TOKEN_TEXT else "",
        reconnect_timeout_s=float(min(max(wanted, 0), MAX_RECONNECT_S)) if is_number else 0.0,
    )


def _register(payload: dict[str, Any]) -> Register:
    media = payload.get("media")
    return Register(wants_calls=isinstance(media, dict) and media.get("audio") is True)


def _invite(payload: dict[str, Any]) -> Invite | Reconnect:
    call_sid = _call_sid(payload)
    if payload.get("reconnect") is not None:
        return Reconnect(
            call_sid,
            token=_text(payload, "reconnect", most=256),
            sdp=_text(payload, "sdp", most=MAX_SDP, required=False),
        )
    twilio = payload.get("twilio")
    text = _text(twilio, "params", most=16 * 1024, required=False) if isinstance(twilio, dict) else ""
    try:
        parameters = decode_parameters(text)
    except ValueError as error:
        raise BadMessage(f"expected twilio.params as a query: {error}", call_sid=call_sid) from None
    return Invite(call_sid, _text(payload, "sdp", most=MAX_SDP), parameters)


def _answer(payload: dict[str, Any]) -> Answer:
    return Answer(_call_sid(payload), _text(payload, "sdp", most=MAX_SDP))


def _reject(payload: dict[str, Any]) -> Reject:
    return Reject(_call_sid(payload))


def _hangup(payload: dict[str, Any]) -> Hangup:
    return Hangup(_call_sid(payload), _text(payload, "message", most=1024, required=False))


def _reinvite(payload: dict[str, Any]) -> Reinvite:
    return Reinvite(_call_sid(payload), _text(payload, "sdp", most=MAX_SDP))


def _dtmf(payload: dict[str, Any]) -> Dtmf:
    call_sid, digits = _call_sid(payload), _text(payload, "dtmf", most=MAX_DIGITS)
    if _DIGITS(digits) is None:
        raise BadMessage("expected dtmf: 0-9 * # A-D and w", call_sid=call_sid)
    return Dtmf(call_sid, digits)


def _message(payload: dict[str, Any]) -> CallMessage:
    call_sid = _call_sid(payload)
    event = payload.get("voiceeventsid")
    event_sid = event if isinstance(event, str) and _EVENT_SID(event) else ""
    message_type = payload.get("messagetype", MESSAGE_TYPE)
    content_type = payload.get("contenttype", CONTENT_TYPE)
    if not isinstance(message_type, str) or _MESSAGE_TYPE(message_type) is None:
        raise BadMessage(
            "expected messagetype: a word", code=MESSAGE_TYPE_INVALID, call_sid=call_sid, event_sid=event_sid
        )
    if not isinstance(content_type, str) or _CONTENT_TYPE(content_type) is None:
        raise BadMessage(
            "expected contenttype: a MIME type", code=MESSAGE_TYPE_INVALID, call_sid=call_sid, event_sid=event_sid
        )
    content = payload.get("content")
    if not is_small(content):
        raise BadMessage(
            f"expected content of at most {MAX_CONTENT} bytes, {MAX_DEPTH} levels",
            code=MESSAGE_TOO_LARGE,
            call_sid=call_sid,
            event_sid=event_sid,
        )
    return CallMessage(call_sid, content, content_type, message_type, event_sid)


_READERS: Mapping[str, Callable[[dict[str, Any]], FromDevice]] = {
    "listen": _listen,
    "register": _register,
    "invite": _invite,
    "answer": _answer,
    "reject": _reject,
    "hangup": _hangup,
    "reinvite": _reinvite,
    "dtmf": _dtmf,
    "message": _message,
}
