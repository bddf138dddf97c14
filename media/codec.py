"""The codecs of the engine, as offers and answers name them.

The engine's own number of a codec is its place in CODECS. What the compiled code does with it is in media/kernel.
Source: RFC 3551 table 4 (static payload types), 4.5.2 (the clock of G.722); RFC 7587 4.1, 7 (Opus).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Codec:
    """name: encoding name of SDP, upper case. clock_rate_hz: of RTP timestamps, whatever the sound's rate_hz.

    payload_type: the static one, or what offers of ours use. channels: as SDP states them; the sound is mono.
    """

    name: str
    clock_rate_hz: int
    payload_type: int
    rate_hz: int = 8000
    channels: int = 1


PCMU = Codec("PCMU", 8000, 0)
PCMA = Codec("PCMA", 8000, 8)

G722 = Codec("G722", 8000, 9, rate_hz=16000)
OPUS = Codec("OPUS", 48000, 111, rate_hz=16000, channels=2)

CODECS: tuple[Codec, ...] = (PCMU, PCMA, G722, OPUS)
G711: tuple[Codec, ...] = (PCMU, PCMA)
