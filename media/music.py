"""Music for those who wait, and the chimes of a room's door: made here, so that nobody's rights are touched.

Pure. Four chords of four seconds, each a soft pad under a broken chord of plucked notes, within what a telephone
carries; every note rings on over the seam, so that the loop has none. Levels: about -24 dBm0 for the music, as loud as
distant speech; -19 dBm0 for the chimes.
Source: ITU-T P.56 (speech level), G.711 table 1 for the overload point.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.player import Clip
from media.tones import parse_tone

RATE_HZ: Final = 8000
CHORD_S: Final = 4.0
# As MIDI numbers, low to high: C, A minor, F and G, each with a colour tone.
CHORDS: Final = ((60, 64, 67, 71), (57, 64, 67, 72), (53, 60, 64, 69), (55, 62, 65, 71))
# The order in which the notes of a chord are plucked, an eighth of it each; 4 is the lowest an octave higher.
FIGURE: Final = (0, 2, 1, 3, 4, 3, 1, 2)
OCTAVE: Final = 12
PLUCK_DECAY_S: Final = 0.55
PLUCK_S: Final = 2.5
# Strengths of a plucked note's harmonics; of the pad's, which has nearly none.
PLUCK_HARMONICS: Final = (1.0, 0.35, 0.12)
PAD_SHARE: Final = 0.22
LOUDNESS: Final = 1000.0


def _frequency_hz(note: int) -> float:
    return 440.0 * 2 ** ((note + OCTAVE - 69) / 12)


def _pluck(note: int) -> NDArray[np.float64]:
    """A string that was plucked: all harmonics at once, the higher the sooner gone."""
    seconds = np.arange(round(PLUCK_S * RATE_HZ)) / RATE_HZ
    turns = 2 * np.pi * _frequency_hz(note) * seconds
    sound = np.zeros(len(seconds))
    for number, strength in enumerate(PLUCK_HARMONICS, start=1):
        sound += strength * np.sin(number * turns) * np.exp(-seconds * number / PLUCK_DECAY_S)
    attack = np.minimum(seconds / 0.006, 1.0)
    release = np.minimum((PLUCK_S - seconds) / 0.1, 1.0)
    return sound * attack * release


def _pad(notes: tuple[int, ...]) -> NDArray[np.float64]:
    """The whole chord, swelling and going within its time and half a second beyond."""
    length = round((CHORD_S + 0.5) * RATE_HZ)
    seconds = np.arange(length) / RATE_HZ
    swell = np.sin(np.pi * np.arange(length) / length) ** 0.7
    return swell * sum(np.sin(2 * np.pi * _frequency_hz(note) * seconds) for note in notes)


@cache
def hold_music() -> Clip:
    """Sixteen seconds at 8 kHz, to be played as a loop."""
    chord_length = round(CHORD_S * RATE_HZ)
    period = np.zeros(chord_length * len(CHORDS))
    for number, notes in enumerate(CHORDS):
        start = number * chord_length
        _add_round(period, start, PAD_SHARE * _pad(notes))
        plucked = (*notes, notes[0] + OCTAVE)
        for step, which in enumerate(FIGURE):
            _add_round(period, start + step * chord_length // len(FIGURE), _pluck(plucked[which]))
    period *= LOUDNESS / np.sqrt(np.mean(period**2))
    return Clip(np.clip(np.rint(period), -32767, 32767).astype(np.int16), RATE_HZ)


def _add_round(period: NDArray[np.float64], start: int, sound: NDArray[np.float64]) -> None:
    """What goes beyond the end of the loop is heard at its beginning."""
    fits = len(period) - start
    period[start : start + len(sound)] += sound[:fits]
    rest = sound[fits:]
    period[: len(rest)] += rest


@cache
def entry_chime() -> Clip:
    """Somebody came in: two notes, rising."""
    return Clip(parse_tone("room.entry", "660/140,880/180").samples(RATE_HZ), RATE_HZ)


@cache
def exit_chime() -> Clip:
    """Somebody went: two notes, falling."""
    return Clip(parse_tone("room.exit", "660/140,440/180").samples(RATE_HZ), RATE_HZ)
