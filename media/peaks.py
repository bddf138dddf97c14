"""A recording's outline: the least and the greatest sample of each stretch, channel by channel, for a picture of it.

Reads in blocks, so that an hour costs no more memory than a minute. Blocking: call it off the event loop.
"""

from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

BLOCK_FRAMES: Final = 1 << 16


def peaks_of(recording: soundfile.SoundFile, columns: int) -> NDArray[np.int16]:
    """(channels, columns, 2): least and greatest sample of each of ``columns`` stretches of the same length.

    A recording of fewer frames than columns has as many columns as frames. Raises soundfile.LibsndfileError.
    """
    columns = min(columns, recording.frames)
    edges = np.linspace(0, recording.frames, columns + 1).astype(np.int64)
    peaks = np.zeros((recording.channels, columns, 2), dtype=np.int16)
    peaks[:, :, 0], peaks[:, :, 1] = np.iinfo(np.int16).max, np.iinfo(np.int16).min
    at = 0
    for block in recording.blocks(BLOCK_FRAMES, dtype="int16", always_2d=True):
        end = at + len(block)
        first = int(np.searchsorted(edges, at, side="right")) - 1
        behind = int(np.searchsorted(edges, end, side="left"))
        starts = np.maximum(edges[first:behind] - at, 0)
        lows, highs = np.minimum.reduceat(block, starts, axis=0).T, np.maximum.reduceat(block, starts, axis=0).T
        np.minimum(peaks[:, first:behind, 0], lows, out=peaks[:, first:behind, 0])
        np.maximum(peaks[:, first:behind, 1], highs, out=peaks[:, first:behind, 1])
        at = end
    # A file that is shorter than its header says.
    untouched = peaks[:, :, 0] > peaks[:, :, 1]
    peaks[untouched] = 0
    return peaks
