"""The browser's end of the Voice SDK's protocol: frames of text in and out, calls by number.

Pure: no socket, no clock, no sound. ``receive`` tells what a frame means for the endpoint; the methods named after what
a user does write the frames for it, to ``send``. Owns what the protocol has to remember of a call: its names, its
reconnect token, how far it is. An order that does not fit a call's state raises LibraryError and sends nothing.
Source: voice-sdk.md 4, 5 and 7 of the specification.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias
from urllib.parse import quote, unquote_plus

from signaling.endpoints.notes import LibraryError

HEARTBEAT = "\n"
INTERRUPTED = "Connection with Twilio was interrupted."
SDK_VERSION = "2.18.5"
RECONNECT_S = 30
_STATUS_OF_ERROR = {
    31002: 403,
    31201: 403,
    31204: 401,
    31205: 401,
    31400: 488,
    31404: 404,
    31480: 480,
    31486: 486,
    31603: 603,
}


class CallState(Enum):
    INVITED = "it came in and waits for our answer"
    INVITING = "it went out, nothing came back yet"
    RINGING = "the far end rings"
    OPEN = "answered"


@dataclass
class DeviceCall:
    """sid: the name the server knows it by: its own, or until that is told ours."""

    number: int
    sid: str
    state: CallState
    offer: str = field(default="", repr=False)
    reconnect: str = field(default="", repr=False)
    is_described: bool = False
    """The server's description has come, so a later one in an answer is ignored."""


@dataclass(frozen=True)
class LoggedIn:
    ttl_s: int


@dataclass(frozen=True)
class Registered:
    """The server took ``register``; told again for each refresh."""


@dataclass(frozen=True)
class Unregistered:
    pass


@dataclass(frozen=True)
class Refused:
    """The token, or something said. status: the SIP status nearest to it."""

    code: int
    status: int
    message: str


@dataclass(frozen=True)
class SentAway:
    """Close the socket and do not come back by itself."""


@dataclass(frozen=True)
class Invited:
    call: DeviceCall
    caller: str
    callee: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Rang:
    """sdp: an answer for early media, or empty."""

    call: DeviceCall
    sdp: str = field(repr=False)


@dataclass(frozen=True)
class Opened:
    """sdp: empty when it came with the ringing."""

    call: DeviceCall
    sdp: str = field(repr=False)


@dataclass(frozen=True)
class Over:
    call: DeviceCall
    status: int
    reason: str


DeviceNote: TypeAlias = LoggedIn | Registered | Unregistered | Refused | SentAway | Invited | Rang | Opened | Over


class Device:
    """send: takes one frame. new_number: of a call that comes in. Calls that are over are forgotten at once."""

    def __init__(self, send: Callable[[str], None], new_number: Callable[[], int]) -> None:
        self._send = send
        self._new_number = new_number
        self._calls: dict[int, DeviceCall] = {}

    @property
    def calls(self) -> tuple[DeviceCall, ...]:
        return tuple(self._calls.values())

    # What the endpoint does

    def listen(self, token: str) -> None:
        browser = {"platform": "linux", "userAgent": "Ringfork endpoint"}
        self._say(
            "listen",
            token=token,
            reconnectTimeout=RECONNECT_S,
            browserinfo={"browser": browser, "p": "browser", "plugin": "rtc", "v": SDK_VERSION},
        )

    def register(self, *, is_reachable: bool) -> None:
        self._say("register", media={"audio": is_reachable})

    def invite(self, number: int, sid: str, sdp: str, parameters: Mapping[str, str]) -> None:
        """sid: ``TJS`` and a UUID, until the server gives the call its own."""
        self._calls[number] = DeviceCall(number, sid, CallState.INVITING)
        self._say("invite", callsid=sid, sdp=sdp, twilio={"params": _query(parameters)} if parameters else {})

    def answer(self, number: int, sdp: str) -> None:
        call = self._in_state(number, CallState.INVITED)
        call.state = CallState.OPEN
        self._say("answer", callsid=call.sid, sdp=sdp)

    def reject(self, number: int) -> None:
        call = self._in_state(number, CallState.INVITED)
        del self._calls[number]
        self._say("reject", callsid=call.sid)

    def hangup(self, number: int, message: str = "") -> None:
        """Nothing for a call that is over."""
        call = self._calls.get(number)
        if call is None:
            return
        if call.state is CallState.INVITED:
            self.reject(number)
            return
        del self._calls[number]
        self._say("hangup", callsid=call.sid, **({"message": message} if message else {}))

    def digits(self, number: int, digits: str) -> None:
        call = self._calls.get(number)
        if call is None or call.state not in (CallState.RINGING, CallState.OPEN):
            raise LibraryError("keys can be pressed once the far end rings")
        self._say("dtmf", callsid=call.sid, dtmf=digits)

    def reconnect(self, number: int, sdp: str) -> None:
        """After another ``LoggedIn`` while a call is up."""
        call = self._in_state(number, CallState.OPEN)
        self._say("invite", callsid=call.sid, reconnect=call.reconnect, sdp=sdp, twilio={})

    def lost(self) -> Iterator[Over]:
        """The socket is gone: only calls that can be reclaimed live on."""
        for call in self.calls:
            if call.state is not CallState.OPEN or not call.reconnect:
                yield self._over(call, 487 if call.state is CallState.INVITED else 503, "the connection was lost")

    def _in_state(self, number: int, state: CallState) -> DeviceCall:
        call = self._calls.get(number)
        if call is None or call.state is not state:
            raise LibraryError(
                f"call {number} is not there" if call is None else f"the call is past that: {call.state.value}"
            )
        return call

    def _say(self, kind: str, **payload: Any) -> None:
        self._send(json.dumps({"type": kind, "payload": payload, "version": "1.6"}))

    # What the server says

    def receive(self, frame: str) -> Iterator[DeviceNote]:
        """Raises ValueError for what a server must never send."""
        if frame == HEARTBEAT:
            self._send(HEARTBEAT)
            return
        message = json.loads(frame)
        kind, payload = message["type"], message.get("payload") or {}
        match kind:
            case "connected":
                yield LoggedIn(int((payload.get("token") or {}).get("ttl", 0)))
            case "ready":
                yield Registered()
            case "offline":
                yield Unregistered()
            case "close":
                yield SentAway()
            case "error":
                code, text = _error(payload)
                yield Refused(code, _STATUS_OF_ERROR.get(code, 500), text)
            case "invite":
                yield self._invited(payload)
            case "ringing" | "answer" | "cancel" | "hangup":
                call = self._named(str(payload.get("callsid", "")), is_outgoing=kind in ("ringing", "answer"))
                if call is not None:
                    yield from self._of_call(kind, call, payload)

    def _of_call(self, kind: str, call: DeviceCall, payload: Mapping[str, Any]) -> Iterator[DeviceNote]:
        match kind, call.state:
            case "ringing", CallState.INVITING:
                call.sid, call.state = str(payload["callsid"]), CallState.RINGING
                call.is_described = bool(payload.get("sdp"))
                yield Rang(call, str(payload.get("sdp") or ""))
            case "answer", CallState.INVITING | CallState.RINGING:
                sdp = "" if call.is_described else str(payload.get("sdp") or "")
                call.sid, call.state = str(payload["callsid"]), CallState.OPEN
                call.reconnect = str(payload.get("reconnect") or "")
                yield Opened(call, sdp)
            case "answer", CallState.OPEN:
                call.reconnect = str(payload.get("reconnect") or call.reconnect)
            case "cancel", CallState.INVITED:
                yield self._over(call, 487, "Canceled")
            case "hangup", CallState.INVITED:
                pass  # the SDK does not listen to it either: a call that waits is ended by cancel
            case "cancel" | "hangup", CallState.OPEN:
                code, text = _error(payload)
                status = _STATUS_OF_ERROR.get(code, 500) if code else 200
                yield self._over(call, status, text or "Hung up")
            case "cancel" | "hangup", _:
                code, text = _error(payload)
                # A hang-up without a word: the application ended the call before anybody answered.
                yield self._over(call, _STATUS_OF_ERROR.get(code, 500) if code else 480, text or "Not answered")

    def _invited(self, payload: Mapping[str, Any]) -> Invited:
        shown = payload.get("parameters") or {}
        call = DeviceCall(
            self._new_number(),
            str(payload["callsid"]),
            CallState.INVITED,
            offer=str(payload["sdp"]),
            reconnect=str(payload.get("reconnect") or ""),
        )
        self._calls[call.number] = call
        return Invited(call, str(shown.get("From", "")), str(shown.get("To", "")), custom_parameters(shown))

    def _named(self, sid: str, *, is_outgoing: bool) -> DeviceCall | None:
        """Without a name, whatever call there is. The call's own name comes to an outgoing one with its ringing."""
        calls = self.calls
        for call in calls:
            if call.sid == sid or not sid:
                return call
        if is_outgoing:
            return next((call for call in calls if call.state is CallState.INVITING), None)
        return None

    def _over(self, call: DeviceCall, status: int, reason: str) -> Over:
        self._calls.pop(call.number, None)
        return Over(call, status, reason)


def custom_parameters(shown: Mapping[str, Any]) -> dict[str, str]:
    """Of an incoming call, as the SDK reads them: names as they are, values up to a raw ``=``, decoded."""
    found = {}
    for pair in str(shown.get("Params") or "").split("&"):
        name, equals, value = pair.partition("=")
        if name and equals:
            found[name] = unquote_plus(value.partition("=")[0])
    return found


def _query(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())


def _error(payload: Mapping[str, Any]) -> tuple[int, str]:
    error = payload.get("error") or {}
    return int(error.get("code", 0)), str(error.get("message", ""))
