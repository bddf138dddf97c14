"""Tones in what a phone says: keys as DTMF, and what fax machines call and answer with.

Every 6.4 ms the last 12.8 ms are judged; a key is one when two tones stand out in four windows in a row (38 ms), and is
over when they are gone for 32 ms, so that an interruption of 10 ms does not make two of it. Against voices and music:
the two tones must hold most of the energy, stand out in their groups, have no harmonics, keep their level and their
frequency.
Source: ITU-T Q.23 (frequencies); Q.24 annex A (40 ms, -8/+4 dB, 1.5 %); T.30 4.3.3 (CNG, CED); V.8 (ANSam).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.kernel import mix, resample
from media.kernel.compiled import compiled
from media.kernel.digits import COLUMN_OF, COLUMNS_HZ, LAST_KEY, ROW_OF, ROWS_HZ
from media.kernel.events import post
from media.kernel.layout import FAX_TONE, FRAME, RATE_HZ, TONE_DIGIT, TONE_WINDOW, TONE_WORDS, Record

HOP = TONE_WINDOW // 2
"""A window's filters are wide enough (78 Hz) for a tone that is off by 1.5 %, and a key of 40 ms fills four of them."""
KEY_WINDOWS, KEY_MISSES = 4, 5

FULL_SCALE_DBM0 = 3.14


def _power(level_dbm0: float) -> float:
    """Mean square of a sine wave of this level."""
    return float((32767 * 10 ** ((level_dbm0 - FULL_SCALE_DBM0) / 20)) ** 2 / 2)


QUIET = _power(-40)
LEAST = _power(-36)
# A tone that is off its frequency seems up to 1.4 dB weaker than it is.
MOST_HIGH_OVER_LOW, MOST_LOW_OVER_HIGH = 10**0.5, 10**1.05
STANDS_OUT = 10**0.6
MOST_HARMONIC = 0.1
LEAST_SHARE, LEAST_TRUE_SHARE = 0.66, 0.88
"""Of the window's energy in both tones: as it seems, and when it is known how far off their frequencies they are."""
MOST_OFF, OFF_MARGIN_HZ = 0.015, 14.0
"""A tone's frequency as its phase tells it from window to window; the other tone disturbs that a little."""
MOST_CHANGE = 10**0.4
"""Of a tone's power from one window to the next."""

CALLING_FAX, ANSWERING_FAX = LAST_KEY + 1, LAST_KEY + 2
CALLING_FAX_HZ, ANSWERING_FAX_HZ = 1100, 2100
FAX_SHARE = 0.7
FAX_MISSES = 4
CALLING_WINDOWS_LEAST, CALLING_WINDOWS_MOST = 400 * 8 // HOP, 650 * 8 // HOP
ANSWERING_WINDOWS = 1000 * 8 // HOP

# Rows and columns; for each row its third harmonic (the second lies beside a column), for each column its second; CNG
# from both sides, since it may be off by 38 Hz; CED.
_HARMONICS_HZ = (*(3 * hz for hz in ROWS_HZ), *(2 * hz for hz in COLUMNS_HZ))
HZ = np.array((*ROWS_HZ, *COLUMNS_HZ, *_HARMONICS_HZ, 1081, 1119, ANSWERING_FAX_HZ), np.float64)
_HARMONIC, _CALLING, _ANSWERING = 8, 16, 18


def _waves() -> NDArray[np.float32]:
    """(frequency, cosine and sine, sample), such that the sum of two squared products is a tone's mean square."""
    turns = 2 * np.pi * np.outer(HZ, np.arange(TONE_WINDOW)) / RATE_HZ
    return np.asarray(np.stack([np.cos(turns), np.sin(turns)], axis=1) * np.sqrt(2) / TONE_WINDOW, np.float32)


WAVES = _waves()
KEY_OF = np.zeros((4, 4), np.int64)
KEY_OF[ROW_OF, COLUMN_OF] = np.arange(LAST_KEY + 1)

# The detector's words. _LOW, _HIGH: of each tone at the last hit, its power and its two products with the waves.
_FILL, _HIT, _RUN, _KEY, _WINDOWS, _MISSES, LENGTH = range(7)
_CALLING_RUN, _CALLING_MISSES, _ANSWERING_RUN, _ANSWERING_MISSES = range(7, 11)
_LOW, _HIGH = 11, 14


@compiled
def begin(words: Any, window: Any) -> None:
    for index in range(TONE_WORDS):
        words[index] = 0
    for index in range(TONE_WINDOW):
        window[index] = 0
    words[_FILL] = HOP


@compiled
def listen(engine: Record, port: Record) -> None:
    """Every tick of a port that detects tones."""
    mix.speak(engine, port)
    if port.scale == 1:
        for index in range(FRAME):
            engine.resampled[index] = port.spoken[index]
    else:
        resample.narrow(engine, port.spoken, port.to_detector, engine.resampled)
    found = take(port.tones, port.tone_window, engine.resampled, FRAME)
    if found == CALLING_FAX or found == ANSWERING_FAX:
        hz = CALLING_FAX_HZ if found == CALLING_FAX else ANSWERING_FAX_HZ
        post(engine, FAX_TONE, port.slot, port.generation, hz, 0)
    elif found >= 0 and port.has_events == 0:
        # A phone that sends its keys as events may have them sound as well.
        port.tone_told = found + 1
        port.tone_told_ns = engine.now_ns
        post(engine, TONE_DIGIT, port.slot, port.generation, found, port.tones[LENGTH] * 1000 // RATE_HZ)


@compiled
def take(words: Any, window: Any, samples: Any, size: Any) -> Any:
    """Takes in some sound at RATE_HZ, at most FRAME; says which key is over or which fax tone was heard, -1 none.

    words: as begin() left them and calls before; window: the last TONE_WINDOW samples, kept between calls.
    """
    found = -1
    for index in range(size):
        window[words[_FILL]] = samples[index]
        words[_FILL] += 1
        if words[_FILL] == TONE_WINDOW:
            found = max(found, _judge(words, window))
            for at in range(HOP):
                window[at] = window[HOP + at]
            words[_FILL] = HOP
    return found


@compiled
def _judge(words: Any, window: Any) -> Any:
    power = 0.0
    for index in range(TONE_WINDOW):
        power += float(window[index]) * float(window[index])
    power /= TONE_WINDOW
    calling, answering, hit = False, False, 0
    if power > QUIET:
        hit = _key_in(words, window, power)
        if hit == 0:
            calling = max(_tone(window, _CALLING), _tone(window, _CALLING + 1)) > FAX_SHARE * power
            answering = _tone(window, _ANSWERING) > FAX_SHARE * power
    fax = _follow_fax(words, calling, answering)
    return max(fax, _follow_key(words, hit))


@compiled
def _tone(window: Any, wave: Any) -> Any:
    """Mean square of one frequency in the window."""
    cosine, sine = _products(window, wave)
    return cosine * cosine + sine * sine


@compiled
def _products(window: Any, wave: Any) -> Any:
    cosine, sine = np.float32(0.0), np.float32(0.0)
    for index in range(TONE_WINDOW):
        sample = np.float32(window[index])
        cosine += sample * WAVES[wave, 0, index]
        sine += sample * WAVES[wave, 1, index]
    return float(cosine), float(sine)


@compiled
def _key_in(words: Any, window: Any, power: Any) -> Any:
    """The key whose tones are in the window, code + 1, and how loud they are into the words; 0 if it is none."""
    row, low, second_low = 0, 0.0, 0.0
    for index in range(4):
        level = _tone(window, index)
        if level > low:
            row, low, second_low = index, level, low
        else:
            second_low = max(second_low, level)
    if low < LEAST or low < STANDS_OUT * second_low or low * (1 + MOST_HIGH_OVER_LOW) < LEAST_SHARE * power:
        return 0
    column, high, second_high = 0, 0.0, 0.0
    for index in range(4):
        level = _tone(window, 4 + index)
        if level > high:
            column, high, second_high = index, level, high
        else:
            second_high = max(second_high, level)
    if high < LEAST or high < STANDS_OUT * second_high or low + high < LEAST_SHARE * power:
        return 0
    if high > MOST_HIGH_OVER_LOW * low or low > MOST_LOW_OVER_HIGH * high:
        return 0
    if _tone(window, _HARMONIC + row) > MOST_HARMONIC * low:
        return 0
    if _tone(window, _HARMONIC + 4 + column) > MOST_HARMONIC * high:
        return 0
    hit = KEY_OF[row, column] + 1
    known = hit == words[_HIT] and _is_steady(low, words[_LOW]) and _is_steady(high, words[_HIGH])
    low_off = _follow_tone(words, _LOW, window, row, low)
    high_off = _follow_tone(words, _HIGH, window, 4 + column, high)
    if not known:
        words[_RUN] = 0
        return hit
    if abs(low_off) > MOST_OFF * HZ[row] + OFF_MARGIN_HZ or abs(high_off) > MOST_OFF * HZ[4 + column] + OFF_MARGIN_HZ:
        return 0
    if low / _seen(low_off) + high / _seen(high_off) < LEAST_TRUE_SHARE * power:
        return 0
    return hit


@compiled
def _is_steady(power: Any, before: Any) -> Any:
    return power < MOST_CHANGE * before and before < MOST_CHANGE * power


@compiled
def _follow_tone(words: Any, at: Any, window: Any, wave: Any, power: Any) -> Any:
    """Remembers the tone, and says by how many Hz it is off, if it has gone on since the window before."""
    cosine, sine = _products(window, wave)
    was_cosine, was_sine = float(words[at + 1]), float(words[at + 2])
    words[at], words[at + 1], words[at + 2] = int(power), int(16 * cosine), int(16 * sine)
    # A sine wave's phase falls in these products as it goes on.
    turned = math.atan2(was_sine * cosine - was_cosine * sine, was_cosine * cosine + was_sine * sine)
    turned -= 2 * math.pi * HZ[wave] * HOP / RATE_HZ
    turned -= 2 * math.pi * round(turned / (2 * math.pi))
    return turned * RATE_HZ / (2 * math.pi * HOP)


@compiled
def _seen(off_hz: Any) -> Any:
    """The part of a tone's power that the filter of a window has of it when it is off."""
    turns = math.pi * off_hz * TONE_WINDOW / RATE_HZ
    return (math.sin(turns) / turns) ** 2 if abs(turns) > 1e-3 else 1.0


@compiled
def _follow_key(words: Any, hit: Any) -> Any:
    """Says the key that is over with this window."""
    words[_RUN] = words[_RUN] + 1 if hit else 0
    words[_HIT] = hit
    key, ended = words[_KEY], -1
    if key:
        if hit == key:
            words[_WINDOWS] += words[_MISSES] + 1
            words[_MISSES] = 0
        else:
            words[_MISSES] += 1
        if words[_MISSES] < KEY_MISSES and (hit == key or words[_RUN] < KEY_WINDOWS):
            return -1
        words[LENGTH] = (words[_WINDOWS] + 1) * HOP
        words[_KEY] = 0
        ended = key - 1
    if hit and words[_RUN] >= KEY_WINDOWS:
        words[_KEY] = hit
        words[_WINDOWS] = words[_RUN]
        words[_MISSES] = 0
    return ended


@compiled
def _follow_fax(words: Any, calling: Any, answering: Any) -> Any:
    """A calling machine's tone is told when it is over and was as long as one; an answering one's when it goes on."""
    found = -1
    if calling:
        words[_CALLING_RUN] += words[_CALLING_MISSES] + 1
        words[_CALLING_MISSES] = 0
    elif words[_CALLING_RUN]:
        words[_CALLING_MISSES] += 1
        if words[_CALLING_MISSES] > FAX_MISSES:
            if CALLING_WINDOWS_LEAST <= words[_CALLING_RUN] <= CALLING_WINDOWS_MOST:
                found = CALLING_FAX
            words[_CALLING_RUN], words[_CALLING_MISSES] = 0, 0
    if answering:
        words[_ANSWERING_RUN] += words[_ANSWERING_MISSES] + 1
        words[_ANSWERING_MISSES] = 0
        if words[_ANSWERING_RUN] >= ANSWERING_WINDOWS > words[_ANSWERING_RUN] - FAX_MISSES - 1:
            found = ANSWERING_FAX
            words[_ANSWERING_RUN] = ANSWERING_WINDOWS + FAX_MISSES + 1
    elif words[_ANSWERING_RUN]:
        words[_ANSWERING_MISSES] += 1
        if words[_ANSWERING_MISSES] > FAX_MISSES:
            words[_ANSWERING_RUN], words[_ANSWERING_MISSES] = 0, 0
    return found
