"""The fork of a ``<Dial>``: who of the dialled parties gets the call.

Pure: no IO, no clock, no asyncio. Events in, effects out; what nobody foresaw raises IllegalEvent and changes nothing.
Owns DialModel and MOVES; events and effects are gateway/fork_events.py. gateway/verbs/dial.py alone runs the effects.

An *attempt* is one noun of the <Dial>, with one CallSid; it may ring several *legs*, one per device of an identity.
An answered leg may be *screened* (digits, a whisper document) before it is bridged; the others end at its answer.
Editing rule: every move is a row of MOVES, IGNORED or ILLEGAL; tests/gateway/test_fork.py fails on a pair that
nobody decided.
Source: Twilio <Dial>, DialCallStatus; Twilio <Client>, "the first client to accept".
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from gateway.call import (
    Alerted,
    CallEvent,
    CallStatus,
    IllegalEvent,
    Over,
    PickedUp,
    Placed,
    unanswered_status,
)
from gateway.fork_attempt import Attempt, worst_of
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
from signaling.leg import HangupCause


class DialState(Enum):
    DIALLING = "dialling"
    SCREENING = "screening"
    BRIDGED = "bridged"
    DONE = "done"


class DialModel:
    """Who of the dialled parties gets the call.

    is_sequential: one attempt after the other instead of all at once.
    status_when_caller_ends: DialCallStatus when the caller gives up before he is connected.
    screened: attempts that are screened after their answer; rings_while_screened: the caller hears ringing meanwhile.
    """

    def __init__(
        self,
        attempts: int,
        *,
        is_sequential: bool = False,
        status_when_caller_ends: CallStatus = CallStatus.CANCELED,
        screened: frozenset[int] = frozenset(),
        rings_while_screened: bool = False,
    ) -> None:
        self.state = DialState.DIALLING
        self.winner: LegKey | None = None
        self._attempts = [Attempt() for _ in range(attempts)]
        self._is_sequential = is_sequential
        self._status_when_caller_ends = status_when_caller_ends
        self._screened = screened
        self._rings_while_screened = rings_while_screened
        self._last_tried: int | None = None
        self._has_ringback = False
        self._early: LegKey | None = None

    def status_of(self, attempt: int) -> CallStatus:
        return self._attempts[attempt].call.status

    @property
    def live_legs(self) -> frozenset[LegKey]:
        return frozenset(
            LegKey(number, device) for number, attempt in enumerate(self._attempts) for device in attempt.live
        )

    def receive(self, event: DialEvent) -> tuple[DialEffect, ...]:
        pair = (self.state, type(event))
        if pair in IGNORED:
            return ()
        move = MOVES.get(pair)
        if move is None:
            raise IllegalEvent(f"{type(event).__name__} cannot happen to a dial that is {self.state.value}")
        return tuple(move(self, event))

    # Moves while nobody has answered.

    def _start(self, _event: Started) -> list[DialEffect]:
        if not self._attempts:
            return self._finish(CallStatus.FAILED)
        return (
            self._place_next()
            if self._is_sequential
            else [effect for number in range(len(self._attempts)) for effect in self._place(number)]
        )

    def _place(self, number: int) -> list[DialEffect]:
        self._last_tried = number
        return [Place(number)]

    def _place_next(self) -> list[DialEffect]:
        following = 0 if self._last_tried is None else self._last_tried + 1
        if following < len(self._attempts):
            return self._place(following)
        return self._finish_unanswered()

    def _placed(self, event: AttemptPlaced) -> list[DialEffect]:
        effects: list[DialEffect] = self._post(event.attempt, Placed())
        attempt = self._attempts[event.attempt]
        attempt.is_placed = True
        attempt.live = set(range(event.devices))
        if not attempt.live:
            return effects + self._attempt_over(event.attempt, HangupCause.NO_ANSWER)
        return [*effects, StartTimer(event.attempt)]

    def _refused(self, event: AttemptRefused) -> list[DialEffect]:
        effects: list[DialEffect] = self._post(event.attempt, Placed())
        return effects + self._attempt_over(event.attempt, event.cause)

    def _ringing(self, event: LegRinging) -> list[DialEffect]:
        if not self._is_live(event.leg):
            return []
        effects: list[DialEffect] = self._post(event.leg.attempt, Alerted())
        if not self._has_ringback:
            self._has_ringback = True
            effects.append(StartRingback())
        return effects

    def _early_media(self, event: LegEarlyMedia) -> list[DialEffect]:
        if not self._is_live(event.leg):
            return []
        effects = self._ringing(LegRinging(event.leg))
        if self._early is None:
            self._early = event.leg
            effects.append(PassEarlyMedia(event.leg))
        return effects

    def _answered(self, event: LegAnswered) -> list[DialEffect]:
        if not self._is_live(event.leg):
            return [Hangup(event.leg, HangupCause.ANSWERED_ELSEWHERE)]
        is_screened = event.leg.attempt in self._screened
        self.state = DialState.SCREENING if is_screened else DialState.BRIDGED
        self.winner = event.leg
        effects: list[DialEffect] = [CancelTimer(event.leg.attempt)]
        effects += self._ring_on() if is_screened and self._rings_while_screened else self._stop_ringback()
        effects += self._post(event.leg.attempt, PickedUp())
        effects += self._drop_all(HangupCause.ANSWERED_ELSEWHERE, keep=event.leg)
        return [*effects, Screen(event.leg) if is_screened else Bridge(event.leg)]

    def _ended(self, event: LegEnded) -> list[DialEffect]:
        if not self._is_live(event.leg):
            return []
        attempt = self._attempts[event.leg.attempt]
        attempt.live.discard(event.leg.device)
        attempt.failures.append(event.cause)
        effects: list[DialEffect] = []
        if self._early == event.leg:
            # The one whose announcement the caller hears is gone; ringing goes on for the others.
            self._early = None
            if self.live_legs:
                effects.append(StartRingback())
        if attempt.live:
            return effects
        return [*effects, CancelTimer(event.leg.attempt), *self._attempt_over(event.leg.attempt, None)]

    def _timed_out(self, event: AttemptTimedOut) -> list[DialEffect]:
        attempt = self._attempts[event.attempt]
        if attempt.is_over or not attempt.is_placed:
            return []
        effects: list[DialEffect] = [
            Hangup(LegKey(event.attempt, device), HangupCause.CANCELED) for device in sorted(attempt.live)
        ]
        attempt.live.clear()
        return effects + self._attempt_over(event.attempt, HangupCause.NO_ANSWER)

    def _caller_gave_up(self, _event: CallerEnded) -> list[DialEffect]:
        return [*self._drop_all(HangupCause.CANCELED, keep=None), *self._finish(self._status_when_caller_ends)]

    def _star_while_dialling(self, _event: StarPressed) -> list[DialEffect]:
        return [*self._drop_all(HangupCause.CANCELED, keep=None), *self._finish(CallStatus.NO_ANSWER)]

    # Moves while the one that answered is screened.

    def _screening_passed(self, event: ScreeningPassed) -> list[DialEffect]:
        if event.leg != self.winner:
            return []
        self.state = DialState.BRIDGED
        return [*self._stop_ringback(), Bridge(event.leg)]

    def _screening_declined(self, event: ScreeningDeclined) -> list[DialEffect]:
        return [*self._drop_screened(), *self._not_connected(event.leg)] if event.leg == self.winner else []

    def _screened_leg_ended(self, event: LegEnded) -> list[DialEffect]:
        return [*self._drop_screened(), *self._not_connected(event.leg)] if event.leg == self.winner else []

    def _caller_gave_up_screening(self, _event: CallerEnded) -> list[DialEffect]:
        return self._end_screened(self._status_when_caller_ends)

    def _star_while_screening(self, _event: StarPressed) -> list[DialEffect]:
        return self._end_screened(CallStatus.COMPLETED)

    # Moves once two parties talk.

    def _late_answer(self, event: LegAnswered) -> list[DialEffect]:
        return [Hangup(event.leg, HangupCause.ANSWERED_ELSEWHERE)] if event.leg != self.winner else []

    def _bridged_leg_ended(self, event: LegEnded) -> list[DialEffect]:
        if event.leg != self.winner:
            return []
        self._attempts[event.leg.attempt].live.discard(event.leg.device)
        return [*self._post(event.leg.attempt, Over(CallStatus.COMPLETED), event.cause), *self._finish_bridged()]

    def _drop_winner(self, _event: DialEvent) -> list[DialEffect]:
        assert self.winner is not None
        self._attempts[self.winner.attempt].live.discard(self.winner.device)
        return [
            Hangup(self.winner, HangupCause.NORMAL),
            *self._post(self.winner.attempt, Over(CallStatus.COMPLETED), HangupCause.NORMAL),
            *self._finish_bridged(),
        ]

    def _winner_moved(self, event: WinnerMoved) -> list[DialEffect]:
        """It is neither hung up nor over: what becomes of its call is told by whoever has it now."""
        if event.leg != self.winner:
            return []
        self._attempts[event.leg.attempt].live.discard(event.leg.device)
        if self.state is DialState.BRIDGED:
            return self._finish_bridged()
        return [EndScreening(event.leg), *self._finish(CallStatus.COMPLETED, event.leg.attempt)]

    # Pieces.

    def _drop_screened(self) -> list[DialEffect]:
        assert self.winner is not None
        self._attempts[self.winner.attempt].live.discard(self.winner.device)
        return [
            EndScreening(self.winner),
            Hangup(self.winner, HangupCause.NORMAL),
            *self._post(self.winner.attempt, Over(CallStatus.COMPLETED), HangupCause.NORMAL),
        ]

    def _not_connected(self, leg: LegKey) -> list[DialEffect]:
        """Somebody answered and is not connected: who was stopped by the answer stays so, who waits has his turn."""
        if not self._is_sequential:
            return self._finish(CallStatus.COMPLETED, leg.attempt)
        self.state = DialState.DIALLING
        self.winner = None
        return self._place_next()

    def _end_screened(self, status: CallStatus) -> list[DialEffect]:
        assert self.winner is not None
        return [*self._drop_screened(), *self._finish(status, self.winner.attempt)]

    def _ring_on(self) -> list[DialEffect]:
        """Ringing until the bridge, also in place of the callee's early media: what follows is not for the caller."""
        is_ringing = self._has_ringback and self._early is None
        self._has_ringback, self._early = True, None
        return [] if is_ringing else [StartRingback()]

    def _stop_ringback(self) -> list[DialEffect]:
        if not self._has_ringback:
            return []
        self._has_ringback, self._early = False, None
        return [StopRingback()]

    def _is_live(self, leg: LegKey) -> bool:
        return leg.device in self._attempts[leg.attempt].live

    def _post(self, attempt: int, event: CallEvent, cause: HangupCause | None = None) -> list[DialEffect]:
        return [PostAttempt(attempt, posted, cause) for posted in self._attempts[attempt].call.receive(event)]

    def _attempt_over(self, number: int, cause: HangupCause | None) -> list[DialEffect]:
        attempt = self._attempts[number]
        if cause is not None:
            attempt.failures.append(cause)
        status = worst_of([unanswered_status(failure) for failure in attempt.failures])
        told = next(failure for failure in attempt.failures if unanswered_status(failure) is status)
        effects = self._post(number, Over(status), told)
        if self._is_sequential:
            return effects + self._place_next()
        if all(other.is_over for other in self._attempts):
            return effects + self._finish_unanswered()
        return effects

    def _drop_all(self, cause: HangupCause, *, keep: LegKey | None) -> list[DialEffect]:
        """Hang up every live leg but ``keep``; attempts without the kept leg end as canceled."""
        effects: list[DialEffect] = []
        for number, attempt in enumerate(self._attempts):
            is_kept = keep is not None and keep.attempt == number
            dropped = [device for device in sorted(attempt.live) if not is_kept or keep != LegKey(number, device)]
            effects += [Hangup(LegKey(number, device), cause) for device in dropped]
            attempt.live.difference_update(dropped)
            if is_kept or attempt.is_over:
                continue
            if attempt.is_placed:
                effects.append(CancelTimer(number))
                effects += self._post(number, Over(CallStatus.CANCELED), cause)
        return effects

    def _finish_unanswered(self) -> list[DialEffect]:
        return self._finish(worst_of([attempt.call.status for attempt in self._attempts if attempt.is_over]))

    def _finish_bridged(self) -> list[DialEffect]:
        assert self.winner is not None
        self.state = DialState.DONE
        return [Finish(CallStatus.COMPLETED, self.winner.attempt, was_bridged=True)]

    def _finish(self, status: CallStatus, attempt: int | None = None) -> list[DialEffect]:
        """attempt: who is told of; the last one tried if None."""
        self.state = DialState.DONE
        told = self._last_tried if attempt is None else attempt
        return [*self._stop_ringback(), Finish(status, told, was_bridged=False)]

    def _hang_up_late(self, event: LegAnswered) -> list[DialEffect]:
        return [Hangup(event.leg, HangupCause.ANSWERED_ELSEWHERE)]


# Each move takes the event of its row.
Move = Callable[[DialModel, Any], list[DialEffect]]

MOVES: Final[Mapping[tuple[DialState, type[DialEvent]], Move]] = {
    (DialState.DIALLING, Started): DialModel._start,
    (DialState.DIALLING, AttemptPlaced): DialModel._placed,
    (DialState.DIALLING, AttemptRefused): DialModel._refused,
    (DialState.DIALLING, LegRinging): DialModel._ringing,
    (DialState.DIALLING, LegEarlyMedia): DialModel._early_media,
    (DialState.DIALLING, LegAnswered): DialModel._answered,
    (DialState.DIALLING, LegEnded): DialModel._ended,
    (DialState.DIALLING, AttemptTimedOut): DialModel._timed_out,
    (DialState.DIALLING, CallerEnded): DialModel._caller_gave_up,
    (DialState.DIALLING, StarPressed): DialModel._star_while_dialling,
    (DialState.SCREENING, ScreeningPassed): DialModel._screening_passed,
    (DialState.SCREENING, ScreeningDeclined): DialModel._screening_declined,
    (DialState.SCREENING, LegAnswered): DialModel._late_answer,
    (DialState.SCREENING, LegEnded): DialModel._screened_leg_ended,
    (DialState.SCREENING, CallerEnded): DialModel._caller_gave_up_screening,
    (DialState.SCREENING, StarPressed): DialModel._star_while_screening,
    (DialState.SCREENING, WinnerMoved): DialModel._winner_moved,
    (DialState.BRIDGED, LegAnswered): DialModel._late_answer,
    (DialState.BRIDGED, LegEnded): DialModel._bridged_leg_ended,
    (DialState.BRIDGED, CallerEnded): DialModel._drop_winner,
    (DialState.BRIDGED, StarPressed): DialModel._drop_winner,
    (DialState.BRIDGED, TimeLimitReached): DialModel._drop_winner,
    (DialState.BRIDGED, WinnerReferred): DialModel._drop_winner,
    (DialState.BRIDGED, WinnerMoved): DialModel._winner_moved,
    (DialState.DONE, LegAnswered): DialModel._hang_up_late,
}
# A 180 that overtakes its 200, timers that fire beside the event they bound, what the losers still say, the verdict of
# a screening that was ended.
IGNORED: Final[frozenset[tuple[DialState, type[DialEvent]]]] = frozenset(
    {
        (DialState.DIALLING, TimeLimitReached),
        (DialState.DIALLING, WinnerReferred),
        (DialState.DIALLING, WinnerMoved),
        (DialState.DIALLING, ScreeningPassed),
        (DialState.DIALLING, ScreeningDeclined),
        (DialState.SCREENING, LegRinging),
        (DialState.SCREENING, LegEarlyMedia),
        (DialState.SCREENING, AttemptTimedOut),
        (DialState.SCREENING, TimeLimitReached),
        (DialState.SCREENING, WinnerReferred),
        (DialState.BRIDGED, ScreeningPassed),
        (DialState.BRIDGED, ScreeningDeclined),
        (DialState.BRIDGED, LegRinging),
        (DialState.BRIDGED, LegEarlyMedia),
        (DialState.BRIDGED, AttemptTimedOut),
        (DialState.DONE, LegRinging),
        (DialState.DONE, LegEarlyMedia),
        (DialState.DONE, LegEnded),
        (DialState.DONE, AttemptTimedOut),
        (DialState.DONE, CallerEnded),
        (DialState.DONE, StarPressed),
        (DialState.DONE, TimeLimitReached),
        (DialState.DONE, WinnerReferred),
        (DialState.DONE, WinnerMoved),
        (DialState.DONE, ScreeningPassed),
        (DialState.DONE, ScreeningDeclined),
    }
)
# The shell places attempts one at a time, in the order of the effects, before it hands in anything else.
ILLEGAL: Final[frozenset[tuple[DialState, type[DialEvent]]]] = frozenset(
    {
        (state, event)
        for state in (DialState.SCREENING, DialState.BRIDGED, DialState.DONE)
        for event in (Started, AttemptPlaced, AttemptRefused)
    }
)
