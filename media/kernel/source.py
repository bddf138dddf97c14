"""Whose datagrams a port takes: those from where signalling led to, and from nowhere else.

A source may be learned once, where the signalling's host may be one side of a NAT; after the first packet taken it is
fixed until the next CONNECT. Nothing is ever sent to an address that was not agreed or learned so.
Source: RFC 4961 (symmetric RTP); RFC 7362 (latching, and why it must be locked).
"""

from typing import Any

from media.kernel.compiled import compiled
from media.kernel.layout import Record
from media.kernel.libc import NS_PER_S
from media.kernel.rtp import put_u16, put_u32, u16, u32

AF_INET = 2
PROBATION_NS = NS_PER_S
PROBATION_PACKETS = 10


@compiled
def host_of(address: Any) -> Any:
    return address >> 16


@compiled
def set_remote(port: Record, address: Any) -> None:
    port.remote = address
    write_sockaddr(port.sockaddr, address)


@compiled
def set_rtcp_remote(port: Record, address: Any) -> None:
    port.rtcp_remote = address
    write_sockaddr(port.rtcp_sockaddr, address)


@compiled
def write_sockaddr(octets: Any, address: Any) -> None:
    """struct sockaddr_in; the family is in host order, which is little-endian wherever numba runs."""
    octets[0] = AF_INET
    octets[1] = 0
    put_u16(octets, 2, address)
    put_u32(octets, 4, address >> 16)


@compiled
def read_sockaddr(octets: Any) -> Any:
    return u32(octets, 4) << 16 | u16(octets, 2)


@compiled
def may_be_phone(port: Record, source: Any) -> Any:
    """Whether is_from_phone could say so; changes nothing."""
    return source == port.remote or (port.learn_host != 0 and host_of(source) == port.learn_host)


@compiled
def is_from_phone(port: Record, source: Any, now_ns: Any) -> Any:
    """Whether `source` may speak on this port. Fixes it with the first that may.

    Behind a NAT the agreed address is another than the signalling's, and the signalling's host is believed at once.
    Where they are the same host, another of its ports is believed only after it alone has sent for a second.
    """
    if source == port.remote:
        port.source_is_fixed = 1
        return True
    if port.source_is_fixed or port.learn_host == 0 or host_of(source) != port.learn_host:
        return False
    if host_of(port.signalled) == port.learn_host:
        if source != port.candidate:
            port.candidate = source
            port.candidate_since_ns = now_ns
            port.candidate_packets = 0
        port.candidate_packets += 1
        if port.candidate_packets < PROBATION_PACKETS or now_ns - port.candidate_since_ns < PROBATION_NS:
            return False
    set_remote(port, source)
    port.source_is_fixed = 1
    return True


@compiled
def is_from_phones_host(port: Record, source: Any) -> Any:
    """Whether RTCP from `source` is believed: same host as the sound, whatever its port."""
    return port.remote != 0 and host_of(source) == host_of(port.remote)
