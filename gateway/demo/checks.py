"""Is it true? What the demo measures after its call, each figure beside what was expected.

Pure: samples and facts in, findings out. A tone is "there" above PRESENT_DBFS and "not there" below ABSENT_DBFS.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from media.hearing import tone_level

UK_RING_HZ = (400, 450)
PRESENT_DBFS = -30.0
ABSENT_DBFS = -55.0
WINDOW_S = 0.1
EDGE_S = 0.3
MOST = 0.95


@dataclass(frozen=True)
class Check:
    """One claim. measured and expected are for people and for JSON."""

    name: str
    is_true: bool
    measured: str
    expected: str


class Sounding(Enum):
    RING = "ring"
    CALLER = "caller"
    ANSWERER = "answerer"
    NOTHING = "nothing"
    MIXED = "mixed"


@dataclass(frozen=True)
class Ears:
    """What is listened for. Frequencies in Hz."""

    caller_hz: int
    answerer_hz: int
    rate_hz: int

    def windows(self, samples: NDArray[np.int16]) -> list[Sounding]:
        """What sounds in each tenth of a second of one channel."""
        step = round(WINDOW_S * self.rate_hz)
        return [self._sounding(samples[at : at + step]) for at in range(0, len(samples) - step + 1, step)]

    def level(self, samples: NDArray[np.int16], frequency_hz: int) -> float:
        return tone_level(samples, self.rate_hz, frequency_hz)

    def _sounding(self, window: NDArray[np.int16]) -> Sounding:
        # Ten windows a second tell 400 from 450 Hz badly; both together are unmistakable.
        levels = {
            Sounding.RING: min(self.level(window, frequency) for frequency in UK_RING_HZ),
            Sounding.CALLER: self.level(window, self.caller_hz),
            Sounding.ANSWERER: self.level(window, self.answerer_hz),
        }
        found = [which for which, level in levels.items() if level > PRESENT_DBFS]
        if not found:
            return Sounding.NOTHING
        return found[0] if len(found) == 1 else Sounding.MIXED


def listen(ears: Ears, channels: NDArray[np.int16], *, ringing_s: float) -> Iterator[Check]:
    """channels: (frames, 2), the caller first. ringing_s: how long it rang before the answer, by the phones' clock."""
    caller, called = channels[:, 0], channels[:, 1]
    first, second = ears.windows(caller), ears.windows(called)
    answer = next((index for index, heard in enumerate(second) if heard is Sounding.ANSWERER), len(second))
    talk = round(answer * WINDOW_S * ears.rate_hz)
    yield _share("caller's tone in channel 1", first, Sounding.CALLER)
    yield _absent("answerer's tone not in channel 1", ears, caller, ears.answerer_hz)
    yield _absent("ringing tone not in channel 1", ears, caller, *UK_RING_HZ)
    yield _share("answerer's tone in channel 2 once answered", second[answer:], Sounding.ANSWERER)
    yield _absent("caller's tone not in channel 2", ears, called, ears.caller_hz)
    rings = [heard for heard in second[:answer] if heard is Sounding.RING]
    yield Check(
        "ringing tone in channel 2 before the answer",
        len(rings) * WINDOW_S >= 0.6,
        f"{len(rings) * WINDOW_S:.1f} s of 400 + 450 Hz",
        "two bursts of 0.4 s every 3 s",
    )
    yield _absent(
        "ringing tone not in channel 2 after it", ears, called[talk + round(EDGE_S * ears.rate_hz) :], 400, 450
    )
    yield Check(
        "the answer at the right moment",
        abs(answer * WINDOW_S - ringing_s) <= 0.5,
        f"{answer * WINDOW_S:.1f} s into the recording",
        f"{ringing_s:.1f} s ± 0.5",
    )


def heard(name: str, ears: Ears, samples: NDArray[np.int16], wanted_hz: int, other_hz: int) -> Check:
    """One phone's own recording of what reached it: the usual level, in half seconds."""
    step = ears.rate_hz // 2
    halves = [samples[at : at + step] for at in range(0, max(len(samples) - step, 0) + 1, step)]
    wanted, other = (
        float(np.median([ears.level(half, frequency_hz) for half in halves])) for frequency_hz in (wanted_hz, other_hz)
    )
    return Check(
        name,
        wanted > PRESENT_DBFS and other < wanted - 20,
        f"{wanted_hz} Hz at {wanted:.0f} dBFS, own tone at {other:.0f}",
        f"{wanted_hz} Hz above {PRESENT_DBFS:.0f} dBFS",
    )


def _share(name: str, windows: Sequence[Sounding], wanted: Sounding) -> Check:
    """Nearly everywhere, the first and last windows apart."""
    edge = round(EDGE_S / WINDOW_S)
    inner = windows[edge:-edge] if len(windows) > 3 * edge else []
    share = sum(heard is wanted for heard in inner) / len(inner) if inner else 0.0
    return Check(name, share >= MOST, f"{share:.0%} of {len(inner) * WINDOW_S:.1f} s", f"at least {MOST:.0%}")


def _absent(name: str, ears: Ears, samples: NDArray[np.int16], *frequencies_hz: int) -> Check:
    level = max(ears.level(samples, frequency) for frequency in frequencies_hz)
    return Check(name, level < ABSENT_DBFS, f"{level:.0f} dBFS", f"below {ABSENT_DBFS:.0f} dBFS")
