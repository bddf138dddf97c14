"""What passed through one port, as counters: read from the media thread's record at any time."""

from dataclasses import dataclass

import numpy as np

from media.kernel import layout
from media.thread import PORT_COUNTERS


@dataclass(frozen=True, kw_only=True)
class PortStatistics:
    """Counters since the port was opened.

    lost: packets of the phone that never came. late: came after a mix would have played them. concealed: frames of
    20 ms with something made up. dropped_foreign: from addresses that have no business here; dropped_malformed: no RTP;
    dropped_forged: not sealed with the agreed key, or replayed;
    dropped_other: not wanted now, or of no agreed payload type. unsent: the system did not take them.
    video_*: packets of pictures, the phone's, the other party's with its reports, and the phone's that went nowhere.
    far_*, rtt_ms: from the phone's reports; None without any.
    """

    packets_received: int = 0
    octets_received: int = 0
    packets_sent: int = 0
    octets_sent: int = 0
    lost: int = 0
    late: int = 0
    reordered: int = 0
    duplicates: int = 0
    concealed: int = 0
    jitter_ms: float = 0.0
    dropped_foreign: int = 0
    dropped_malformed: int = 0
    dropped_forged: int = 0
    dropped_other: int = 0
    unsent: int = 0
    video_received: int = 0
    video_sent: int = 0
    video_dropped: int = 0
    far_lost: int | None = None
    far_jitter_ms: float | None = None
    rtt_ms: float | None = None


def read_statistics(counters: np.void) -> PortStatistics:
    """counters: a row of MediaThread.port_counters."""
    value = dict(zip(PORT_COUNTERS, counters.item(), strict=True))
    lost = value["lost_before_stream"]
    if value["has_stream"]:
        lost += max(value["highest"] - value["first_sequence"] + 1 - value["received_in_stream"], 0)
    has_report = value["reports_in"] > 0
    clock_hz = max(value["clock_factor"], 1) * layout.RATE_HZ
    return PortStatistics(
        packets_received=value["packets_in"],
        octets_received=value["octets_in"],
        packets_sent=value["packets_out"],
        octets_sent=value["octets_out"],
        lost=lost,
        late=value["late"],
        reordered=value["reordered"],
        duplicates=value["duplicates"],
        concealed=value["concealed"],
        jitter_ms=value["jitter_q4"] / 16 * 1000 / clock_hz,
        dropped_foreign=value["foreign"],
        dropped_malformed=value["malformed"],
        dropped_forged=value["forged"],
        dropped_other=value["refused"],
        unsent=value["unsent"],
        video_received=value["video_in"],
        video_sent=value["video_out"],
        video_dropped=value["video_dropped"],
        far_lost=value["far_lost"] if has_report else None,
        far_jitter_ms=value["far_jitter"] * 1000 / clock_hz if has_report else None,
        rtt_ms=value["rtt_us"] / 1000 if value["rtt_us"] else None,
    )
