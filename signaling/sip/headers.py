"""Header fields: names in every spelling, values as they were written.

Pure. Owns Headers and the tables of names (compact forms, fields that stand once).
Source: RFC 3261 7.3; IANA SIP parameters, header fields.
"""

import re
from collections.abc import Iterable, Iterator

from signaling.sip.values import TOKEN, SipParseError

_TOKEN_MATCH = re.compile(TOKEN).fullmatch

COMPACT_FORMS = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}

# Header fields that carry one value: a second one means that two readers may see two different messages.
SINGLE = frozenset(
    {
        "call-id", "content-length", "content-type", "cseq", "event", "expires", "from", "max-forwards", "min-expires",
        "min-se", "rack", "refer-to", "replaces", "rseq", "session-expires", "to",
    }
)  # fmt: skip


def key_of(name: str) -> str:
    name = name.strip(" \t")
    if _TOKEN_MATCH(name) is None:
        raise SipParseError(f"expected a header field name, found {name[:40]!r}")
    return COMPACT_FORMS.get(name.lower(), name).lower()


_KNOWN_NAMES = (
    "Accept", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events", "Authorization", "Call-ID",
    "Call-Info", "Contact", "Content-Disposition", "Content-Encoding", "Content-Length", "Content-Type", "CSeq", "Date",
    "Diversion", "Event", "Expires", "From", "History-Info", "Max-Forwards", "MIME-Version", "Min-Expires", "Min-SE",
    "Organization", "P-Asserted-Identity", "P-Called-Party-ID", "P-Preferred-Identity", "Path", "Privacy",
    "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require", "RAck", "Reason", "Record-Route", "Refer-To",
    "Referred-By", "Remote-Party-ID", "Replaces", "Require", "Retry-After", "Route", "RSeq", "Server",
    "Session-Expires", "Subject", "Supported", "Timestamp", "To", "Unsupported", "User-Agent", "User-to-User", "Via",
    "Warning", "WWW-Authenticate",
)  # fmt: skip
# Spelling on the wire to key; filled with the usual spellings only, so that no peer can make it grow.
KEYS = {spelling: key_of(name) for name in _KNOWN_NAMES for spelling in (name, name.lower(), name.title())}
KEYS |= {spelling: name.lower() for short, name in COMPACT_FORMS.items() for spelling in (short, short.upper())}


class Headers:
    """Header fields in order, names without regard to case, values as they were written (unfolded)."""

    __slots__ = ("_names", "_values")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        for name, value in fields:
            self.add(name, value)

    @staticmethod
    def read(lines: Iterable[str]) -> "tuple[Headers, str]":
        """Header lines of a message, unfolded, and what is wrong with the first bad one; the good ones are kept."""
        headers, trouble = Headers(), ""
        names, values = headers._names, headers._values
        for line in lines:
            name, colon, value = line.partition(":")
            key = KEYS.get(name)
            if key is None:
                name = name.strip(" \t")
                if not colon or _TOKEN_MATCH(name) is None:
                    trouble = trouble or f"expected a header field, found {line[:40]!r}"
                    continue
                name = COMPACT_FORMS.get(name.lower(), name)
                key = name.lower()
            elif len(name) == 1:
                name = COMPACT_FORMS[name.lower()]
            known = values.get(key)
            if known is None:
                values[key] = [value.strip(" \t")]
                names[key] = name
            else:
                if key in SINGLE:
                    trouble = trouble or f"expected one {name}, found several"
                known.append(value.strip(" \t"))
        return headers, trouble

    def add(self, name: str, value: str) -> None:
        key = KEYS.get(name) or key_of(name)
        values = self._values.get(key)
        if values is None:
            self._values[key] = [value]
            self._names[key] = COMPACT_FORMS.get(name.lower(), name) if len(name) == 1 else name
        else:
            values.append(value)

    def get(self, name: str, default: str | None = None) -> str | None:
        values = self._values.get(KEYS.get(name) or name.lower())
        return default if values is None else values[0]

    def getlist(self, name: str) -> list[str]:
        """All values in order; the list is ours, do not change it."""
        return self._values.get(KEYS.get(name) or name.lower(), [])

    def set(self, name: str, value: str) -> None:
        self.setlist(name, [value])

    def setlist(self, name: str, values: list[str]) -> None:
        key = KEYS.get(name) or key_of(name)
        self._values[key] = values
        self._names.setdefault(key, name)

    def remove(self, name: str) -> None:
        key = KEYS.get(name) or name.lower()
        self._values.pop(key, None)
        self._names.pop(key, None)

    def keys(self) -> list[str]:
        return list(self._names.values())

    def items(self) -> Iterator[tuple[str, str]]:
        """Every field on its own, names as first written."""
        for key, values in self._values.items():
            name = self._names[key]
            for value in values:
                yield name, value

    def __contains__(self, name: str) -> bool:
        return (KEYS.get(name) or name.lower()) in self._values

    def __str__(self) -> str:
        names = self._names
        return "".join([f"{names[key]}: {value}\r\n" for key, values in self._values.items() for value in values])
