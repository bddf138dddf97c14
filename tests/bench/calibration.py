"""How fast this machine is at what a relay mostly does: one UDP send and one receive on loopback.

CPU time, not wall time, so that a busy machine changes it little; a slower one, or one whose cache others use, shows.
"""

import socket
import time

import numpy as np

from tests.bench.kernel import PACKET_OCTETS, pass_packets
from tests.bench.rtp import ADDRESS

_PAIRS = 64
_PACKETS = 40_000


def udp_pair_us() -> float:
    """CPU time of ``send`` plus ``recv`` of one packet, in microseconds; takes about 0.15 s."""
    senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(_PAIRS)]
    receivers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(_PAIRS)]
    try:
        for sender, receiver in zip(senders, receivers, strict=True):
            receiver.bind((ADDRESS, 0))
            sender.connect(receiver.getsockname())
        out, back = (np.array([sock.fileno() for sock in side], np.int32) for side in (senders, receivers))
        packet = np.zeros(PACKET_OCTETS, np.uint8)
        pass_packets(out, back, packet.ctypes.data, _PAIRS)
        began = time.thread_time_ns()
        passed = pass_packets(out, back, packet.ctypes.data, _PACKETS)
        return round((time.thread_time_ns() - began) / max(1, passed) / 1000, 3)
    finally:
        for sock in (*senders, *receivers):
            sock.close()
