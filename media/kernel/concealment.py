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
"""Samples of a gap at RATE_HZ: full level until FADE_AFTER, silence from FADED on."""
BLEND = 32


@compiled
def conceal(ring: Any, scale: Any, position: Any, gaps: Any, periods: Any, reader: Any) -> Any:
    """Fills what is missing in the frame from `position`; says how many samples it had to make up (fading out or not).

    gaps, periods: per reader, how long its gap has lasted and the period repeated in it; kept from frame to frame.
    """
    gap, period = gaps[reader], periods[reader]
    if gap == 0 and is_whole(ring, scale, position):
        return 0
    made_up = 0
    size, faded = RING * scale, FADED * scale
    for at in range(position * scale, (position + FRAME) * scale):
        if ring[at % size] != MISSING:
            if 0 < gap < faded and period > 0:
                _blend(ring, scale, at, gap, period)
            gap = 0
            continue
        if gap == 0:
            period = _period_before(ring, scale, at)
        ring[at % size] = _repeated(ring, scale, at, gap, period)
        made_up += gap < faded and period > 0
        gap += 1
    gaps[reader], periods[reader] = gap, period
    return made_up


@compiled
def is_whole(ring: Any, scale: Any, position: Any) -> Any:
    """Whether nothing is missing in the frame from `position`: the usual case, and quick to see."""
    size = RING * scale
    start = position * scale % size
    unwrapped = min(FRAME * scale, size - start)
    lowest = np.int16(0)
    for index in range(start, start + unwrapped):
        lowest = min(lowest, ring[index])
    for index in range(FRAME * scale - unwrapped):
        lowest = min(lowest, ring[index])
    return lowest != MISSING


@compiled
def _repeated(ring: Any, scale: Any, at: Any, gap: Any, period: Any) -> Any:
    """What stands `gap` samples into a gap: the period before it, faded."""
    if period == 0 or gap >= FADED * scale:
        return 0
    sample = ring[(at - gap - period + gap % period) % (RING * scale)]
    if sample == MISSING:
        return 0
    if gap < FADE_AFTER * scale:
        return sample
    return sample * (FADED * scale - gap) // ((FADED - FADE_AFTER) * scale)


@compiled
def _blend(ring: Any, scale: Any, at: Any, gap: Any, period: Any) -> None:
    """Crosses from what would have been made up to what has come."""
    size = RING * scale
    for index in range(BLEND):
        come = ring[(at + index) % size]
        if come == MISSING:
            return
        made = _repeated(ring, scale, at + index, gap + index, period)
        ring[(at + index) % size] = (come * (index + 1) + made * (BLEND - index)) // (BLEND + 1)


@compiled
def _period_before(ring: Any, scale: Any, at: Any) -> Any:
    """The lag at which the sound before `at` is most like itself; 0 if there is none or it is silence.

    What is missing counts as silence. Lags are tried in steps of two, then the best one's neighbours.
    """
    best, best_score = 0, 0.0
    for lag in range(SHORTEST_PERIOD * scale, LONGEST_PERIOD * scale + 1, 2):
        score = _likeness(ring, scale, at, lag)
        if score > best_score:
            best, best_score = lag, score
    for lag in (best - 1, best + 1):
        if SHORTEST_PERIOD * scale <= lag <= LONGEST_PERIOD * scale:
            score = _likeness(ring, scale, at, lag)
            if score > best_score:
                best, best_score = lag, score
    last = ring[(at - 1) % (RING * scale)]
    if best == 0 and last != MISSING and last != 0:
        return LONGEST_PERIOD * scale
    return best


@compiled
def _likeness(ring: Any, scale: Any, at: Any, lag: Any) -> Any:
    """Normalised cross-correlation of the last COMPARED samples with those `lag` before; 0 where negative."""
    product, energy = 0.0, 1.0
    size = RING * scale
    for index in range(at - COMPARED * scale, at):
        now, then = ring[index % size], ring[(index - lag) % size]
        if now != MISSING and then != MISSING:
            product += float(now) * float(then)
            energy += float(then) * float(then)
    return product * product / energy if product > 0.0 else 0.0
