"""How WebRTC peers are told where we are, and how long they are waited for. Pure values, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WebRtcSettings:
    """Times in seconds.

    advertised_address: IPv4 at which browsers reach the engine's ports; empty: the engine's own. Behind NAT or in a
    container it is the outer one, and the port range must be forwarded number by number.
    set_up_s: from our description to sound. unheard_s: browsers say something 50 times a second, and check the path
    at least every 6 s (RFC 7675 5.1); who does neither for so long is lost.
    opus_bitrate: what peers may send us with Opus, bit/s; 0: as they like.
    """

    advertised_address: str = ""
    set_up_s: float = 10.0
    unheard_s: float = 8.0
    opus_bitrate: int = 0
