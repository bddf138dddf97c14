"""What a browser is told: every message the Voice SDK understands.

Pure. ``write`` makes the frame; it is always valid JSON in ASCII, since the SDK fails inside its handler on anything
else. Owns the error codes for the causes a call may end with.
Source: voice-sdk.md 5 of the specification; Twilio Voice SDK error codes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

from signaling.leg import HangupCause

HEARTBEAT_FRAME = "\n"
API_VERSION = "2010-04-01"

UNKNOWN_RECONNECT_TOKEN = 31209
RATE_EXCEEDED = 31206
NOT_ALLOWED = 31201

# What the page sees in call.on("error") for the ways a call may end that are no plain hang-up.
_ERRORS: Mapping[HangupCause, tuple[int, str]] = {
    HangupCause.BUSY: (31486, "Busy"),
    HangupCause.DECLINED: (31603, "Declined"),
    HangupCause.NO_ANSWER: (31480, "No answer"),
    HangupCause.NOT_FOUND: (31404, "Not found"),
    HangupCause.UNREACHABLE: (31480, "Not reachable"),
    HangupCause.NOT_ACCEPTABLE: (31400, "Session description not acceptable"),
    HangupCause.FORBIDDEN: (31002, "Not allowed"),
    HangupCause.FAILED: (31005, "Call failed"),
    HangupCause.MEDIA_TIMEOUT: (53405, "Media connection failed"),
    HangupCause.SESSION_EXPIRED: (31005, "Session expired"),
    HangupCause.OVERLOAD: (31005, "Too many calls"),
    HangupCause.SHUTDOWN: (31005, "Shutting down"),
}


@dataclass(frozen=True)
class Failure:
    """``error`` of a message. retry_after_s: when a reconnecting device should come back."""

    code: int
    message: str
    retry_after_s: float | None = None

    @staticmethod
    def of(cause: HangupCause) -> "Failure | None":
        """None for the causes that are a plain hang-up."""
        known = _ERRORS.get(cause)
        return None if known is None else Failure(*known)


@dataclass(frozen=True, kw_only=True)
class Connected:
    """Login done. ttl_s: whole seconds the token still lives. home: where the SDK sends its own statistics."""

    identity: str
    ttl_s: int
    edge: str = "roaming"
    region: str = ""
    home: str = ""


@dataclass(frozen=True)
class Ready:
    """Reachable."""


@dataclass(frozen=True)
class Offline:
    """Not reachable any more; the only thing that ends an ``unregister()``."""


@dataclass(frozen=True)
class Error:
    """With event_sid it belongs to a call message and only that call reports it."""

    failure: Failure
    call_sid: str = ""
    event_sid: str = ""


@dataclass(frozen=True)
class Close:
    """The device drops the socket and does not come back by itself."""


@dataclass(frozen=True)
class Invite:
    """A call for the device. sdp: complete offer."""

    call_sid: str
    sdp: str = field(repr=False)
    reconnect: str = field(repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancel:
    call_sid: str


@dataclass(frozen=True)
class Ringing:
    """sdp: an answer, for early media."""

    call_sid: str
    sdp: str = field(default="", repr=False)


@dataclass(frozen=True)
class Answer:
    """Opens the device's call, or answers its ICE restart or its coming back."""

    call_sid: str
    sdp: str = field(default="", repr=False)
    reconnect: str = field(default="", repr=False)


@dataclass(frozen=True)
class Hangup:
    call_sid: str
    failure: Failure | None = None


@dataclass(frozen=True)
class Acknowledged:
    """A call message has arrived here."""

    call_sid: str
    event_sid: str


@dataclass(frozen=True)
class CallMessage:
    call_sid: str
    content: Any = field(repr=False)
    content_type: str = "application/json"
    message_type: str = "user-defined-message"
    event_sid: str = ""


ToDevice: TypeAlias = (
    Connected
    | Ready
    | Offline
    | Error
    | Close
    | Invite
    | Cancel
    | Ringing
    | Answer
    | Hangup
    | Acknowledged
    | CallMessage
)


def write(message: ToDevice) -> str:
    kind, payload = _parts(message)
    return json.dumps({"type": kind, "payload": payload, "version": "1.6"}, separators=(",", ":"))


def _parts(message: ToDevice) -> tuple[str, dict[str, Any]]:
    match message:
        case Connected():
            token = {"identity": message.identity, "ttl": message.ttl_s}
            return "connected", {
                "token": token,
                "edge": message.edge,
                **_given(region=message.region, home=message.home),
            }
        case Ready():
            return "ready", {}
        case Offline():
            return "offline", {}
        case Close():
            return "close", {}
        case Error():
            said = _given(callsid=message.call_sid, voiceeventsid=message.event_sid)
            return "error", {"error": _error(message.failure), **said}
        case Invite():
            return "invite", {
                "callsid": message.call_sid,
                "sdp": message.sdp,
                "parameters": dict(message.parameters),
                "reconnect": message.reconnect,
            }
        case Cancel():
            return "cancel", {"callsid": message.call_sid}
        case Ringing():
            return "ringing", {"callsid": message.call_sid, **_given(sdp=message.sdp)}
        case Answer():
            return "answer", {
                "callsid": message.call_sid,
                **_given(sdp=message.sdp, reconnect=message.reconnect),
            }
        case Hangup():
            error = {} if message.failure is None else {"error": _error(message.failure)}
            return "hangup", {"callsid": message.call_sid, **error}
        case Acknowledged():
            return "ack", {"acktype": "message", "callsid": message.call_sid, "voiceeventsid": message.event_sid}
        case CallMessage():
            return "message", {
                "callsid": message.call_sid,
                "content": message.content,
                "contenttype": message.content_type,
                "messagetype": message.message_type,
                "voiceeventsid": message.event_sid,
            }
        case _:
            assert_never(message)


def _given(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}


def _error(failure: Failure) -> dict[str, Any]:
    retry = {} if failure.retry_after_s is None else {"retryAfter": failure.retry_after_s}
    return {"code": failure.code, "message": failure.message, **retry}
