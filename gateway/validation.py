"""The call that validates a caller ID: whoever answers keys in the code that the client was given.

Keypad is pure: keys in, a verdict out. What the party hears is a document like any other; it is heard out to its end
where nothing, or nothing right, is keyed in.
Source: Twilio OutgoingCallerId resource, "Add an outgoing caller ID" (a code of six digits, entered during the call).
"""

import hmac
import secrets
from enum import Enum
from typing import Final

from gateway.twiml import parse
from gateway.verbs.outcome import Given

CODE_LENGTH: Final = 6
MOST_TRIES: Final = 3
_ROUND: Final = '<Say>Please enter your validation code.</Say><Pause length="8"/>'
_ASKING: Final = f"<Response>{_ROUND * 4}</Response>"
_THANKS: Final = "<Response><Say>Thank you. The number is validated.</Say></Response>"


class Verdict(Enum):
    """OPEN: more keys are wanted. CLOSED: no further key counts."""

    OPEN = "open"
    RIGHT = "right"
    WRONG = "wrong"
    CLOSED = "closed"


class Keypad:
    """code: the digits that are wanted. A star or a hash begins anew."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._keyed = ""
        self._tries = 0
        self._is_closed = False

    def press(self, key: str) -> Verdict:
        """WRONG: the last try failed."""
        if self._is_closed:
            return Verdict.CLOSED
        if not key.isdigit():
            self._keyed = ""
            return Verdict.OPEN
        self._keyed += key
        if len(self._keyed) < len(self._code):
            return Verdict.OPEN
        keyed, self._keyed = self._keyed, ""
        self._tries += 1
        if hmac.compare_digest(keyed.encode(), self._code.encode()):
            self._is_closed = True
            return Verdict.RIGHT
        self._is_closed = self._tries >= MOST_TRIES
        return Verdict.WRONG if self._is_closed else Verdict.OPEN


def new_code() -> str:
    return f"{secrets.randbelow(10**CODE_LENGTH):0{CODE_LENGTH}}"


def asking() -> Given:
    return Given(document=parse(_ASKING.encode()))


def thanks() -> Given:
    return Given(document=parse(_THANKS.encode()))
