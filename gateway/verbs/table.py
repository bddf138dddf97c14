"""The verbs that run: element of the language to the coroutine that performs it.

A new verb takes four steps: its dataclass in gateway/twiml/model_*.py (attributes, defaults, codes), its coroutine in a
file of its own here, its row in VERBS, its attributes in gateway/twiml/support.py with a test each that fails when one
is ignored. README's table of what is supported is drawn from the last.
"""

from collections.abc import Mapping
from typing import Final

from gateway.interpreter import Run
from gateway.twiml.model import (
    Connect,
    Dial,
    Echo,
    Enqueue,
    Gather,
    Hangup,
    Leave,
    Pause,
    Play,
    Record,
    Redirect,
    Refer,
    Reject,
    Say,
    Start,
    Stop,
)
from gateway.verbs.dial_room import dial_parties_or_room
from gateway.verbs.enqueue import enqueue, leave
from gateway.verbs.flow import echo, hangup, pause, redirect, reject
from gateway.verbs.gather import gather
from gateway.verbs.play import play
from gateway.verbs.record import record
from gateway.verbs.refer import refer
from gateway.verbs.say import say
from gateway.verbs.streams import connect, start, stop

VERBS: Final[Mapping[type, Run]] = {
    Connect: connect,
    Dial: dial_parties_or_room,
    Echo: echo,
    Enqueue: enqueue,
    Gather: gather,
    Hangup: hangup,
    Leave: leave,
    Pause: pause,
    Play: play,
    Record: record,
    Redirect: redirect,
    Refer: refer,
    Reject: reject,
    Say: say,
    Start: start,
    Stop: stop,
}
