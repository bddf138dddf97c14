"""What is kept of a call beside what its owner writes: every webhook with its answer, every SIP message.

Both are told here by those who carry them, go through redaction.py and become lines of the call's timeline, so that
they live as long as the call's record. Bounded: so many of each a call, so many octets of each, and a message that
belongs to no call yet waits in a place of fixed size. Runs on the loop; nothing waits. What has to be hidden is looked
for where the line is written, on the thread of the store, for many lines at a time.
Source: RFC 3261 8.1.1.4 (Call-ID names the dialog a message belongs to).
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from gateway.console.redaction import redact_pairs, redact_sip, redact_text
from gateway.store.records import DraftedEvent, EventRecord
from gateway.webhooks.client import Exchanged
from gateway.webhooks.errors import without_credentials
from signaling.leg import LegEvents
from signaling.sip.flow import Flow

MOST_WEBHOOKS: Final = 500
MOST_MESSAGES: Final = 200
MOST_BODY: Final = 16 * 1024
MOST_VALUE: Final = 2_000
MOST_MESSAGE: Final = 8 * 1024
MOST_CALLS: Final = 20_000
WAITING_OCTETS: Final = 1024 * 1024
WAITING_EACH: Final = 12
AFTER_END_S: Final = 64.0
"""How long a message of a call that is over may still come: RFC 3261 17.1.1.2, twice timer B."""
_FEWEST_CLAIMS: Final = 64

_CALL_ID: Final = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]{1,512})", re.I | re.M)
_USUAL_CALL_ID: Final = b"\r\nCall-ID: "
_METHOD: Final = re.compile(rb"^cseq[ \t]*:[ \t]*[0-9]+[ \t]+([A-Z]{1,20})", re.I | re.M)
_OF_NO_CALL: Final = frozenset({b"REGISTER", b"OPTIONS", b"SUBSCRIBE", b"PUBLISH", b"MESSAGE"})

_CHARSETS: Final = frozenset({"utf-16", "iso-8859-1", "iso-8859-15", "windows-1252"})

Write = Callable[[EventRecord | DraftedEvent], None]


@dataclass(frozen=True)
class _Message:
    at: datetime
    octets: bytes
    flow: Flow
    is_sent: bool


@dataclass
class _Claim:
    """A Call-ID whose call is known. ended_at: when its leg was first seen to be over, by the monotonic clock."""

    call_sid: str
    events: LegEvents
    left: int = MOST_MESSAGES
    ended_at: float | None = None


@dataclass
class _Waiting:
    messages: list[_Message] = field(default_factory=list)
    octets: int = 0


class Trace:
    """write: takes a line of a timeline without waiting. now: wall clock, aware; monotonic: seconds."""

    def __init__(self, *, write: Write, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._write = write
        self._now = now
        self._monotonic = monotonic
        self._webhooks: OrderedDict[str, int] = OrderedDict()
        self._claims: dict[str, _Claim] = {}
        self._purge_above = _FEWEST_CLAIMS
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._waiting_octets = 0

    @property
    def live(self) -> dict[str, int]:
        """How much is held that is not written yet, or only counted."""
        return {
            "claims": len(self._claims),
            "waiting": len(self._waiting),
            "waiting_octets": self._waiting_octets,
            "counted": len(self._webhooks),
        }

    # Webhooks

    def exchanged(self, exchanged: Exchanged) -> None:
        """A webhook is over. One that belongs to no call is not kept."""
        call_sid = exchanged.request.call_sid
        if not call_sid:
            return
        told = self._webhooks.pop(call_sid, 0) + 1
        self._webhooks[call_sid] = told
        if len(self._webhooks) > MOST_CALLS:
            self._webhooks.popitem(last=False)
        if told <= MOST_WEBHOOKS:
            self._write(DraftedEvent(call_sid, partial(webhook_line, exchanged, at=self._now())))
        elif told == MOST_WEBHOOKS + 1:
            self._write(self._cut(call_sid, f"more than {MOST_WEBHOOKS} webhooks: those that follow are not kept"))

    # SIP

    def claim(self, call_id: str, *, call_sid: str, events: LegEvents) -> None:
        """The messages of this Call-ID are the call's, those that came before too. events: of the leg."""
        if len(self._claims) >= self._purge_above:
            self._purge()
        self._claims[call_id] = claim = _Claim(call_sid, events)
        waiting = self._waiting.pop(call_id, None)
        if waiting is not None:
            self._waiting_octets -= waiting.octets
            for message in waiting.messages:
                self._keep(claim, message)

    def call_sid_of(self, call_id: str) -> str | None:
        claim = self._claims.get(call_id)
        return None if claim is None else claim.call_sid

    def witness(self, octets: bytes, flow: Flow, is_sent: bool) -> None:
        """A SIP message as it is on the wire."""
        call_id = call_id_of(octets)
        if call_id is None:
            return
        claim = self._claims.get(call_id)
        if claim is None:
            method = _METHOD.search(octets)
            if method is None or method[1] in _OF_NO_CALL:
                return
            self._wait(call_id, _Message(self._now(), octets, flow, is_sent))
        elif claim.left >= 0:
            self._keep(claim, _Message(self._now(), octets, flow, is_sent))

    def _keep(self, claim: _Claim, message: _Message) -> None:
        claim.left -= 1
        if claim.left >= 0:
            self._write(DraftedEvent(claim.call_sid, partial(message_line, message, call_sid=claim.call_sid)))
        elif claim.left == -1:
            text = f"more than {MOST_MESSAGES} SIP messages: those that follow are not kept"
            self._write(self._cut(claim.call_sid, text))

    def _wait(self, call_id: str, message: _Message) -> None:
        """Until somebody claims it; whoever waits longest makes room."""
        waiting = self._waiting.setdefault(call_id, _Waiting())
        if len(waiting.messages) < WAITING_EACH:
            waiting.messages.append(message)
            waiting.octets += len(message.octets)
            self._waiting_octets += len(message.octets)
        while self._waiting_octets > WAITING_OCTETS:
            _, oldest = self._waiting.popitem(last=False)
            self._waiting_octets -= oldest.octets

    def _purge(self) -> None:
        """Forget whose leg is over for long: its last answers have come."""
        now = self._monotonic()
        for call_id, claim in tuple(self._claims.items()):
            if claim.events.ended is None:
                continue
            if claim.ended_at is None:
                claim.ended_at = now
            elif now - claim.ended_at > AFTER_END_S:
                del self._claims[call_id]
        self._purge_above = max(_FEWEST_CLAIMS, 2 * len(self._claims))

    def _cut(self, call_sid: str, message: str) -> EventRecord:
        return EventRecord(call_sid=call_sid, at=self._now(), name="cut", message=message)


def call_id_of(octets: bytes) -> str | None:
    """As it stands in a message that was checked, so that there is one at most in its head."""
    start = octets.find(_USUAL_CALL_ID)
    if start >= 0:
        start += len(_USUAL_CALL_ID)
        found = octets[start : octets.find(b"\r\n", start)]
    else:
        match = _CALL_ID.search(octets)
        if match is None:
            return None
        found = match[1]
    return found.decode("utf-8", "replace").strip(" \t")


def webhook_line(exchanged: Exchanged, *, at: datetime) -> EventRecord:
    """at: when it was over."""
    request, answer, error = exchanged.request, exchanged.answer, exchanged.error
    details: dict[str, object] = {
        "method": request.method,
        "params": [[name[:MOST_VALUE], value[:MOST_VALUE]] for name, value in redact_pairs(request.params)],
        "took_ms": round(exchanged.took_s * 1000),
    }
    message = ""
    if answer is not None:
        details |= {"status": answer.status, "content_type": answer.content_type, "octets": len(answer.body)}
        # Cut behind the redaction: half a secret must not be left at the end.
        body = redact_text(answer.body.decode(_charset(answer.charset), "replace"))
        details |= {"body": body[:MOST_BODY], "is_whole": len(body) <= MOST_BODY}
        if answer.url != without_credentials(request.url):
            details["final_url"] = redact_text(answer.url)
    elif error is not None:
        message = redact_text(error.message)
        if error.http_status is not None:
            details["status"] = error.http_status
    return EventRecord(
        call_sid=request.call_sid,
        at=at,
        name="webhook",
        code=None if error is None else int(error.code),
        message=message,
        url=redact_text(without_credentials(request.url)),
        details=details,
    )


def message_line(message: _Message, *, call_sid: str) -> EventRecord:
    text = redact_sip(message.octets.decode("utf-8", "replace"))
    return EventRecord(
        call_sid=call_sid,
        at=message.at,
        name="sip",
        message=text.partition("\n")[0][:200],
        details={
            "is_sent": message.is_sent,
            "peer": str(message.flow),
            "text": text[:MOST_MESSAGE],
            "is_whole": len(text) <= MOST_MESSAGE,
        },
    )


def _charset(name: str | None) -> str:
    """Those that are worth reading; what documents say otherwise is shown as UTF-8."""
    return name if name is not None and name.lower() in _CHARSETS else "utf-8"
