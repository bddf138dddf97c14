"""What a caller hears when his application fails: the special information tone, then words if there are any to be had.

Source: ITU-T E.180, special information tone (950, 1400, 1800 Hz, 330 ms each, then 1 s of silence).
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.speech.speaker import Speaker
from media.player import Clip
from media.tones import parse_tone

RATE_HZ: Final = 8000
WORDS: Final = "We are sorry. An application error has occurred. Goodbye."
TIMES_WITHOUT_WORDS: Final = 2


async def error_announcement(speaker: Speaker) -> Clip:
    """The tone once and the words; the tone twice if nothing can speak."""
    words = await speaker.words(WORDS)
    tone = _special_information()
    if words is None or words.rate_hz != RATE_HZ:
        return Clip(np.tile(tone, TIMES_WITHOUT_WORDS), RATE_HZ)
    return Clip(np.concatenate([tone, words.samples]), RATE_HZ)


@cache
def _special_information() -> NDArray[np.int16]:
    return parse_tone("special information", "950/330,1400/330,1800/330,0/1000").samples(RATE_HZ)
