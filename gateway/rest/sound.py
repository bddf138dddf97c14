"""The files of the recordings directory, as they may be read: the recording itself, mixed to one channel, or as MP3.

Blocks: every function runs on a thread. Names are made of our own sids only, and a name in the directory that is a
link is not followed, so nothing outside the directory can ever be read (S-32). Derived files are made once, beside
the recording, and are complete as soon as they have their name.
Source: rest-api.md 5 of the specification (formats, RequestedChannels).
"""

import json
import os
import stat
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from gateway.rest.ranges import OpenFile
from gateway.sids import is_sid, new_sid
from media.peaks import peaks_of

_BLOCK_FRAMES: Final = 1 << 16
LOWEST_WAV: Final = 45  # a header and one byte of sound
_MP3_KBIT: Final = 32
PEAKS: Final = 600
_PEAKS_SUFFIX: Final = ".peaks.json"
# Up to which sampling rate MPEG 2.5, 2 and 1 go, and their lowest and highest bit rates. Source: ISO 11172-3, 13818-3.
_MP3_KBITS: Final = ((12_000, (8, 64)), (24_000, (8, 160)), (48_000, (32, 320)))


class SoundFormat(Enum):
    WAV = ("wav", "audio/x-wav")
    MP3 = ("mp3", "audio/mpeg")

    @property
    def suffix(self) -> str:
        return self.value[0]

    @property
    def content_type(self) -> str:
        return self.value[1]


class RecordingFiles:
    """directory: where recordings lie as ``<sid>.wav``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def is_readable(self, sid: str) -> bool:
        """Whether the recording's file is there with sound in it."""
        try:
            file = self._open(_name(sid))
        except OSError:
            return False
        file.close()
        return file.size >= LOWEST_WAV

    def open(self, sid: str, sound_format: SoundFormat, *, is_mixed: bool) -> OpenFile:
        """The file in that format; is_mixed: all channels in one. The caller closes the descriptor.

        Raises FileNotFoundError for what is not there or not made yet, another OSError when it cannot be read.
        """
        return self._open(_name(sid, _suffix(sound_format, is_mixed=is_mixed)))

    @property
    def directory(self) -> Path:
        return self._directory

    def make(self, sid: str, sound_format: SoundFormat, *, is_mixed: bool, source: Path | None = None) -> None:
        """Derive the file in that format from the recording, unless it is there already; may take seconds.

        source: where the recording lies, if not in the directory under its own name.

        Raises OSError, or soundfile.LibsndfileError when the recording cannot be converted.
        """
        name = _name(sid, _suffix(sound_format, is_mixed=is_mixed))
        if (self._directory / name).exists():
            return
        opened = self._open(_name(sid) if source is None else source.name)
        unfinished = self._directory / f"{name}.{new_sid('')}.part"
        try:
            with os.fdopen(opened.descriptor, "rb") as raw, soundfile.SoundFile(raw) as recording:
                _convert(recording, unfinished, sound_format, is_mixed=is_mixed)
            unfinished.rename(self._directory / name)
        finally:
            unfinished.unlink(missing_ok=True)

    def open_peaks(self, sid: str) -> OpenFile:
        """Its outline as JSON: ``channels``, each a list of (least, greatest) in parts of 127. As ``open``."""
        return self._open(_name(sid, _PEAKS_SUFFIX))

    def make_peaks(self, sid: str, *, source: Path | None = None) -> None:
        """Make the outline, unless it is there already. As ``make``."""
        name = _name(sid, _PEAKS_SUFFIX)
        if (self._directory / name).exists():
            return
        opened = self._open(_name(sid) if source is None else source.name)
        with os.fdopen(opened.descriptor, "rb") as raw, soundfile.SoundFile(raw) as recording:
            peaks = np.round(peaks_of(recording, PEAKS) / 258).astype(int)
            text = json.dumps({"duration_s": recording.frames / recording.samplerate, "channels": peaks.tolist()})
        unfinished = self._directory / f"{name}.{new_sid('')}.part"
        try:
            unfinished.write_text(text, encoding="ascii")
            unfinished.rename(self._directory / name)
        finally:
            unfinished.unlink(missing_ok=True)

    def remove(self, sid: str) -> None:
        """The recording and everything derived from it."""
        (self._directory / _name(sid, _PEAKS_SUFFIX)).unlink(missing_ok=True)
        for sound_format in SoundFormat:
            for is_mixed in (False, True):
                path = self._directory / _name(sid, _suffix(sound_format, is_mixed=is_mixed))
                path.unlink(missing_ok=True)

    def _open(self, name: str) -> OpenFile:
        descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise FileNotFoundError(name)
        return OpenFile(descriptor, found.st_size, found.st_mtime_ns)


def mixed(frames: NDArray[np.int16]) -> NDArray[np.int16]:
    """(frames, channels) to (frames,): the sum, clipped, as a mono recording of the same call would have it."""
    mono: NDArray[np.int16] = np.clip(frames.sum(axis=1, dtype=np.int32), -32768, 32767).astype(np.int16)
    return mono


def _convert(recording: soundfile.SoundFile, path: Path, sound_format: SoundFormat, *, is_mixed: bool) -> None:
    channels = 1 if is_mixed else recording.channels
    with soundfile.SoundFile(path, "w", recording.samplerate, channels, **_options(sound_format, recording)) as made:
        for block in recording.blocks(_BLOCK_FRAMES, dtype="int16", always_2d=True):
            made.write(mixed(block) if is_mixed else block)


def _options(sound_format: SoundFormat, recording: soundfile.SoundFile) -> dict[str, Any]:
    match sound_format:
        case SoundFormat.WAV:
            return {"format": "WAV", "subtype": "PCM_16"}
        case SoundFormat.MP3:
            lowest, highest = next(rates for limit, rates in _MP3_KBITS if recording.samplerate <= limit)
            # The encoder is told a place between the highest (0) and the lowest (1) bit rate of the sampling rate.
            level = (highest - max(_MP3_KBIT, lowest)) / (highest - lowest)
            options = {"bitrate_mode": "CONSTANT", "compression_level": level}
            return {"format": "MP3", "subtype": "MPEG_LAYER_III", **options}


def can_write_mp3() -> bool:
    return "MP3" in soundfile.available_formats()


def _name(sid: str, suffix: str = ".wav") -> str:
    """Raises FileNotFoundError for anything but the sid of a recording."""
    if not is_sid("RE", sid):
        raise FileNotFoundError("no recording has such a name")
    return f"{sid}{suffix}"


def _suffix(sound_format: SoundFormat, *, is_mixed: bool) -> str:
    return f".mono.{sound_format.suffix}" if is_mixed else f".{sound_format.suffix}"
