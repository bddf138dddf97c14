"""What a twimlet is asked: its parameters, arrays among them, from query and form together.

Pure. ``PhoneNumbers[0]=…``, ``PhoneNumbers[]=…`` and ``Options[1]=…`` are arrays; the brackets may be percent-encoded.
Source: twimlets.md of the specification.
"""

import re
from collections.abc import Iterable
from typing import Final

MAX_ITEMS: Final = 100
_ARRAY = re.compile(r"(\w+)\[([^\]]{0,64})\]")
_NOT_DIGIT = re.compile(r"\D")


class Asked:
    """pairs: of the query, then of the form; the last value of a name counts."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        self._arrays: dict[str, dict[str, str]] = {}
        for name, value in pairs:
            found = _ARRAY.fullmatch(name)
            if found is None:
                self._values[name] = value
                continue
            array = self._arrays.setdefault(found[1], {})
            if len(array) < MAX_ITEMS:
                array[found[2] or f"#{len(array)}"] = value

    def has(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        """Without the blanks around it; an empty value is the default."""
        return self._values.get(name, "").strip() or default

    def is_true(self, name: str, *, default: bool) -> bool:
        return self.text(name, "true" if default else "false").lower() not in ("false", "0", "no")

    def array(self, name: str) -> list[str]:
        """The values that are not empty, in the order they came."""
        return [value.strip() for value in self._arrays.get(name, {}).values() if value.strip()]

    def keyed(self, name: str) -> dict[str, str]:
        return {key: value.strip() for key, value in self._arrays.get(name, {}).items() if value.strip()}


def digits(number: str) -> str:
    """The digits alone, as numbers are compared."""
    return _NOT_DIGIT.sub("", number)


def national(number: str) -> str:
    """The digits without a leading 1 of a North American number."""
    found = digits(number)
    return found[1:] if len(found) == 11 and found.startswith("1") else found
