"""What an endpoint can be told while it runs: one JSON object per line on standard input.

``{"do": "dial", "target": "bob", "id": 7}``: ``do`` names the command in lower case, the other keys are its fields
below; ``id`` may be anything and comes back in the event that follows. ``call`` is a call's number; without it the
newest living call is meant.
Pure. Also what an endpoint does of itself is written in these commands (script.py).
"""

import json
import os
import select
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from typing import Any

from signaling.endpoints.options import DIGITS, check_headers
from signaling.endpoints.servers import OptionError
from signaling.endpoints.sound import check_sound


class DigitMethod(Enum):
    """RFC4733: events in the audio stream. INFO: application/dtmf-relay in the dialog."""

    RFC4733 = "rfc4733"
    INFO = "info"


@dataclass(frozen=True)
class Dial:
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ring:
    """180."""

    call: int | None = None


@dataclass(frozen=True)
class Progress:
    """183 with sound: early media towards the caller."""

    call: int | None = None


@dataclass(frozen=True)
class Answer:
    call: int | None = None


@dataclass(frozen=True)
class Reject:
    code: int = 486
    call: int | None = None


@dataclass(frozen=True)
class Hangup:
    """Reject, CANCEL or BYE, whichever fits; nothing for a call that is over."""

    call: int | None = None


@dataclass(frozen=True)
class Digits:
    """w waits 0.5 s, W 1 s."""

    digits: str
    method: DigitMethod = DigitMethod.RFC4733
    call: int | None = None


@dataclass(frozen=True)
class Hold:
    call: int | None = None


@dataclass(frozen=True)
class Resume:
    call: int | None = None


@dataclass(frozen=True)
class Play:
    """Say another file or tone from now on in every call; empty: nothing. once: a file is not repeated."""

    sound: str
    once: bool = False


@dataclass(frozen=True)
class Statistics:
    call: int | None = None


@dataclass(frozen=True)
class Quit:
    """Hang up, unregister, end."""


Command = Dial | Ring | Progress | Answer | Reject | Hangup | Digits | Hold | Resume | Play | Statistics | Quit

_COMMANDS: dict[str, type[Command]] = {
    kind.__name__.lower(): kind
    for kind in (Dial, Ring, Progress, Answer, Reject, Hangup, Digits, Hold, Resume, Play, Statistics, Quit)
}


@dataclass(frozen=True)
class Asked:
    """A command and the ``id`` to answer it by (its name if it had none)."""

    command: Command
    id: Any


def parse_command(line: bytes | str) -> Asked:
    """Raises OptionError with what was expected and what was found."""
    try:
        values = json.loads(line)
    except ValueError as error:
        raise OptionError(f"a JSON object per line was expected: {error}") from error
    if not isinstance(values, dict):
        raise OptionError("a JSON object per line was expected")
    name = values.pop("do", None)
    kind = _COMMANDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise OptionError(f"do is one of {', '.join(_COMMANDS)}, found {name!r}")
    asked_id = values.pop("id", name)
    return Asked(_build(kind, values), asked_id)


def _build(kind: type[Command], values: dict[str, Any]) -> Command:
    known = {each.name: each for each in fields(kind)}
    unknown = values.keys() - known.keys()
    missing = {
        name
        for name, each in known.items()
        if name not in values and each.default is MISSING and each.default_factory is MISSING
    }
    if unknown or missing:
        raise OptionError(
            f"{kind.__name__.lower()} takes {', '.join(known) or 'nothing'}; "
            f"unknown: {sorted(unknown)}, missing: {sorted(missing)}"
        )
    for name, value in values.items():
        _check(name, value)
    if "method" in values:
        values["method"] = DigitMethod(values["method"])
    return kind(**values)


def _check(name: str, value: Any) -> None:
    match name:
        case "call" if value is None or _is_whole(value, 1, 1_000_000):
            return
        case "code" if _is_whole(value, 300, 699):
            return
        case "once" if isinstance(value, bool):
            return
        case "target" if isinstance(value, str) and value:
            return
        case "digits" if isinstance(value, str) and DIGITS.fullmatch(value):
            return
        case "method" if value in {method.value for method in DigitMethod}:
            return
        case "sound" if isinstance(value, str):
            if value:
                check_sound(value)
            return
        case "headers" if isinstance(value, dict) and all(isinstance(text, str) for text in value.values()):
            check_headers(value)
            return
    raise OptionError(f"{name} cannot be {value!r}")


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def command_line(command: Command, *, asked_id: Any = None) -> bytes:
    """The line ``parse_command`` reads back as this command."""
    values = {
        each.name: value.value if isinstance(value := getattr(command, each.name), Enum) else value
        for each in fields(command)
    }
    named = {"do": type(command).__name__.lower()} | {key: value for key, value in values.items()}
    if asked_id is not None:
        named["id"] = asked_id
    return json.dumps(named).encode() + b"\n"


class LineReader:
    """Lines of a file descriptor, taken without ever waiting."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pending = b""
        self.is_at_end = False

    def lines(self) -> list[bytes]:
        """What has come since the last time; ``is_at_end`` once the writer is gone."""
        while not self.is_at_end and select.select([self._fd], [], [], 0)[0]:
            block = os.read(self._fd, 65536)
            self.is_at_end = not block
            self._pending += block
        *whole, self._pending = self._pending.split(b"\n")
        return [line for line in whole if line.strip()]
