"""The parameters of a REST request: names are case-sensitive, lists are repeated keys, unknown ones are ignored.

Pure. Each reader takes what it expects or raises RestError with the code of the resource that asked.
Source: rest-api.md 1 and 9 of the specification.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.rest.errors import RestError
from gateway.twiml.urls import is_absolute, url_complaint

INVALID_PARAMETER: Final = 20001
MAX_VALUE: Final = 16_384
_INTEGER = re.compile(r"[0-9]{1,18}")
_BOOLEANS: Final = {"true": True, "false": False}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def bad_parameter(code: int, message: str) -> RestError:
    return RestError(400, code, message)


class Form:
    """pairs: as they came, in order."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def has(self, name: str) -> bool:
        return name in self._values

    def names(self) -> Iterable[str]:
        return self._values.keys()

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def text(self, name: str, *, longest: int = MAX_VALUE, code: int = INVALID_PARAMETER) -> str | None:
        """The last value of the name; None without one or for an empty one."""
        found = self._values.get(name, [""])[-1]
        if len(found) > longest:
            raise bad_parameter(code, f"{name}: expected at most {longest} characters, found {len(found)}")
        return found or None

    def required(self, name: str, *, code: int, longest: int = MAX_VALUE) -> str:
        found = self.text(name, longest=longest, code=code)
        if found is None:
            raise bad_parameter(code, f"{name} is required")
        return found

    def boolean(self, name: str, *, default: bool, code: int = INVALID_PARAMETER) -> bool:
        found = self.text(name)
        if found is None:
            return default
        known = _BOOLEANS.get(found.lower())
        if known is None:
            raise bad_parameter(code, f"{name}: expected true or false, found {found[:40]!r}")
        return known

    def integer(
        self, name: str, *, default: int | None, lowest: int, highest: int, code: int = INVALID_PARAMETER
    ) -> int | None:
        found = self.text(name)
        if found is None:
            return default
        if _INTEGER.fullmatch(found) is None or not lowest <= int(found) <= highest:
            raise bad_parameter(code, f"{name}: expected a number from {lowest} to {highest}, found {found[:40]!r}")
        return int(found)

    def choice(
        self, name: str, words: Sequence[str], *, default: str | None, code: int = INVALID_PARAMETER
    ) -> str | None:
        found = self.text(name)
        if found is None:
            return default
        if found not in words:
            raise bad_parameter(code, f"{name}: expected {' or '.join(words)}, found {found[:40]!r}")
        return found

    def method(self, name: str, *, default: str = "POST", code: int = 21403) -> str:
        found = self.choice(name, ("GET", "POST"), default=default, code=code)
        assert found is not None
        return found

    def url(self, name: str, *, code: int, callback: bool = False) -> str | None:
        """An absolute http or https URL."""
        found = self.text(name)
        if found is None:
            return None
        complaint = url_complaint(found, callback=callback)
        if complaint is None and not is_absolute(found):
            complaint = "an absolute URL"
        if complaint is not None:
            raise bad_parameter(code, f"{name}: {complaint} expected, found {found[:200]!r}")
        return found.replace(" ", "%20")

    def words(
        self, name: str, known: Sequence[str], *, default: Iterable[str], code: int = INVALID_PARAMETER
    ) -> frozenset[str]:
        """A list by repeated keys, or several words in one value."""
        found = [word for value in self.all(name) for word in value.replace(",", " ").split()]
        for word in found:
            if word not in known:
                raise bad_parameter(code, f"{name}: expected {' '.join(known)}, found {word[:40]!r}")
        return frozenset(found) or frozenset(default)

    def instants(self, name: str) -> "Span":
        """A date filter: ``Name`` is that whole day, ``Name<`` up to that day or moment, ``Name>`` from it on."""
        span = Span()
        if (found := self.text(name)) is not None:
            day = _moment(name, found)[0].replace(hour=0, minute=0, second=0)
            span = span.within(day, day + timedelta(days=1))
        if (found := self.text(f"{name}<")) is not None:
            span = span.within(None, _moment(name, found)[1])
        if (found := self.text(f"{name}>")) is not None:
            span = span.within(_moment(name, found)[0], None)
        return span


class Span:
    """start: the first moment, end: the first one beyond; None is open."""

    def __init__(self, start: datetime | None = None, end: datetime | None = None) -> None:
        self.start = start
        self.end = end

    def within(self, start: datetime | None, end: datetime | None) -> "Span":
        """The part of it that lies in the other."""
        starts = [each for each in (self.start, start) if each is not None]
        ends = [each for each in (self.end, end) if each is not None]
        return Span(max(starts, default=None), min(ends, default=None))

    @property
    def is_open(self) -> bool:
        return self.start is None and self.end is None


def _moment(name: str, written: str) -> tuple[datetime, datetime]:
    """The first moment of what was written, and the first one after it: a day, or a second."""
    try:
        if _DAY.fullmatch(written):
            start, length = datetime.fromisoformat(written), timedelta(days=1)
        elif _INSTANT.fullmatch(written):
            start, length = (
                datetime.fromisoformat(written.removesuffix("Z")).replace(microsecond=0),
                timedelta(seconds=1),
            )
        else:
            raise ValueError(written)
        start = start.replace(tzinfo=UTC)
        return start, start + length
    except (ValueError, OverflowError):
        message = f"{name}: expected YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ, found {written[:40]!r}"
        raise bad_parameter(INVALID_PARAMETER, message) from None
