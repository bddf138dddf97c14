"""The callers: calls that come to the gateway over a trunk, each timed from its INVITE to 180, 200 and the end.

Owns the UAC side of every call and, if there is sound, its RTP leg (slot 2 * index). One loop, no threads.
Source: RFC 3261 13.2 (INVITE), 17.1.1.3 (ACK of a refusal), 15.1 (BYE), 9.1 (CANCEL).
"""

import math
import time
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from tests.bench import sip
from tests.bench.endpoint import Endpoint
from tests.bench.rtp import RtpLoad
from tests.bench.timers import Repeated, Timer, Timers

NUMBER = "+15550100"
CALLER_PREFIX = "+155501"
_FINAL_WITHIN_S = 40.0


class CallState(Enum):
    CALLING = "calling"
    UP = "up"
    ENDING = "ending"
    OVER = "over"


@dataclass(slots=True)
class Call:
    """Times are ns of the wall clock, 0 for what did not happen."""

    index: int
    dialog: sip.Dialog
    state: CallState = CallState.CALLING
    invited: int = 0
    trying: int = 0
    ringing: int = 0
    answered: int = 0
    branch: bytes = b""
    ack: bytes = b""
    sending: Repeated | None = None
    deadline: Timer | None = None


class Callers:
    """Places calls and answers for their dialogs. rtp: None for calls without sound."""

    def __init__(
        self, gateway: tuple[str, int], *, timers: Timers, rtp: RtpLoad | None, silent_port: int, hold_s: float | None
    ) -> None:
        """hold_s: how long an answered call stays; None until ``hang_up_all``."""
        self.endpoint = Endpoint(gateway)
        self._timers, self._rtp, self._hold_s = timers, rtp, hold_s
        self._silent_port = silent_port
        self._host, self._port = gateway
        self.calls: dict[bytes, Call] = {}
        self.failures: Counter[str] = Counter()
        self.answered = self.dropped = self.over = self.retransmissions = 0
        self._last_answer = 0.0
        self._run = time.time_ns() & 0xFFFFFFFF

    def place(self, index: int) -> None:
        host, port = self.endpoint.address
        caller = b"<sip:%s%06d@%s>" % (CALLER_PREFIX.encode(), index, host.encode())
        target = f"sip:{NUMBER}@{self._host}:{self._port}".encode()
        dialog = sip.Dialog(
            call_id=b"%x-%d@bench" % (self._run, index),
            local=b"%s;tag=c%d" % (caller, index),
            remote=b"<%s>" % target,
            target=target,
            contact=b"sip:caller@%s:%d" % (host.encode(), port),
            via=self.endpoint.via,
        )
        call = Call(index, dialog, branch=b"%x-i%d" % (self._run, index))
        self.calls[dialog.call_id] = call
        media = (host, self._silent_port) if self._rtp is None else self._rtp.open(2 * index)
        invite = dialog.request(
            b"INVITE", 1, branch=call.branch, headers=b"Allow: INVITE, ACK, BYE, CANCEL\r\n", body=sip.sdp(media)
        )
        call.deadline = self._timers.after(_FINAL_WITHIN_S, lambda: self._fail(call, "no-final-response"))
        call.invited = time.time_ns()
        call.sending = self._repeat(call, invite, "no-response", limit_s=math.inf)

    def _repeat(self, call: Call, message: bytes, otherwise: str, *, limit_s: float = 4.0) -> Repeated:
        return Repeated(
            self._timers,
            lambda: self.endpoint.send(message),
            lambda: self._fail(call, otherwise),
            limit_s=limit_s,
        )

    def receive(self, raw: bytes, arrived: int) -> None:
        message = sip.read(raw)
        call = None if message is None else self.calls.get(message.call_id)
        if message is None or call is None:
            return
        if message.status == 0:
            self._request(call, message)
        elif message.method == b"INVITE":
            self._invite_response(call, message, arrived)
        elif message.method == b"BYE" and message.status >= 200 and call.state is CallState.ENDING:
            self._end(call)

    def _invite_response(self, call: Call, message: sip.Message, arrived: int) -> None:
        if call.state is not CallState.CALLING:
            if call.ack and 200 <= message.status < 300:
                self.endpoint.send(call.ack)
            return
        self._stop(call)
        if message.status == 100:
            call.trying = call.trying or arrived
        elif message.status < 200:
            call.ringing = call.ringing or arrived
        elif message.status < 300:
            self._answered(call, message, arrived)
        else:
            refused = sip.Dialog(
                call.dialog.call_id, call.dialog.local, message.recipient, call.dialog.target, call.dialog.contact,
                call.dialog.via,
            )  # fmt: skip
            self.endpoint.send(refused.request(b"ACK", 1, branch=call.branch))
            self._fail(call, str(message.status))

    def _answered(self, call: Call, message: sip.Message, arrived: int) -> None:
        call.answered = arrived
        call.state = CallState.UP
        self.answered += 1
        self._last_answer = time.monotonic()
        old = call.dialog
        call.dialog = sip.Dialog(
            old.call_id, old.local, message.recipient, message.contact_uri or old.target, old.contact, old.via
        )
        call.ack = call.dialog.request(b"ACK", 1, branch=b"%s-a" % call.branch)
        self.endpoint.send(call.ack)
        if call.deadline is not None:
            call.deadline.cancel()
        if self._rtp is not None and (media := message.media) is not None:
            self._rtp.connect(2 * call.index, media)
            self._rtp.talk(2 * call.index)
        if self._hold_s is not None:
            self._timers.after(self._hold_s, lambda: self.hang_up(call))

    def hang_up(self, call: Call) -> None:
        if call.state is not CallState.UP:
            return
        call.state = CallState.ENDING
        bye = call.dialog.request(b"BYE", 2, branch=b"%s-b" % call.branch)
        call.sending = self._repeat(call, bye, "no-answer-to-bye")

    def hang_up_all(self, *, rate: float) -> None:
        """Spread over time, so that the end of a run is no flood."""
        now = time.monotonic()
        live = [call for call in self.calls.values() if call.state is CallState.UP]
        for place, call in enumerate(live):
            self._timers.at(now + place / rate, lambda call=call: self.hang_up(call))  # type: ignore[misc]

    def _request(self, call: Call, message: sip.Message) -> None:
        if message.method == b"ACK":
            return
        self.endpoint.send(
            sip.response(message, b"200 OK", contact=call.dialog.contact, body=self._body(message, call))
        )
        if message.method == b"BYE" and call.state in (CallState.UP, CallState.ENDING):
            self.dropped += call.state is CallState.UP
            self._end(call)

    def _body(self, message: sip.Message, call: Call) -> bytes:
        """A re-INVITE with an offer gets our answer again."""
        if message.method not in (b"INVITE", b"UPDATE") or message.media is None:
            return b""
        host = self.endpoint.address[0]
        return sip.sdp((host, self._silent_port) if self._rtp is None else self._rtp.address(2 * call.index))

    def _fail(self, call: Call, reason: str) -> None:
        if call.state is CallState.OVER:
            return
        self.failures[reason] += 1
        if reason in ("no-response", "no-final-response"):
            self.endpoint.send(call.dialog.request(b"CANCEL", 1, branch=call.branch))
        self._end(call)

    def _end(self, call: Call) -> None:
        self._stop(call)
        if call.deadline is not None:
            call.deadline.cancel()
        call.state = CallState.OVER
        self.over += 1
        if self._rtp is not None:
            self._rtp.close(2 * call.index)

    def _stop(self, call: Call) -> None:
        if call.sending is not None:
            call.sending.stop()
            self.retransmissions += call.sending.repeats
            call.sending = None

    @property
    def last_answer(self) -> float:
        """Monotonic time of the last 200."""
        return self._last_answer

    def times(self) -> dict[int, tuple[int, int, int, int]]:
        """By call: invited, trying, ringing, answered."""
        return {call.index: (call.invited, call.trying, call.ringing, call.answered) for call in self.calls.values()}
