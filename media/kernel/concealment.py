"""What is heard where a packet is missing: the last period of the voice, repeated and fading.

Works in place on a ring, so that the readers behind find it done and a packet that comes after all replaces it.
Source: the idea of ITU-T G.711 Appendix I (pitch repetition, fade to silence after 60 ms); the code is simpler.
"""

from typing import Any

import numpy as np

from media.kernel.compiled import compiled
from media.kernel.layout import FRAME, MISSING, RING

SHORTEST_PERIOD, LONGEST_PERIOD = 40, 160
COMPARED = 160
FADE_AFTER, FADED = 80, 480
"""Samples of a gap: full level until FADE_AFTER, silence from FADED on."""
BLEND = 32


@compiled
def conceal(ring: Any, position: Any, gaps: Any, periods: Any, reader: Any) -> Any:
    """Fills what is missing in the frame from `position`; says how many samples it had to make up (fading out or not).

    gaps, periods: per reader, how long its gap has lasted and the period repeated in it; kept from frame to frame.
    """
    gap, period = gaps[reader], periods[reader]
    if gap == 0 and is_whole(ring, position):
        return 0
    made_up = 0
    for at in range(position, position + FRAME):
        if ring[at % RING] != MISSING:
            if 0 < gap < FADED and period > 0:
                _blend(ring, at, gap, period)
            gap = 0
            continue
        if gap == 0:
            period = _period_before(ring, at)
        ring[at % RING] = _repeated(ring, at, gap, period)
        made_up += gap < FADED and period > 0
        gap += 1
    gaps[reader], periods[reader] = gap, period
    return made_up


@compiled
def is_whole(ring: Any, position: Any) -> Any:
    """Whether nothing is missing in the frame from `position`: the usual case, and quick to see."""
    start = position % RING
    unwrapped = min(FRAME, RING - start)
    lowest = np.int16(0)
    for index in range(start, start + unwrapped):
        lowest = min(lowest, ring[index])
    for index in range(FRAME - unwrapped):
        lowest = min(lowest, ring[index])
    return lowest != MISSING


@compiled
def _repeated(ring: Any, at: Any, gap: Any, period: Any) -> Any:
    """What stands `gap` samples into a gap: the period before it, faded."""
    if period == 0 or gap >= FADED:
        return 0
    sample = ring[(at - gap - period + gap % period) % RING]
    if sample == MISSING:
        return 0
    if gap < FADE_AFTER:
        return sample
    return sample * (FADED - gap) // (FADED - FADE_AFTER)


@compiled
def _blend(ring: Any, at: Any, gap: Any, period: Any) -> None:
    """Crosses from what would have been made up to what has come."""
    for index in range(BLEND):
        come = ring[(at + index) % RING]
        if come == MISSING:
            return
        made = _repeated(ring, at + index, gap + index, period)
        ring[(at + index) % RING] = (come * (index + 1) + made * (BLEND - index)) // (BLEND + 1)


@compiled
def _period_before(ring: Any, at: Any) -> Any:
    """The lag at which the sound before `at` is most like itself; 0 if there is none or it is silence.

    What is missing counts as silence. Lags are tried in steps of two, then the best one's neighbours.
    """
    best, best_score = 0, 0.0
    for lag in range(SHORTEST_PERIOD, LONGEST_PERIOD + 1, 2):
        score = _likeness(ring, at, lag)
        if score > best_score:
            best, best_score = lag, score
    for lag in (best - 1, best + 1):
        if SHORTEST_PERIOD <= lag <= LONGEST_PERIOD:
            score = _likeness(ring, at, lag)
            if score > best_score:
                best, best_score = lag, score
    if best == 0 and ring[(at - 1) % RING] != MISSING and ring[(at - 1) % RING] != 0:
        return LONGEST_PERIOD
    return best


@compiled
def _likeness(ring: Any, at: Any, lag: Any) -> Any:
    """Normalised cross-correlation of the last COMPARED samples with those `lag` before; 0 where negative."""
    product, energy = 0.0, 1.0
    for index in range(at - COMPARED, at):
        now, then = ring[index % RING], ring[(index - lag) % RING]
        if now != MISSING and then != MISSING:
            product += float(now) * float(then)
            energy += float(then) * float(then)
    return product * product / energy if product > 0.0 else 0.0
