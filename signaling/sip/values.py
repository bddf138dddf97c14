"""The values inside header fields: URIs, addresses, Vias, parameters, lists.

Pure. ``sipmessage`` gives the grammar of URIs and the value types; addresses, Vias and parameters are read here,
because sipmessage refuses valid ones, takes two quoted names for one and changes what it writes back
(tests/signaling/sip/test_sipmessage_wrapped.py holds each case). Write back the text of the peer, never ``str(value)``.
Everything here raises SipParseError and nothing else.
Source: RFC 3261 7.3.1, 19.1, 20, 25.1.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from sipmessage import URI, Address, Parameters, Via

from signaling.errors import PeerError

if TYPE_CHECKING:
    from signaling.sip.message import Request

MAX_URI = 2048
MAX_NUMBER = 64

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
_HOST = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,253}[A-Za-z0-9.])?)"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_VIA_MATCH = re.compile(
    rf"SIP\s*/\s*2\.0\s*/\s*({TOKEN})\s+({_HOST})(?:\s*:\s*(\d{{1,5}}))?\s*((?:;.*)?)", re.IGNORECASE
).fullmatch
_PARAMETER_MATCH = re.compile(
    rf"\s*;\s*({TOKEN})(?:\s*=\s*({_QUOTED}|\[[0-9A-Fa-f:.]+\]|[^\s;,\"<>=?@\[\]]+))?\s*"
).match
_QUOTED_MATCH = re.compile(_QUOTED).match
_DISPLAY_NAME_MATCH = re.compile(r'[^",;<>\\]*').fullmatch
_SCHEME_MATCH = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*):(.+)").fullmatch
# The end anchor of sipmessage's patterns lets a final line feed through.
_BLANK = re.compile(r"[\x00-\x20\x7f]").search
_ESCAPE = re.compile(r"\\(.)")


class SipParseError(PeerError):
    """A message that cannot be taken as it is.

    request: as much of it as an answer needs, or None where nothing may be answered (a response, no usable Via).
    """

    def __init__(self, message: str, *, status: int = 400, request: "Request | None" = None) -> None:
        super().__init__(message, status=status)
        self.request = request


def parse_uri(text: str) -> URI:
    """A URI as sipmessage reads it, with what it gets wrong put right.

    Schemes in any case; ``?headers`` of a SIP URI are left out (nothing here acts on them); another scheme gives a
    URI with that scheme whose ``user`` is the opaque part. Raises SipParseError.
    """
    return _cached_uri(text) if len(text) <= 256 else _parse_uri(text)


def _parse_uri(text: str) -> URI:
    if text == "*":
        return URI(scheme="*", host="")
    match = _SCHEME_MATCH(text)
    if match is None or len(text) > MAX_URI or _BLANK(text):
        raise SipParseError(f"expected a URI of at most {MAX_URI} characters without blanks, found {text[:60]!r}")
    scheme, rest = match[1].lower(), match[2]
    if scheme not in ("sip", "sips", "tel"):
        return URI(scheme=scheme, host="", user=rest)
    if scheme == "tel":
        # Its grammar in sipmessage takes quadratic time; no number is that long.
        if len(rest.partition(";")[0]) > MAX_NUMBER:
            raise SipParseError(f"expected a number of at most {MAX_NUMBER} characters, found {text[:60]!r}")
    else:
        userinfo, at, hostpart = rest.rpartition("@")
        rest = f"{userinfo}{at}{hostpart.partition('?')[0]}"
    try:
        uri = URI.parse(f"{scheme}:{rest}")
    except (ValueError, TypeError) as error:
        raise SipParseError(f"expected a {scheme} URI, found {text[:60]!r}") from error
    if uri.port is not None and not 0 < uri.port < 65536:
        raise SipParseError(f"expected a port below 65536, found {text[:60]!r}")
    return uri


_cached_uri = lru_cache(maxsize=4096)(_parse_uri)


def parse_parameters(text: str) -> Parameters:
    """``;name=value;flag`` with names in lower case and values as written, quotes included."""
    return Parameters(**_parameters(text))


def _parameters(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    end, length = 0, len(text)
    while end < length:
        match = _PARAMETER_MATCH(text, end)
        if match is None:
            raise SipParseError(f"expected ;name=value, found {text[end : end + 40]!r}")
        name = match[1].lower()
        if name in found:
            raise SipParseError(f"expected parameter {name} once, found it twice")
        found[name] = match[2]
        end = match.end()
    return found


def parse_address(text: str) -> Address:
    """A name-addr or addr-spec with its parameters. Raises SipParseError."""
    return _cached_address(text) if len(text) <= 256 else _parse_address(text)


def _parse_address(text: str) -> Address:
    name, uri, parameters = _split_address(text)
    return Address(parse_uri(uri), name, parse_parameters(parameters))


# From and To stand the same in each message of a dialog.
_cached_address = lru_cache(maxsize=4096)(_parse_address)


def uri_text_of(text: str) -> str:
    """The URI of an address as it was written."""
    return _split_address(text)[1]


def _split_address(text: str) -> tuple[str, str, str]:
    """Display name, URI and parameters."""
    name = ""
    rest = text.strip()
    if rest == "*":
        return "", "*", ""
    if rest.startswith('"'):
        quoted = _QUOTED_MATCH(rest)
        if quoted is None:
            raise SipParseError(f"expected a closing quote, found {text[:60]!r}")
        name = _ESCAPE.sub(r"\1", quoted[0][1:-1])
        rest = rest[quoted.end() :].lstrip()
        if not rest.startswith("<"):
            raise SipParseError(f"expected < after the display name, found {text[:60]!r}")
    opening = rest.find("<")
    if opening < 0:
        # Without brackets everything from the first semicolon on belongs to the header. Source: RFC 3261 20.10.
        spec, semicolon, parameters = rest.partition(";")
        spec = spec.rstrip()
        if "?" in spec or "," in spec:
            raise SipParseError(f"expected a URI with ? or , in brackets, found {text[:60]!r}")
        return "", spec, semicolon + parameters
    if opening:
        name = rest[:opening].strip()
        if _DISPLAY_NAME_MATCH(name) is None:
            raise SipParseError(f"expected a display name, found {text[:60]!r}")
    closing = rest.find(">", opening)
    if closing < 0:
        raise SipParseError(f"expected > after the URI, found {text[:60]!r}")
    return name, rest[opening + 1 : closing], rest[closing + 1 :]


def parse_via(text: str) -> Via:
    """One Via value. Raises SipParseError."""
    match = _VIA_MATCH(text)
    if match is None:
        raise SipParseError(f"expected a Via, found {text[:60]!r}")
    transport, host, port, parameters = match.groups()
    if port is not None and not 0 < int(port) < 65536:
        raise SipParseError(f"expected a port below 65536 in Via, found {port}")
    return Via(transport.upper(), host, None if port is None else int(port), parse_parameters(parameters))


def split_list(value: str) -> list[str]:
    """A header value at its top-level commas (not those in quotes or brackets)."""
    if "," not in value:
        return [value.strip()]
    items, start, position, length = [], 0, 0, len(value)
    bracket = False
    while position < length:
        character = value[position]
        if character == '"' and not bracket:
            quoted = _QUOTED_MATCH(value, position)
            if quoted is None:
                raise SipParseError(f"expected a closing quote, found {value[position : position + 40]!r}")
            position = quoted.end()
            continue
        if character == "<":
            bracket = True
        elif character == ">":
            bracket = False
        elif character == "," and not bracket:
            items.append(value[start:position].strip())
            start = position + 1
        position += 1
    items.append(value[start:].strip())
    return items


def first_of(value: str) -> str:
    return value if "," not in value else split_list(value)[0]
