"""libopus, called by symbol, and what is read of its packets.

The library is the system's or the one in PyAV's wheel. Where there is neither, Opus is not offered (media/opus.py
says so) and its functions stand for one that does nothing: the thread's code has to link all the same.
Source: RFC 6716 3.1 (TOC), 3.2 (framing); opus_encode(), opus_decode().
"""

import ctypes
import importlib.util
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from numba import types

from media.kernel.compiled import compiled
from media.kernel.layout import MAX_OPUS_SAMPLES

_PREFIX = "ringfork_"
_NAMES = ("opus_encode", "opus_decode")


def _candidates() -> list[str]:
    """Where libopus may be, best first. PyAV is only looked for, not loaded."""
    found = ["libopus.so.0", "libopus.dylib"]
    package = importlib.util.find_spec("av")
    for place in (package.submodule_search_locations or []) if package is not None else []:
        for folder in (Path(place).parent / "av.libs", Path(place) / ".dylibs"):
            found.extend(str(path) for path in sorted(folder.glob("libopus*")))
    return found


def _load() -> ctypes.CDLL | None:
    for name in _candidates():
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


LIBRARY = _load()
"""None without libopus."""

for _name in _NAMES:
    _function = getattr(LIBRARY, _name) if LIBRARY is not None else ctypes.CDLL(None).getpid
    llvm.add_symbol(_PREFIX + _name, int(ctypes.cast(_function, ctypes.c_void_p).value or 0))

opus_encode = types.ExternalFunction(
    _PREFIX + "opus_encode", types.int32(types.int64, types.int64, types.int32, types.int64, types.int32)
)
opus_decode = types.ExternalFunction(
    _PREFIX + "opus_decode",
    types.int32(types.int64, types.int64, types.int32, types.int64, types.int32, types.int32),
)

SILK_FRAMES = (80, 160, 320, 480)
HYBRID_FRAMES = (80, 160)
CELT_FRAMES = (20, 40, 80, 160)
"""Samples at RATE_HZ of one frame, by the low bits of a configuration."""


@compiled
def packet_samples(octets: Any, offset: Any, size: Any) -> Any:
    """How long a packet is at RATE_HZ; 0 for one that is none or too long."""
    if size < 1:
        return 0
    toc = octets[offset]
    configuration = toc >> 3
    if configuration < 12:
        frame = SILK_FRAMES[configuration & 3]
    elif configuration < 16:
        frame = HYBRID_FRAMES[configuration & 1]
    else:
        frame = CELT_FRAMES[configuration & 3]
    count = 1 if toc & 3 == 0 else 2
    if toc & 3 == 3:
        count = octets[offset + 1] & 63 if size > 1 else 0
    samples = frame * count
    return samples if samples <= MAX_OPUS_SAMPLES else 0
