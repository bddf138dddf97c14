"""Where SIP messages come from and go to: Flow, and the addresses we listen on.

Pure. Source: RFC 3261 18; RFC 5626 1 (a flow is one way to reach one peer, and the same way back).
"""

import ipaddress
from dataclasses import dataclass, field
from typing import Literal

from signaling.errors import UsageError

Protocol = Literal["udp", "tcp", "tls", "ws", "wss"]
# Those that we listen on and connect by; browsers come by WebSocket and cannot be connected to.
PROTOCOLS: tuple[Protocol, ...] = ("udp", "tcp", "tls")
_DEFAULT_PORTS = {"tls": 5061, "ws": 80, "wss": 443}


def default_port(protocol: str) -> int:
    """Source: RFC 3261 19.1.2; RFC 7118 5.2.2."""
    return _DEFAULT_PORTS.get(protocol, 5060)


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to reach one peer.

    local: our address as the peer can reach it, for Via and Contact; where there are connections, the listener's.
    connection: number of the connection, 0 for udp. It is never used again, so a flow whose connection is
    gone stays gone. reply_to: where answers to the request that came by this flow go if not back to ``remote``
    (udp without rport), or when the connection is gone.
    """

    protocol: Protocol
    local: tuple[str, int]
    remote: tuple[str, int]
    connection: int = 0
    reply_to: tuple[str, int] | None = field(default=None, compare=False)

    @property
    def reliable(self) -> bool:
        return self.protocol != "udp"

    @property
    def is_web(self) -> bool:
        """A browser's WebSocket: there is no other way to the peer, and its address may be that of a proxy."""
        return self.protocol in ("ws", "wss")

    @property
    def transport_parameter(self) -> str:
        """``transport`` of a SIP URI that leads here; empty for udp, which needs none. Source: RFC 7118 5.2.3."""
        return "" if self.protocol == "udp" else "ws" if self.is_web else self.protocol

    @property
    def source(self) -> str:
        """The peer's address without its port."""
        return self.remote[0]

    def __str__(self) -> str:
        return f"{self.protocol}:{join_address(self.remote)}"


def join_address(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_listen_url(url: str) -> tuple[Protocol, str, int]:
    """``udp:127.0.0.1:5060`` as protocol, address and port; the port may be left out, 0 lets the system choose.

    Raises UsageError for anything else; a host name is not an address.
    """
    name, _, rest = url.partition(":")
    protocol = next((known for known in PROTOCOLS if known == name), None)
    host, colon, port_text = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port_text = rest, ""
    host = host.removeprefix("[").removesuffix("]")
    if protocol is None or not is_address(host) or (port_text and not (port_text.isascii() and port_text.isdigit())):
        raise UsageError(f"expected udp:, tcp: or tls: with an address and a port to listen on, found {url!r}")
    port = int(port_text) if port_text else default_port(protocol)
    if port > 65535:
        raise UsageError(f"expected a port up to 65535 to listen on, found {url!r}")
    return protocol, host, port


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    return host.startswith("127.") or host == "::1"
