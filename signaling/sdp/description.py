"""Session descriptions as values: reading them from the wire, writing them back.

Pure. Reads tolerantly (bare LF, odd order of lines, missing s= and t=, blank lines), writes strictly (RFC 4566 order,
CRLF). ``parse(serialise(x)) == x`` for every description that ``parse`` returned. What the lines mean for audio is
negotiation.py's business; ICE, DTLS and crypto attributes are kept and can be read by name, nobody acts on them here.
Editing rule: nothing read from a peer may raise anything but SdpError, and every repetition is bounded.
Source: RFC 4566 5 and 9 (grammar), RFC 8866 for the clarifications.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from signaling.errors import PeerError
from signaling.leg import HangupCause

MAX_BYTES = 64 * 1024
MAX_LINES = 2000
MAX_MEDIA_LINES = 32
MAX_CANDIDATES = 64

_SESSION_ORDER = "iuepb"
_AFTER_TIME_ORDER = "zk"
_MEDIA_ORDER = "ibk"
_SESSION_ONLY = frozenset("uepzotrvs")


class SdpError(PeerError):
    """The description breaks its grammar or our bounds (SIP status 400)."""

    cause = HangupCause.NOT_ACCEPTABLE


class NotAcceptable(SdpError):
    """The description is sound, but there is nothing in it that we can agree to (SIP status 488)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=488)


@dataclass(frozen=True)
class Attribute:
    """``a=name`` or ``a=name:value``."""

    name: str
    value: str | None = None


@dataclass(frozen=True)
class Connection:
    """``c=IN IP4 192.0.2.1``; a multicast TTL stays part of the address."""

    address: str
    address_type: str = "IP4"
    network_type: str = "IN"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """``o=``; the two numbers stay text, because peers send numbers of any length."""

    session_id: str
    version: str
    address: str
    username: str = "-"
    address_type: str = "IP4"
    network_type: str = "IN"


@dataclass(frozen=True, kw_only=True)
class MediaLine:
    """One ``m=`` section. other: the lines nobody interprets (``i b k``) as (letter, value), in written order."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    other: tuple[tuple[str, str], ...] = ()

    def value(self, name: str) -> str | None:
        """Value of the first attribute of that name; an attribute without a value reads as ``""``."""
        return _value(self.attributes, name)

    def values(self, name: str) -> tuple[str, ...]:
        return tuple(a.value or "" for a in self.attributes if a.name == name)

    def has(self, name: str) -> bool:
        return any(a.name == name for a in self.attributes)


@dataclass(frozen=True, kw_only=True)
class SessionDescription:
    """A whole description. other: uninterpreted session lines (``i u e p b z k``); times: ``t=`` and ``r=`` lines."""

    origin: Origin
    media: tuple[MediaLine, ...]
    name: str = "-"
    connection: Connection | None = None
    times: tuple[tuple[str, str], ...] = (("t", "0 0"),)
    attributes: tuple[Attribute, ...] = ()
    other: tuple[tuple[str, str], ...] = ()

    def value(self, name: str) -> str | None:
        return _value(self.attributes, name)

    def connection_of(self, line: MediaLine) -> Connection | None:
        """The media line's own ``c=``, else the session's. Source: RFC 4566 5.7."""
        return line.connection or self.connection

    def value_for(self, line: MediaLine, name: str) -> str | None:
        """An attribute that may stand at either level (setup, fingerprint, ice-ufrag …); the line's own wins."""
        own = line.value(name)
        return own if own is not None else self.value(name)

    def __str__(self) -> str:
        return serialise(self).decode()


def _value(attributes: tuple[Attribute, ...], name: str) -> str | None:
    for attribute in attributes:
        if attribute.name == name:
            return attribute.value or ""
    return None


def parse(text: bytes | str) -> SessionDescription:
    """Reads a description; raises SdpError (400) for what cannot be understood or is out of bounds."""
    if len(text) > MAX_BYTES:
        raise SdpError(f"session description: at most {MAX_BYTES} bytes, found {len(text)}")
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if "\x00" in text:
        raise SdpError("session description: NUL byte found")
    return _Reader().read(_lines(text))


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    number = 0
    for raw in text.replace("\r", "\n").split("\n"):
        line = raw.strip()
        if not line:
            continue
        number += 1
        if number > MAX_LINES:
            raise SdpError(f"session description: more than {MAX_LINES} lines")
        if len(line) < 2 or line[1] != "=" or not ("a" <= line[0] <= "z"):
            raise SdpError(f"session description line {number}: expected <letter>=<value>, found {line[:40]!r}")
        yield number, line[0], line[2:].strip()


class _Reader:
    """State of one reading: what belongs to the session until the first m=, then to the newest media line."""

    def __init__(self) -> None:
        self._origin: Origin | None = None
        self._name: str | None = None
        self._has_version = False
        self._times: list[tuple[str, str]] = []
        self._session = _Section()
        self._media: list[tuple[MediaLine, _Section]] = []
        self._candidates = 0

    def read(self, lines: Iterator[tuple[int, str, str]]) -> SessionDescription:
        for number, letter, value in lines:
            self._line(number, letter, value)
        if not self._has_version:
            raise SdpError("session description: v=0 is missing")
        if self._origin is None:
            raise SdpError("session description: o= is missing")
        session = self._session
        return SessionDescription(
            origin=self._origin,
            name=self._name or "-",
            connection=session.connection,
            times=tuple(self._times) or (("t", "0 0"),),
            attributes=tuple(session.attributes),
            other=session.ordered(_SESSION_ORDER + _AFTER_TIME_ORDER),
            media=tuple(section.complete(line) for line, section in self._media),
        )

    def _line(self, number: int, letter: str, value: str) -> None:
        section = self._media[-1][1] if self._media else self._session
        match letter:
            case "a":
                section.attributes.append(self._attribute(value))
            case "c":
                if section.connection is None:
                    section.connection = _connection(number, value)
            case "m":
                if len(self._media) == MAX_MEDIA_LINES:
                    raise SdpError(f"session description: more than {MAX_MEDIA_LINES} media lines")
                self._media.append((_media_line(number, value), _Section()))
            case "v":
                if value != "0":
                    raise SdpError(f"session description line {number}: expected v=0, found v={value[:20]!r}")
                self._has_version = True
            case "o":
                if self._origin is None:
                    self._origin = _origin(number, value)
            case "s":
                if self._name is None:
                    self._name = value
            case "t" | "r":
                if not self._media:
                    self._times.append((letter, value))
            case _ if letter in _SESSION_ORDER or letter in _AFTER_TIME_ORDER:
                if not (self._media and letter in _SESSION_ONLY):
                    section.other.append((letter, value))
            case _:
                pass  # RFC 4566 5: a type that is not understood is to be ignored

    def _attribute(self, value: str) -> Attribute:
        name, colon, rest = value.partition(":")
        if name == "candidate":
            self._candidates += 1
            if self._candidates > MAX_CANDIDATES:
                raise SdpError(f"session description: more than {MAX_CANDIDATES} candidates")
        return Attribute(name.strip(), rest.strip() if colon else None)


class _Section:
    """Lines gathered for the session or for one media line."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.attributes: list[Attribute] = []
        self.other: list[tuple[str, str]] = []

    def ordered(self, order: str) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.other, key=lambda item: order.index(item[0])))

    def complete(self, line: MediaLine) -> MediaLine:
        return MediaLine(
            kind=line.kind,
            port=line.port,
            protocol=line.protocol,
            formats=line.formats,
            port_count=line.port_count,
            connection=self.connection,
            attributes=tuple(self.attributes),
            other=self.ordered(_MEDIA_ORDER),
        )


def _origin(number: int, value: str) -> Origin:
    fields = value.split()
    if len(fields) < 6:
        raise SdpError(f"session description line {number}: expected six fields in o=, found {len(fields)}")
    # A user name with spaces is against the grammar; some phones put their display name there.
    username = " ".join(fields[:-5])
    session_id, version, network_type, address_type, address = fields[-5:]
    return Origin(
        username=username,
        session_id=session_id,
        version=version,
        network_type=network_type,
        address_type=address_type,
        address=address,
    )


def _connection(number: int, value: str) -> Connection:
    fields = value.split()
    if len(fields) != 3:
        raise SdpError(f"session description line {number}: expected c=IN IP4 <address>, found {value[:60]!r}")
    return Connection(network_type=fields[0], address_type=fields[1], address=fields[2])


def _media_line(number: int, value: str) -> MediaLine:
    fields = value.split()
    if len(fields) < 4:
        raise SdpError(f"session description line {number}: expected m=<media> <port> <protocol> <format>…")
    port_text, slash, count_text = fields[1].partition("/")
    port = small_number(port_text, 65535)
    port_count = small_number(count_text, 65535) if slash else 1
    if port is None or not port_count:
        raise SdpError(f"session description line {number}: expected a port, found {fields[1][:20]!r}")
    return MediaLine(kind=fields[0], port=port, port_count=port_count, protocol=fields[2], formats=tuple(fields[3:]))


def small_number(text: str, limit: int) -> int | None:
    """A plain decimal number up to ``limit``, or None. Bounded before conversion: peers send digits by the thousand."""
    if not text or len(text) > 9 or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if number <= limit else None


def serialise(description: SessionDescription) -> bytes:
    """The description in the order RFC 4566 prescribes, CRLF after every line."""
    origin = description.origin
    lines = [
        "v=0",
        f"o={origin.username} {origin.session_id} {origin.version}"
        f" {origin.network_type} {origin.address_type} {origin.address}",
        f"s={description.name}",
    ]
    before_connection = [item for item in description.other if item[0] in "iuep"]
    after_connection = [item for item in description.other if item[0] == "b"]
    after_time = [item for item in description.other if item[0] in _AFTER_TIME_ORDER]
    lines.extend(f"{letter}={value}" for letter, value in before_connection)
    if description.connection is not None:
        lines.append(_connection_line(description.connection))
    lines.extend(f"{letter}={value}" for letter, value in after_connection)
    lines.extend(f"{letter}={value}" for letter, value in description.times)
    lines.extend(f"{letter}={value}" for letter, value in after_time)
    lines.extend(_attribute_line(attribute) for attribute in description.attributes)
    for media in description.media:
        port = f"{media.port}/{media.port_count}" if media.port_count != 1 else f"{media.port}"
        lines.append(f"m={media.kind} {port} {media.protocol} {' '.join(media.formats)}")
        lines.extend(f"{letter}={value}" for letter, value in media.other if letter == "i")
        if media.connection is not None:
            lines.append(_connection_line(media.connection))
        lines.extend(f"{letter}={value}" for letter, value in media.other if letter != "i")
        lines.extend(_attribute_line(attribute) for attribute in media.attributes)
    lines.append("")
    return "\r\n".join(lines).encode("utf-8", "replace")


def _connection_line(connection: Connection) -> str:
    return f"c={connection.network_type} {connection.address_type} {connection.address}"


def _attribute_line(attribute: Attribute) -> str:
    return f"a={attribute.name}" if attribute.value is None else f"a={attribute.name}:{attribute.value}"
