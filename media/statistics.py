"""What the engine has done since it was started, as counters."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class EngineStatistics:
    """Counters since the start.

    tick_lateness: ticks by how late they began, in bins of 0.1 ms, the last for all beyond; tick_late_*: from it.
    dropped_forged: not sealed with the key agreed, or replayed. handed_back: STUN and DTLS that went to the loop;
    handbacks_lost: of these, what it was too busy for.
    lost_events: facts that did not get through to a loop far behind. free_blocks: what is left for recordings that
    nobody fetches; 0.4 s of one each. listeners, feeds: open, or closed and not let go of by the thread yet.
    """

    live_ports: int
    resting_numbers: int
    recordings: int
    listeners: int
    feeds: int
    free_blocks: int
    packets_received: int
    packets_sent: int
    dropped_foreign: int
    dropped_malformed: int
    dropped_forged: int
    handed_back: int
    handbacks_lost: int
    unsent: int
    lost_events: int
    ticks: int
    tick_late_p50_ms: float
    tick_late_p99_ms: float
    tick_late_max_ms: float
    tick_lateness: NDArray[np.int64] = field(repr=False)


def quantile_ms(lateness: NDArray[np.int64], share: float) -> float:
    """Upper edge of the bin in which `share` of all ticks is reached; 0.0 without ticks."""
    total = int(lateness.sum())
    if total == 0:
        return 0.0
    return float(np.searchsorted(np.cumsum(lateness), share * total) + 1) / 10
