"""Who really asks, where a reverse proxy stands in between.

What a proxy says of its client counts only if the proxy's own address is in ``server.trusted_proxies``; from everybody
else such headers are words of a stranger. Of a chain the last address counts that is no trusted proxy: what stands
further left was written by that client. X-Forwarded-For goes before Forwarded, so a proxy that sets the first need not
know the second.
Source: RFC 7239 5.2, 7.4 (node names), 8.1; the usual meaning of X-Forwarded-For and X-Forwarded-Proto.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_CHAIN: Final = 16


class TrustedProxies:
    """networks: those of the proxies, ``127.0.0.0/8``."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def client_of(self, peer: str, chain: Sequence[str]) -> str:
        """The address of whoever asks. peer: the connection's; chain: forwarded for whom, the nearest last."""
        client = peer
        for text in reversed(chain[-MAX_CHAIN:]):
            if not self.trusts(client):
                break
            address = _address(text)
            if address is None:
                # "unknown" or garbage: the last proxy that could be believed answers for it.
                break
            client = str(address)
        return client

    def trusts(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)

    def unwrap(self, request: web.Request) -> web.Request:
        """The request as its client made it: ``remote`` and, if the proxy tells, ``scheme``."""
        peer = request.remote or ""
        if not self.trusts(peer):
            return request
        scheme = request.headers.get("X-Forwarded-Proto", "").strip().lower()
        return request.clone(
            remote=self.client_of(peer, _chain(request)),
            scheme=scheme if scheme in ("http", "https") else request.scheme,
        )

    def middleware(self) -> Middleware:
        @web.middleware
        async def behind_proxies(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await handler(self.unwrap(request))

        return behind_proxies


def _chain(request: web.Request) -> list[str]:
    """Several lines of a header are one list."""
    listed = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ()))
    if listed:
        return listed.split(",")
    elements = ",".join(request.headers.getall(hdrs.FORWARDED, ())).split(",")
    return [_for(element) for element in elements] if elements != [""] else []


def _for(element: str) -> str:
    """The ``for`` of one element of Forwarded, without quotes; empty if it has none."""
    for pair in element.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
    return ""


def _address(text: str) -> Address | None:
    """``192.0.2.1``, ``192.0.2.1:4711``, ``2001:db8::1``, ``[2001:db8::1]:4711``; mapped IPv4 as IPv4."""
    node = text.strip()
    if node.startswith("["):
        node = node[1:].partition("]")[0]
    elif node.count(":") == 1:
        node = node.partition(":")[0]
    try:
        address = ipaddress.ip_address(node)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
