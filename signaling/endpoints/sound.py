"""What an endpoint says, a WAV file or ``tone:HZ``, and how long what it recorded is."""

import re
import wave
from pathlib import Path

from signaling.endpoints.servers import OptionError

RATE_HZ = 8000
TONE_VOLUME = 8192  # a quarter of full scale: -12 dBFS
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


def played_s(path: Path) -> float | None:
    """Length of a WAV file whose header agrees with its size, None for one that does not.

    0.0 may mean an empty recording or one that PJSIP has not closed yet: it writes the header at both ends.
    """
    try:
        with wave.open(str(path), "rb") as file:
            frames, rate = file.getnframes(), file.getframerate()
            complete = path.stat().st_size >= frames * file.getsampwidth() * file.getnchannels() + 44
    except (OSError, EOFError, wave.Error):
        return None
    return frames / rate if complete else None
