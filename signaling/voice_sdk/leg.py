"""A browser's call as a Leg: runs the table of call_table.py on what its device, its owner, its sound and time bring.

Owns the call's state, its event stream and its reconnect token; posts exactly one Ended. Which socket speaks for the
call is kept here too: replies go to the one that owns the call now, not to the one it was offered on. Who may speak for
it is the agent's decision; descriptions are sound.py's work.
Source: signaling/leg.py (the contract); voice-sdk.md 5.2, 5.3, 8 of the specification.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, assert_never

import structlog

from signaling.call_message import CallMessage
from signaling.errors import UsageError
from signaling.leg import (
    Answered,
    DigitReceived,
    Direction,
    Ended,
    HangupCause,
    LegEvents,
    LegState,
    Party,
    Ringing,
    SipDetails,
)
from signaling.peer_media import Connected, Digit, Failed, Gone, PeerMedia, PeerMediaEvent
from signaling.voice_sdk import from_device, to_device
from signaling.voice_sdk.bucket import Bucket
from signaling.voice_sdk.call_table import (
    IGNORED,
    TIMEOUTS,
    TRANSITIONS,
    End,
    Event,
    Move,
    Start,
    State,
    Step,
    Stop,
    Timer,
)
from signaling.voice_sdk.facts import LegFacts
from signaling.voice_sdk.reconnect import ReconnectToken
from signaling.voice_sdk.settings import VoiceSdkSettings
from signaling.voice_sdk.sound import LegSound
from signaling.voice_sdk.timers import Timers
from signaling.voice_sdk.to_device import Failure, ToDevice

if TYPE_CHECKING:
    from media.engine import MediaPort
    from signaling.voice_sdk.connection import Connection

log = structlog.get_logger()
SHORT_PAUSE_S = 0.5
_TRYING = (State.OFFERING, State.ARRIVED)


class LegHome(Protocol):
    """What a leg tells the agent."""

    def remember(self, leg: "VoiceSdkLeg") -> None:
        """Its device could not be told that the call is over."""
        ...

    def over(self, leg: "VoiceSdkLeg") -> None: ...


class VoiceSdkLeg:
    """One browser's part of a call. Made by the agent only.

    on_message: gets what the page sends with ``call.sendMessage``; it is acknowledged without anybody there too.
    """

    def __init__(self, facts: LegFacts, home: LegHome, settings: VoiceSdkSettings, *, connection: "Connection") -> None:
        self._loop = asyncio.get_running_loop()
        self.facts = facts
        self.leg_id = secrets.token_hex(8)
        self.log = log.bind(leg_id=self.leg_id, call_sid=facts.call_sid, identity=facts.identity)
        self._home = home
        self._settings = settings
        self._state = State.ARRIVED if facts.direction is Direction.INBOUND else State.OFFERING
        self._events = LegEvents()
        self._connection: Connection | None = connection
        self._presenting: Connection | None = None
        self._sound: LegSound | None = None
        self._timers = Timers[Timer](lambda timer: self._feed(TIMEOUTS[timer]))
        self._grace_s = settings.grace_s
        self._keys: list[asyncio.TimerHandle] = []
        self._asked = HangupCause.NORMAL
        self._is_answered = False
        self._is_announced = facts.direction is Direction.OUTBOUND
        per_minute = settings.restarts_per_minute
        self._restarts = Bucket(per_s=per_minute / 60, burst=per_minute, now=self._loop.time())
        self.reconnect = ReconnectToken()
        self.on_message: Callable[[CallMessage], None] | None = None
        self._messages = Bucket(
            per_s=settings.call_messages_per_s, burst=settings.call_message_burst, now=self._loop.time()
        )

    # The contract

    @property
    def direction(self) -> Direction:
        return self.facts.direction

    @property
    def state(self) -> LegState:
        if self._state is State.ENDED:
            return LegState.ENDED
        if self._is_answered:
            return LegState.UP
        return LegState.TRYING if self._state in _TRYING else LegState.RINGING

    @property
    def caller(self) -> Party:
        return self.facts.caller

    @property
    def callee(self) -> Party:
        return self.facts.callee

    @property
    def device(self) -> str:
        return self.facts.device

    @property
    def headers(self) -> Mapping[str, str]:
        return self.facts.headers

    @property
    def diversion(self) -> str | None:
        return self.facts.diversion

    @property
    def sip(self) -> SipDetails | None:
        return None

    @property
    def caller_parameters(self) -> Mapping[str, str]:
        return self.facts.parameters if self.facts.direction is Direction.INBOUND else {}

    @property
    def media(self) -> "MediaPort":
        return self.sound.media.port

    @property
    def codec_names(self) -> tuple[str, ...]:
        return self._sound.media.codec_names if self._sound is not None else ()

    @property
    def codec_choices(self) -> tuple[str, ...]:
        return self.codec_names

    @property
    def is_codec_final(self) -> bool:
        """The device alone may offer anew, and does so for nothing but ICE. Source: voice-sdk.md 6.3, 6.4."""
        return True

    @property
    def events(self) -> LegEvents:
        return self._events

    async def ring(self) -> None:
        if self.is_unanswered_from_device:
            self._feed(Event.RING)

    async def early_media(self) -> None:
        if self.is_unanswered_from_device and await self.sound.answered():
            self._feed(Event.EARLY_MEDIA)

    async def answer(self) -> None:
        if self.is_unanswered_from_device and await self.sound.answered():
            self._feed(Event.ANSWER)

    def prefer(self, codec_names: Sequence[str]) -> None:
        if self.is_unanswered_from_device:
            self.sound.media.prefer(codec_names)

    def hangup(self, cause: HangupCause = HangupCause.NORMAL) -> None:
        self._asked = cause
        self._feed(Event.HANGUP)

    async def send_digits(self, digits: str) -> None:
        if self._state is not State.ENDED:
            await self.media.send_digits(digits)

    # Beyond the contract

    @property
    def call_sid(self) -> str:
        return self.facts.call_sid

    @property
    def identity(self) -> str:
        return self.facts.identity

    @property
    def application_sid(self) -> str | None:
        """Whose voice URL answers a call from the device."""
        return self.facts.application_sid

    @property
    def wire_sid(self) -> str:
        """The name the device knows the call by."""
        return self.facts.call_sid if self._is_announced else self.facts.device_sid

    @property
    def connection(self) -> "Connection | None":
        """The socket that speaks for the call; None while there is none."""
        return self._connection

    @property
    def sound(self) -> LegSound:
        assert self._sound is not None, "a leg without sound is over before anybody has it"
        return self._sound

    @property
    def is_unannounced(self) -> bool:
        return not self._is_announced and self._state is not State.ENDED

    @property
    def is_returning(self) -> bool:
        """It rang, and waits for its device to be back."""
        return self._state is State.RETURNING

    @property
    def is_unanswered_from_device(self) -> bool:
        return self._state in (State.ARRIVED, State.ALERTING)

    def send_message(self, message: CallMessage) -> bool:
        """A message beside the sound: ``call.on("messageReceived")``. False while the device cannot be reached."""
        if self._connection is None:
            return False
        event_sid = message.sid or f"KX{secrets.token_hex(16)}"
        self._send(
            to_device.CallMessage(self.wire_sid, message.content, message.content_type, message.message_type, event_sid)
        )
        return True

    # What the agent tells it

    def begin(self, media: PeerMedia, *, far: str = "") -> None:
        """The leg has its sound. A call towards the device makes its offer now. far: the device's offer."""
        self._sound = LegSound(media, self.log, far=far, on_refused=lambda: self._feed(Event.REFUSED))
        if self._state is State.OFFERING:
            self._sound.offer(self._offer_ready)

    def _offer_ready(self) -> None:
        if self._connection is not None:
            self._connection.when_announced(self)

    def may_invite(self) -> None:
        """No other call of the socket is in the way. Source: voice-sdk.md 8, rule 6."""
        if self._state is State.OFFERING:
            self._feed(Event.OFFERED)

    def socket_lost(self) -> None:
        if self._connection is not None:
            self._grace_s = max(self._settings.grace_s, self._connection.reconnect_timeout_s)
        self._connection = None
        self._feed(Event.LOST)

    def returned(self, connection: "Connection") -> None:
        """The identity registered again, on another socket."""
        self._tell(Event.RETURNED, connection)

    def presented(self, connection: "Connection", far: str) -> None:
        """A valid reconnect token came, from the device that has the call or from another one. far: may be empty."""
        if self.sound.is_other_peer(far):
            self.sound.far = far
            self._tell(Event.DEVICE_TAKEOVER, connection)
        else:
            self._tell(Event.DEVICE_RECLAIM, connection)

    def told(self, connection: "Connection", message: from_device.ForCall) -> None:
        """The device says something about the call."""
        match message:
            case from_device.Answer(sdp=sdp):
                self._take(Event.DEVICE_ANSWER, connection, sdp)
            case from_device.Reject():
                self._tell(Event.DEVICE_REJECT, connection)
            case from_device.Hangup(reason=reason):
                self.log.info("voice_sdk.device_hangs_up", reason=reason or None)
                self._tell(Event.DEVICE_HANGUP, connection)
            case from_device.Reinvite(sdp=sdp):
                if self._restarts.take(self._loop.time()):
                    self._take(Event.DEVICE_RESTART, connection, sdp)
                else:
                    self.log.warning("voice_sdk.too_many_restarts")
            case from_device.Dtmf(digits=digits):
                self._press(digits)
            case from_device.CallMessage():
                self._take_message(connection, message)
            case from_device.Reconnect():
                raise UsageError("expected the agent to check a reconnect token")
            case _:
                assert_never(message)

    def _take_message(self, connection: "Connection", message: from_device.CallMessage) -> None:
        if not self._messages.take(self._loop.time()):
            failure = Failure(to_device.RATE_EXCEEDED, "Too many messages")
            connection.send(to_device.Error(failure, message.call_sid, message.event_sid))
            return
        if self.on_message is not None:
            self.on_message(
                CallMessage(
                    content=message.content,
                    content_type=message.content_type,
                    message_type=message.message_type,
                    sid=message.event_sid,
                )
            )
        if message.event_sid:
            connection.send(to_device.Acknowledged(message.call_sid, message.event_sid))

    def on_media(self, event: PeerMediaEvent) -> None:
        match event:
            case Connected():
                self.sound.is_up = True
                self._feed(Event.CONNECTED)
            case Failed(reason):
                self.log.info("voice_sdk.media_failed", reason=reason)
                self.sound.is_up = False
                self._feed(Event.FAILED)
            case Gone():
                self._feed(Event.GONE)
            case Digit(digit, duration_ms):
                self._events.post(DigitReceived(digit, duration_ms))
            case _:
                assert_never(event)

    # The table

    def _take(self, event: Event, connection: "Connection", far: str) -> None:
        """An event that brings a description, kept only if the table wants it now."""
        if (self._state, event) in TRANSITIONS:
            self.sound.far = far
        self._tell(event, connection)

    def _tell(self, event: Event, connection: "Connection") -> None:
        self._presenting = connection
        self._feed(event)
        self._presenting = None

    def _feed(self, event: Event) -> None:
        move = TRANSITIONS.get((self._state, event))
        if move is None:
            if (self._state, event) not in IGNORED:
                raise UsageError(f"expected no {event.name} in {self._state.name}")
            return
        self._state = move.to
        cause = _cause_of(move, self._asked)
        for step in move.steps:
            match step:
                case Start(timer):
                    self._start(timer)
                case Stop(timer):
                    self._timers.stop(timer)
                case End(by_remote=by_remote):
                    self._end(cause, by_remote=by_remote)
                case _:
                    self._perform(step, cause)

    def _perform(self, step: Step, cause: HangupCause) -> None:
        sid, sound, reconnect = self.call_sid, self._sound, self.reconnect
        ours = sound.ours if sound is not None else ""
        match step:
            case Step.SEND_INVITE:
                self._send(to_device.Invite(sid, ours, reconnect.current, self.facts.parameters))
            case Step.SEND_CANCEL:
                self._send(to_device.Cancel(sid))
            case Step.SEND_RINGING:
                self._announce(to_device.Ringing(sid))
            case Step.SEND_EARLY_MEDIA:
                self._announce(to_device.Ringing(sid, sdp=ours))
            case Step.SEND_ANSWER:
                self._announce(to_device.Answer(sid, sdp=ours, reconnect=reconnect.current))
                self._is_answered = self._is_answered or self.facts.direction is Direction.INBOUND
            case Step.SEND_RECONNECTED:
                self._send(to_device.Answer(sid, reconnect=reconnect.current))
            case Step.SEND_RESTARTED:
                self._send(to_device.Answer(sid, sdp=ours))
            case Step.SEND_HANGUP:
                self._send(to_device.Hangup(self.wire_sid, Failure.of(cause)))
            case Step.POST_RINGING:
                self._events.post(Ringing())
            case Step.POST_ANSWERED:
                if not self._is_answered:
                    self._is_answered = True
                    self.log.info("voice_sdk.answered")
                    self._events.post(Answered())
            case Step.APPLY_ANSWER:
                self.sound.apply_answer(lambda: self._feed(Event.ACCEPTED))
            case Step.RESTART:
                self.sound.restart(lambda: self._feed(Event.RESTARTED))
            case Step.TAKE_OVER:
                self._take_over()
            case Step.ATTACH:
                self._attach()
            case Step.AWAIT_MEDIA:
                if not self.sound.is_up:
                    self._start(Timer.CONNECT)
            case Step.REMEMBER:
                self._home.remember(self)
            case _:
                assert_never(step)

    def _send(self, message: ToDevice) -> None:
        if self._connection is not None:
            self._connection.send(message)

    def _announce(self, message: ToDevice) -> None:
        """The message that gives the device its CallSid."""
        self._send(message)
        if not self._is_announced:
            self._is_announced = True
            if self._connection is not None:
                self._connection.announced()

    def _attach(self) -> None:
        """The presenting socket speaks for the call from now on."""
        connection = self._presenting
        if connection is None or connection is self._connection:
            return
        if self._connection is not None:
            self._connection.drop(self)
        replaced = connection.legs.get(self.call_sid)
        self._connection = connection
        connection.legs[self.call_sid] = self
        if replaced is not None:
            # The same fork rang here too. The device has this leg now, under the same CallSid: say nothing to it.
            replaced._connection = None
            replaced._feed(Event.DEVICE_REJECT)

    def _take_over(self) -> None:
        before = self._connection
        if before is not None and before is not self._presenting:
            before.send(to_device.Cancel(self.call_sid))
        self._attach()
        self.sound.restart(lambda: self._feed(Event.RESTARTED))

    def _end(self, cause: HangupCause, *, by_remote: bool) -> None:
        self._timers.stop_all()
        for key in self._keys:
            key.cancel()
        if self._sound is not None:
            self._sound.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop(self)
            connection.announced()
        self._home.over(self)
        told = not self._is_answered and cause not in (HangupCause.NORMAL, HangupCause.CANCELED)
        self.log.info("voice_sdk.ended", cause=cause.value, by_remote=by_remote)
        self._events.post(Ended(cause, by_remote=by_remote, sip_status=cause.sip_status if told else None))

    def _start(self, timer: Timer) -> None:
        settings = self._settings
        lasts_s = {
            Timer.RING: settings.ring_s,
            Timer.RETURN: settings.return_s,
            Timer.GRACE: self._grace_s,
            Timer.CONNECT: settings.connect_s,
            Timer.MEDIA: settings.media_s,
        }
        self._timers.start(timer, lasts_s[timer])

    def _press(self, digits: str) -> None:
        """Keys that came as a message, in the rhythm they were sent with."""
        now, at_s = self._loop.time(), 0.0
        self._keys = [key for key in self._keys if key.when() > now]
        for digit in digits:
            if digit in "w,":
                at_s += SHORT_PAUSE_S
            else:
                self._keys.append(
                    self._loop.call_later(at_s, self._events.post, DigitReceived(digit.upper(), is_in_media=False))
                )


def _cause_of(move: Move, asked: HangupCause) -> HangupCause:
    """What a call that ends with this move ends with."""
    cause = next((step.cause for step in move.steps if isinstance(step, End)), None)
    return asked if cause is None else cause
