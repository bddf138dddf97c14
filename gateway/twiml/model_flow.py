"""Verbs that steer the call or make sound without asking for anything: Hangup, Redirect, Reject, Pause, Play.

Pure values. Source: Twilio <Hangup>, <Redirect>, <Reject>, <Pause>, <Play>.
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.twiml.addresses import Pairs
from gateway.twiml.kinds import DAY_S, DIGITS, LOOP, METHOD, URL, choice, up_to
from gateway.twiml.model_nouns import Parameter
from gateway.twiml.problems import Position
from gateway.twiml.schema import attribute, children, text
from gateway.twiml.values import Method, RejectReason


@dataclass(frozen=True, kw_only=True)
class Hangup:
    tag: ClassVar[str] = "Hangup"
    position: Position
    parameters: Pairs = children(Parameter, pairs=True)


@dataclass(frozen=True, kw_only=True)
class Reject:
    tag: ClassVar[str] = "Reject"
    position: Position
    reason: RejectReason = attribute("reason", choice(RejectReason), default=RejectReason.REJECTED, code=13810)
    parameters: Pairs = children(Parameter, pairs=True)


@dataclass(frozen=True, kw_only=True)
class Redirect:
    """url: as written; empty stands for the document itself."""

    tag: ClassVar[str] = "Redirect"
    position: Position
    url: str = text(URL, default="")
    method: Method = attribute("method", METHOD, default=Method.POST, code=13710)


@dataclass(frozen=True, kw_only=True)
class Pause:
    tag: ClassVar[str] = "Pause"
    position: Position
    length_s: int = attribute("length", up_to(DAY_S, unit="s"), default=1, code=13910)


@dataclass(frozen=True, kw_only=True)
class Play:
    """A file, or digits instead of one. loop 0: until the call ends, at most 1000 times."""

    tag: ClassVar[str] = "Play"
    position: Position
    url: str = text(URL, default="")
    digits: str | None = attribute("digits", DIGITS, default=None, code=13430)
    loop: int = attribute("loop", LOOP, default=1, code=13410)
