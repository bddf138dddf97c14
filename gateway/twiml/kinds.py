"""Kinds of attribute values: how the text of an attribute becomes a Python value.

Pure. A kind converts or raises BadValue, which says what was expected and, where there is a sensible nearest value,
what to use instead of the attribute's default. Names and words are case-sensitive; blanks around a value are not part
of it.
Source: Twilio TwiML for Programmable Voice; values of each attribute as in its own table.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from gateway.twiml.addresses import MAX_CALLER_ID, BadAddress, clean_caller_id
from gateway.twiml.problems import INVALID_URL, SCHEMA_WARNING
from gateway.twiml.urls import socket_complaint, url_complaint
from gateway.twiml.values import RING_TONES, Auto, CallEvent, Method, RecordingEvent, RecordMode

T_co = TypeVar("T_co", covariant=True)
EnumT = TypeVar("EnumT", bound=Enum)


DAY_S = 86400


class Use(Enum):
    """What stands in for a bad value."""

    DEFAULT = "default"


class BadValue(ValueError):
    """An attribute value outside its kind. instead: the value to go on with; code: of the dictionary, if special."""

    def __init__(self, expected: str, *, instead: object = Use.DEFAULT, code: int | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.instead = instead
        self.code = code


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """name: for tables of what is supported. code: of a bad value, unless the attribute has one of its own."""

    name: str
    convert: Callable[[str], T_co]
    code: int = SCHEMA_WARNING


def choice(words: type[EnumT], *, aliases: Mapping[str, EnumT] | None = None) -> Kind[EnumT]:
    """One word of an enum; aliases are further spellings."""
    known = {**{member.value: member for member in words}, **(aliases or {})}
    spelled = " or ".join(known)

    def convert(value: str) -> EnumT:
        member = known.get(value.strip())
        if member is None:
            raise BadValue(spelled)
        return member

    return Kind(spelled, convert)


def flag(*, on: str, off: str, aliases: Mapping[str, bool] | None = None) -> Kind[bool]:
    """Two words that mean yes and no."""
    known = {on: True, off: False, **(aliases or {})}

    def convert(value: str) -> bool:
        answer = known.get(value.strip())
        if answer is None:
            raise BadValue(f"{on} or {off}")
        return answer

    return Kind(f"{on} or {off}", convert)


_INTEGER = re.compile(r"-?[0-9]+")


def integer(lowest: int, highest: int, *, unit: str = "") -> Kind[int]:
    """A decimal number; one out of range becomes the nearest in range."""
    name = f"{lowest} to {highest}{unit and ' '}{unit}"

    def convert(value: str) -> int:
        value = value.strip()
        if _INTEGER.fullmatch(value) is None:
            raise BadValue(name)
        # Beyond ten places only the sign matters, and int() of thousands of digits is slow.
        number = int(value) if len(value) <= 10 else (-(10**10) if value.startswith("-") else 10**10)
        if not lowest <= number <= highest:
            raise BadValue(name, instead=min(max(number, lowest), highest))
        return number

    return Kind(name, convert)


def up_to(highest: int, *, unit: str = "", lowest: int = 1) -> Kind[int]:
    """A decimal number of which too much becomes the highest, but too little is nonsense and becomes the default."""
    within = integer(lowest, highest, unit=unit)

    def convert(value: str) -> int:
        try:
            return within.convert(value)
        except BadValue as bad:
            if bad.instead == highest:
                raise
            raise BadValue(within.name) from None

    return Kind(within.name, convert)


def pattern(expression: str, expected: str) -> Kind[str]:
    """Text that matches the whole expression, which must not be able to backtrack far."""
    compiled = re.compile(expression)

    def convert(value: str) -> str:
        value = value.strip()
        if compiled.fullmatch(value) is None:
            raise BadValue(expected)
        return value

    return Kind(expected, convert)


_SEPARATORS = re.compile(r"[\s,]+")


def events(
    words: type[EnumT], *, aliases: Mapping[str, EnumT] | None = None, code: int = SCHEMA_WARNING
) -> Kind[frozenset[EnumT]]:
    """A list of words set apart by blanks, commas or both. Unknown ones are left out; none left is the default.

    Source: Twilio <Client> statusCallbackEvent (blanks); CallAPI <Client> (commas).
    """
    known = {**{member.value: member for member in words}, **(aliases or {})}
    expected = f"a list of {' '.join(member.value for member in words)}"

    def convert(value: str) -> frozenset[EnumT]:
        asked = [word for word in _SEPARATORS.split(value) if word]
        chosen = frozenset(known[word] for word in asked if word in known)
        if not chosen:
            raise BadValue(expected)
        if any(word not in known for word in asked):
            raise BadValue(expected, instead=chosen)
        return chosen

    return Kind(expected, convert, code)


def or_auto(kind: Kind[int]) -> Kind[int | Auto]:
    """A number, or the word ``auto``."""

    def convert(value: str) -> int | Auto:
        return Auto.AUTO if value.strip() == "auto" else kind.convert(value)

    return Kind(f"{kind.name} or auto", convert)


def hints(most: int, longest: int) -> Kind[tuple[str, ...]]:
    """Phrases set apart by commas. What is too long or too many is left out."""
    expected = f"at most {most} phrases of at most {longest} characters"

    def convert(value: str) -> tuple[str, ...]:
        asked = [phrase for part in value.split(",") if (phrase := part.strip())]
        kept = tuple(phrase for phrase in asked if len(phrase) <= longest)[:most]
        if len(kept) < len(asked):
            raise BadValue(expected, instead=kept)
        return kept

    return Kind(expected, convert)


def _text(value: str) -> str:
    return value


def _trimmed(value: str) -> str:
    return value.strip()


def _bool(value: str) -> bool:
    match value.strip():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise BadValue("true or false")


def _document_url(value: str) -> str:
    value = value.strip()
    complaint = url_complaint(value)
    if complaint is not None:
        raise BadValue(complaint, instead=value)
    return value


def _whisper_url(value: str) -> str | None:
    return _document_url(value) or None


def _callback_url(value: str) -> str | None:
    value = value.strip()
    complaint = url_complaint(value, callback=True)
    if complaint is not None:
        raise BadValue(complaint)
    return value or None


def _key_url(value: str) -> str:
    return _callback_url(value) or ""


def _socket_url(value: str) -> str | None:
    value = value.strip()
    complaint = socket_complaint(value) if value else None
    if complaint is not None:
        raise BadValue(complaint, instead=value)
    return value or None


def _ring_tone(value: str) -> str:
    value = value.strip()
    if value not in RING_TONES:
        raise BadValue("a country code of the ringTone list")
    return value


def _caller_id(value: str) -> str | None:
    value = value.strip()
    if len(value) > MAX_CALLER_ID:
        raise BadValue(f"a caller ID of at most {MAX_CALLER_ID} characters", code=13248)
    if not value:
        return None
    try:
        return clean_caller_id(value)
    except BadAddress as bad:
        raise BadValue(str(bad)) from None


TEXT = Kind("text", _text)
WORD = Kind("text", _trimmed)
BOOL = Kind("boolean", _bool)
URL = Kind("URL", _document_url, INVALID_URL)
"""A URL whose document decides how the call goes on. Kept even if bad: requesting it must fail, not vanish."""
WHISPER_URL = Kind("URL", _whisper_url, INVALID_URL)
"""Like URL, but an empty one is none."""
CALLBACK_URL = Kind("URL", _callback_url, INVALID_URL)
"""A URL that is told something. A bad or empty one is none."""
KEY_URL = Kind("URL", _key_url, INVALID_URL)
"""The CALLBACK_URL that is the key of a group."""
SOCKET_URL = Kind("WebSocket URL", _socket_url, INVALID_URL)
METHOD = choice(Method)
RECORD_MODE = choice(RecordMode, aliases={"true": RecordMode.FROM_ANSWER, "false": RecordMode.DO_NOT_RECORD})
CALL_EVENTS = events(CallEvent)
RECORDING_EVENTS = events(RecordingEvent, aliases={"failed": RecordingEvent.ABSENT}, code=13621)
"""``failed`` is what ``absent`` was called in 2018."""
TRIM = flag(on="trim-silence", off="do-not-trim")
DIGITS = pattern("[0-9A-D#*wW]{1,1000}", "digits of 0-9 A-D # * w W")
LOOP = up_to(1000, lowest=0, unit="times")
LANGUAGE = pattern("[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}", "a language such as en-US")
CALL_SID = pattern("CA[0-9a-fA-F]{32}", "a CallSid")
RING_TONE = Kind("country code", _ring_tone)
CALLER_ID = Kind("phone number, client:name or word", _caller_id, 13214)
