"""What the lines of an audio section mean: payload formats, direction, addresses, packet time.

Pure. Reads values of description.py, decides nothing: which format is taken is negotiation.py's business.
Source: RFC 4566 6 (rtpmap, fmtp, ptime), RFC 3551 6 (static payload types), RFC 3264 5.1 (direction), RFC 3605 (rtcp),
RFC 4733 2.4.1 (events).
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from media.opus import OpusFormat
from signaling.sdp.description import Attribute, MediaLine, SessionDescription, small_number

TELEPHONE_EVENT = "TELEPHONE-EVENT"
DIGIT_EVENTS = frozenset(range(16))
"""0-9 * # A-D."""

_MAX_EVENT_RANGES = 64
_USUAL_PARAMETERS = 64
_LONGEST_IPV4 = len("255.255.255.255")

_STATIC_FORMATS = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    4: ("G723", 8000),
    7: ("LPC", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    11: ("L16", 44100),
    13: ("CN", 8000),
    15: ("G728", 8000),
    18: ("G729", 8000),
}


class MediaDirection(Enum):
    """Direction as the description's author means it: ``sendonly`` is "I send, you do not"."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @staticmethod
    def of(*, send: bool, receive: bool) -> "MediaDirection":
        return _DIRECTION_OF[send, receive]

    @property
    def send(self) -> bool:
        return self in (MediaDirection.SENDRECV, MediaDirection.SENDONLY)

    @property
    def receive(self) -> bool:
        return self in (MediaDirection.SENDRECV, MediaDirection.RECVONLY)

    def answered_by(self, wish: "MediaDirection") -> "MediaDirection":
        """What the other side, which would like ``wish``, may say to a description of this direction.

        Source: RFC 3264 6.1.
        """
        return MediaDirection.of(send=wish.send and self.receive, receive=wish.receive and self.send)


_DIRECTION_OF = {
    (True, True): MediaDirection.SENDRECV,
    (True, False): MediaDirection.SENDONLY,
    (False, True): MediaDirection.RECVONLY,
    (False, False): MediaDirection.INACTIVE,
}
_DIRECTIONS = {direction.value: direction for direction in MediaDirection}


@dataclass(frozen=True)
class PayloadFormat:
    """One payload type of a media line. name: upper case. parameters: its ``fmtp`` as written."""

    payload_type: int
    name: str
    clock_rate_hz: int
    channels: int = 1
    parameters: str = ""


def payload_formats(line: MediaLine) -> tuple[PayloadFormat, ...]:
    """Formats of an RTP media line in its order of preference; those without a meaning are left out."""
    mapped = _numbered(line.values("rtpmap"))
    parameters = _numbered(line.values("fmtp"))
    formats: dict[int, PayloadFormat] = {}
    for text in line.formats:
        payload_type = small_number(text, 127)
        if payload_type is None or payload_type in formats:
            continue
        described = _encoding(mapped.get(payload_type, "")) or _STATIC_FORMATS.get(payload_type)
        if described is None:
            continue
        name, rate_hz, *channels = described
        formats[payload_type] = PayloadFormat(
            payload_type, name, rate_hz, channels[0] if channels else 1, parameters.get(payload_type, "")
        )
    return tuple(formats.values())


def _numbered(values: tuple[str, ...]) -> dict[int, str]:
    """``<payload type> <rest>`` by payload type; the first of several wins."""
    table: dict[int, str] = {}
    for value in values:
        number, _, rest = value.partition(" ")
        payload_type = small_number(number, 127)
        if payload_type is not None:
            table.setdefault(payload_type, rest.strip())
    return table


def _encoding(text: str) -> tuple[str, int, int] | None:
    """``name/rate[/channels]``; None if it is not that."""
    name, *numbers = (part.strip() for part in text.split("/"))
    if not name or len(name) > 64 or not 1 <= len(numbers) <= 2:
        return None
    rate_hz = small_number(numbers[0], 1_000_000)
    channels = small_number(numbers[1], 255) if len(numbers) == 2 else 1
    return (name.upper(), rate_hz, channels) if rate_hz and channels else None


def events(parameters: str) -> frozenset[int]:
    """Events of a telephone-event ``fmtp`` (``0-15,66,70``); the digits if it names none. Source: RFC 4733 2.4.1."""
    return _usual_events(parameters) if len(parameters) <= _USUAL_PARAMETERS else _events(parameters)


def _events(parameters: str) -> frozenset[int]:
    found: set[int] = set()
    for part in parameters.removeprefix("events=").split(",")[:_MAX_EVENT_RANGES]:
        first_text, dash, last_text = part.strip().partition("-")
        first = small_number(first_text.strip(), 255)
        last = small_number(last_text.strip(), 255) if dash else first
        if first is not None and last is not None:
            found.update(range(first, last + 1))
    return frozenset(found) or DIGIT_EVENTS


# Phones of one make write the same: their calls share one set.
_usual_events = lru_cache(maxsize=256)(_events)


def opus_format(parameters: str) -> OpusFormat:
    """How a peer wants Opus, by its ``fmtp``. Source: RFC 7587 6.1, 7."""
    pairs = (part.partition("=") for part in parameters.split(";")[:32])
    stated = {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}
    return OpusFormat(
        max_average_bitrate=small_number(stated.get("maxaveragebitrate", ""), 510_000) or None,
        use_fec=stated.get("useinbandfec") == "1",
        use_dtx=stated.get("usedtx") == "1",
    )


def direction_of(description: SessionDescription, line: MediaLine) -> MediaDirection:
    """Direction of a line; a ``c=`` of 0.0.0.0 takes the receiving away (hold as phones before RFC 3264 say it).

    Source: RFC 3264 5.1, 8.4; RFC 4566 6 (session level is the default for its lines).
    """
    stated = _stated_direction(line.attributes) or _stated_direction(description.attributes)
    direction = stated or MediaDirection.SENDRECV
    connection = description.connection_of(line)
    if connection is not None and connection.address == "0.0.0.0":
        return MediaDirection.of(send=direction.send, receive=False)
    return direction


def _stated_direction(attributes: tuple[Attribute, ...]) -> MediaDirection | None:
    for attribute in attributes:
        direction = _DIRECTIONS.get(attribute.name)
        if direction is not None:
            return direction
    return None


def packet_time_ms(line: MediaLine, *, wish_ms: int) -> int:
    """Packet time to send with: what the line asks for, within its maxptime; whole tens from 10 to 60 ms only."""
    asked = _milliseconds(line.value("ptime")) or wish_ms
    most = _milliseconds(line.value("maxptime")) or 60
    return max(10, min(asked, most, 60) // 10 * 10)


def _milliseconds(text: str | None) -> int | None:
    # Some phones write "20.0" or "20 ".
    return small_number((text or "").partition(".")[0].strip(), 10_000) or None


def rtcp_address(line: MediaLine, address: str) -> tuple[str, int] | None:
    """Where the author takes RTCP: ``a=rtcp`` or the port after RTP; None if he takes none. Source: RFC 3605 2.1."""
    if line.has("rtcp-mux"):
        return address, line.port
    stated = line.value("rtcp")
    if stated is None:
        return (address, line.port + 1) if line.port < 65535 else None
    fields = stated.split()
    port = small_number(fields[0], 65535) if fields else None
    if not port:
        return None
    return (fields[3] if len(fields) >= 4 and fields[2] == "IP4" else address), port


def ipv4(text: str) -> ipaddress.IPv4Address | None:
    """The address if the text is a dotted IPv4 address. Never a look-up: names in descriptions stay unresolved."""
    return _cached_ipv4(text) if len(text) <= _LONGEST_IPV4 else None


@lru_cache(maxsize=4096)
def _cached_ipv4(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _is_of_a_host(address: ipaddress.IPv4Address) -> bool:
    return not (address.is_multicast or address.is_reserved or address.packed[0] == 0)


def is_usable_remote(address: str, local: str, *, own: Collection[str] = ()) -> bool:
    """Whether RTP may be sent to an address that a peer put into its description.

    local: the address our port is bound to. own: further addresses of this machine. Multicast, broadcast, reserved
    and unspecified addresses never; loopback and our own addresses only while we are bound to loopback ourselves: a
    description must not turn us against our own services.
    """
    remote = ipv4(address)
    if remote is None or not _is_of_a_host(remote):
        return False
    bound = ipv4(local)
    if bound is not None and bound.is_loopback:
        return True
    return not remote.is_loopback and address != local and address not in own
