"""The codecs of the engine, as offers and answers name them.

The engine's own number of a codec is its place in CODECS. What the compiled code does with it is in media/kernel.
Source: RFC 3551 table 4 (static payload types).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Codec:
    """name: encoding name of SDP, upper case. clock_rate_hz: of RTP timestamps. payload_type: the static one."""

    name: str
    clock_rate_hz: int
    payload_type: int


PCMU = Codec("PCMU", 8000, 0)
PCMA = Codec("PCMA", 8000, 8)

CODECS: tuple[Codec, ...] = (PCMU, PCMA)
