"""Messages beside a call's sound: what one is, how large it may be, and the legs that carry them.

Pure. Source: voice-sdk.md 5.2 of the specification (message); Twilio Voice SDK call message events.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

MAX_CONTENT: Final = 10 * 1024
MAX_DEPTH: Final = 32
CONTENT_TYPE: Final = "application/json"
MESSAGE_TYPE: Final = "user-defined-message"


@dataclass(frozen=True, kw_only=True)
class CallMessage:
    """content: any JSON value. sid: its sender's name for it, ``KX…`` by convention; may be empty."""

    content: Any = field(repr=False)
    content_type: str = CONTENT_TYPE
    message_type: str = MESSAGE_TYPE
    sid: str = ""


@runtime_checkable
class Messaging(Protocol):
    """A leg whose far end sends and takes messages: a Voice SDK device.

    on_message: gets what the far end sends, at a bounded rate.
    """

    on_message: Callable[[CallMessage], None] | None

    def send_message(self, message: CallMessage) -> bool:
        """False while the far end cannot be reached."""
        ...


def is_small(content: object) -> bool:
    """Whether a JSON value may be the content of a message: a number that is none (1e999) may not either.

    Levels are counted before anything recursive sees the value.
    """
    level, depth = [content], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            return False
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    try:
        return len(json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")) <= MAX_CONTENT
    except ValueError:
        return False
