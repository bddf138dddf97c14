"""One socket of a browser: runs the table of protocol.py on what comes in and what time brings.

Owns the login, the registration and the timers of the socket, and knows which calls it carries. How bytes travel is the
outlet's business (server.py); whose socket it is among others, and what becomes of calls, the agent's.
Source: voice-sdk.md 4, 5.1 of the specification; reliability checks S-20, S-22.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, assert_never

import structlog

from signaling.errors import UsageError
from signaling.leg import HangupCause
from signaling.tokens import AccessGrant, TokenRefused
from signaling.voice_sdk import from_device, to_device
from signaling.voice_sdk.bucket import Bucket
from signaling.voice_sdk.from_device import BadMessage, BrokenFrame, FromDevice
from signaling.voice_sdk.protocol import (
    IGNORED,
    LOGGED_IN,
    TRANSITIONS,
    CloseWith,
    Event,
    Start,
    State,
    Step,
    Stop,
    Timer,
)
from signaling.voice_sdk.settings import VoiceSdkSettings
from signaling.voice_sdk.timers import Timers
from signaling.voice_sdk.to_device import Failure, ToDevice

if TYPE_CHECKING:
    from signaling.voice_sdk.leg import VoiceSdkLeg

log = structlog.get_logger()
_EVENT_OF: Mapping[Timer, Event] = {
    Timer.LOGIN: Event.LOGIN_TIMEOUT,
    Timer.BEAT: Event.BEAT_DUE,
    Timer.EXPIRY: Event.EXPIRED,
    Timer.IDLE: Event.IDLE_TIMEOUT,
}


class Outlet(Protocol):
    """The way to the browser. Neither waits; what cannot be delivered is dropped with the socket."""

    def send(self, frame: str) -> None: ...
    def close(self, code: int, reason: str) -> None:
        """After what was sent before."""
        ...


class Hub(Protocol):
    """What a connection tells the agent, and asks of it."""

    def admit(self, token: str) -> AccessGrant:
        """Raises TokenRefused."""
        ...

    def ttl_s(self, grant: AccessGrant) -> float: ...
    def joined(self, connection: "Connection") -> None: ...
    def appeared(self, connection: "Connection") -> None: ...
    def disappeared(self, connection: "Connection") -> None: ...
    def left(self, connection: "Connection") -> None: ...
    def new_call(self, connection: "Connection", invite: from_device.Invite) -> None: ...
    def for_call(self, connection: "Connection", message: from_device.ForCall) -> None: ...


class Connection:
    """Made by the agent when a socket is open. address: host of the peer, for logs and limits."""

    def __init__(self, outlet: Outlet, hub: Hub, settings: VoiceSdkSettings, *, address: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._outlet = outlet
        self._hub = hub
        self._settings = settings
        self.address = address
        self.connection_id = secrets.token_hex(8)
        self.log = log.bind(connection=self.connection_id, address=address)
        self._state = State.OPEN
        self._grant: AccessGrant | None = None
        self._timers = Timers[Timer](self._fire)
        self._heard_at = self._opened_at = self._loop.time()
        self._bucket = Bucket(per_s=settings.messages_per_s, burst=settings.message_burst, now=self._heard_at)
        self._message: FromDevice | None = None
        self._failure = Failure(0, "")
        self._broken = BrokenFrame("", close_code=1002)
        self.reconnect_timeout_s = 0.0
        self.legs: dict[str, VoiceSdkLeg] = {}
        self._waiting: list[VoiceSdkLeg] = []
        self._start(Timer.LOGIN)
        self._start(Timer.BEAT)

    # What others may ask

    @property
    def state(self) -> State:
        return self._state

    @property
    def is_open(self) -> bool:
        return self._state is not State.CLOSED

    @property
    def is_logged_in(self) -> bool:
        return self._state in LOGGED_IN

    @property
    def has_logged_in(self) -> bool:
        """Ever; its grant stays known after the end."""
        return self._grant is not None

    @property
    def grant(self) -> AccessGrant:
        """Who it is; there from the login on, also when the token ran out."""
        if self._grant is None:
            raise UsageError("expected a connection that has logged in")
        return self._grant

    @property
    def age_s(self) -> float:
        """How long ago the socket was opened."""
        return self._loop.time() - self._opened_at

    @property
    def is_unannounced(self) -> bool:
        """It carries a call from the device which the device has no CallSid for yet. An invite now would mix the two
        calls up in the SDK. Source: voice-sdk.md 8, rule 6."""
        return any(leg.is_unannounced for leg in self.legs.values())

    def send(self, message: ToDevice) -> None:
        if self.is_open:
            self._outlet.send(to_device.write(message))

    def drop(self, leg: "VoiceSdkLeg") -> None:
        """It speaks for the leg no longer, under none of its names."""
        for sid in [sid for sid, carried in self.legs.items() if carried is leg]:
            del self.legs[sid]

    def when_announced(self, leg: "VoiceSdkLeg") -> None:
        """Tell the leg that it may invite, now or as soon as no call of this socket is unannounced."""
        self._waiting.append(leg)
        self.announced()

    def announced(self) -> None:
        """A call of the device has its CallSid, or is over."""
        if not self.is_unannounced:
            waiting, self._waiting = self._waiting, []
            for leg in waiting:
                leg.may_invite()

    def shut(self) -> None:
        """The daemon stops, or a newer socket takes this one's place."""
        self._feed(Event.SHUT)

    # What comes in

    def receive(self, frame: str) -> None:
        """A text frame."""
        if not self._is_counted():
            return
        limit = from_device.MAX_AFTER_LOGIN if self.is_logged_in else from_device.MAX_BEFORE_LOGIN
        try:
            message = from_device.read(frame, limit=limit)
        except BrokenFrame as error:
            self._broken = error
            self._feed(Event.BROKEN)
            return
        except BadMessage as error:
            self.log.info("voice_sdk.bad_message", problem=str(error), call_sid=error.call_sid or None)
            self._message = from_device.CallMessage(error.call_sid, None, event_sid=error.event_sid)
            self._failure = Failure(error.code, str(error))
            self._feed(Event.BAD)
            return
        self._message = message
        match message:
            case from_device.Heartbeat():
                self._feed(Event.ECHO)
            case from_device.Listen():
                self._listen(message)
            case from_device.Register(wants_calls):
                self._feed(Event.UNREGISTER if not wants_calls else self._wish_to_register())
            case from_device.Invite():
                self._feed(Event.NEW_CALL)
            case from_device.Unknown():
                self._feed(Event.UNKNOWN)
            case (
                from_device.Reconnect()
                | from_device.Answer()
                | from_device.Reject()
                | from_device.Hangup()
                | from_device.Reinvite()
                | from_device.Dtmf()
                | from_device.CallMessage()
            ):
                self._feed(Event.FOR_CALL)
            case _:
                assert_never(message)

    def receive_other(self) -> None:
        """A binary frame or a ping: no part of the protocol, but counted."""
        if self._is_counted() and self._state is State.OPEN:
            self._feed(Event.UNKNOWN)

    def receive_ping(self) -> None:
        """A WebSocket ping: harmless, but counted."""
        self._is_counted()

    def lost(self) -> None:
        """The socket is gone. Idempotent."""
        self._feed(Event.LOST)

    def _is_counted(self) -> bool:
        self._heard_at = self._loop.time()
        if self._bucket.take(self._heard_at):
            return self.is_open
        self._feed(Event.FLOOD)
        return False

    def _listen(self, listen: from_device.Listen) -> None:
        try:
            grant = self._hub.admit(listen.token)
            if self._grant is not None and not _is_same(self._grant, grant):
                self.log.warning("voice_sdk.identity_change_refused", identity=self._grant.identity)
                self._failure = Failure(31204, "Access token of another identity")
                self._feed(Event.DENIED)
                return
        except TokenRefused as error:
            self.log.info("voice_sdk.token_refused", code=error.refusal.value, problem=str(error))
            self._failure = Failure(error.code, error.outward)
            self._feed(Event.DENIED)
            return
        self._grant = grant
        self.reconnect_timeout_s = listen.reconnect_timeout_s
        self._feed(Event.GRANTED)
        if not grant.may_receive and self._state is State.REGISTERED:
            self._feed(Event.RIGHT_LOST)

    def _wish_to_register(self) -> Event:
        may_not = self._grant is not None and not self._grant.may_receive
        return Event.REGISTER_FORBIDDEN if may_not else Event.REGISTER

    # The table

    def _feed(self, event: Event) -> None:
        move = TRANSITIONS.get((self._state, event))
        if move is None:
            if (self._state, event) not in IGNORED:
                raise UsageError(f"expected no {event.name} in {self._state.name}")
            return
        self._state = move.to
        for step in move.steps:
            match step:
                case Start(timer):
                    self._start(timer)
                case Stop(timer):
                    self._timers.stop(timer)
                case CloseWith(code):
                    self.log.info("voice_sdk.closing", code=code, reason=event.value)
                    self._outlet.close(code, event.value)
                case _:
                    self._perform(step)

    def _perform(self, step: Step) -> None:
        match step:
            case Step.SEND_CONNECTED:
                self._welcome()
            case Step.SEND_DENIAL | Step.SEND_BAD:
                self._send_failure()
            case Step.SEND_READY:
                self.send(to_device.Ready())
            case Step.SEND_OFFLINE:
                self.send(to_device.Offline())
            case Step.SEND_EXPIRED:
                self.send(to_device.Error(Failure(31205, "Access token expired")))
            case Step.SEND_FORBIDDEN:
                failure = Failure(to_device.NOT_ALLOWED, "The token does not allow incoming calls")
                self.send(to_device.Error(failure))
            case Step.SEND_BEAT:
                self._outlet.send(to_device.HEARTBEAT_FRAME)
            case Step.REFUSE_CALL | Step.TAKE_CALL:
                assert isinstance(self._message, from_device.Invite)
                if step is Step.TAKE_CALL:
                    self._hub.new_call(self, self._message)
                else:
                    self.send(to_device.Hangup(self._message.call_sid, Failure.of(HangupCause.FORBIDDEN)))
            case Step.HAND_UP:
                self._hub.for_call(self, self._message)  # type: ignore[arg-type]
            case Step.JOIN:
                self.log = self.log.bind(identity=self.grant.identity)
                self.log.info("voice_sdk.connected")
                self._hub.joined(self)
            case Step.APPEAR:
                self._hub.appeared(self)
            case Step.DISAPPEAR:
                self._hub.disappeared(self)
            case Step.LEAVE:
                self._timers.stop_all()
                self._waiting.clear()
                self._hub.left(self)
            case Step.CLOSE_BROKEN:
                self.log.warning("voice_sdk.broken_frame", problem=str(self._broken))
                self._outlet.close(self._broken.close_code, "")
            case _:
                assert_never(step)

    def _welcome(self) -> None:
        ttl_s = max(1, int(self._hub.ttl_s(self.grant)))
        self.send(
            to_device.Connected(
                identity=self.grant.identity, ttl_s=ttl_s, edge=self._settings.edge, home=self._settings.home
            )
        )

    def _send_failure(self) -> None:
        about = self._message
        if isinstance(about, from_device.CallMessage):
            self.send(to_device.Error(self._failure, call_sid=about.call_sid, event_sid=about.event_sid))
        else:
            self.send(to_device.Error(self._failure))

    # Timers

    def _start(self, timer: Timer) -> None:
        match timer:
            case Timer.LOGIN:
                lasts_s = self._settings.login_s
            case Timer.BEAT:
                lasts_s = self._settings.beat_s
            case Timer.EXPIRY:
                lasts_s = self._hub.ttl_s(self.grant)
            case Timer.IDLE:
                lasts_s = self._settings.refused_idle_s
            case _:
                assert_never(timer)
        self._timers.start(timer, lasts_s)

    def _fire(self, timer: Timer) -> None:
        if timer is Timer.BEAT and self._loop.time() - self._heard_at > self._settings.silent_s:
            self._feed(Event.SILENT)
        elif timer is Timer.IDLE and self.legs:
            # Its calls go on without a valid token; they end it, or a new token does.
            self._start(Timer.IDLE)
        else:
            self._feed(_EVENT_OF[timer])


def _is_same(before: AccessGrant, now: AccessGrant) -> bool:
    return (before.account_sid, before.identity) == (now.account_sid, now.identity)
