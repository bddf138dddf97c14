"""The phones: registered with digest, each rings at once, answers after a moment and takes any number of calls.

Owns the UAS side of every call and, if there is sound, its RTP leg (slot 2 * index + 1; calls whose number lies beyond
the load's slots are silent). All phones share a socket,
which spares the load descriptors; to the registrar they are different contacts.
Source: RFC 3261 10.2 (REGISTER), 13.3.1 (2xx), 9.2 (CANCEL); RFC 8760 (digest with SHA-256).
"""

import time
from collections import Counter
from dataclasses import dataclass

from tests.bench import sip
from tests.bench.callers import CALLER_PREFIX
from tests.bench.endpoint import Endpoint
from tests.bench.rtp import RtpLoad
from tests.bench.timers import Repeated, Timers

EXPIRES_S = 3600


@dataclass(slots=True)
class Leg:
    """index: of the call, from the caller's number; -1 if that is not one of ours. Times: ns of the wall clock."""

    index: int
    invite: sip.Message
    contact: bytes
    tag: bytes
    invited: int
    rang: int = 0
    answered: int = 0
    is_over: bool = False
    answer: bytes = b""
    sending: Repeated | None = None


class Phones:
    def __init__(
        self,
        gateway: tuple[str, int],
        *,
        timers: Timers,
        rtp: RtpLoad | None,
        silent_port: int,
        domain: str,
        answer_after_s: float,
    ) -> None:
        self.endpoint = Endpoint(gateway)
        self._timers, self._rtp, self._domain = timers, rtp, domain
        self._answer_after_s, self._silent_port = answer_after_s, silent_port
        self._gateway = gateway
        self._legs: dict[bytes, Leg] = {}
        self._registering: dict[bytes, tuple[str, str, Repeated]] = {}
        self.registered = 0
        self.failures: Counter[str] = Counter()
        self.retransmissions = 0

    def register(self, identity: str, password: str) -> None:
        """Send a REGISTER; the challenge is answered when it comes."""
        self._send_register(identity, password, cseq=1, authorization="")

    def _send_register(self, identity: str, password: str, *, cseq: int, authorization: str) -> None:
        host, port = self.endpoint.address
        call_id = f"register-{identity}@bench".encode()
        aor = f"<sip:{identity}@{self._domain}>".encode()
        dialog = sip.Dialog(
            call_id=call_id,
            local=b"%s;tag=r" % aor,
            remote=aor,
            target=f"sip:{self._domain}".encode(),
            contact=f"sip:{identity}@{host}:{port}".encode(),
            via=self.endpoint.via,
        )
        headers = f"Expires: {EXPIRES_S}\r\n{authorization}".encode()
        branch = f"r-{identity}-{cseq}-{port}".encode()
        request = dialog.request(b"REGISTER", cseq, branch=branch, headers=headers)
        sending = Repeated(
            self._timers, lambda: self.endpoint.send(request), lambda: self._not_registered(call_id, "no-response")
        )
        self._registering[call_id] = (identity, password, sending)

    def _not_registered(self, call_id: bytes, reason: str) -> None:
        self._registering.pop(call_id)[2].stop()
        self.failures[f"register {reason}"] += 1

    @property
    def registering(self) -> int:
        return len(self._registering)

    def receive(self, raw: bytes, arrived: int) -> None:
        message = sip.read(raw)
        if message is None:
            return
        if message.status:
            if message.method == b"REGISTER" and message.status >= 200:
                self._register_response(message)
            return
        leg = self._legs.get(message.call_id)
        match message.method:
            case b"INVITE" if leg is None:
                self._ring(message, arrived)
            case b"INVITE" if leg is not None:
                self._invited_again(leg, message)
            case b"ACK":
                if leg is not None:
                    self._stop(leg)
            case b"CANCEL":
                self._canceled(leg, message)
            case b"BYE":
                self.endpoint.send(sip.response(message, b"200 OK", tag=b"p"))
                if leg is not None:
                    self._end(leg)
            case _:
                self.endpoint.send(sip.response(message, b"200 OK", tag=b"p"))

    def _register_response(self, message: sip.Message) -> None:
        waiting = self._registering.get(message.call_id)
        if waiting is None:
            return
        identity, password, sending = waiting
        first_try = message.cseq.startswith(b"1 ")
        if message.status in (401, 407) and first_try and message.challenges:
            sending.stop()
            uri = f"sip:{self._domain}"
            value = sip.authorization(
                message.challenges[0], method="REGISTER", uri=uri, username=identity, password=password
            )
            name = "Authorization" if message.status == 401 else "Proxy-Authorization"
            self._send_register(identity, password, cseq=2, authorization=f"{name}: {value}\r\n")
        elif message.status in (401, 407) and first_try:
            self._not_registered(message.call_id, "no challenge")
        elif message.status < 300:
            self._registering.pop(message.call_id)[2].stop()
            self.registered += 1
        elif not (message.status in (401, 407) and not first_try and message.cseq.startswith(b"1 ")):
            self._not_registered(message.call_id, str(message.status))

    def _ring(self, message: sip.Message, arrived: int) -> None:
        user = message.sender_user.decode()
        index = int(user[len(CALLER_PREFIX) :]) if user.startswith(CALLER_PREFIX) else -1
        host, port = self.endpoint.address
        leg = Leg(
            index=index,
            invite=message,
            contact=b"sip:phone@%s:%d" % (host.encode(), port),
            tag=b"p%d" % index,
            invited=arrived,
        )
        self._legs[message.call_id] = leg
        # Before it is sent: another process may have it before this one goes on.
        leg.rang = time.time_ns()
        self.endpoint.send(sip.response(message, b"180 Ringing", tag=leg.tag, contact=leg.contact))
        self._timers.after(self._answer_after_s, lambda: self._answer(leg))

    def _answer(self, leg: Leg) -> None:
        if leg.is_over:
            return
        media = (self.endpoint.address[0], self._silent_port)
        if self._rtp is not None and self._has_sound(leg):
            media = self._rtp.open(2 * leg.index + 1)
            if (remote := leg.invite.media) is not None:
                self._rtp.connect(2 * leg.index + 1, remote)
                self._rtp.talk(2 * leg.index + 1)
        leg.answer = sip.response(leg.invite, b"200 OK", tag=leg.tag, contact=leg.contact, body=sip.sdp(media))
        leg.answered = time.time_ns()
        leg.sending = Repeated(self._timers, lambda: self.endpoint.send(leg.answer), lambda: self._no_ack(leg))

    def _no_ack(self, leg: Leg) -> None:
        self.failures["no ACK"] += 1
        self._end(leg)

    def _invited_again(self, leg: Leg, message: sip.Message) -> None:
        """A retransmission gets what was last said; a re-INVITE gets the answer's SDP again."""
        if message.cseq != leg.invite.cseq:
            body = leg.answer.partition(b"\r\n\r\n")[2]
            self.endpoint.send(sip.response(message, b"200 OK", tag=leg.tag, contact=leg.contact, body=body))
        elif leg.answer:
            self.endpoint.send(leg.answer)
        else:
            self.endpoint.send(sip.response(message, b"180 Ringing", tag=leg.tag, contact=leg.contact))

    def _canceled(self, leg: Leg | None, message: sip.Message) -> None:
        self.endpoint.send(sip.response(message, b"200 OK", tag=b"p"))
        if leg is not None and not leg.answer and not leg.is_over:
            self.endpoint.send(sip.response(leg.invite, b"487 Request Terminated", tag=leg.tag))
            self._end(leg)

    def _end(self, leg: Leg) -> None:
        self._stop(leg)
        if self._rtp is not None and self._has_sound(leg) and not leg.is_over:
            self._rtp.close(2 * leg.index + 1)
        leg.is_over = True

    def _has_sound(self, leg: Leg) -> bool:
        return self._rtp is not None and 0 <= leg.index and 2 * leg.index + 1 < self._rtp.capacity

    def _stop(self, leg: Leg) -> None:
        if leg.sending is not None:
            leg.sending.stop()
            self.retransmissions += leg.sending.repeats
            leg.sending = None

    @property
    def live(self) -> int:
        return sum(not leg.is_over for leg in self._legs.values())

    def times(self) -> dict[int, tuple[int, int, int]]:
        """By call: invited, rang, answered."""
        return {leg.index: (leg.invited, leg.rang, leg.answered) for leg in self._legs.values()}
