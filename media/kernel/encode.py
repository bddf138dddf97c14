"""Codecs with a memory, on the way out: engine.frame, at the port's scale, into engine.output behind the header."""

from typing import Any

from media.kernel import g722, opus
from media.kernel.compiled import compiled
from media.kernel.layout import FRAME, Record
from media.kernel.rtp import HEADER

MAX_OPUS_OCTETS = 1200


@compiled
def g722_frame(engine: Record, port: Record) -> None:
    """FRAME octets."""
    g722.encode(port.g722_out, engine.frame, FRAME, engine.output, HEADER)


@compiled
def opus_frame(engine: Record, port: Record) -> Any:
    """Says how many octets; 0 or less if there is no encoder or it fails."""
    if port.encoder == 0:
        return 0
    return opus.opus_encode(
        port.encoder, engine.frame_address, FRAME * port.scale, engine.output_address + HEADER, MAX_OPUS_OCTETS
    )
