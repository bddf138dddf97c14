"""One call of a browser as a table: what follows each thing that happens to it.

Pure, no code: leg.py runs it. A call towards the device goes OFFERING, RINGING, ACCEPTING, UP; one from the device
ARRIVED, ALERTING, UP. RETURNING and ADRIFT are the same calls without their socket. What a browser never says (that it
ignores a call, is busy, or hung up while it was offline) is a timer here.
Editing rule: every move is a row of TRANSITIONS; tests/signaling/voice_sdk/test_call_table.py fails on a state and
event that nobody decided.
Source: voice-sdk.md 5.2, 5.3, 7, 8 of the specification; reliability checks R-07, R-08, S-23.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from signaling.leg import HangupCause


class State(Enum):
    """OFFERING: our offer is being made. TAKING_OVER: another device of the identity takes the call."""

    OFFERING = "offering"
    RINGING = "ringing"
    RETURNING = "returning"
    ACCEPTING = "accepting"
    TAKING_OVER = "taking over"
    ARRIVED = "arrived"
    ALERTING = "alerting"
    UP = "up"
    ADRIFT = "adrift"
    ENDED = "ended"


class Timer(Enum):
    """RING: nobody decides. RETURN: a ringing device lost its socket. GRACE: so did one that talks. CONNECT: no sound
    path yet. MEDIA: the sound path is lost."""

    RING = "ring"
    RETURN = "return"
    GRACE = "grace"
    CONNECT = "connect"
    MEDIA = "media"


class Event(Enum):
    # The leg's owner. OFFERED, ACCEPTED, RESTARTED: a description of ours is ready; REFUSED: theirs is unusable.
    RING = "ring"
    EARLY_MEDIA = "early media"
    ANSWER = "answer"
    HANGUP = "hang up"
    OFFERED = "offer ready"
    ACCEPTED = "answer applied"
    RESTARTED = "new answer ready"
    REFUSED = "description refused"
    # The device.
    DEVICE_ANSWER = "device answers"
    DEVICE_REJECT = "device rejects"
    DEVICE_HANGUP = "device hangs up"
    DEVICE_RESTART = "device restarts ICE"
    DEVICE_RECLAIM = "device is back"
    DEVICE_TAKEOVER = "another device takes over"
    # Its socket. RETURNED: the identity registered again on another one.
    LOST = "socket lost"
    RETURNED = "registered again"
    # Its sound. GONE: closed by the browser.
    CONNECTED = "media connected"
    FAILED = "media failed"
    GONE = "media closed"
    # Timers.
    RING_TIMEOUT = "ring time-out"
    RETURN_TIMEOUT = "return time-out"
    GRACE_TIMEOUT = "grace time-out"
    CONNECT_TIMEOUT = "connect time-out"
    MEDIA_TIMEOUT = "media time-out"


TIMEOUTS: Mapping[Timer, Event] = {
    Timer.RING: Event.RING_TIMEOUT,
    Timer.RETURN: Event.RETURN_TIMEOUT,
    Timer.GRACE: Event.GRACE_TIMEOUT,
    Timer.CONNECT: Event.CONNECT_TIMEOUT,
    Timer.MEDIA: Event.MEDIA_TIMEOUT,
}


class Step(Enum):
    """What a move does besides changing the state."""

    SEND_INVITE = "send invite"
    SEND_CANCEL = "send cancel"
    SEND_RINGING = "send ringing"
    SEND_EARLY_MEDIA = "send ringing with our answer"
    SEND_ANSWER = "send answer with our description and a reconnect token"
    SEND_RECONNECTED = "send answer with a new reconnect token"
    SEND_RESTARTED = "send answer with our new description"
    SEND_HANGUP = "send hangup"
    POST_RINGING = "tell that it rings"
    POST_ANSWERED = "tell that it is answered, once"
    APPLY_ANSWER = "hand the answer to the media"
    RESTART = "answer on a new media connection"
    TAKE_OVER = "the presenting socket owns the call; the one before gets cancel"
    ATTACH = "the socket this came on owns the call"
    AWAIT_MEDIA = "start the connect timer unless the media is connected"
    # A device that is offline, and cannot be told that its call is over, is told when it comes back.
    REMEMBER = "cancel it at the device when it is back"


@dataclass(frozen=True)
class Start:
    timer: Timer


@dataclass(frozen=True)
class Stop:
    timer: Timer


@dataclass(frozen=True)
class End:
    """cause None: the one the leg's owner gave."""

    cause: HangupCause | None
    by_remote: bool = False


@dataclass(frozen=True)
class Move:
    to: State
    steps: tuple[Step | Start | Stop | End, ...] = ()


_S, _E, _D, _T, _C = State, Event, Step, Timer, HangupCause
Row = tuple[tuple[State, Event], Move]


def _move(to: State, *steps: Step | Start | Stop | End) -> Move:
    return Move(to, steps)


def _over(cause: HangupCause | None, *steps: Step, by_remote: bool = False) -> Move:
    return Move(_S.ENDED, (*steps, End(cause, by_remote)))


def _rows(states: Iterable[State], event: Event, move: Move) -> list[Row]:
    return [((state, event), move) for state in states]


_TAKEN = _move(
    _S.TAKING_OVER,
    Stop(_T.RING),
    Stop(_T.RETURN),
    Stop(_T.GRACE),
    Stop(_T.MEDIA),
    _D.TAKE_OVER,
    Start(_T.CONNECT),
)
_ANSWERED = _move(_S.ACCEPTING, Stop(_T.RING), _D.APPLY_ANSWER, _D.AWAIT_MEDIA)
_FROM_DEVICE = (_S.ARRIVED, _S.ALERTING)
_OPENING = (_S.ACCEPTING, _S.TAKING_OVER)

# A move to the same state is written out; a pair that can come about and rightly changes nothing is in IGNORED.
TRANSITIONS: Mapping[tuple[State, Event], Move] = dict(
    [
        # Towards the device.
        ((_S.OFFERING, _E.OFFERED), _move(_S.RINGING, _D.SEND_INVITE, _D.POST_RINGING, Start(_T.RING))),
        ((_S.OFFERING, _E.HANGUP), _over(None)),
        ((_S.OFFERING, _E.LOST), _over(_C.UNREACHABLE)),
        *_rows([_S.OFFERING], _E.REFUSED, _over(_C.FAILED)),
        *_rows([_S.OFFERING], _E.FAILED, _over(_C.FAILED)),
        *_rows([_S.OFFERING], _E.GONE, _over(_C.FAILED)),
        ((_S.RINGING, _E.DEVICE_ANSWER), _ANSWERED),
        ((_S.RINGING, _E.DEVICE_REJECT), _over(_C.DECLINED, by_remote=True)),
        # The microphone was refused: the SDK says hangup without ever having answered.
        ((_S.RINGING, _E.DEVICE_HANGUP), _over(_C.DECLINED, by_remote=True)),
        ((_S.RINGING, _E.DEVICE_TAKEOVER), _TAKEN),
        ((_S.RINGING, _E.HANGUP), _over(None, _D.SEND_CANCEL)),
        ((_S.RINGING, _E.LOST), _move(_S.RETURNING, Start(_T.RETURN))),
        ((_S.RINGING, _E.RING_TIMEOUT), _over(_C.NO_ANSWER, _D.SEND_CANCEL)),
        *_rows([_S.RINGING], _E.FAILED, _over(_C.FAILED, _D.SEND_CANCEL)),
        *_rows([_S.RINGING], _E.GONE, _over(_C.FAILED, _D.SEND_CANCEL)),
        # The old call object in the page is dead; it goes away with cancel, and a new one rings.
        (
            (_S.RETURNING, _E.RETURNED),
            _move(_S.RINGING, Stop(_T.RETURN), _D.ATTACH, _D.SEND_CANCEL, _D.SEND_INVITE),
        ),
        (
            (_S.RETURNING, _E.DEVICE_ANSWER),
            _move(_S.ACCEPTING, Stop(_T.RING), Stop(_T.RETURN), _D.ATTACH, _D.APPLY_ANSWER, _D.AWAIT_MEDIA),
        ),
        *_rows([_S.RETURNING], _E.DEVICE_REJECT, _over(_C.DECLINED, by_remote=True)),
        *_rows([_S.RETURNING], _E.DEVICE_HANGUP, _over(_C.DECLINED, by_remote=True)),
        ((_S.RETURNING, _E.DEVICE_TAKEOVER), _TAKEN),
        ((_S.RETURNING, _E.HANGUP), _over(None, _D.REMEMBER)),
        ((_S.RETURNING, _E.RETURN_TIMEOUT), _over(_C.UNREACHABLE, _D.REMEMBER)),
        ((_S.RETURNING, _E.RING_TIMEOUT), _over(_C.NO_ANSWER, _D.REMEMBER)),
        *_rows([_S.RETURNING], _E.FAILED, _over(_C.FAILED, _D.REMEMBER)),
        *_rows([_S.RETURNING], _E.GONE, _over(_C.FAILED, _D.REMEMBER)),
        ((_S.ACCEPTING, _E.ACCEPTED), _move(_S.UP, _D.POST_ANSWERED)),
        ((_S.ACCEPTING, _E.LOST), _move(_S.ADRIFT, Start(_T.GRACE))),
        ((_S.ACCEPTING, _E.DEVICE_RECLAIM), _move(_S.ACCEPTING, _D.ATTACH, _D.SEND_RECONNECTED)),
        ((_S.TAKING_OVER, _E.RESTARTED), _move(_S.UP, _D.SEND_ANSWER, _D.POST_ANSWERED)),
        ((_S.TAKING_OVER, _E.LOST), _over(_C.UNREACHABLE, _D.REMEMBER)),
        *_rows(_OPENING, _E.REFUSED, _over(_C.NOT_ACCEPTABLE, _D.SEND_HANGUP)),
        *_rows(_OPENING, _E.DEVICE_REJECT, _over(_C.NORMAL, by_remote=True)),
        *_rows(_OPENING, _E.DEVICE_HANGUP, _over(_C.NORMAL, by_remote=True)),
        *_rows(_OPENING, _E.HANGUP, _over(None, _D.SEND_HANGUP)),
        *_rows([_S.ACCEPTING], _E.CONNECTED, _move(_S.ACCEPTING, Stop(_T.CONNECT))),
        *_rows([_S.TAKING_OVER], _E.CONNECTED, _move(_S.TAKING_OVER, Stop(_T.CONNECT))),
        *_rows(_OPENING, _E.FAILED, _over(_C.FAILED, _D.SEND_HANGUP)),
        *_rows(_OPENING, _E.CONNECT_TIMEOUT, _over(_C.FAILED, _D.SEND_HANGUP)),
        *_rows([_S.ACCEPTING], _E.GONE, _over(_C.NORMAL, _D.SEND_HANGUP, by_remote=True)),
        # From the device. Until it has an answer it has no reconnect token either: without its socket it is lost.
        ((_S.ARRIVED, _E.RING), _move(_S.ALERTING, _D.SEND_RINGING)),
        *_rows(_FROM_DEVICE, _E.EARLY_MEDIA, _move(_S.ALERTING, _D.SEND_EARLY_MEDIA, _D.AWAIT_MEDIA)),
        *_rows(_FROM_DEVICE, _E.ANSWER, _move(_S.UP, _D.SEND_ANSWER, _D.AWAIT_MEDIA)),
        *_rows(_FROM_DEVICE, _E.HANGUP, _over(None, _D.SEND_HANGUP)),
        *_rows(_FROM_DEVICE, _E.REFUSED, _over(_C.NOT_ACCEPTABLE, _D.SEND_HANGUP)),
        *_rows(_FROM_DEVICE, _E.DEVICE_HANGUP, _over(_C.CANCELED, by_remote=True)),
        *_rows(_FROM_DEVICE, _E.DEVICE_REJECT, _over(_C.CANCELED, by_remote=True)),
        *_rows(_FROM_DEVICE, _E.LOST, _over(_C.CANCELED, _D.REMEMBER, by_remote=True)),
        *_rows(_FROM_DEVICE, _E.FAILED, _over(_C.FAILED, _D.SEND_HANGUP)),
        *_rows([_S.ALERTING], _E.CONNECT_TIMEOUT, _over(_C.FAILED, _D.SEND_HANGUP)),
        *_rows(_FROM_DEVICE, _E.GONE, _over(_C.CANCELED, _D.SEND_HANGUP, by_remote=True)),
        *_rows([_S.ALERTING], _E.CONNECTED, _move(_S.ALERTING, Stop(_T.CONNECT))),
        # Talking.
        ((_S.UP, _E.HANGUP), _over(None, _D.SEND_HANGUP)),
        ((_S.UP, _E.ACCEPTED), _move(_S.UP, _D.POST_ANSWERED)),
        ((_S.UP, _E.REFUSED), _move(_S.UP)),
        ((_S.UP, _E.RESTARTED), _move(_S.UP, _D.SEND_RESTARTED)),
        ((_S.UP, _E.DEVICE_RESTART), _move(_S.UP, Stop(_T.MEDIA), _D.RESTART, Start(_T.CONNECT))),
        ((_S.UP, _E.DEVICE_RECLAIM), _move(_S.UP, _D.ATTACH, _D.SEND_RECONNECTED)),
        ((_S.UP, _E.DEVICE_TAKEOVER), _TAKEN),
        ((_S.UP, _E.LOST), _move(_S.ADRIFT, Start(_T.GRACE))),
        *_rows([_S.UP], _E.CONNECTED, _move(_S.UP, Stop(_T.CONNECT), Stop(_T.MEDIA))),
        *_rows([_S.UP], _E.FAILED, _move(_S.UP, Start(_T.MEDIA))),
        ((_S.UP, _E.CONNECT_TIMEOUT), _over(_C.FAILED, _D.SEND_HANGUP)),
        ((_S.UP, _E.MEDIA_TIMEOUT), _over(_C.MEDIA_TIMEOUT, _D.SEND_HANGUP)),
        ((_S.UP, _E.GONE), _over(_C.NORMAL, _D.SEND_HANGUP, by_remote=True)),
        *_rows([_S.UP, _S.ADRIFT], _E.DEVICE_HANGUP, _over(_C.NORMAL, by_remote=True)),
        *_rows([_S.UP, _S.ADRIFT], _E.DEVICE_REJECT, _over(_C.NORMAL, by_remote=True)),
        # Talking, without a socket.
        ((_S.ADRIFT, _E.HANGUP), _over(None, _D.REMEMBER)),
        ((_S.ADRIFT, _E.ACCEPTED), _move(_S.ADRIFT, _D.POST_ANSWERED)),
        ((_S.ADRIFT, _E.REFUSED), _move(_S.ADRIFT)),
        (
            (_S.ADRIFT, _E.DEVICE_RESTART),
            _move(_S.UP, Stop(_T.GRACE), Stop(_T.MEDIA), _D.ATTACH, _D.RESTART, Start(_T.CONNECT)),
        ),
        ((_S.ADRIFT, _E.DEVICE_RECLAIM), _move(_S.UP, Stop(_T.GRACE), _D.ATTACH, _D.SEND_RECONNECTED)),
        ((_S.ADRIFT, _E.DEVICE_TAKEOVER), _TAKEN),
        *_rows([_S.ADRIFT], _E.CONNECTED, _move(_S.ADRIFT, Stop(_T.CONNECT), Stop(_T.MEDIA))),
        *_rows([_S.ADRIFT], _E.FAILED, _move(_S.ADRIFT, Start(_T.MEDIA))),
        ((_S.ADRIFT, _E.CONNECT_TIMEOUT), _over(_C.FAILED, _D.REMEMBER)),
        ((_S.ADRIFT, _E.MEDIA_TIMEOUT), _over(_C.MEDIA_TIMEOUT, _D.REMEMBER)),
        ((_S.ADRIFT, _E.GRACE_TIMEOUT), _over(_C.NORMAL, _D.REMEMBER, by_remote=True)),
        ((_S.ADRIFT, _E.GONE), _over(_C.NORMAL, _D.REMEMBER, by_remote=True)),
    ]
)

_BY_OWNER = (_E.RING, _E.EARLY_MEDIA, _E.ANSWER)
_OUTBOUND = (_S.OFFERING, _S.RINGING, _S.RETURNING, _S.ACCEPTING, _S.TAKING_OVER)
_SOCKET = (_E.LOST, _E.RETURNED)
_BY_DEVICE = (
    _E.DEVICE_ANSWER,
    _E.DEVICE_REJECT,
    _E.DEVICE_HANGUP,
    _E.DEVICE_RESTART,
    _E.DEVICE_RECLAIM,
    _E.DEVICE_TAKEOVER,
)


def _pairs(states: Iterable[State], events: Iterable[Event]) -> list[tuple[State, Event]]:
    chosen = tuple(events)
    return [(state, event) for state in states for event in chosen]


# Asked twice or too late, said by a device out of turn, or crossed on the way: no move.
IGNORED: frozenset[tuple[State, Event]] = frozenset(
    [
        *_pairs([_S.ENDED], Event),
        *_pairs(_OUTBOUND, _BY_OWNER),
        *_pairs([_S.ALERTING], [_E.RING]),
        *_pairs([_S.UP, _S.ADRIFT], _BY_OWNER),
        # Not invited yet, so no device has a say; or nothing it could mean.
        *_pairs([_S.OFFERING], _BY_DEVICE),
        *_pairs([_S.RINGING, _S.RETURNING], [_E.DEVICE_RESTART, _E.DEVICE_RECLAIM]),
        *_pairs([_S.ACCEPTING], [_E.DEVICE_ANSWER, _E.DEVICE_RESTART, _E.DEVICE_TAKEOVER]),
        *_pairs([_S.TAKING_OVER], [_E.DEVICE_ANSWER, _E.DEVICE_RESTART, _E.DEVICE_RECLAIM, _E.DEVICE_TAKEOVER]),
        *_pairs(_FROM_DEVICE, [_E.DEVICE_ANSWER, _E.DEVICE_RESTART, _E.DEVICE_RECLAIM, _E.DEVICE_TAKEOVER]),
        *_pairs([_S.UP, _S.ADRIFT], [_E.DEVICE_ANSWER]),
        # The connection of the device that had the call before closes while the next one takes it.
        *_pairs([_S.TAKING_OVER], [_E.GONE]),
        *_pairs([_S.OFFERING, _S.RINGING, _S.RETURNING, _S.ARRIVED], [_E.CONNECTED]),
        *_pairs([_S.RETURNING, _S.ADRIFT], [_E.LOST]),
        *_pairs([state for state in _S if state is not _S.RETURNING], [_E.RETURNED]),
        # Our new answer went down with the socket; the device asks again.
        *_pairs([_S.ADRIFT], [_E.RESTARTED]),
    ]
)
