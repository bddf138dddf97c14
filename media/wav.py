"""WAV files of 16-bit PCM: the header we write, and what is left of a file whose writer was killed.

Decides how long a recording is: by the bytes that are there, never by what a header promises. Blocking file IO in
small reads; call it off the event loop. Who writes recordings is media/recorder.py.
Source: Multimedia Programming Interface and Data Specifications 1.0 (RIFF WAVE).
"""

import struct

SAMPLE_BYTES = 2
HEADER_BYTES = 44
MAX_DATA_BYTES = 2**32 - 1 - HEADER_BYTES
MAX_CHANNELS = 32
MAX_RATE_HZ = 384_000

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM = 1


def header(*, rate_hz: int, channels: int, data_bytes: int) -> bytes:
    """The 44 bytes before `data_bytes` of interleaved little-endian int16."""
    frame_bytes = channels * SAMPLE_BYTES
    return _HEADER.pack(
        b"RIFF",
        data_bytes + HEADER_BYTES - 8,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        channels,
        rate_hz,
        rate_hz * frame_bytes,
        frame_bytes,
        SAMPLE_BYTES * 8,
        b"data",
        data_bytes,
    )
