"""G.711 mu-law outside the engine: what media streams carry. Source: ITU-T G.711."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from media.kernel import g711


@cache
def _tables() -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    decoded, encoded, _ = g711.tables()
    return decoded[0], encoded[0]


def encode(samples: NDArray[np.int16]) -> bytes:
    """(n,) int16 to n octets."""
    return _tables()[1][np.ascontiguousarray(samples).view(np.uint16)].tobytes()


def decode(octets: bytes) -> NDArray[np.int16]:
    """n octets to (n,) int16, the caller's own."""
    return _tables()[0][np.frombuffer(octets, np.uint8)]
