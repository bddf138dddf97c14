"""What a caller hears from the exchange: ringing, busy, congestion and dial tones of forty countries.

Decides how the notation of data/tones.toml is read, how loud each tone is, and how it becomes samples. Pure but for
reading that file once, at import. The engine keeps the samples and plays them as a loop; which tone a call gets is
the dial verb's business.

Levels: -19 dBm0 for each sine wave of ringing, busy and congestion, for the carrier where one is modulated; dial tone
-13 dBm0 in all, so -16 dBm0 for each of two. 3.14 dBm0 is a sine wave at full scale.
Source: ITU-T E.180 (levels, cadences); G.711 table 1 for the overload point; Twilio <Dial>, ringTone, for the codes.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

FULL_SCALE_DBM0 = 3.14
PEAK = 32767
RAMP_S = 0.003
DEFAULT_DEPTH = 0.9


class CallProgress(Enum):
    RING = "ring"
    BUSY = "busy"
    CONGESTION = "congestion"
    DIAL = "dial"


class ToneNotationError(ValueError):
    """A line of the tone notation cannot be read; the message says what was expected and what was found."""


@dataclass(frozen=True)
class Burst:
    """One element of a cadence: some sine waves, one modulated carrier, or silence (no frequency).

    duration_ms: None sounds without end. level_dbm0: of each sine wave; of the carrier where it is modulated.
    """

    frequencies_hz: tuple[int, ...]
    modulation_hz: int
    depth: float
    duration_ms: int | None
    level_dbm0: float

    def wave(self, length: int, rate_hz: int) -> NDArray[np.float64]:
        """(length,) samples in int16 units, from phase zero, without ramps."""
        turn = 2 * np.pi / rate_hz * np.arange(length)
        amplitude = PEAK * 10 ** ((self.level_dbm0 - FULL_SCALE_DBM0) / 20)
        sound = np.zeros(length)
        for frequency_hz in self.frequencies_hz:
            sound += amplitude * np.sin(frequency_hz * turn)
        if self.modulation_hz:
            sound *= 1 + self.depth * np.sin(self.modulation_hz * turn)
        return sound


@dataclass(frozen=True, eq=False)
class Tone:
    """A tone with its cadence, at no particular sampling rate."""

    name: str
    bursts: tuple[Burst, ...]

    def samples(self, rate_hz: int) -> NDArray[np.int16]:
        """Exactly one period, to be played as a loop without a click at the seam.

        A cadence begins with its first burst and every edge stands on the sample nearest to it; bursts have ramps of
        3 ms inside their length. A tone without end is one second, in which every whole frequency comes round.
        """
        if self.bursts[0].duration_ms is None:
            return _quantised(self.bursts[0].wave(rate_hz, rate_hz))
        edges_ms = np.cumsum([0] + [burst.duration_ms or 0 for burst in self.bursts])
        edges = np.rint(edges_ms * (rate_hz / 1000)).astype(np.int64)
        period = np.zeros(edges[-1])
        for burst, start, end in zip(self.bursts, edges, edges[1:], strict=False):
            if burst.frequencies_hz:
                period[start:end] = _ramped(burst.wave(int(end - start), rate_hz), rate_hz)
        return _quantised(period)


def _ramped(burst: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    length = min(round(RAMP_S * rate_hz), len(burst) // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1))
    burst[:length] *= rise
    burst[len(burst) - length :] *= rise[::-1]
    return burst


def _quantised(sound: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.rint(sound), -32768, PEAK).astype(np.int16)


_ELEMENT = re.compile(
    r"(?P<carrier>\d+)(?:(?P<sum>(?:\+\d+)+)|\*(?P<modulation>\d+))?(?:@(?P<gain>-?\d+))?(?:/(?P<duration>\d+))?"
)


def parse_tone(name: str, notation: str, *, total_dbm0: float | None = None, depth: float = DEFAULT_DEPTH) -> Tone:
    """A tone in the notation that data/tones.toml explains, e.g. ``440+480/2000,0/4000``.

    total_dbm0: level of all sine waves of a burst together; None gives each of them -19 dBm0.
    Raises ToneNotationError.
    """
    bursts = tuple(_parse_burst(element, total_dbm0, depth) for element in notation.split(","))
    endless = [burst for burst in bursts if burst.duration_ms is None]
    if endless and len(bursts) > 1:
        raise ToneNotationError(f"expected a duration for each of several elements, found {notation!r}")
    if not any(burst.frequencies_hz for burst in bursts):
        raise ToneNotationError(f"expected an element that sounds, found {notation!r}")
    return Tone(name, bursts)


def _parse_burst(element: str, total_dbm0: float | None, depth: float) -> Burst:
    match = _ELEMENT.fullmatch(element.strip())
    if match is None:
        raise ToneNotationError(f"expected frequencies/milliseconds, found {element!r}")
    duration_ms = None if match["duration"] is None else int(match["duration"])
    if duration_ms == 0:
        raise ToneNotationError(f"expected a duration above 0, found {element!r}")
    frequencies = [int(match["carrier"]), *(int(more) for more in (match["sum"] or "").split("+")[1:])]
    sounding = tuple(frequency for frequency in frequencies if frequency)
    level = -19.0 if total_dbm0 is None else total_dbm0 - 10 * np.log10(max(len(sounding), 1))
    return Burst(
        frequencies_hz=sounding,
        modulation_hz=int(match["modulation"] or 0),
        depth=depth,
        duration_ms=duration_ms,
        level_dbm0=float(level + int(match["gain"] or 0)),
    )


_TOTAL_DBM0: Mapping[CallProgress, float | None] = {CallProgress.DIAL: -13.0}


def _load() -> Mapping[str, Mapping[CallProgress, Tone]]:
    document = tomllib.loads(files("media").joinpath("data/tones.toml").read_text(encoding="utf-8"))
    countries: dict[str, Mapping[CallProgress, Tone]] = {}
    for code, country in document.items():
        tones: dict[CallProgress, Tone] = {}
        for which in CallProgress:
            entry = country[which.value]
            row = {"tone": entry} if isinstance(entry, str) else entry
            tones[which] = parse_tone(
                f"{code}.{which.value}",
                row["tone"],
                total_dbm0=_TOTAL_DBM0.get(which),
                depth=float(row.get("depth", DEFAULT_DEPTH)),
            )
        countries[code] = MappingProxyType(tones)
    return MappingProxyType(countries)


_COUNTRIES = _load()

RING_TONE_CODES: tuple[str, ...] = tuple(_COUNTRIES)
"""The values of ringTone, in Twilio's order."""


def tone(country: str, which: CallProgress) -> Tone:
    """The tone of a country of RING_TONE_CODES. Raises KeyError for any other."""
    return _COUNTRIES[country][which]
