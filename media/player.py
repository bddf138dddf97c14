"""Sound to be played: a file or the body of an HTTP answer becomes a Clip at the engine's rate.

Decides what is playable and how much of it: WAV, AIFF, AU, MP3, OGG and FLAC as libsndfile reads them (PCM, float,
mu-law, A-law, GSM, ADPCM inside), and headerless mu-law and GSM by their content type. What begins like none of these
never reaches libsndfile, whose readers of rare formats are its weak spot. Everything is decoded in a worker thread, in
blocks, so that neither a long file nor a header that lies costs more memory than `max_seconds` of sound.
Fetching is not done here (gateway/webhooks), playing neither (media/engine.py).
Source: Twilio <Play>, supported audio file types.
"""

import asyncio
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

MAX_BYTES = 64 * 2**20
MAX_SECONDS = 1800.0
MAX_CHANNELS = 32
MIN_RATE_HZ, MAX_RATE_HZ = 1000, 192_000
# Half an hour of 48 kHz stereo: bounds the time a small file with much in it (FLAC of silence) can cost.
MAX_DECODED_SAMPLES = 1800 * 48_000 * 2
BLOCK_SAMPLES = 65_536

RAW_TYPES = {
    "audio/basic": "ULAW",
    "audio/pcmu": "ULAW",
    "audio/ulaw": "ULAW",
    "audio/x-mulaw": "ULAW",
    "audio/gsm": "GSM610",
    "audio/x-gsm": "GSM610",
}
"""Content types of sound without a header (8 kHz, mono), and libsndfile's name for it."""


class UnplayableAudio(Exception):
    """What was handed over as audio is none we can play: its sender's fault. Says what was expected and found."""


@dataclass(frozen=True, eq=False)
class Clip:
    """samples: (n,), int16, mono; shared by all who play it, so never modified."""

    samples: NDArray[np.int16]
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz


async def load_clip(
    source: Path | str | bytes,
    *,
    rate_hz: int = 8000,
    max_seconds: float = MAX_SECONDS,
    max_bytes: int = MAX_BYTES,
    content_type: str | None = None,
) -> Clip:
    """Decodes a file (path) or a document already fetched (bytes); all channels are mixed to one.

    max_seconds: what goes beyond is not played. content_type: only looked at where the sound has no header of its own.
    Raises UnplayableAudio.
    """
    return await asyncio.to_thread(
        decode,
        source,
        rate_hz=rate_hz,
        max_seconds=max_seconds,
        max_bytes=max_bytes,
        content_type=content_type,
    )


def decode(
    source: Path | str | bytes,
    *,
    rate_hz: int = 8000,
    max_seconds: float = MAX_SECONDS,
    max_bytes: int = MAX_BYTES,
    content_type: str | None = None,
) -> Clip:
    """load_clip for a caller that is not on the event loop."""
    file = _open_document(source) if isinstance(source, bytes) else _open_file(source)
    try:
        size = os.fstat(file).st_size
        if size > max_bytes:
            raise UnplayableAudio(f"expected audio of at most {max_bytes} bytes, found {size}")
        if size == 0:
            raise UnplayableAudio("expected audio, found 0 bytes")
        return _decode_file(file, _format(os.pread(file, 12, 0), content_type), rate_hz, max_seconds)
    finally:
        os.close(file)


def _open_document(document: bytes) -> int:
    """A file in memory: libsndfile reads that itself, where a Python object would be called back for every seek."""
    file = os.memfd_create("clip", os.MFD_CLOEXEC)
    view = memoryview(document)
    while len(view):
        view = view[os.write(file, view) :]
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _open_file(path: Path | str) -> int:
    """Opens without waiting: a pipe or a device is refused, not read for ever."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise UnplayableAudio(f"expected a readable audio file, found {error}") from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise UnplayableAudio(f"expected an audio file, found something else at {path}")
    return file


def _format(start: bytes, content_type: str | None) -> dict[str, Any]:
    """What libsndfile has to be told beside the bytes: nothing if they say themselves what they are.

    audio/basic is also what Sun's .au files are served as, so the bytes are asked before the content type.
    """
    match start[:4]:
        case b"RIFF" | b"RIFX" | b"RF64" if start[8:12] == b"WAVE":
            return {}
        case b"FORM" if start[8:12] in (b"AIFF", b"AIFC"):
            return {}
        case b".snd" | b"OggS" | b"fLaC":
            return {}
    if start[:3] == b"ID3" or (len(start) > 1 and start[0] == 0xFF and start[1] & 0xE6 in (0xE2, 0xE4)):
        return {}
    essence = (content_type or "").partition(";")[0].strip().lower()
    if essence in RAW_TYPES:
        return {"format": "RAW", "subtype": RAW_TYPES[essence], "samplerate": 8000, "channels": 1}
    raise UnplayableAudio(
        f"expected WAV, AIFF, AU, MP3, OGG or FLAC, found {start[:4]!r} (content type {content_type or 'not given'})"
    )


def _decode_file(file: int, told: dict[str, Any], rate_hz: int, max_seconds: float) -> Clip:
    try:
        with soundfile.SoundFile(file, closefd=False, **told) as sound:
            if not MIN_RATE_HZ <= sound.samplerate <= MAX_RATE_HZ:
                raise UnplayableAudio(f"expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz, found {sound.samplerate}")
            if sound.channels > MAX_CHANNELS:
                raise UnplayableAudio(f"expected at most {MAX_CHANNELS} channels, found {sound.channels}")
            parts = list(_resampled(sound, rate_hz, max_seconds))
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise UnplayableAudio(f"expected audio that can be decoded, found: {error}") from error
    samples = np.concatenate(parts)
    if not len(samples):
        raise UnplayableAudio("expected at least one sample of audio, found none")
    return Clip(samples, rate_hz)


def _resampled(sound: Any, rate_hz: int, max_seconds: float) -> Iterator[NDArray[np.int16]]:
    """The sound from its start, mixed to mono, at rate_hz, block by block."""
    resampler = soxr.ResampleStream(sound.samplerate, rate_hz, 1, dtype="float32", quality="HQ")
    left = min(int(max_seconds * sound.samplerate), MAX_DECODED_SAMPLES // sound.channels)
    block_frames = BLOCK_SAMPLES // sound.channels
    while left > 0:
        wanted = min(left, block_frames)
        block = sound.read(wanted, dtype="float32", always_2d=True)
        # A resampler would carry one NaN of a hostile float file into everything behind it.
        mono = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1).mean(axis=1)
        left -= len(block)
        is_last = len(block) < wanted or left == 0
        yield _to_int16(resampler.resample_chunk(mono, last=is_last))
        if is_last:
            return


def _to_int16(sound: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
