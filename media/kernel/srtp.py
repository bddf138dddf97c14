"""SRTP and SRTCP through libsrtp, called by symbol: the library that pylibsrtp carries, and its sessions.

Decides nothing about keys: a session is made on the event loop (media/srtp.py) and handed over as an address, 0 for a
port that is in the clear. One thread uses it from then on. What a port sends is copied first, because others may be
sent the same octets.
Source: RFC 3711 3.3 (processing), 3.3.2 (replay), 3.4 (SRTCP); RFC 7983 7 (what may share a socket).
"""

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import types
from pylibsrtp import _binding

from media.kernel.compiled import compiled
from media.kernel.layout import MAX_SSRCS, Record
from media.kernel.rtp import u32

_PREFIX = "ringfork_"
for _name in ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp"):
    _pointer = _binding.ffi.addressof(_binding.lib, _name)
    llvm.add_symbol(_PREFIX + _name, int(_binding.ffi.cast("uintptr_t", _pointer)))

_function = types.int32(types.int64, types.int64, types.int64)
_protect = types.ExternalFunction(_PREFIX + "srtp_protect", _function)
_unprotect = types.ExternalFunction(_PREFIX + "srtp_unprotect", _function)
_protect_rtcp = types.ExternalFunction(_PREFIX + "srtp_protect_rtcp", _function)
_unprotect_rtcp = types.ExternalFunction(_PREFIX + "srtp_unprotect_rtcp", _function)


@compiled
def seal(engine: Record, port: Record, octets: Any, start: Any, length: Any, is_control: Any) -> Any:
    """Copies a packet into engine.sealed and protects it there; says its new length, 0 if it must not be sent."""
    sealed = engine.sealed
    for index in range(length):
        sealed[index] = octets[start + index]
    engine.sealed_length[0] = length
    if is_control:
        status = _protect_rtcp(port.srtp_out, engine.sealed_address, engine.sealed_length_address)
    else:
        status = _protect(port.srtp_out, engine.sealed_address, engine.sealed_length_address)
    return np.int64(engine.sealed_length[0]) if status == 0 else 0


@compiled
def open_sound(engine: Record, port: Record, length: Any) -> Any:
    """Verifies and decrypts the packet in engine.octets; says its new length, 0 for one that is forged or replayed."""
    engine.sealed_length[0] = length
    known = _place_of(port, u32(engine.octets, 8))
    if known == MAX_SSRCS or _unprotect(port.srtp_in, engine.octets_address, engine.sealed_length_address) != 0:
        return 0
    _note_ssrc(port, known, u32(engine.octets, 8))
    return np.int64(engine.sealed_length[0])


@compiled
def open_control(engine: Record, port: Record, length: Any) -> Any:
    """As open_sound, for RTCP."""
    engine.sealed_length[0] = length
    known = _place_of(port, u32(engine.octets, 4))
    if known == MAX_SSRCS or _unprotect_rtcp(port.srtp_in, engine.octets_address, engine.sealed_length_address) != 0:
        return 0
    _note_ssrc(port, known, u32(engine.octets, 4))
    return np.int64(engine.sealed_length[0])


@compiled
def _place_of(port: Record, ssrc: Any) -> Any:
    """Where a sender stands among those that proved genuine, or where it will; MAX_SSRCS for one too many.

    libsrtp keeps a stream for each of them and never forgets one.
    """
    known = 0
    while known < port.ssrc_count and port.ssrcs[known] != ssrc:
        known += 1
    return known


@compiled
def _note_ssrc(port: Record, place: Any, ssrc: Any) -> None:
    if place == port.ssrc_count:
        port.ssrcs[place] = ssrc
        port.ssrc_count += 1
