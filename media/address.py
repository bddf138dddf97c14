"""Where sound goes and comes from, as one number for the media thread: IPv4 << 16 | port, 0 for nowhere."""

import ipaddress
from functools import lru_cache

BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def pack_address(address: tuple[str, int] | None) -> int:
    """IPv4 << 16 | port; 0, nowhere, for None and for what is no host's address (0.0.0.0, multicast, broadcast).

    Raises ValueError for anything else than an IPv4 literal and a port number.
    """
    if address is None:
        return 0
    host, port = _host_number(address[0]), address[1]
    if not 0 < port < 65536:
        raise ValueError(f"expected a port number, found {port}")
    return host << 16 | port if host else 0


@lru_cache(maxsize=4096)
def _host_number(literal: str) -> int:
    """IPv4; 0 for what is no host's address. Raises ValueError."""
    host = ipaddress.IPv4Address(literal)
    return 0 if host.is_unspecified or host.is_multicast or host == BROADCAST else int(host)


@lru_cache(maxsize=4096)
def learn_host(learn_from: str | None) -> int:
    """IPv4 as a number; 0 for None and for signalling that does not come over IPv4, as sound does."""
    host = ipaddress.ip_address(learn_from) if learn_from else None
    return int(host) if isinstance(host, ipaddress.IPv4Address) else 0


def unpack_address(packed: int) -> tuple[str, int]:
    return str(ipaddress.IPv4Address(packed >> 16)), packed & 0xFFFF
