"""What the library under an endpoint tells and takes: the seam between an endpoint's conduct and its protocol.

Pure. endpoint.py is above it; PJSIP (pjsip.py) and the Voice SDK's end (browser.py) are below. SIP's numbers are the
common language for how a call goes; what has no number of its own is given the nearest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from signaling.endpoints.commands import DigitMethod


@dataclass(frozen=True)
class RegistrationChanged:
    """code 0: no answer. expires_s 0 with a 2xx: unregistered."""

    code: int
    reason: str
    expires_s: int


@dataclass(frozen=True)
class CallCame:
    """uri: what was called. headers: what the application sent along."""

    number: int
    caller: str
    callee: str
    uri: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CallProgressed:
    """A provisional response, sent or received. has_sound: sound comes with it, MediaChanged tells when."""

    number: int
    code: int
    has_sound: bool = False


@dataclass(frozen=True)
class CallAnswered:
    """Both sides know of the answer."""

    number: int
    codec: str
    rate_hz: int
    remote_media: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MediaChanged:
    """holder: ``local``, ``remote`` or None. code: last status of the call."""

    number: int
    holder: str | None
    is_before_answer: bool
    code: int


@dataclass(frozen=True)
class DigitCame:
    number: int
    digit: str
    method: DigitMethod
    duration_ms: int


@dataclass(frozen=True)
class CallOver:
    """headers: of the last message received in the call. Its recording is closed."""

    number: int
    code: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)


Note = RegistrationChanged | CallCame | CallProgressed | CallAnswered | MediaChanged | DigitCame | CallOver


class LibraryError(Exception):
    """The library refused; the message is its own."""


class Library(Protocol):
    """One client. Every method raises LibraryError for what cannot be done; nothing ends a call inside a note.

    Calls are known by their number, from 1 in the order they were made or came.
    """

    def start(self) -> str:
        """Begin, and register if there is a server. Returns the address for people. Raises OptionError too."""

    def poll(self) -> None:
        """Wait for the network and the clock, some milliseconds; notes come from in here."""

    def unregister(self) -> None: ...

    def dial(self, uri: str, headers: Mapping[str, str]) -> int:
        """uri: as the options spell a target. Returns the call's number."""

    def respond(self, number: int, code: int) -> None:
        """To a call that came in: 180, 183 with sound, 200, or a refusal."""

    def hangup(self, number: int) -> None: ...

    def hold(self, number: int) -> None: ...

    def resume(self, number: int) -> None: ...

    def send_digits(self, number: int, digits: str, method: DigitMethod) -> None: ...

    def statistics(self, number: int) -> dict[str, float]: ...

    def play(self, sound: str, *, once: bool = False) -> None:
        """Say this file or tone in every call from now on; empty: nothing."""

    def forget(self, number: int) -> None:
        """Let go of a call that is over."""
