"""One socket of a browser as a table: login, registration, heartbeat, and the end of its token.

Pure, no code: connection.py runs it. A wrong token is answered and the socket stays, since the SDK comes back ten
times a second if it is closed then; a peer that is no SDK is closed at once. Calls outlive their token and their
socket; they are call_table.py's business.
Editing rule: every move is a row of TRANSITIONS; tests/signaling/voice_sdk/test_protocol.py fails on a state and event
that nobody decided.
Source: voice-sdk.md 4, 5.1, 5.4, 8 of the specification; reliability checks S-20, S-22.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

POLICY = 1008
GOING_AWAY = 1001


class State(Enum):
    """REFUSED: its token was wrong, it may try another. ONLINE: may call. REGISTERED: may be called too. EXPIRED: its
    token ran out; what it says about running calls counts still."""

    OPEN = "open"
    REFUSED = "refused"
    ONLINE = "online"
    REGISTERED = "registered"
    EXPIRED = "expired"
    CLOSED = "closed"


class Timer(Enum):
    LOGIN = "login"
    BEAT = "beat"
    EXPIRY = "expiry"
    IDLE = "idle"


class Event(Enum):
    GRANTED = "good token"
    DENIED = "wrong token"
    REGISTER = "register"
    REGISTER_FORBIDDEN = "register without the right"
    UNREGISTER = "unregister"
    NEW_CALL = "new call"
    FOR_CALL = "message for a call"
    ECHO = "heartbeat"
    UNKNOWN = "unknown message"
    BAD = "bad message"
    BROKEN = "no message"
    FLOOD = "too many messages"
    RIGHT_LOST = "new token without the right to be called"
    LOGIN_TIMEOUT = "no login"
    BEAT_DUE = "time for a heartbeat"
    SILENT = "no heartbeat came back"
    EXPIRED = "token ran out"
    IDLE_TIMEOUT = "nothing to wait for"
    SHUT = "we close"
    LOST = "socket lost"


class Step(Enum):
    SEND_CONNECTED = "send connected"
    SEND_DENIAL = "send the error of the token"
    SEND_READY = "send ready"
    SEND_OFFLINE = "send offline"
    SEND_EXPIRED = "send the error of a token that ran out"
    SEND_FORBIDDEN = "send that it may not be called"
    SEND_BAD = "send the error of the message"
    SEND_BEAT = "send a heartbeat"
    REFUSE_CALL = "hang up the new call"
    TAKE_CALL = "take the new call"
    HAND_UP = "give it to its call"
    JOIN = "it is one of its identity's sockets from now on"
    APPEAR = "it may be called from now on"
    DISAPPEAR = "it may not be called from now on"
    LEAVE = "it is gone: no longer there, its calls without a socket"
    CLOSE_BROKEN = "close with the code of the breach"


@dataclass(frozen=True)
class Start:
    timer: Timer


@dataclass(frozen=True)
class Stop:
    timer: Timer


@dataclass(frozen=True)
class CloseWith:
    code: int


@dataclass(frozen=True)
class Move:
    to: State
    steps: tuple[Step | Start | Stop | CloseWith, ...] = ()


_S, _E, _D, _T = State, Event, Step, Timer
Row = tuple[tuple[State, Event], Move]


def _move(to: State, *steps: Step | Start | Stop | CloseWith) -> Move:
    return Move(to, steps)


def _closed(code: int) -> Move:
    return Move(_S.CLOSED, (_D.LEAVE, CloseWith(code)))


def _rows(states: Iterable[State], event: Event, move: Move) -> list[Row]:
    return [((state, event), move) for state in states]


def _stay(states: Iterable[State], event: Event, *steps: Step | Start | Stop) -> list[Row]:
    return [((state, event), Move(state, steps)) for state in states]


LIVE = (_S.OPEN, _S.REFUSED, _S.ONLINE, _S.REGISTERED, _S.EXPIRED)
LOGGED_IN = (_S.ONLINE, _S.REGISTERED, _S.EXPIRED)
_WELCOME = (_D.SEND_CONNECTED, Start(_T.EXPIRY))
_RAN_OUT = (_D.SEND_EXPIRED, _D.SEND_OFFLINE)

TRANSITIONS: Mapping[tuple[State, Event], Move] = dict(
    [
        # Before login anything but a token is no SDK.
        ((_S.OPEN, _E.GRANTED), _move(_S.ONLINE, Stop(_T.LOGIN), *_WELCOME, _D.JOIN)),
        ((_S.OPEN, _E.DENIED), _move(_S.REFUSED, Stop(_T.LOGIN), _D.SEND_DENIAL, Start(_T.IDLE))),
        *_rows([_S.OPEN], _E.REGISTER, _closed(POLICY)),
        *_rows([_S.OPEN], _E.UNREGISTER, _closed(POLICY)),
        *_rows([_S.OPEN], _E.NEW_CALL, _closed(POLICY)),
        *_rows([_S.OPEN], _E.FOR_CALL, _closed(POLICY)),
        *_rows([_S.OPEN], _E.UNKNOWN, _closed(POLICY)),
        *_rows([_S.OPEN], _E.BAD, _closed(POLICY)),
        *_rows([_S.OPEN], _E.LOGIN_TIMEOUT, _closed(POLICY)),
        # A wrong token: the socket waits for a better one. What the SDK had queued behind it comes anyway.
        ((_S.REFUSED, _E.GRANTED), _move(_S.ONLINE, Stop(_T.IDLE), *_WELCOME, _D.JOIN)),
        *_stay([_S.REFUSED], _E.DENIED, _D.SEND_DENIAL),
        *_stay([_S.REFUSED], _E.UNREGISTER, _D.SEND_OFFLINE),
        *_rows([_S.REFUSED], _E.IDLE_TIMEOUT, _closed(POLICY)),
        # Logged in. A second good token renews, a wrong one is told and changes nothing.
        *_stay([_S.ONLINE, _S.REGISTERED], _E.GRANTED, *_WELCOME),
        *_stay([_S.ONLINE, _S.REGISTERED, _S.EXPIRED], _E.DENIED, _D.SEND_DENIAL),
        ((_S.ONLINE, _E.REGISTER), _move(_S.REGISTERED, _D.APPEAR, _D.SEND_READY)),
        *_stay([_S.REGISTERED], _E.REGISTER, _D.SEND_READY),
        *_stay([_S.ONLINE], _E.REGISTER_FORBIDDEN, _D.SEND_FORBIDDEN, _D.SEND_OFFLINE),
        *_stay([_S.ONLINE, _S.EXPIRED], _E.UNREGISTER, _D.SEND_OFFLINE),
        ((_S.REGISTERED, _E.UNREGISTER), _move(_S.ONLINE, _D.DISAPPEAR, _D.SEND_OFFLINE)),
        ((_S.REGISTERED, _E.RIGHT_LOST), _move(_S.ONLINE, _D.DISAPPEAR, _D.SEND_OFFLINE)),
        *_stay([_S.ONLINE, _S.REGISTERED], _E.NEW_CALL, _D.TAKE_CALL),
        *_stay(LOGGED_IN, _E.FOR_CALL, _D.HAND_UP),
        *_stay(LOGGED_IN, _E.BAD, _D.SEND_BAD),
        # The token ran out: not reachable, no new calls, running ones go on. Source: voice-sdk.md 5.4.
        ((_S.ONLINE, _E.EXPIRED), _move(_S.EXPIRED, *_RAN_OUT, Start(_T.IDLE))),
        ((_S.REGISTERED, _E.EXPIRED), _move(_S.EXPIRED, _D.DISAPPEAR, *_RAN_OUT, Start(_T.IDLE))),
        ((_S.EXPIRED, _E.GRANTED), _move(_S.ONLINE, Stop(_T.IDLE), *_WELCOME)),
        *_stay([_S.EXPIRED], _E.REGISTER, *_RAN_OUT),
        *_stay([_S.EXPIRED], _E.REGISTER_FORBIDDEN, *_RAN_OUT),
        *_stay([_S.EXPIRED], _E.NEW_CALL, _D.REFUSE_CALL),
        *_rows([_S.EXPIRED], _E.IDLE_TIMEOUT, _closed(POLICY)),
        # Always.
        *_stay(LIVE, _E.BEAT_DUE, _D.SEND_BEAT, Start(_T.BEAT)),
        *_rows(LIVE, _E.SILENT, _closed(GOING_AWAY)),
        *_rows(LIVE, _E.BROKEN, _move(_S.CLOSED, _D.LEAVE, _D.CLOSE_BROKEN)),
        *_rows(LIVE, _E.FLOOD, _closed(POLICY)),
        *_rows(LIVE, _E.SHUT, _closed(GOING_AWAY)),
        *_rows(LIVE, _E.LOST, _move(_S.CLOSED, _D.LEAVE)),
    ]
)

IGNORED: frozenset[tuple[State, Event]] = frozenset(
    [
        *((_S.CLOSED, event) for event in Event),
        *((state, _E.ECHO) for state in LIVE),
        *((state, _E.UNKNOWN) for state in (_S.REFUSED, *LOGGED_IN)),
        *((_S.REFUSED, event) for event in (_E.REGISTER, _E.NEW_CALL, _E.FOR_CALL, _E.BAD)),
        *((state, _E.RIGHT_LOST) for state in (_S.ONLINE, _S.EXPIRED)),
    ]
)
