"""What an endpoint tells: one JSON object per line on standard output.

Every line has ``event``, ``t`` (seconds of the machine's monotonic clock: lines of several endpoints on one machine
can be put in order by it), ``time`` (seconds since the epoch) and ``identity``; lines about a call have ``call``, its
number within the process from 1. What else a line has stands at its name below.
Owns the names, the writer and the reader; does not know what makes them happen (endpoint.py).
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventName(StrEnum):
    STARTED = "started"
    """The endpoint listens, or goes to its server. address: ``host:port`` or the server's URL; transport; pid."""
    REGISTERED = "registered"
    """The server took the registration. expires_s."""
    REGISTRATION_FAILED = "registration_failed"
    """code (0: no answer at all), reason."""
    UNREGISTERED = "unregistered"
    """The server let go of the registration."""
    DIALING = "dialing"
    """An INVITE goes out. target; uri; command: the ``id`` of the command that asked for it."""
    INCOMING = "incoming"
    """A call came in. from, to, uri (request URI), headers (X-, Diversion and the like; custom parameters)."""
    RINGING = "ringing"
    """180 or 183 without sound; sent for a call that came in, received for one that went out. code, direction."""
    EARLY_MEDIA = "early_media"
    """Sound before the answer, in a call that went out. code."""
    ANSWERED = "answered"
    """The dialog stands (ACK sent or received). codec, rate_hz, remote_media (``host:port``), direction."""
    DIGIT = "digit"
    """A key of the far end. digit, method (``rfc4733`` or ``info``), duration_ms (0: not told)."""
    DIGITS_SENT = "digits_sent"
    """digits."""
    HELD = "held"
    """by: ``local`` or ``remote``."""
    RESUMED = "resumed"
    """by: who had held: ``local`` or ``remote``."""
    PLAYING = "playing"
    """sound."""
    STATISTICS = "statistics"
    """RTP of the call so far: sent, received, lost, reordered, duplicates, jitter_ms, rtt_ms; what is not known is not
    there."""
    RECORDED = "recorded"
    """The recording of a call that is over is complete. file, duration_s."""
    ENDED = "ended"
    """A call is over: cause, code (last SIP status), reason, by (``local`` or ``remote``), duration_s (from answer),
    answered, headers (X- and Reason, of the BYE, CANCEL or final response), recording (true: ``recorded`` follows)."""
    ERROR = "error"
    """Something asked for could not be done. message; command: its ``id`` or name."""
    STOPPED = "stopped"
    """Last line of all. exit_code."""


class EndCause(StrEnum):
    """Why a call was over, in the words the gateway's records use for a leg."""

    NORMAL = "normal"
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"
    ANSWERED_ELSEWHERE = "answered-elsewhere"
    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    NOT_ACCEPTABLE = "not-acceptable"
    FAILED = "failed"


_CAUSE_OF_STATUS = {
    401: EndCause.FORBIDDEN,
    403: EndCause.FORBIDDEN,
    404: EndCause.NOT_FOUND,
    407: EndCause.FORBIDDEN,
    408: EndCause.NO_ANSWER,
    480: EndCause.NO_ANSWER,
    486: EndCause.BUSY,
    487: EndCause.CANCELED,
    488: EndCause.NOT_ACCEPTABLE,
    600: EndCause.BUSY,
    603: EndCause.DECLINED,
    606: EndCause.NOT_ACCEPTABLE,
}


def end_cause(*, code: int, was_answered: bool, reason_header: str = "") -> EndCause:
    """code: last status of the INVITE. reason_header: of the CANCEL or BYE, if any.

    Source: RFC 3261 21.4-21.6; RFC 3326 2 ("SIP ;cause=200" in a CANCEL: completed elsewhere).
    """
    if was_answered:
        return EndCause.NORMAL if code < 300 else EndCause.FAILED
    if "cause=200" in reason_header.replace(" ", ""):
        return EndCause.ANSWERED_ELSEWHERE
    return _CAUSE_OF_STATUS.get(code, EndCause.FAILED)


@dataclass(frozen=True)
class Event:
    """One line, read back."""

    name: str
    t: float
    call: int | None
    values: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @staticmethod
    def parse(line: bytes | str) -> "Event | None":
        """None for a line that is not an endpoint's."""
        try:
            values = json.loads(line)
            return Event(str(values["event"]), float(values["t"]), values.get("call"), values)
        except (ValueError, KeyError, TypeError):
            return None


class EventWriter:
    """Writes events to a file descriptor, each line at once and whole."""

    def __init__(self, fd: int, *, identity: str, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._fd = fd
        self._identity = identity
        self._clock = clock
        self._wall = wall
        self.is_broken = False

    def write(self, name: EventName, *, call: int | None = None, **values: Any) -> None:
        """A reader that went away sets ``is_broken`` and is not told anything more."""
        head: dict[str, Any] = {
            "event": name,
            "t": round(self._clock(), 4),
            "time": round(self._wall(), 3),
            "identity": self._identity,
        }
        if call is not None:
            head["call"] = call
        line = json.dumps(head | values, ensure_ascii=False).encode() + b"\n"
        while line and not self.is_broken:
            try:
                line = line[os.write(self._fd, line) :]
            except OSError:
                self.is_broken = True
