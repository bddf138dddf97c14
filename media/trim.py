"""trim-silence: the silence before the first and behind the last sound of a recording is cut away.

Decides what silence is: 20 ms in which every channel stays under -50 dBFS, its mean taken off first (a line's idle
noise is at -70 to -60, a whisper above -45). A sound lasts at least two such frames, so a click does not hold minutes
of silence; 40 ms before the first and behind the last sound are kept for soft consonants. The threshold is fixed: one
that follows the noise would take a steady quiet sound for silence, and losing sound is the worse mistake.
All channels are cut at the same sample, so they stay aligned. Reads from both ends only until it meets sound and copies
what lies between in the kernel: an hour costs no more memory than a minute. Source: Twilio <Dial>, trim.
"""

import asyncio
import errno
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media import wav

THRESHOLD_DBFS = -50.0
FRAME_MS = 20
SOUND_FRAMES = 2
KEEP_FRAMES = 2
BLOCK_FRAMES = 500
COPY_BYTES = 4 * 2**20


@dataclass(frozen=True, kw_only=True)
class TrimResult:
    """frames: what is left, 0 if there was nothing but silence; then no file was written."""

    frames: int
    rate_hz: int
    channels: int
    leading_frames: int
    trailing_frames: int

    @property
    def is_silent(self) -> bool:
        return self.frames == 0

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate_hz


async def trim_silence(path: Path, out_path: Path, *, threshold_dbfs: float = THRESHOLD_DBFS) -> TrimResult:
    """Writes what is left of a recording to out_path, synced; the recording itself stays as it is.

    A recording of nothing but silence leaves no file. Raises wav.NotARecording, OSError; out_path then is not there
    or not complete. Cancelled, it runs on in its thread to the end.
    """
    return await asyncio.to_thread(trim, path, out_path, threshold_dbfs=threshold_dbfs)


def trim(path: Path, out_path: Path, *, threshold_dbfs: float = THRESHOLD_DBFS) -> TrimResult:
    """trim_silence for a caller that is not on the event loop."""
    layout = wav.probe(path)
    first, behind = find_sound(path, layout, threshold_dbfs=threshold_dbfs)
    if first < behind:
        _copy(path, out_path, layout=layout, first=first, behind=behind)
    return TrimResult(
        frames=behind - first,
        rate_hz=layout.rate_hz,
        channels=layout.channels,
        leading_frames=first,
        trailing_frames=layout.frames - behind,
    )


def find_sound(path: Path, layout: wav.Layout, *, threshold_dbfs: float = THRESHOLD_DBFS) -> tuple[int, int]:
    """First sample frame to keep and the one behind the last; (0, 0) if nothing sounds. Raises OSError."""
    step = max(layout.rate_hz * FRAME_MS // 1000, 1)
    limit = 10 ** (threshold_dbfs / 10) * 32768.0**2 / 2
    windows = -(-layout.frames // step)

    def sounds(block: int) -> NDArray[np.intp]:
        """Windows of a block at which a sound of SOUND_FRAMES windows begins; the block behind is looked into."""
        samples = _read(path, layout, first=block * step, frames=(BLOCK_FRAMES + SOUND_FRAMES - 1) * step)
        is_loud = _powers(samples, step).max(axis=1, initial=0.0) > limit
        runs = np.convolve(is_loud, np.ones(SOUND_FRAMES, dtype=np.int64))[SOUND_FRAMES - 1 :]
        return np.flatnonzero(runs[:BLOCK_FRAMES] == SOUND_FRAMES) + block

    blocks = range(0, windows, BLOCK_FRAMES)
    start = next((int(found[0]) for block in blocks if len(found := sounds(block))), None)
    if start is None:
        return 0, 0
    last = next(int(found[-1]) for block in reversed(blocks) if len(found := sounds(block)))
    first = max(start - KEEP_FRAMES, 0) * step
    return first, min((last + SOUND_FRAMES + KEEP_FRAMES) * step, layout.frames)


def _read(path: Path, layout: wav.Layout, *, first: int, frames: int) -> NDArray[np.int16]:
    wanted = min(frames, layout.frames - first) * layout.channels
    offset = layout.data_offset + first * layout.frame_bytes
    return np.fromfile(path, dtype="<i2", count=wanted, offset=offset).reshape(-1, layout.channels)


def _powers(samples: NDArray[np.int16], step: int) -> NDArray[np.float32]:
    """(windows, channels) mean square of each window without its mean; the last window is filled up with zeros."""
    count = -(-len(samples) // step)
    filled = np.zeros((count * step, samples.shape[1]), dtype=np.float32)
    filled[: len(samples)] = samples
    powers: NDArray[np.float32] = filled.reshape(count, step, samples.shape[1]).var(axis=1)
    return powers


def _copy(path: Path, out_path: Path, *, layout: wav.Layout, first: int, behind: int) -> None:
    size = (behind - first) * layout.frame_bytes
    with path.open("rb") as source, out_path.open("wb") as target:
        target.write(wav.header(rate_hz=layout.rate_hz, channels=layout.channels, data_bytes=size))
        target.flush()
        offset = layout.data_offset + first * layout.frame_bytes
        while size:
            done = os.sendfile(target.fileno(), source.fileno(), offset, min(size, COPY_BYTES))
            if not done:
                raise OSError(errno.EIO, f"the recording lost its last {size} bytes while it was copied", str(path))
            offset += done
            size -= done
        os.fsync(target.fileno())
