"""Between the two scales: 8 kHz and 16 kHz, by one half-band filter.

Half of a half-band filter's taps are zero but for the middle one: going up, every other sample is the input itself;
going down, every other one counts half. Streams of frames keep what the filter still needs in a history of theirs;
rings hold their past and future anyway.
Source: Crochiere and Rabiner, Multirate Digital Signal Processing, 4.2 (polyphase structures); Kaiser window.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.kernel.compiled import compiled
from media.kernel.layout import FRAME, HISTORY_SAMPLES, MISSING, RING, Record

REACH = 16
"""Taps that are not zero on each side of the middle: 3.4 kHz passes, 4.6 kHz is 70 dB down."""
_KAISER_BETA = 7.0


def _half_band() -> NDArray[np.float32]:
    """Taps at odd distances 1, 3, 5 … from the middle, for a gain of one going up."""
    distance = np.arange(1, 2 * REACH, 2)
    window = np.i0(_KAISER_BETA * np.sqrt(1 - (distance / (2 * REACH)) ** 2)) / np.i0(_KAISER_BETA)
    taps = np.sin(np.pi * distance / 2) / (np.pi * distance / 2) * window
    return np.asarray(taps / (2 * taps.sum()), np.float32)


TAPS = _half_band()


@compiled
def clipped(value: Any) -> Any:
    return min(max(value, -32767), 32767)


@compiled
def _rounded(value: Any) -> Any:
    return int(min(max(round(value), -32767), 32767))


@compiled
def widen(engine: Record, samples: Any, history: Any, out: Any) -> None:
    """A frame at 8 kHz to one at 16 kHz, REACH samples later. history: of the stream; not touched by others."""
    past = 2 * REACH
    for index in range(FRAME):
        # The middle lies REACH samples back: what is ahead of it must have come.
        middle = index - REACH
        out[2 * index] = _at(samples, history, past, middle)
        total = 0.0
        for tap in range(REACH):
            before = _at(samples, history, past, middle - tap)
            after = _at(samples, history, past, middle + 1 + tap)
            total += TAPS[tap] * (float(before) + float(after))
        out[2 * index + 1] = _rounded(total)
    for index in range(past):
        history[index] = samples[FRAME - past + index]


@compiled
def narrow(engine: Record, samples: Any, history: Any, out: Any) -> None:
    """A frame at 16 kHz to one at 8 kHz, 2 * REACH of its samples later."""
    past = 4 * REACH
    for index in range(FRAME):
        middle = 2 * index - 2 * REACH
        total = float(_at(samples, history, past, middle))
        for tap in range(REACH):
            before = _at(samples, history, past, middle - 1 - 2 * tap)
            after = _at(samples, history, past, middle + 1 + 2 * tap)
            total += TAPS[tap] * (float(before) + float(after))
        out[index] = _rounded(total * 0.5)
    for index in range(past):
        history[index] = samples[2 * FRAME - past + index]


@compiled
def _at(samples: Any, history: Any, past: Any, index: Any) -> Any:
    return samples[index] if index >= 0 else history[past + index]


@compiled
def frame_to(engine: Record, port: Record, scale: Any) -> None:
    """Brings engine.frame from `scale` to the port's."""
    if scale < port.scale:
        widen(engine, engine.frame, port.to_phone, engine.resampled)
    else:
        narrow(engine, engine.frame, port.to_phone, engine.resampled)
    for index in range(FRAME * port.scale):
        engine.frame[index] = engine.resampled[index]


@compiled
def ring_frame(engine: Record, ring: Any, scale: Any, position: Any) -> None:
    """The frame of a ring, which has `scale`, at the other scale, into engine.resampled."""
    size = RING * scale
    out = engine.resampled
    for index in range(FRAME):
        if scale == 1:
            middle = position + index
            out[2 * index] = _present(ring[middle % size])
            total = 0.0
            for tap in range(REACH):
                before, after = ring[(middle - tap) % size], ring[(middle + 1 + tap) % size]
                total += TAPS[tap] * (float(_present(before)) + float(_present(after)))
            out[2 * index + 1] = _rounded(total)
        else:
            middle = 2 * (position + index)
            total = float(_present(ring[middle % size]))
            for tap in range(REACH):
                before, after = ring[(middle - 1 - 2 * tap) % size], ring[(middle + 1 + 2 * tap) % size]
                total += TAPS[tap] * (float(_present(before)) + float(_present(after)))
            out[index] = _rounded(total * 0.5)


@compiled
def _present(sample: Any) -> Any:
    """What nobody has written yet is silence: the filter reaches a little beyond the frame that was made whole."""
    return 0 if sample == MISSING else sample


assert 4 * REACH <= HISTORY_SAMPLES
