"""The four transaction machines of SIP as one table.

Pure, no code: which state follows which event, and what is done on the way. transaction.py runs it.
Editing rule: every move is a row of TRANSITIONS; tests/signaling/sip/test_transaction.py fails on a state and event of
a kind that nobody decided.
Source: RFC 3261 17.1.1, 17.1.2, 17.2.1, 17.2.2; RFC 6026 7 and 8 (Accepted state).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class _Mark(Enum):
    """Looked up in tables for every message: Enum's own hash is a call of Python code, this is not."""

    __hash__ = object.__hash__


class Kind(_Mark):
    INVITE_CLIENT = "INVITE client"
    CLIENT = "client"
    INVITE_SERVER = "INVITE server"
    SERVER = "server"


class State(_Mark):
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Event(_Mark):
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
