"""<Dial>: ring several parties, connect the first that answers, say how it went.

The shell of DialModel (gateway/fork.py): runs its effects on real legs, timers and sound, and feeds it what happens.
Attempts and their callbacks are gateway/verbs/attempt.py, what the caller hears and what is recorded
gateway/verbs/dial_sound.py. The verb is cancelled when the caller's leg ends; the model then still says what is to be
done, and every such effect is synchronous, so that nothing of a dial survives its call.
Source: Twilio <Dial>; Twilio <Client>.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from gateway.call import CallStatus, ProgressEvent
from gateway.codec_choice import prefer_common_codec
from gateway.fork import DialModel, DialState
from gateway.fork_events import (
    AttemptPlaced,
    AttemptRefused,
    AttemptTimedOut,
    Bridge,
    CallerEnded,
    CancelTimer,
    DialEffect,
    DialEvent,
    EndScreening,
    Finish,
    Hangup,
    LegAnswered,
    LegEarlyMedia,
    LegEnded,
    LegKey,
    LegRinging,
    PassEarlyMedia,
    Place,
    PostAttempt,
    Screen,
    ScreeningDeclined,
    ScreeningPassed,
    StarPressed,
    Started,
    StartRingback,
    StartTimer,
    StopRingback,
    TimeLimitReached,
    WinnerMoved,
    WinnerReferred,
)
from gateway.parameters import Parameters
from gateway.pictures import agree_on_pictures, awaits_pictures
from gateway.scripted import REFER_NOT_WANTED, ScriptedCall
from gateway.twiml import resolve_url
from gateway.twiml.model import Dial
from gateway.verbs.attempt import NOT_EXECUTED, Attempt, Refused
from gateway.verbs.called_party import CalledParty
from gateway.verbs.child_call import ChildCall
from gateway.verbs.dial_sound import DialSound
from gateway.verbs.nouns import Dialled, Order, order_for
from gateway.verbs.outcome import Continue, Fetch, Next
from signaling.leg import (
    Answered,
    DigitReceived,
    EarlyMedia,
    Ended,
    HangupCause,
    Leg,
    Ringing,
    Transferable,
    TransferRequested,
)
from signaling.mailbox import Mailbox

# What a caller who was never answered is refused with when the script ends after this dial.
_REFUSALS = {
    CallStatus.BUSY: HangupCause.BUSY,
    CallStatus.NO_ANSWER: HangupCause.NO_ANSWER,
    CallStatus.FAILED: HangupCause.FAILED,
    CallStatus.CANCELED: HangupCause.NO_ANSWER,
}


async def dial(call: ScriptedCall, verb: Dial, base_url: str | None) -> Next:
    # Resolved before anything rings: a URL that cannot be requested is an error of the document.
    orders = [order_for(call, verb, noun, base_url) for noun in _executed(call, verb)]
    prefer_common_codec(call, [way.target for order in orders for way in order.ways])
    if awaits_pictures(call, verb):
        verb = replace(verb, answer_on_bridge=True)
    if not verb.answer_on_bridge:
        await call.answer()
    action = None if verb.action is None else resolve_url(base_url, verb.action)
    refer_url = None if verb.refer_url is None else resolve_url(base_url, verb.refer_url)
    run = _DialRun(call, verb, orders, base_url)
    try:
        finish = await run.until_finished()
    except asyncio.CancelledError:
        finish = run.abandon()
        # A script that was taken away from a caller who is still there says nothing more.
        if action is not None and call.leg.events.ended is not None:
            parameters = call.parameters() + run.result_parameters(finish)
            call.timeline.note(call.timeline.owe(url=action, method=verb.method.value, parameters=parameters))
        raise
    finally:
        run.close()
    if run.referred_to is not None and refer_url is not None:
        target = [("ReferTransferTarget", run.referred_to)]
        return Fetch(url=refer_url, method=verb.refer_method.value, parameters=target)
    if finish.status in _REFUSALS:
        call.refusal = _REFUSALS[finish.status]
    if action is not None:
        return Fetch(url=action, method=verb.method.value, parameters=run.result_parameters(finish))
    return Continue()


def _executed(call: ScriptedCall, verb: Dial) -> list[Dialled]:
    """The nouns that can be dialled; the others are told."""
    nouns: list[Dialled] = []
    for noun in verb.nouns:
        if isinstance(noun, Dialled):
            nouns.append(noun)
        else:
            call.timeline.warn(NOT_EXECUTED, f"<Dial><{noun.tag}> is not executed yet; skipped")
    return nouns


class _DialRun:
    def __init__(self, call: ScriptedCall, verb: Dial, orders: Sequence[Order], base_url: str | None) -> None:
        self._call = call
        self._verb = verb
        configuration = call.services.configuration.calls
        self._attempts = [Attempt(call, order) for order in orders]
        self._model = DialModel(
            len(orders),
            is_sequential=verb.sequential,
            status_when_caller_ends=CallStatus(configuration.status_when_caller_hangs_up),
            screened=frozenset(number for number, attempt in enumerate(self._attempts) if attempt.screening),
            rings_while_screened=verb.answer_on_bridge or configuration.ringing_during_whisper,
        )
        self._sound = DialSound(call, verb, base_url)
        self._children = [ChildCall(self, number, attempt) for number, attempt in enumerate(self._attempts)]
        self._followers: dict[LegKey, asyncio.Task[None]] = {}
        self._inbox: Mailbox[DialEvent] = Mailbox()
        self._pending: deque[DialEffect] = deque()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._dropped: set[LegKey] = set()
        self._screened: CalledParty | None = None
        self._screening: asyncio.Task[None] | None = None
        self._time_limit: asyncio.TimerHandle | None = None
        self._time_limit_s = min(verb.time_limit_s, configuration.time_limit_s)
        self._loop = asyncio.get_running_loop()
        self._finish: Finish | None = None
        self.referred_to: str | None = None

    async def until_finished(self) -> Finish:
        with self._call.listening(self._digit):
            await self._tell(Started())
            while self._finish is None:
                await self._tell(await self._inbox.take())
        return self._finish

    def abandon(self) -> Finish:
        """The caller is gone: what the model still wants is done at once. Waits for nothing."""
        for effect in (*self._pending, *self._model.receive(CallerEnded())):
            self._perform(effect)
        self._pending.clear()
        assert self._finish is not None
        return self._finish

    def close(self) -> None:
        """Timers, sound and records of a dial that is over. Every leg has ended by now."""
        for timer in self._timers.values():
            timer.cancel()
        if self._time_limit is not None:
            self._time_limit.cancel()
        self._end_screening()
        for number in range(len(self._children)):
            self._forget_child(number)
        self._sound.close()
        self._call.timeline.note(*(record for attempt in self._attempts for record in attempt.leg_records()))

    def result_parameters(self, finish: Finish) -> Parameters:
        """What the action request says beside the standard parameters. Source: Twilio <Dial>, action."""
        attempt = None if finish.attempt is None else self._attempts[finish.attempt]
        parameters = [("DialCallStatus", finish.status.value)]
        if attempt is not None:
            parameters.append(("DialCallSid", attempt.facts.sid))
            # Its call goes on. Source: Twilio <Dial>, DialCallDuration of a child that was redirected.
            if not attempt.is_moved:
                parameters.append(("DialCallDuration", str(attempt.duration_s)))
        parameters.append(("DialBridged", "true" if finish.was_bridged else "false"))
        recording = self._sound.finish_recording()
        if recording is not None:
            parameters += recording.parameters()
        if attempt is not None:
            parameters += attempt.sip_parameters()
        return parameters

    # For the calls of the dialled parties.

    def status_of(self, number: int) -> CallStatus:
        return self._model.status_of(number)

    def drop(self, number: int) -> None:
        is_answered = self._model.winner is not None and self._model.winner.attempt == number
        for device, leg in enumerate(self._attempts[number].legs):
            self._dropped.add(LegKey(number, device))
            leg.hangup(HangupCause.NORMAL if is_answered else HangupCause.CANCELED)

    def release(self, number: int) -> tuple[Leg, asyncio.Task[None] | None] | None:
        key = self._model.winner
        if key is None or key.attempt != number or self._model.state is DialState.DONE:
            return None
        leg, screening = self._leg(key), self._screening
        if leg.events.ended is not None or not self._attempts[number].is_answered:
            return None
        # At once: what is under way here must not touch the leg any more.
        self._followers.pop(key).cancel()
        self._end_screening()
        self._forget_child(number)
        self._pending.extend(self._model.receive(WinnerMoved(key)))
        self._inbox.post(WinnerMoved(key))
        return leg, screening

    def _forget_child(self, number: int) -> None:
        self._children[number].forget_limit()
        self._call.services.dialled.remove(self._attempts[number].facts.sid)

    async def _tell(self, event: DialEvent) -> None:
        if isinstance(event, WinnerReferred) and self._model.state is DialState.BRIDGED:
            self.referred_to = event.target
        self._pending.extend(self._model.receive(event))
        while self._pending:
            effect = self._pending.popleft()
            match effect:
                case Place(number):
                    # What placing leads to comes before the effects that wait.
                    self._pending.extendleft(reversed(self._model.receive(self._place(number))))
                case StartRingback():
                    await self._sound.start_ringback()
                case PassEarlyMedia(leg):
                    self._call.leg.prefer(self._leg(leg).codec_names)
                    await self._sound.pass_early_media(self._leg(leg))
                case Bridge(leg):
                    await self._bridge(leg)
                case _:
                    self._perform(effect)

    def _place(self, number: int) -> DialEvent:
        attempt = self._attempts[number]
        match attempt.place():
            case Refused(cause):
                return AttemptRefused(number, cause)
            case legs:
                self._call.services.dialled.add(self._children[number])
                for device, leg in enumerate(legs):
                    self._begin_following(LegKey(number, device), leg)
                return AttemptPlaced(number, len(legs))

    def _begin_following(self, key: LegKey, leg: Leg) -> None:
        self._followers[key] = self._call.spawn(self._follow(key, leg), name=f"dialled leg {leg.leg_id}")

    async def _follow(self, key: LegKey, leg: Leg) -> None:
        async for event in leg.events:
            match event:
                case Ringing():
                    self._inbox.post(LegRinging(key))
                case EarlyMedia():
                    self._inbox.post(LegEarlyMedia(key))
                case Answered(headers):
                    self._attempts[key.attempt].note_answer(key.device, headers)
                    self._inbox.post(LegAnswered(key))
                case Ended(cause):
                    another = (
                        None if key in self._dropped else self._attempts[key.attempt].place_next(key.device, cause)
                    )
                    if another is None:
                        self._inbox.post(LegEnded(key, cause))
                    else:
                        self._begin_following(key, another)
                case TransferRequested(target, is_accepted=True):
                    self._inbox.post(WinnerReferred(target))
                case TransferRequested():
                    self._call.timeline.warn(REFER_NOT_WANTED, f"REFER of {leg.device} without referUrl", level="error")
                case DigitReceived() if key == self._model.winner:
                    self._called_digit(event)
                case _:
                    pass

    async def _screen(self, key: LegKey, party: CalledParty) -> None:
        attempt = self._attempts[key.attempt]
        passed = await attempt.screening.passes(party, attempt.note_detection)
        if party.leg.events.ended is not None:
            # Sound of a leg that ends is over at once; the end itself is told by the leg.
            return
        self._inbox.post(ScreeningPassed(key) if passed else ScreeningDeclined(key))

    async def _bridge(self, key: LegKey) -> None:
        leg = self._leg(key)
        self._screened = None
        self._call.leg.prefer(leg.codec_names)
        agree_on_pictures(self._call, self._verb, leg)
        await self._call.answer()
        if self._attempts[key.attempt].is_moved:
            return
        self._sound.bridge(leg)
        if self._verb.refer_url is not None and isinstance(leg, Transferable):
            leg.accept_transfers(True)
        self._time_limit = self._loop.call_later(self._time_limit_s, self._inbox.post, TimeLimitReached())
        self._call.timeline.note(
            self._call.timeline.event("bridged", message=self._attempts[key.attempt].facts.sid, leg_id=leg.leg_id)
        )

    def _perform(self, effect: DialEffect) -> None:
        """The effects that wait for nothing; those that do are of no use to a caller who is gone."""
        match effect:
            case StartTimer(number):
                self._timers[number] = self._loop.call_later(
                    self._attempts[number].timeout_s, self._inbox.post, AttemptTimedOut(number)
                )
            case CancelTimer(number):
                timer = self._timers.pop(number, None)
                if timer is not None:
                    timer.cancel()
            case Hangup(key, cause):
                self._dropped.add(key)
                self._leg(key).hangup(cause)
            case PostAttempt(number, posted, cause):
                attempt = self._attempts[number]
                winner = self._model.winner
                is_winner = winner is not None and winner.attempt == number
                if posted.event is ProgressEvent.ANSWERED and winner is not None:
                    attempt.use_answer(winner.device)
                is_over = posted.status.is_final
                attempt.post(posted, cause, self._sound.finish_recording() if is_winner and is_over else None)
                if is_over:
                    self._forget_child(number)
            case Screen(key):
                self._screened = self._attempts[key.attempt].called_party()
                self._screening = self._call.spawn(self._screen(key, self._screened), name="screening")
            case EndScreening():
                self._end_screening()
            case StopRingback():
                self._sound.stop_ringback()
            case Finish():
                self._finish = effect
            case Place() | StartRingback() | PassEarlyMedia() | Bridge():
                pass

    def _end_screening(self) -> None:
        self._screened = None
        if self._screening is not None:
            self._screening.cancel()
            self._screening = None

    def _leg(self, key: LegKey) -> Leg:
        return self._attempts[key.attempt].legs[key.device]

    def _digit(self, pressed: DigitReceived) -> None:
        """A key of the caller: his way out, or something for the other party."""
        if pressed.digit == "*" and self._verb.hangup_on_star:
            self._inbox.post(StarPressed())
        elif self._model.state is DialState.BRIDGED and self._model.winner is not None:
            self._pass_on(pressed, self._leg(self._model.winner))

    def _called_digit(self, pressed: DigitReceived) -> None:
        """A key of the called party: for its own document, or for the caller."""
        if self._screened is not None:
            self._screened.hear_digit(pressed)
        elif self._model.state is DialState.BRIDGED:
            self._pass_on(pressed, self._call.leg)

    def _pass_on(self, pressed: DigitReceived, leg: Leg) -> None:
        """Keys that came beside the sound (SIP INFO) are not carried by the bridge."""
        if not pressed.is_in_media:
            self._call.spawn(leg.send_digits(pressed.digit), name="digit")
