"""The outline of a recording: every sample is seen, in its stretch and in its channel."""

import io

import numpy as np
import pytest
import soundfile

from media.peaks import BLOCK_FRAMES, peaks_of


def outline(samples: np.ndarray[tuple[int, int], np.dtype[np.int16]], columns: int) -> list[list[list[int]]]:
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="WAV", subtype="PCM_16")
    file.seek(0)
    with soundfile.SoundFile(file) as recording:
        found: list[list[list[int]]] = peaks_of(recording, columns).tolist()
    return found


def test_peaks_tell_each_channel_apart() -> None:
    samples = np.array([[1, -5], [7, 0], [-3, 2], [4, 9]], dtype=np.int16)
    assert outline(samples, 2) == [[[1, 7], [-3, 4]], [[-5, 0], [2, 9]]]


@pytest.mark.parametrize(
    "frames", [1, 599, 600, 601, BLOCK_FRAMES - 1, BLOCK_FRAMES, BLOCK_FRAMES + 1, 3 * BLOCK_FRAMES]
)
def test_peaks_are_those_of_the_whole_file_however_it_is_read(frames: int) -> None:
    samples = np.random.default_rng(frames).integers(-30000, 30000, (frames, 2), dtype=np.int16)
    columns = min(600, frames)
    edges = np.linspace(0, frames, columns + 1).astype(int)
    wanted = [
        [
            [int(samples[start:end, channel].min()), int(samples[start:end, channel].max())]
            for start, end in zip(edges[:-1], edges[1:], strict=True)
        ]
        for channel in (0, 1)
    ]
    assert outline(samples, 600) == wanted


def test_peaks_of_an_empty_file_are_none() -> None:
    assert outline(np.zeros((0, 2), dtype=np.int16), 600) == [[], []]
