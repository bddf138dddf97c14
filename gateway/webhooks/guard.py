"""Which addresses a webhook may be sent to: the public internet, and the networks the operator allows.

Pure. An application's TwiML, a token or a redirect may name any URL; none of them may make the gateway talk to the
machines behind it. Judged is the address a socket is about to be connected to (resolver.py), never a name.
Source: IANA special-purpose address registries (RFC 6890); the port list is what browsers refuse (WHATWG Fetch, "port
blocking") with the usual databases.
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_GLOBAL_UNICAST_6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
)
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")

REFUSED_PORTS: Final = frozenset(
    [1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110]
    + [111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530]
    + [531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2375]
    + [3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5900, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679]
    + [6697, 9200, 10080, 11211, 27017]
)


class Guard:
    """allow: networks besides the public internet that may be called, on any port.

    own: (address, port) where this gateway itself listens; called only if within ``allow``.
    """

    def __init__(self, allow: Iterable[Network | str] = (), *, own: Iterable[tuple[str, int]] = ()) -> None:
        self._allow = tuple(ip_network(network) if isinstance(network, str) else network for network in allow)
        self._own = frozenset((_plain(ip_address(address)), port) for address, port in own)

    def refusal(self, address: str, port: int) -> str | None:
        """Why a connection to this numeric address may not be made; None if it may."""
        try:
            found = _plain(ip_address(address))
        except ValueError:
            return f"{address!r:.60} is not an address"
        if any(found in network for network in self._allow if network.version == found.version):
            return None
        if not is_public(found):
            return f"{found} is neither public nor within webhooks.allow"
        if port in REFUSED_PORTS:
            return f"port {port} is not one for HTTP"
        if (found, port) in self._own:
            return f"{found} port {port} is this gateway itself"
        return None


def permits(allow: Iterable[Network | str]) -> Callable[[str], bool]:
    """Whether an address may be reached on whatever port: for SIP, which has ports of its own choice."""
    allowed = tuple(ip_network(network) if isinstance(network, str) else network for network in allow)

    def permits_address(address: str) -> bool:
        try:
            found = _plain(ip_address(address))
        except ValueError:
            return False
        return is_public(found) or any(found in net for net in allowed if net.version == found.version)

    return permits_address


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is of the public internet; an IPv4 address in IPv6 form is judged as what it stands for."""
    found = _plain(address)
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_4)
    if found in _SIX_TO_FOUR:
        return False
    return found in _GLOBAL_UNICAST_6 and not any(found in network for network in _NOT_PUBLIC_6)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address behind a mapped or translated IPv6 one, without a zone. Source: RFC 4291 2.5.5.2; RFC 6052."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return IPv6Address(int(address))
