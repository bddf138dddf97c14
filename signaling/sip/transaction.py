"""SIP transactions: what is sent again, what is handed up, and when a transaction is over.

Pure: messages and timers in, effects out; no loop, no socket, no clock. The moves are transaction_table.py's. Owns the
keys that match a message to its transaction. Knows no dialog: ACK for a 2xx and the repeating of a 2xx are the business
of uac.py and session.py, the running of effects that of transaction_layer.py.
Source: RFC 3261 17; RFC 6026 7 and 8.
"""

from dataclasses import dataclass

from signaling.errors import UsageError
from signaling.sip.headers import Headers
from signaling.sip.message import MAGIC_COOKIE, Request, Response
from signaling.sip.transaction_table import (
    EVENTS,
    STATES,
    TIMERS,
    TRANSITIONS,
    Event,
    Kind,
    Move,
    Start,
    State,
    Step,
)

_RESENDING = frozenset({Event.TIMER_A, Event.TIMER_E, Event.TIMER_G})
_WAITING_FOR_COPIES = frozenset({Event.TIMER_D, Event.TIMER_I, Event.TIMER_J, Event.TIMER_K})
# A 2xx to an INVITE is repeated by the one who wrote it, not here. Source: RFC 6026 7.1.
_NOTHING_TO_REPEAT: dict[Kind, frozenset[State]] = {
    Kind.INVITE_CLIENT: frozenset({State.ACCEPTED, State.TERMINATED}),
    Kind.CLIENT: frozenset({State.COMPLETED, State.TERMINATED}),
    Kind.INVITE_SERVER: frozenset({State.ACCEPTED, State.CONFIRMED, State.TERMINATED}),
    Kind.SERVER: frozenset({State.TERMINATED}),
}
_MOVES: dict[Kind, dict[State, dict[Event, Move]]] = {kind: {state: {} for state in State} for kind in Kind}
for (_kind, _state, _event), _row in TRANSITIONS.items():
    _MOVES[_kind][_state][_event] = _row


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
        move = _MOVES[self.kind][self.state].get(event)
        if move is None:
            if event not in EVENTS[self.kind] and event not in TIMERS[self.kind]:
                raise UsageError(f"expected an event of {self.kind.value}, found {event.value}")
            return []
        self.state = move.to
        effects: list[Effect] = []
        for step in move.steps:
            if isinstance(step, Step):
                self._do(step, message, effects)
            elif isinstance(step, Start):
                self._start(step.timer, effects)
            else:
                effects.append(CancelTimer(step.timer))
        if self.state is State.TERMINATED:
            effects.append(Terminated())
        if self.state in _NOTHING_TO_REPEAT[self.kind]:
            self._octets, self._invite = b"", None
        return effects

    def _do(self, step: Step, message: Request | Response | None, effects: list[Effect]) -> None:
        match step:
            case Step.SEND:
                assert message is not None
                self._octets = bytes(message)
                effects.append(Send(self._octets))
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
