"""What an endpoint says: a WAV file of the user's or a pure tone made here.

Source: RIFF WAVE, PCM.
"""

import math
import re
import wave
from array import array
from pathlib import Path

from signaling.endpoints.servers import OptionError

RATE_HZ = 8000
TONE_LEVEL = 0.25
_TONE = re.compile(r"tone:(\d{1,5})")


def tone_hz(sound: str) -> int | None:
    """Frequency of ``tone:HZ``, None for a file. Raises OptionError for a tone that G.711 cannot carry."""
    found = _TONE.fullmatch(sound)
    if found is None:
        if sound.startswith("tone:"):
            raise OptionError(f"a tone is tone:HZ, found {sound!r}")
        return None
    frequency = int(found[1])
    if not 50 <= frequency <= 3800:
        raise OptionError(f"a tone from 50 to 3800 Hz was expected, found {frequency}")
    return frequency


def check_sound(sound: str) -> None:
    """Raises OptionError when there is nothing that could be played."""
    if tone_hz(sound) is None and not Path(sound).is_file():
        raise OptionError(f"no file to play at {sound!r}")


def write_tone(path: Path, frequency_hz: int) -> None:
    """One second of a sine, -12 dBov, mono: whole periods, so that repeating it leaves no seam."""
    peak = TONE_LEVEL * 32767
    step = 2 * math.pi * frequency_hz / RATE_HZ
    samples = array("h", (round(peak * math.sin(step * index)) for index in range(RATE_HZ)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


def played_s(path: Path) -> float | None:
    """Length of a WAV file whose header agrees with its size; None while it is being written."""
    try:
        with wave.open(str(path), "rb") as file:
            frames, rate = file.getnframes(), file.getframerate()
            complete = path.stat().st_size >= frames * file.getsampwidth() * file.getnchannels() + 44
    except (OSError, EOFError, wave.Error):
        return None
    return frames / rate if frames and complete else None
