"""What a caller hears when his application fails: the special information tone, twice, instead of words.

Source: ITU-T E.180, special information tone (950, 1400, 1800 Hz, 330 ms each, then 1 s of silence).
"""

from functools import cache

from media.player import Clip
from media.tones import parse_tone

RATE_HZ = 8000
TIMES = 2


@cache
def error_announcement() -> Clip:
    tone = parse_tone("special information", "950/330,1400/330,1800/330,0/1000")
    return Clip(samples=tone.samples(RATE_HZ), rate_hz=RATE_HZ)
