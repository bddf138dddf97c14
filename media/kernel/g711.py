"""G.711: the two laws as tables, so that coding is one look-up a sample.

Pure numpy; no compiled code. A codec is an integer here; a codec that is more than a table gets its own branch where
payloads are read (jitter.py) and written (send.py).
Source: ITU-T G.711, tables 1 and 2.
"""

import numpy as np
from numpy.typing import NDArray

PCMU, PCMA, G722, OPUS = 0, 1, 2, 3
CODECS = 2
"""Of them, those that are a table."""

SILENCE = (0xFF, 0xD5)
"""The code of the smallest positive value of each law."""

_MU_BIAS, _MU_CLIP = 132, 32635


def _mu_decoded() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    value = ((step << 3) + _MU_BIAS << segment) - _MU_BIAS
    return np.where(code & 0x80, -value, value).astype(np.int16)


def _mu_encoded() -> NDArray[np.uint8]:
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(linear), _MU_CLIP) + _MU_BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    code = segment << 4 | (magnitude >> segment + 3 & 15) | np.where(linear < 0, 0x80, 0)
    return np.asarray(~code & 0xFF, np.uint8)


def _a_decoded() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, step = code >> 4 & 7, code & 15
    value = np.where(segment == 0, (step << 4) + 8, (step << 4) + 264 << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, value, -value).astype(np.int16)


def _a_encoded() -> NDArray[np.uint8]:
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    # Negative values are counted from -1: the law has no zero of its own.
    magnitude = np.where(linear < 0, -linear - 1, linear)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 7, 0)
    step = np.where(segment == 0, magnitude >> 4, magnitude >> segment + 3) & 15
    code = segment << 4 | step | np.where(linear < 0, 0, 0x80)
    return np.asarray((code ^ 0x55) & 0xFF, np.uint8)


def tables() -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.uint8]]:
    """decoded: (codec, code), int16. encoded: (codec, int16 sample as uint16). transcoded: (from, to, code)."""
    decoded = np.stack([_mu_decoded(), _a_decoded()])
    encoded = np.stack([_mu_encoded(), _a_encoded()])
    transcoded = np.stack([[law[codes.view(np.uint16)] for law in encoded] for codes in decoded])
    for codec in range(CODECS):
        transcoded[codec, codec] = np.arange(256)
    return decoded, encoded, transcoded
