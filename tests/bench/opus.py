"""What the load says in Opus: a second of something like speech, encoded once by the usual encoder.

Source: RFC 6716; RFC 7587 3.1.1 (16 to 40 kbit/s for wideband speech in one channel).
"""

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ, FRAME = 48_000, 960
FRAMES = 50
BIT_RATE = 32_000


def voice(samples: int) -> NDArray[np.int16]:
    """Harmonics of 140 Hz under a syllable's envelope, four a second, with a little noise; int16 at RATE_HZ."""
    time_s = np.arange(samples) / RATE_HZ
    harmonics = sum(np.sin(2 * np.pi * 140 * n * time_s + n * n) / n for n in range(1, 25))
    envelope = 0.1 + np.clip(np.sin(2 * np.pi * 4 * time_s), 0, None)
    noise = 0.02 * np.random.default_rng(7).standard_normal(samples)
    return np.asarray(np.rint(6000 * (envelope * harmonics + noise)).clip(-32768, 32767), np.int16)


def opus_frames() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(FRAMES, octets) and the length of each."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.format, encoder.layout, encoder.sample_rate = "s16", "mono", RATE_HZ
    encoder.bit_rate = BIT_RATE
    encoder.options = {"application": "voip", "frame_duration": "20"}
    sound = voice((FRAMES + 10) * FRAME)
    packets: list[bytes] = []
    for start in range(0, len(sound), FRAME):
        frame = av.AudioFrame.from_ndarray(sound[start : start + FRAME].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, start
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    chosen = packets[-FRAMES:]
    table = np.zeros((len(chosen), max(map(len, chosen))), np.uint8)
    for row, packet in zip(table, chosen, strict=True):
        row[: len(packet)] = np.frombuffer(packet, np.uint8)
    return table, np.array([len(packet) for packet in chosen], np.int64)
