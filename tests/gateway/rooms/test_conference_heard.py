"""<Dial><Conference> with real sound: phones of every codec, each hears all the others and not itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from media.engine import G722, OPUS, PCMA, PCMU, Engine, EngineSettings, Mix
from tests.gateway.rooms.house import House
from tests.media.coded_phone import CodedPhone, coded_phone
from tests.media.phone import Phone, PhoneBooth

MOST = 50
PEAK = 600
SPOKEN_S = 1.0
MOST_ROUNDS = 6
"""A busy machine may need several until every phone had a good moment."""
HEARD, NOT_HEARD = 0.35, 0.15
"""Of what was said. Opus makes less of fifty tones at once; whoever hears himself hears 1."""


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=(20000, 29999), capacity=MOST))
    await engine.start()
    yield engine
    await engine.stop()


@pytest_asyncio.fixture
async def phones(engine: Engine) -> AsyncIterator[PhoneBooth]:
    booth = PhoneBooth(engine)
    yield booth
    booth.close()


class Hall(House):
    """A house whose rooms are mixed by an engine."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self.real_mixes: list[Mix] = []

    def open_mix(self) -> Mix:  # type: ignore[override]  # the engine's in place of a peer's
        self.real_mixes.append(self._engine.open_mix())
        return self.real_mixes[-1]


async def party(phones: PhoneBooth, number: int, frequency_hz: float) -> Phone | CodedPhone:
    match number % 8:
        case 1:
            spoken: Phone | CodedPhone = await coded_phone(phones, OPUS, frequency_hz=frequency_hz)
        case 5:
            spoken = await coded_phone(phones, G722, frequency_hz=frequency_hz)
        case even_or_odd:
            spoken = await phones.phone(PCMA if even_or_odd % 2 else PCMU, frequency_hz=frequency_hz)
    spoken.peak = PEAK
    return spoken


@pytest.mark.parametrize("count", [2, 10, MOST])
async def test_conference_of_mixed_parties_each_hears_all_the_others_and_not_itself(
    engine: Engine, phones: PhoneBooth, count: int
) -> None:
    hall = Hall(engine)
    hall.open()
    parties = [await party(phones, number, 300 + 60 * number) for number in range(count)]
    room = "<Dial><Conference beep='false' waitUrl=''>plenum</Conference></Dial>"
    try:
        for number, member in enumerate(parties):
            hall.ports[f"caller{number}"] = port_of(member)
            await hall.call(f"caller{number}", room)
        for _ in range(MOST_ROUNDS):
            await say_together(parties)
            heard = [levels_of(member) for member in parties]
            unheard = pairs_unheard(parties, heard)
            echoes = [
                each.frequency_hz for each, levels in zip(parties, heard, strict=True) if hears_itself(each, levels)
            ]
            if not unheard and not echoes:
                break
        assert (unheard, echoes) == ([], [])
    finally:
        for caller in hall.callers:
            caller.leg.hangs_up()
        await asyncio.gather(*(caller.over() for caller in hall.callers))
    hall.assert_empty()
    assert [mix.is_closed for mix in hall.real_mixes] == [True]


def port_of(member: Phone | CodedPhone) -> object:
    return member.port if isinstance(member, Phone) else member.phone.port


async def say_together(parties: Sequence[Phone | CodedPhone]) -> None:
    """What they say is made before, so that many are in time."""
    ticks = [
        [[member.packet()] if isinstance(member, Phone) else member.packets() for member in parties]
        for _ in range(round(SPOKEN_S * 50))
    ]
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number, tick in enumerate(ticks):
        await asyncio.sleep(begun + 0.02 * number - loop.time())
        for member, packets in zip(parties, tick, strict=True):
            for octets in packets:
                member.send(octets)


def pairs_unheard(
    parties: Sequence[Phone | CodedPhone], heard: Sequence[NDArray[np.float64]]
) -> list[tuple[str, float, float]]:
    """Codec and tone of who does not hear, tone of who is not heard.

    On a busy machine a phone stumbles: the best fifth of a second counts.
    """
    unheard = []
    for member, levels in zip(parties, heard, strict=True):
        best = levels.max(axis=0)
        for other in parties:
            if other is not member and best[bin_of(other)] < HEARD:
                unheard.append((member.codec.name, member.frequency_hz, other.frequency_hz))
    return unheard


def hears_itself(member: Phone | CodedPhone, levels: NDArray[np.float64]) -> bool:
    """In the usual fifth of a second: one that stumbles is of every frequency."""
    return float(np.median(levels[:, bin_of(member)])) > NOT_HEARD


def bin_of(member: Phone | CodedPhone) -> int:
    return round(member.frequency_hz) // 5


def levels_of(member: Phone | CodedPhone) -> NDArray[np.float64]:
    """Fifths of a second x bins of 5 Hz: how loud, 1 being as it was said. The first is left out."""
    sound, size = member.heard(), 1600 if isinstance(member, Phone) else 3200
    window = np.hanning(size)
    windows = np.stack([sound[at : at + size] for at in range(size, len(sound) - size, size // 2)]) * window
    return np.asarray(np.abs(np.fft.rfft(windows)) * (2 / window.sum()) / PEAK)
