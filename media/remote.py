"""Where a phone's sound goes and comes from: what offer and answer agreed, and addresses as the media thread has them.

Pure. Source: RFC 3264 (offer and answer); RFC 4961 (symmetric RTP); RFC 5761 (RTP and RTCP on one port).
"""

import ipaddress
from dataclasses import dataclass

from media.codec import Codec

BROADCAST = ipaddress.IPv4Address("255.255.255.255")


@dataclass(frozen=True, kw_only=True)
class RemoteMedia:
    """What offer and answer agreed about one phone.

    address: where its sound is to go, (IPv4, port); None: nowhere yet. rtcp_address: None is the next port.
    payload_type, digits_payload_type: as the phone wants them; receive_*: as we do, the same if None.
    digits_payload_type: None: no telephone-events; digits to the phone become tones.
    send, receive: as we see it. learn_from: IPv4 of the signalling's source, behind a NAT: the sound's source may be
    learned from it once; None: only `address` may send.
    """

    address: tuple[str, int] | None
    rtcp_address: tuple[str, int] | None = None
    codec: Codec
    payload_type: int
    digits_payload_type: int | None
    send: bool = True
    receive: bool = True
    ptime_ms: int = 20
    learn_from: str | None = None
    rtcp_mux: bool = False
    receive_payload_type: int | None = None
    receive_digits_payload_type: int | None = None


def pack_address(address: tuple[str, int] | None) -> int:
    """IPv4 << 16 | port; 0, nowhere, for None and for what is no host's address (0.0.0.0, multicast, broadcast).

    Raises ValueError for anything else than an IPv4 literal and a port number.
    """
    if address is None:
        return 0
    host, port = ipaddress.IPv4Address(address[0]), address[1]
    if not 0 < port < 65536:
        raise ValueError(f"expected a port number, found {port}")
    if host.is_unspecified or host.is_multicast or host == BROADCAST:
        return 0
    return int(host) << 16 | port


def unpack_address(packed: int) -> tuple[str, int]:
    return str(ipaddress.IPv4Address(packed >> 16)), packed & 0xFFFF


def pack_host(learn_from: str | None) -> int:
    """IPv4 as a number; 0 for None and for signalling that does not come over IPv4, as sound does."""
    host = ipaddress.ip_address(learn_from) if learn_from else None
    return int(host) if isinstance(host, ipaddress.IPv4Address) else 0
