"""SIP transactions: what is sent again, what is handed up, and when a transaction is over.

Pure: messages and timers in, effects out; no loop, no socket, no clock. Owns TRANSITIONS and the keys that match a
message to its transaction. Knows no dialog: ACK for a 2xx and the repeating of a 2xx are the business of uas.py and
uac.py, the running of effects that of transaction_layer.py.
Editing rule: every move is a row of TRANSITIONS; tests/signaling/sip/test_transaction.py fails on a state and event of
a kind that nobody decided.
Source: RFC 3261 17; RFC 6026 7 and 8 (Accepted state); RFC 4320 is not needed: nothing here answers 408.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from signaling.errors import UsageError
from signaling.sip.headers import Headers
from signaling.sip.message import MAGIC_COOKIE, Request, Response


class Kind(Enum):
    INVITE_CLIENT = "INVITE client"
    CLIENT = "client"
    INVITE_SERVER = "INVITE server"
    SERVER = "server"


class State(Enum):
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Event(Enum):
    """Message received, message to send, timer fired, transport failed."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    REQUEST = "request again"
    ACK = "ACK"
    SEND_PROVISIONAL = "send 1xx"
    SEND_SUCCESS = "send 2xx"
    SEND_FAILURE = "send 3xx-6xx"
    TIMER_A = "timer A"
    TIMER_B = "timer B"
    TIMER_D = "timer D"
    TIMER_E = "timer E"
    TIMER_F = "timer F"
    TIMER_G = "timer G"
    TIMER_H = "timer H"
    TIMER_I = "timer I"
    TIMER_J = "timer J"
    TIMER_K = "timer K"
    TIMER_L = "timer L"
    TIMER_M = "timer M"
    TRANSPORT_ERROR = "transport error"


class Step(Enum):
    """What a move does besides changing the state."""

    SEND = "send it"
    RESEND = "send the last one again"
    ACK = "send ACK"
    DELIVER = "hand up"
    TIMED_OUT = "report the time-out"
    FAILED = "report the transport"


@dataclass(frozen=True)
class Start:
    timer: Event


@dataclass(frozen=True)
class Cancel:
    timer: Event


@dataclass(frozen=True)
class Move:
    to: State
    steps: tuple[Step | Start | Cancel, ...] = ()


def _move(to: State, *steps: Step | Start | Cancel) -> Move:
    return Move(to, steps)


_K, _S, _E, _D = Kind, State, Event, Step
_TO_ACCEPTED = _move(_S.ACCEPTED, Cancel(_E.TIMER_A), Cancel(_E.TIMER_B), Start(_E.TIMER_M), _D.DELIVER)
_TO_FAILED = _move(_S.COMPLETED, Cancel(_E.TIMER_A), Cancel(_E.TIMER_B), _D.ACK, Start(_E.TIMER_D), _D.DELIVER)
_TO_FINAL = _move(_S.COMPLETED, Cancel(_E.TIMER_E), Cancel(_E.TIMER_F), Start(_E.TIMER_K), _D.DELIVER)
_OVER = _move(_S.TERMINATED)
_OVER_TIMED_OUT = _move(_S.TERMINATED, _D.TIMED_OUT)
_OVER_FAILED = _move(_S.TERMINATED, _D.FAILED)

# A move to the same state is written out; a pair that is received and rightly changes nothing is in IGNORED.
TRANSITIONS: Mapping[tuple[Kind, State, Event], Move] = {
    # RFC 3261 17.1.1, figure 5 of RFC 6026
    (_K.INVITE_CLIENT, _S.CALLING, _E.TIMER_A): _move(_S.CALLING, _D.RESEND, Start(_E.TIMER_A)),
    (_K.INVITE_CLIENT, _S.CALLING, _E.TIMER_B): _OVER_TIMED_OUT,
    (_K.INVITE_CLIENT, _S.CALLING, _E.PROVISIONAL): _move(
        _S.PROCEEDING, Cancel(_E.TIMER_A), Cancel(_E.TIMER_B), _D.DELIVER
    ),
    (_K.INVITE_CLIENT, _S.CALLING, _E.SUCCESS): _TO_ACCEPTED,
    (_K.INVITE_CLIENT, _S.CALLING, _E.FAILURE): _TO_FAILED,
    (_K.INVITE_CLIENT, _S.CALLING, _E.TRANSPORT_ERROR): _OVER_FAILED,
    (_K.INVITE_CLIENT, _S.PROCEEDING, _E.PROVISIONAL): _move(_S.PROCEEDING, _D.DELIVER),
    (_K.INVITE_CLIENT, _S.PROCEEDING, _E.SUCCESS): _TO_ACCEPTED,
    (_K.INVITE_CLIENT, _S.PROCEEDING, _E.FAILURE): _TO_FAILED,
    (_K.INVITE_CLIENT, _S.PROCEEDING, _E.TRANSPORT_ERROR): _OVER_FAILED,
    (_K.INVITE_CLIENT, _S.ACCEPTED, _E.SUCCESS): _move(_S.ACCEPTED, _D.DELIVER),
    (_K.INVITE_CLIENT, _S.ACCEPTED, _E.TIMER_M): _OVER,
    (_K.INVITE_CLIENT, _S.COMPLETED, _E.FAILURE): _move(_S.COMPLETED, _D.RESEND),
    (_K.INVITE_CLIENT, _S.COMPLETED, _E.TIMER_D): _OVER,
    (_K.INVITE_CLIENT, _S.COMPLETED, _E.TRANSPORT_ERROR): _OVER,
    # RFC 3261 17.1.2
    (_K.CLIENT, _S.TRYING, _E.TIMER_E): _move(_S.TRYING, _D.RESEND, Start(_E.TIMER_E)),
    (_K.CLIENT, _S.TRYING, _E.TIMER_F): _OVER_TIMED_OUT,
    (_K.CLIENT, _S.TRYING, _E.PROVISIONAL): _move(_S.PROCEEDING, _D.DELIVER),
    (_K.CLIENT, _S.TRYING, _E.SUCCESS): _TO_FINAL,
    (_K.CLIENT, _S.TRYING, _E.FAILURE): _TO_FINAL,
    (_K.CLIENT, _S.TRYING, _E.TRANSPORT_ERROR): _OVER_FAILED,
    (_K.CLIENT, _S.PROCEEDING, _E.TIMER_E): _move(_S.PROCEEDING, _D.RESEND, Start(_E.TIMER_E)),
    (_K.CLIENT, _S.PROCEEDING, _E.TIMER_F): _OVER_TIMED_OUT,
    (_K.CLIENT, _S.PROCEEDING, _E.PROVISIONAL): _move(_S.PROCEEDING, _D.DELIVER),
    (_K.CLIENT, _S.PROCEEDING, _E.SUCCESS): _TO_FINAL,
    (_K.CLIENT, _S.PROCEEDING, _E.FAILURE): _TO_FINAL,
    (_K.CLIENT, _S.PROCEEDING, _E.TRANSPORT_ERROR): _OVER_FAILED,
    (_K.CLIENT, _S.COMPLETED, _E.TIMER_K): _OVER,
    # RFC 3261 17.2.1, figure 6 of RFC 6026
    (_K.INVITE_SERVER, _S.PROCEEDING, _E.REQUEST): _move(_S.PROCEEDING, _D.RESEND),
    (_K.INVITE_SERVER, _S.PROCEEDING, _E.SEND_PROVISIONAL): _move(_S.PROCEEDING, _D.SEND),
    (_K.INVITE_SERVER, _S.PROCEEDING, _E.SEND_SUCCESS): _move(_S.ACCEPTED, _D.SEND, Start(_E.TIMER_L)),
    (_K.INVITE_SERVER, _S.PROCEEDING, _E.SEND_FAILURE): _move(
        _S.COMPLETED, _D.SEND, Start(_E.TIMER_G), Start(_E.TIMER_H)
    ),
    (_K.INVITE_SERVER, _S.PROCEEDING, _E.TRANSPORT_ERROR): _OVER_FAILED,
    (_K.INVITE_SERVER, _S.ACCEPTED, _E.ACK): _move(_S.ACCEPTED, _D.DELIVER),
    (_K.INVITE_SERVER, _S.ACCEPTED, _E.SEND_SUCCESS): _move(_S.ACCEPTED, _D.SEND),
    (_K.INVITE_SERVER, _S.ACCEPTED, _E.TIMER_L): _OVER,
    (_K.INVITE_SERVER, _S.ACCEPTED, _E.TRANSPORT_ERROR): _move(_S.ACCEPTED, _D.FAILED),
    (_K.INVITE_SERVER, _S.COMPLETED, _E.REQUEST): _move(_S.COMPLETED, _D.RESEND),
    (_K.INVITE_SERVER, _S.COMPLETED, _E.ACK): _move(
        _S.CONFIRMED, Cancel(_E.TIMER_G), Cancel(_E.TIMER_H), Start(_E.TIMER_I)
    ),
    (_K.INVITE_SERVER, _S.COMPLETED, _E.TIMER_G): _move(_S.COMPLETED, _D.RESEND, Start(_E.TIMER_G)),
    (_K.INVITE_SERVER, _S.COMPLETED, _E.TIMER_H): _OVER_TIMED_OUT,
    (_K.INVITE_SERVER, _S.COMPLETED, _E.TRANSPORT_ERROR): _OVER_FAILED,
    (_K.INVITE_SERVER, _S.CONFIRMED, _E.TIMER_I): _OVER,
    # RFC 3261 17.2.2
    (_K.SERVER, _S.TRYING, _E.SEND_PROVISIONAL): _move(_S.PROCEEDING, _D.SEND),
    (_K.SERVER, _S.TRYING, _E.SEND_SUCCESS): _move(_S.COMPLETED, _D.SEND, Start(_E.TIMER_J)),
    (_K.SERVER, _S.TRYING, _E.SEND_FAILURE): _move(_S.COMPLETED, _D.SEND, Start(_E.TIMER_J)),
    (_K.SERVER, _S.TRYING, _E.TRANSPORT_ERROR): _OVER_FAILED,
    (_K.SERVER, _S.PROCEEDING, _E.REQUEST): _move(_S.PROCEEDING, _D.RESEND),
    (_K.SERVER, _S.PROCEEDING, _E.SEND_PROVISIONAL): _move(_S.PROCEEDING, _D.SEND),
    (_K.SERVER, _S.PROCEEDING, _E.SEND_SUCCESS): _move(_S.COMPLETED, _D.SEND, Start(_E.TIMER_J)),
    (_K.SERVER, _S.PROCEEDING, _E.SEND_FAILURE): _move(_S.COMPLETED, _D.SEND, Start(_E.TIMER_J)),
    (_K.SERVER, _S.PROCEEDING, _E.TRANSPORT_ERROR): _OVER_FAILED,
    (_K.SERVER, _S.COMPLETED, _E.REQUEST): _move(_S.COMPLETED, _D.RESEND),
    (_K.SERVER, _S.COMPLETED, _E.TIMER_J): _OVER,
    (_K.SERVER, _S.COMPLETED, _E.TRANSPORT_ERROR): _OVER,
}

# What can happen to a kind and changes nothing: a late copy, an answer after the final one, a broken connection
# behind which nothing more has to go out. TERMINATED ignores everything.
IGNORED: frozenset[tuple[Kind, State, Event]] = frozenset(
    {
        (_K.INVITE_CLIENT, _S.ACCEPTED, _E.PROVISIONAL),
        (_K.INVITE_CLIENT, _S.ACCEPTED, _E.FAILURE),
        (_K.INVITE_CLIENT, _S.ACCEPTED, _E.TRANSPORT_ERROR),
        (_K.INVITE_CLIENT, _S.COMPLETED, _E.PROVISIONAL),
        (_K.INVITE_CLIENT, _S.COMPLETED, _E.SUCCESS),
        (_K.CLIENT, _S.COMPLETED, _E.PROVISIONAL),
        (_K.CLIENT, _S.COMPLETED, _E.SUCCESS),
        (_K.CLIENT, _S.COMPLETED, _E.FAILURE),
        (_K.CLIENT, _S.COMPLETED, _E.TRANSPORT_ERROR),
        (_K.INVITE_SERVER, _S.PROCEEDING, _E.ACK),
        (_K.INVITE_SERVER, _S.ACCEPTED, _E.REQUEST),
        (_K.INVITE_SERVER, _S.ACCEPTED, _E.SEND_PROVISIONAL),
        (_K.INVITE_SERVER, _S.ACCEPTED, _E.SEND_FAILURE),
        (_K.INVITE_SERVER, _S.COMPLETED, _E.SEND_PROVISIONAL),
        (_K.INVITE_SERVER, _S.COMPLETED, _E.SEND_SUCCESS),
        (_K.INVITE_SERVER, _S.COMPLETED, _E.SEND_FAILURE),
        (_K.INVITE_SERVER, _S.CONFIRMED, _E.REQUEST),
        (_K.INVITE_SERVER, _S.CONFIRMED, _E.ACK),
        (_K.INVITE_SERVER, _S.CONFIRMED, _E.SEND_PROVISIONAL),
        (_K.INVITE_SERVER, _S.CONFIRMED, _E.SEND_SUCCESS),
        (_K.INVITE_SERVER, _S.CONFIRMED, _E.SEND_FAILURE),
        (_K.INVITE_SERVER, _S.CONFIRMED, _E.TRANSPORT_ERROR),
        (_K.SERVER, _S.TRYING, _E.REQUEST),
        (_K.SERVER, _S.COMPLETED, _E.SEND_PROVISIONAL),
        (_K.SERVER, _S.COMPLETED, _E.SEND_SUCCESS),
        (_K.SERVER, _S.COMPLETED, _E.SEND_FAILURE),
    }
)

_CLIENT_MESSAGES = frozenset({_E.PROVISIONAL, _E.SUCCESS, _E.FAILURE, _E.TRANSPORT_ERROR})
_SERVER_MESSAGES = frozenset({_E.REQUEST, _E.SEND_PROVISIONAL, _E.SEND_SUCCESS, _E.SEND_FAILURE, _E.TRANSPORT_ERROR})
# The states a kind has and what can happen to it. A timer runs only in the states that TRANSITIONS names.
STATES: Mapping[Kind, tuple[State, ...]] = {
    _K.INVITE_CLIENT: (_S.CALLING, _S.PROCEEDING, _S.ACCEPTED, _S.COMPLETED),
    _K.CLIENT: (_S.TRYING, _S.PROCEEDING, _S.COMPLETED),
    _K.INVITE_SERVER: (_S.PROCEEDING, _S.ACCEPTED, _S.COMPLETED, _S.CONFIRMED),
    _K.SERVER: (_S.TRYING, _S.PROCEEDING, _S.COMPLETED),
}
EVENTS: Mapping[Kind, frozenset[Event]] = {
    _K.INVITE_CLIENT: _CLIENT_MESSAGES,
    _K.CLIENT: _CLIENT_MESSAGES,
    _K.INVITE_SERVER: _SERVER_MESSAGES | {_E.ACK},
    _K.SERVER: _SERVER_MESSAGES,
}
TIMERS: Mapping[Kind, frozenset[Event]] = {
    _K.INVITE_CLIENT: frozenset({_E.TIMER_A, _E.TIMER_B, _E.TIMER_D, _E.TIMER_M}),
    _K.CLIENT: frozenset({_E.TIMER_E, _E.TIMER_F, _E.TIMER_K}),
    _K.INVITE_SERVER: frozenset({_E.TIMER_G, _E.TIMER_H, _E.TIMER_I, _E.TIMER_L}),
    _K.SERVER: frozenset({_E.TIMER_J}),
}
_RESENDING = frozenset({_E.TIMER_A, _E.TIMER_E, _E.TIMER_G})
_WAITING_FOR_COPIES = frozenset({_E.TIMER_D, _E.TIMER_I, _E.TIMER_J, _E.TIMER_K})


@dataclass(frozen=True)
class Send:
    octets: bytes


@dataclass(frozen=True)
class StartTimer:
    timer: Event
    after_s: float


@dataclass(frozen=True)
class CancelTimer:
    timer: Event


@dataclass(frozen=True)
class Deliver:
    message: Request | Response


@dataclass(frozen=True)
class TimedOut:
    """Nobody answered (B, F), or nobody acknowledged our refusal (H)."""


@dataclass(frozen=True)
class TransportFailed:
    """It could not be sent."""


@dataclass(frozen=True)
class Terminated:
    """Forget the transaction."""


Effect = Send | StartTimer | CancelTimer | Deliver | TimedOut | TransportFailed | Terminated


@dataclass(frozen=True, kw_only=True)
class TimerValues:
    """Source: RFC 3261 table 4."""

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0

    @property
    def patience_s(self) -> float:
        """64*T1: how long anything is tried."""
        return 64 * self.t1_s


Key = tuple[str, ...]


class Transaction:
    """One transaction. The methods are what may happen; each gives the effects to run, in order.

    reliable: the transport repeats by itself; then nothing is sent again and nothing waits for copies.
    """

    __slots__ = ("_invite", "_octets", "interval_s", "key", "kind", "reliable", "state", "values")

    def __init__(self, kind: Kind, *, key: Key, reliable: bool, values: TimerValues) -> None:
        self.kind = kind
        self.key = key
        self.reliable = reliable
        self.values = values
        self.state = STATES[kind][0]
        self.interval_s = values.t1_s
        self._octets = b""
        self._invite: Request | None = None

    def start(self, request: Request) -> list[Effect]:
        """A client transaction begins: the request goes out."""
        self._octets = bytes(request)
        match self.kind:
            case Kind.INVITE_CLIENT:
                self._invite = request
                again, patience = Event.TIMER_A, Event.TIMER_B
            case Kind.CLIENT:
                again, patience = Event.TIMER_E, Event.TIMER_F
            case _:
                raise UsageError(f"expected a client transaction, found {self.kind.value}")
        effects: list[Effect] = [Send(self._octets)]
        self._start(again, effects)
        self._start(patience, effects)
        return effects

    def receive(self, message: Request | Response) -> list[Effect]:
        """A message that matches has come: a response, a copy of the request, an ACK."""
        if isinstance(message, Response):
            return self._happen(_event_of(message, sent=False), message)
        return self._happen(Event.ACK if message.method == "ACK" else Event.REQUEST, message)

    def send(self, response: Response) -> list[Effect]:
        """Answer with it (server)."""
        return self._happen(_event_of(response, sent=True), response)

    def fire(self, timer: Event) -> list[Effect]:
        return self._happen(timer, None)

    def fail(self) -> list[Effect]:
        """The transport could not send or has lost its connection."""
        return self._happen(Event.TRANSPORT_ERROR, None)

    def _happen(self, event: Event, message: Request | Response | None) -> list[Effect]:
        if self.state is State.TERMINATED:
            return []
        move = TRANSITIONS.get((self.kind, self.state, event))
        if move is None:
            if event not in EVENTS[self.kind] and event not in TIMERS[self.kind]:
                raise UsageError(f"expected an event of {self.kind.value}, found {event.value}")
            return []
        self.state = move.to
        effects: list[Effect] = []
        for step in move.steps:
            if isinstance(step, Start):
                self._start(step.timer, effects)
            elif isinstance(step, Cancel):
                effects.append(CancelTimer(step.timer))
            else:
                self._do(step, message, effects)
        if self.state is State.TERMINATED:
            self._octets, self._invite = b"", None
            effects.append(Terminated())
        return effects

    def _do(self, step: Step, message: Request | Response | None, effects: list[Effect]) -> None:
        match step:
            case Step.SEND:
                assert message is not None
                octets = bytes(message)
                # A 2xx is repeated by the one who wrote it, not here. Source: RFC 6026 7.1.
                self._octets = b"" if self.state is State.ACCEPTED else octets
                effects.append(Send(octets))
            case Step.RESEND:
                if self._octets:
                    effects.append(Send(self._octets))
            case Step.ACK:
                assert isinstance(message, Response) and self._invite is not None
                self._octets = bytes(ack_for_failure(self._invite, message))
                self._invite = None
                effects.append(Send(self._octets))
            case Step.DELIVER:
                assert message is not None
                effects.append(Deliver(message))
            case Step.TIMED_OUT:
                effects.append(TimedOut())
            case Step.FAILED:
                effects.append(TransportFailed())

    def _start(self, timer: Event, effects: list[Effect]) -> None:
        if timer in _RESENDING:
            if self.reliable:
                return
            effects.append(StartTimer(timer, self.interval_s))
            self.interval_s *= 2
            if timer is not Event.TIMER_A:
                self.interval_s = min(self.interval_s, self.values.t2_s)
            return
        if timer in _WAITING_FOR_COPIES and self.reliable:
            # RFC 3261 17: zero on reliable transports, so the state it guards is left in the same moment.
            self.state = State.TERMINATED
            return
        short = timer in (Event.TIMER_I, Event.TIMER_K)
        effects.append(StartTimer(timer, self.values.t4_s if short else self.values.patience_s))


def _event_of(response: Response, *, sent: bool) -> Event:
    if response.code < 200:
        return Event.SEND_PROVISIONAL if sent else Event.PROVISIONAL
    if response.code < 300:
        return Event.SEND_SUCCESS if sent else Event.SUCCESS
    return Event.SEND_FAILURE if sent else Event.FAILURE


def client_key(message: Request | Response) -> Key:
    """Source: RFC 3261 17.1.3."""
    return (message.branch, message.cseq.method)


def server_key(request: Request) -> Key:
    """ACK matches the INVITE it acknowledges. Source: RFC 3261 17.2.3."""
    method = "INVITE" if request.method == "ACK" else request.method
    via = request.top_via
    branch = request.branch
    if branch.startswith(MAGIC_COOKIE):
        return (branch, f"{via.host}:{via.port or ''}", method)
    # A peer of RFC 2543: its branch is not unique.
    return (
        request.uri_text, request.from_tag, request.call_id, str(request.cseq.sequence), via.host, branch, method
    )  # fmt: skip


def ack_for_failure(invite: Request, response: Response) -> Request:
    """Source: RFC 3261 17.1.1.3."""
    return _follow_up(invite, "ACK", to=response.headers.get("To") or "")


def cancel_for(invite: Request) -> Request:
    """Source: RFC 3261 9.1."""
    return _follow_up(invite, "CANCEL", to=invite.headers.get("To") or "")


def _follow_up(invite: Request, method: str, *, to: str) -> Request:
    headers = Headers()
    headers.setlist("Via", invite.headers.getlist("Via")[:1])
    headers.set("Max-Forwards", "70")
    headers.set("From", invite.headers.get("From") or "")
    headers.set("To", to)
    headers.set("Call-ID", invite.call_id)
    headers.set("CSeq", f"{invite.cseq.sequence} {method}")
    if routes := invite.headers.getlist("Route"):
        headers.setlist("Route", list(routes))
    return Request(method, invite.uri_text, headers=headers)
