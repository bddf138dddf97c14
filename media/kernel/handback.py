"""What comes in on a socket shared with ICE and DTLS and is not for us: it goes back to the event loop.

STUN is taken from anybody, since a browser's address is learned from its checks; DTLS from the phone's address only,
so that a stranger can neither disturb a handshake nor end a call. Both are bounded, the phone's apart from others'.
Source: RFC 7983 7 (telling them apart); RFC 8445 7.3.1.3 (peer-reflexive); reliability check S-12.
"""

from typing import Any

from media.kernel.compiled import compiled
from media.kernel.layout import HANDBACK_HEADER, Record
from media.kernel.libc import DONT_WAIT, send

OWN_BURST, OTHER_BURST = 64, 8
OWN_PACE, OTHER_PACE = 4, 1
"""Datagrams a tick in the long run: 200 and 50 a second."""


@compiled
def refill(port: Record, ticks: Any) -> None:
    port.own_handbacks = min(port.own_handbacks + OWN_PACE * ticks, OWN_BURST)
    port.other_handbacks = min(port.other_handbacks + OTHER_PACE * ticks, OTHER_BURST)


@compiled
def give_back(engine: Record, port: Record, length: Any, sender: Any) -> None:
    """The datagram in engine.octets, as four words and itself, whole or not at all."""
    is_own = sender == port.remote
    is_stun = length >= 20 and engine.octets[0] <= 3
    is_dtls = length >= 13 and 20 <= engine.octets[0] <= 63
    if not is_stun and not is_dtls:
        port.malformed += 1
        engine.malformed += 1
        return
    if (port.own_handbacks if is_own else port.other_handbacks) <= 0 or (is_dtls and not is_own):
        port.foreign += 1
        engine.foreign += 1
        return
    if is_own:
        port.own_handbacks -= 1
    else:
        port.other_handbacks -= 1
    words = engine.handback_words
    words[0], words[1], words[2], words[3] = port.slot, port.generation, sender, length
    for index in range(length):
        engine.handback[index] = engine.octets[index]
    size = HANDBACK_HEADER + length
    if send(engine.handback_fd, engine.handback_address - HANDBACK_HEADER, size, DONT_WAIT) == size:
        engine.handed_back += 1
    else:
        engine.handbacks_lost += 1
