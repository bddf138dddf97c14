"""WAV files of 16-bit PCM: the header we write, and what is left of a file whose writer was killed.

Decides how long a recording is: by the bytes that are there, never by what a header promises. Blocking file IO in
small reads; call it off the event loop. Who writes recordings is media/recorder.py.
Source: Multimedia Programming Interface and Data Specifications 1.0 (RIFF WAVE).
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from media.disk import explain

SAMPLE_BYTES = 2
HEADER_BYTES = 44
MAX_DATA_BYTES = 2**32 - 1 - HEADER_BYTES
MAX_CHANNELS = 32
MIN_RATE_HZ, MAX_RATE_HZ = 1000, 384_000
MAX_CHUNKS_BEFORE_DATA = 16

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_PCM = 1


class NotARecording(ValueError):
    """The file is no WAV file of 16-bit PCM; the message says what was expected and what was found."""


def header(*, rate_hz: int, channels: int, data_bytes: int) -> bytes:
    """The 44 bytes before `data_bytes` of interleaved little-endian int16."""
    frame_bytes = channels * SAMPLE_BYTES
    return _HEADER.pack(
        b"RIFF",
        data_bytes + HEADER_BYTES - 8,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        channels,
        rate_hz,
        rate_hz * frame_bytes,
        frame_bytes,
        SAMPLE_BYTES * 8,
        b"data",
        data_bytes,
    )


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the samples of a WAV file are. data_bytes: whole frames that are in the file."""

    rate_hz: int
    channels: int
    data_offset: int
    data_bytes: int
    promised_bytes: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * SAMPLE_BYTES

    @property
    def frames(self) -> int:
        return self.data_bytes // self.frame_bytes

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate_hz


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What repair found and left. problem: why the file cannot be used; it is as it was then, with 0 frames."""

    frames: int = 0
    rate_hz: int = 0
    channels: int = 0
    was_changed: bool = False
    problem: str | None = None

    @property
    def is_usable(self) -> bool:
        return self.problem is None

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate_hz if self.rate_hz else 0.0


def probe(path: Path) -> Layout:
    """What a WAV file of 16-bit PCM holds, read from its first bytes and its length.

    Raises NotARecording, or OSError if it cannot be read at all.
    """
    with path.open("rb") as file:
        layout = locate(file)
    # What a header promises less than is there belongs to other chunks; a promise of 0 was never kept up.
    wanted = layout.promised_bytes or layout.data_bytes
    frames = min(wanted, layout.data_bytes) // layout.frame_bytes
    return Layout(
        rate_hz=layout.rate_hz,
        channels=layout.channels,
        data_offset=layout.data_offset,
        data_bytes=frames * layout.frame_bytes,
        promised_bytes=layout.promised_bytes,
    )


def repair(path: Path) -> Repaired:
    """Makes the file of a killed process a right one: the header says what is there, half a frame at its end is cut.

    For files of our own recorder, where all behind the header is sound. Never raises: what cannot be used is said.
    """
    try:
        with path.open("r+b") as file:
            layout = locate(file)
            whole = layout.data_offset + layout.data_bytes
            size = file.seek(0, os.SEEK_END)
            is_wrong = size != whole or layout.promised_bytes != layout.data_bytes
            if is_wrong:
                file.truncate(whole)
                _write_size(file, 4, whole - 8)
                _write_size(file, layout.data_offset - 4, layout.data_bytes)
                file.flush()
                os.fsync(file.fileno())
    except NotARecording as error:
        return Repaired(problem=str(error))
    except (OSError, ValueError) as error:
        return Repaired(problem=explain(error) if isinstance(error, OSError) else str(error))
    return Repaired(frames=layout.frames, rate_hz=layout.rate_hz, channels=layout.channels, was_changed=is_wrong)


def read(path: Path, *, start_s: float = 0.0, seconds: float | None = None) -> tuple[NDArray[np.int16], int]:
    """(frames, channels) of a recording and its rate; all of it unless told, so mind its length.

    Raises NotARecording, OSError.
    """
    layout = probe(path)
    first = min(int(start_s * layout.rate_hz), layout.frames)
    frames = layout.frames - first
    if seconds is not None:
        frames = min(frames, int(seconds * layout.rate_hz))
    offset = layout.data_offset + first * layout.frame_bytes
    samples = np.fromfile(path, dtype="<i2", count=frames * layout.channels, offset=offset)
    return samples.reshape(-1, layout.channels).astype(np.int16, copy=False), layout.rate_hz


def locate(file: BinaryIO) -> Layout:
    """Where the samples are, taking everything from the data chunk's start to the end of the file for sound.

    Raises NotARecording.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(12)
    if not start:
        raise NotARecording("expected a WAV file, found 0 bytes")
    if start[:4] != b"RIFF" or start[8:] != b"WAVE":
        raise NotARecording(f"expected RIFF....WAVE at the start, found {start!r}")
    sound: tuple[int, int] | None = None
    for _ in range(MAX_CHUNKS_BEFORE_DATA):
        name, length = _next_chunk(file)
        if name == b"data":
            if sound is None:
                raise NotARecording("expected the format before the samples, found no fmt chunk")
            rate_hz, channels = sound
            offset = file.tell()
            there = size - offset
            data_bytes = min(there - there % (channels * SAMPLE_BYTES), MAX_DATA_BYTES)
            return Layout(
                rate_hz=rate_hz,
                channels=channels,
                data_offset=offset,
                data_bytes=data_bytes - data_bytes % (channels * SAMPLE_BYTES),
                promised_bytes=length,
            )
        behind = file.tell() + length + length % 2
        if name == b"fmt ":
            sound = _read_format(file, length)
        file.seek(behind)
    raise NotARecording(f"expected a data chunk within {MAX_CHUNKS_BEFORE_DATA} chunks, found none")


def _next_chunk(file: BinaryIO) -> tuple[bytes, int]:
    found = file.read(_CHUNK.size)
    if len(found) < _CHUNK.size:
        raise NotARecording("expected a data chunk, found the end of the file")
    name, length = _CHUNK.unpack(found)
    return name, length


def _read_format(file: BinaryIO, length: int) -> tuple[int, int]:
    """Rate and channels of 16-bit PCM."""
    found = file.read(_FORMAT.size)
    if length < _FORMAT.size or len(found) < _FORMAT.size:
        raise NotARecording(f"expected a fmt chunk of at least {_FORMAT.size} bytes, found {length}")
    kind, channels, rate_hz, _, _, bits = _FORMAT.unpack(found)
    if (kind, bits) != (_PCM, SAMPLE_BYTES * 8):
        raise NotARecording(f"expected 16-bit PCM, found format {kind} with {bits} bits")
    if not 1 <= channels <= MAX_CHANNELS or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise NotARecording(f"expected a telephone's rate and channels, found {rate_hz} Hz and {channels} channels")
    return rate_hz, channels


def _write_size(file: BinaryIO, offset: int, size: int) -> None:
    file.seek(offset)
    file.write(struct.pack("<I", size))
