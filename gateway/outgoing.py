"""A call that was asked for over the REST API: placed, rung, and from its answer on a call with a script.

Owns the call until somebody answers; then a CallSession (gateway/session.py) runs its document on that leg. An identity
with several devices rings on all; the first to answer has the call, the others stop.
Source: Twilio Call resource, create (Timeout, StatusCallbackEvent, SendDigits); webhooks.md 4 and 5 of the
specification.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.call import Alerted, CallStatus, PickedUp, Placed, unanswered_status
from gateway.call_progress import CallProgress
from gateway.call_recordings import CallRecordingOrder
from gateway.fork_attempt import worst_of
from gateway.parameters import CallFacts, call_parameters
from gateway.routing import Script
from gateway.scripted import DigitListener
from gateway.services import Services
from gateway.session import CallSession
from gateway.store.records import NOTIFICATION
from gateway.telling import Telling
from gateway.timeline import Timeline
from gateway.verbs.machine_detection import PlacedDetection
from gateway.verbs.outcome import Fetch, Given
from signaling.leg import Answered, EarlyMedia, Ended, HangupCause, Leg, LegEvent, OutboundCall, Party, Ringing
from signaling.location import NumberTarget, Target

NO_TRUNK: Final = 13224


@dataclass(frozen=True, kw_only=True)
class CallOrder:
    """What was asked for.

    document: performed on the answer instead of script.voice_url. shown: the caller as the far end sees it.
    timeout_s: of ringing. time_limit_s: of the whole call; None: as the configuration allows.
    digits: sent to the far end on the answer. recording: of the whole call from the answer on. detection: who answers.
    headers, parameters: for a SIP phone and a Voice SDK device. display_name: the caller's, for phones that show one.
    notification: URL that is told when dialling starts. afterwards: called when the call is over, however it went.
    delay_s: how long it is queued at least. on_digit: hears every key of whoever answers, one that is only a tone too.
    """

    facts: CallFacts
    target: Target
    script: Script
    telling: Telling
    timeout_s: float
    document: Given | None = None
    shown: str | None = None
    time_limit_s: float | None = None
    digits: str | None = None
    recording: CallRecordingOrder | None = None
    detection: PlacedDetection | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    display_name: str = ""
    notification: str | None = None
    afterwards: Callable[[], None] | None = None
    delay_s: float = 0.0
    on_digit: DigitListener | None = None


class OutgoingCall:
    """run() once. ``session`` is there once somebody answered. wait_s: how long it stays queued before it is placed."""

    def __init__(self, services: Services, order: CallOrder, *, wait_s: float = 0.0) -> None:
        self._services = services
        self._order = order
        self.facts = order.facts
        timeline = Timeline(services, order.facts, leg_id="")
        self.progress = CallProgress(services, order.facts, timeline, order.telling, status=CallStatus.QUEUED)
        self.session: CallSession | None = None
        self._following: Fetch | Given | None = order.document
        self._script = order.script
        self._inbox: asyncio.Queue[tuple[Leg, LegEvent] | HangupCause] = asyncio.Queue()
        self._legs: list[Leg] = []
        self._wait_s = max(wait_s, order.delay_s)
        self.progress.queue_time_ms = round(self._wait_s * 1000)

    @property
    def status(self) -> CallStatus:
        return self.progress.status

    def accept(self) -> None:
        """The call is on record as queued."""
        self.progress.begin(target=self.facts.callee)

    def hangup(self, cause: HangupCause = HangupCause.NORMAL) -> None:
        """End it in whatever state; before the answer it is canceled."""
        if self.session is not None:
            self.session.leg.hangup(cause)
        else:
            self._inbox.put_nowait(HangupCause.CANCELED)

    def redirect(self, following: Fetch | Given) -> bool:
        """Another document than the one asked for. Before the answer it is what the answer begins with."""
        if self.session is not None:
            return self.session.redirect(following)
        self._following = following
        return not self.status.is_final

    def fall_back_to(self, url: str, method: str) -> None:
        """Whom to ask from now on when a document fails."""
        if self.session is not None:
            self.session.fall_back_to(url, method)
        self._script = replace(self._script, fallback_url=url, fallback_method=method)

    async def run(self) -> None:
        """From placing to the end of the call; returns when it is on record."""
        try:
            await self._run()
        finally:
            if self._order.afterwards is not None:
                self._order.afterwards()

    async def _run(self) -> None:
        followers: list[asyncio.Task[None]] = []
        try:
            outcome = await self._ring(followers)
        finally:
            for follower in followers:
                follower.cancel()
            for leg in self._legs:
                if self.session is None or leg is not self.session.leg:
                    leg.hangup(HangupCause.ANSWERED_ELSEWHERE if self.session else HangupCause.CANCELED)
        if outcome is not None:
            self.progress.close(unanswered_status(outcome.cause), leg=self._last_leg(), ended=outcome)
            return
        assert self.session is not None
        await self.session.run()

    async def _ring(self, followers: list[asyncio.Task[None]]) -> Ended | None:
        """Returns how it ended without an answer, or None with a session made of the leg that answered."""
        if self._wait_s and await self._is_canceled_within(self._wait_s):
            return Ended(HangupCause.CANCELED)
        self.progress.advance(Placed())
        self._notify()
        self._legs = self._services.location.place(self._order.target, self._request())
        if not self._legs and isinstance(self._order.target, NumberTarget):
            self.progress.timeline.warn(NO_TRUNK, f"no trunk takes {self._order.target.number}", level="error")
            return Ended(HangupCause.FAILED, sip_status=404)
        if not self._legs:
            # An identity without a device is not picked up. Source: dial.md 4 of the specification.
            return Ended(HangupCause.NO_ANSWER, sip_status=404)
        followers += [asyncio.create_task(self._follow(leg), name=f"{self.facts.sid} leg") for leg in self._legs]
        failures: list[Ended] = []
        try:
            async with asyncio.timeout(self._order.timeout_s):
                while len(failures) < len(self._legs):
                    match await self._inbox.get():
                        case HangupCause() as cause:
                            return Ended(cause, sip_status=487)
                        case (_, Ringing() | EarlyMedia()):
                            self.progress.advance(Alerted())
                        case (leg, Answered()):
                            self._connect(leg)
                            return None
                        case (_, Ended() as ended):
                            failures.append(ended)
                        case _:
                            pass
        except TimeoutError:
            return Ended(HangupCause.NO_ANSWER, sip_status=487)
        told = worst_of([unanswered_status(ended.cause) for ended in failures])
        return next(ended for ended in failures if unanswered_status(ended.cause) is told)

    async def _is_canceled_within(self, seconds: float) -> bool:
        """Nothing but a cancellation comes in while nobody rings."""
        try:
            async with asyncio.timeout(seconds):
                await self._inbox.get()
        except TimeoutError:
            return False
        return True

    def _connect(self, leg: Leg) -> None:
        self.progress.advance(PickedUp())
        self.session = CallSession(
            self._services,
            leg,
            self.facts,
            self._script,
            progress=self.progress,
            first=self._following,
            digits=self._order.digits,
            recording=self._order.recording,
            detection=self._order.detection,
            time_limit_s=self._order.time_limit_s,
            listener=self._order.on_digit,
        )
        if self._order.on_digit is not None:
            leg.media.detect_tones(True)

    async def _follow(self, leg: Leg) -> None:
        """Hands in a leg's events up to its answer; what comes after is the session's."""
        async for event in leg.events:
            self._inbox.put_nowait((leg, event))
            if isinstance(event, (Answered, Ended)):
                return

    def _notify(self) -> None:
        """The custom parameters go with it. Source: Twilio Call resource, ClientNotificationUrl."""
        order, timeline = self._order, self.progress.timeline
        if order.notification is not None:
            parameters = call_parameters(self.facts, self.status) + list(order.parameters.items())
            owed = timeline.owe(
                url=order.notification,
                method="POST",
                parameters=parameters,
                order_key=f"{self.facts.sid}{NOTIFICATION}",
            )
            timeline.note(owed)

    def _last_leg(self) -> Leg | None:
        return self._legs[-1] if self._legs else None

    def _request(self) -> OutboundCall:
        order = self._order
        return OutboundCall(
            call_sid=self.facts.sid,
            account_sid=self.facts.account_sid,
            caller=Party(address=order.shown or self.facts.caller, display_name=order.display_name),
            callee=Party(address=self.facts.callee),
            headers=order.headers,
            parameters=order.parameters,
        )
