"""Trunks: whose calls are let in by their address, and where numbers are sent.

Pure. Owns the configured trunks. A trunk's login goes into the DialTarget of its own calls and nowhere else; who may
be shown it (its own address, its own realm) is decided where a challenge arrives, in credentials.py.
Source: RFC 3261 19.1.6 (telephone numbers in SIP URIs), 22.3; reliability checks S-07, S-08.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from signaling.errors import UsageError
from signaling.leg import Leg, OutboundCall
from signaling.sip.dial_target import Credentials, DialTarget
from signaling.sip.naming import encode_user
from signaling.sip.values import SipParseError, parse_uri

_REMEMBERED = 4096
_SEPARATORS = str.maketrans("", "", " -.()/")
_IS_NUMBER = re.compile(r"\+?[0-9*#A-Da-d]{1,64}").fullmatch

Dial = Callable[[DialTarget, OutboundCall], Leg]


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """One carrier.

    uri: where its numbers are sent; a user part is left out. sources: networks its calls come from.
    realm: the only realm its login is for; empty: that of its first challenge.
    """

    name: str
    uri: str
    username: str = ""
    password: str = field(default="", repr=False)
    sources: tuple[str, ...] = ()
    realm: str = ""

    def target(self, number: str) -> DialTarget:
        uri = parse_uri(self.uri)
        host = self.uri.partition(":")[2].rpartition("@")[2].partition("?")[0]
        return DialTarget(
            request_uri=f"{uri.scheme}:{encode_user(number)}@{host}",
            to_uri=f"{uri.scheme}:{encode_user(number)}@{uri.host}",
            device=f"trunk:{self.name}",
            credentials=(
                Credentials(username=self.username, password=self.password, realm=self.realm) if self.username else None
            ),
        )


class Trunks:
    """All trunks, in the order of the configuration. Raises UsageError for a URI or network that is none.

    dial: SipAgent.dial.
    """

    def __init__(self, trunks: Iterable[Trunk] = (), *, dial: Dial) -> None:
        self._trunks = tuple(trunks)
        self._dial = dial
        self._networks = tuple((network, trunk) for trunk in self._trunks for network in _networks(trunk))
        self._of_source: dict[str, Trunk | None] = {}
        for trunk in self._trunks:
            _check(trunk)

    def match(self, source: str) -> Trunk | None:
        """The trunk that an address belongs to; the smallest network wins, then the first."""
        if source in self._of_source:
            return self._of_source[source]
        if len(self._of_source) >= _REMEMBERED:
            self._of_source.clear()
        found = self._of_source[source] = self._search(source)
        return found

    def name_of_source(self, source: str) -> str | None:
        trunk = self.match(source)
        return None if trunk is None else trunk.name

    def dial_number(self, number: str, request: OutboundCall) -> Leg | None:
        """A leg through the first trunk; None without a trunk, or for something that is no number."""
        digits = number.translate(_SEPARATORS)
        if not self._trunks or _IS_NUMBER(digits) is None:
            return None
        return self._dial(self._trunks[0].target(digits), request)

    def _search(self, source: str) -> Trunk | None:
        if not self._networks:
            return None
        try:
            address = ip_address(source)
        except ValueError:
            return None
        found: tuple[IPv4Network | IPv6Network, Trunk] | None = None
        for network, trunk in self._networks:
            if address in network and (found is None or network.prefixlen > found[0].prefixlen):
                found = (network, trunk)
        return None if found is None else found[1]


def _networks(trunk: Trunk) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(source, strict=False) for source in trunk.sources]
    except ValueError as error:
        raise UsageError(f"trunk {trunk.name}: expected networks in sources, found {error}") from error


def _check(trunk: Trunk) -> None:
    try:
        scheme = parse_uri(trunk.uri).scheme
    except SipParseError as error:
        raise UsageError(f"trunk {trunk.name}: {error}") from error
    if scheme not in ("sip", "sips"):
        raise UsageError(f"trunk {trunk.name}: expected a sip or sips URI, found {trunk.uri!r}")
