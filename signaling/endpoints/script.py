"""What an endpoint does of itself in a call, as commands with a time to each.

Pure: options in, timed commands out; ``Agenda`` keeps them until their time has come.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import assert_never

from signaling.endpoints.commands import Answer, Command, DigitMethod, Digits, Hangup, Hold, Reject, Resume, Ring
from signaling.endpoints.options import EndpointOptions, Incoming, SipEndpointOptions

# A far end needs a moment after the 200 before its detector hears the first key.
DIGITS_AFTER_ANSWER_S = 0.3
PAUSE_S = {"w": 0.5, "W": 1.0}
# Length of a key plus the gap after it, as PJMEDIA paces telephone events.
DIGIT_S = 0.25


@dataclass(frozen=True)
class Timed:
    delay_s: float
    command: Command


def on_incoming(options: EndpointOptions, call: int) -> tuple[Timed, ...]:
    match options.incoming:
        case Incoming.RING:
            return (Timed(0.0, Ring(call)),)
        case Incoming.ANSWER:
            return (Timed(0.0, Ring(call)), Timed(options.answer_after_s, Answer(call)))
        case Incoming.REJECT:
            return (Timed(0.0, Reject(options.reject_code, call)),)
        case Incoming.WAIT:
            return ()
        case _:
            assert_never(options.incoming)


def on_answered(options: EndpointOptions, call: int) -> tuple[Timed, ...]:
    planned: list[Timed] = []
    if options.digits:
        planned.append(Timed(DIGITS_AFTER_ANSWER_S, Digits(options.digits, DigitMethod.RFC4733, call)))
    if isinstance(options, SipEndpointOptions) and options.hold_after_s is not None:
        planned.append(Timed(options.hold_after_s, Hold(call)))
        if options.resume_after_s is not None:
            planned.append(Timed(options.hold_after_s + options.resume_after_s, Resume(call)))
    if options.hangup_after_s is not None:
        planned.append(Timed(options.hangup_after_s, Hangup(call)))
    return tuple(planned)


def split_digits(digits: str) -> Iterator[tuple[float, str]]:
    """Runs of keys with the moment each starts at, counted from the first: ``1w23`` is (0, 1), (0.75, 23)."""
    at_s, start_s, run = 0.0, 0.0, ""
    for key in digits:
        if key in PAUSE_S:
            if run:
                yield start_s, run
            at_s, run = at_s + PAUSE_S[key], ""
        else:
            start_s, run = (at_s, key) if not run else (start_s, run + key)
            at_s += DIGIT_S
    if run:
        yield start_s, run


@dataclass
class Agenda:
    """Commands waiting for their time, each for one call; those of a call that is over are dropped."""

    _waiting: list[tuple[float, int, int, Command]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=count)

    def add(self, call: int, due_s: float, command: Command) -> None:
        heapq.heappush(self._waiting, (due_s, next(self._order), call, command))

    def drop(self, call: int) -> None:
        self._waiting = [entry for entry in self._waiting if entry[2] != call]
        heapq.heapify(self._waiting)

    def due(self, now_s: float) -> Iterator[Command]:
        while self._waiting and self._waiting[0][0] <= now_s:
            yield heapq.heappop(self._waiting)[3]
