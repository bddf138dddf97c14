"""Phones that speak Opus or G.722, with PyAV's coders: an implementation that is not ours, judged by ear at 16 kHz."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from media.engine import G722, OPUS, Codec
from tests.media.phone import Phone, PhoneBooth, rtp

RATE_HZ = 16000
FRAME = 320
OPUS_RATE_HZ = 48000


def wide_sine(frequency_hz: float, samples: int, *, start: int = 0, rate_hz: int = RATE_HZ) -> NDArray[np.int16]:
    turns = 2 * np.pi * frequency_hz / rate_hz * (np.arange(samples) + start)
    return np.asarray(np.rint(8000 * np.sin(turns)), np.int16)


def wide_strength(samples: NDArray[np.int16], frequency_hz: float, *, rate_hz: int = RATE_HZ) -> float:
    turns = 2j * np.pi * frequency_hz / rate_hz * np.arange(len(samples))
    return float(2 * abs(np.dot(samples.astype(np.float64), np.exp(-turns))) / max(len(samples), 1))


def _coder(codec: Codec, mode: Literal["r", "w"]) -> av.AudioCodecContext:
    name = "libopus" if codec == OPUS else "g722"
    coder = av.CodecContext.create(name, mode)
    assert isinstance(coder, av.AudioCodecContext)
    coder.sample_rate = OPUS_RATE_HZ if codec == OPUS else RATE_HZ
    coder.layout = "mono"
    coder.format = "s16"
    return coder


@dataclass
class CodedPhone:
    """A phone of phone.py with another codec. frequency_hz: what it says; speaks: with a voice's overtones;
    chord_hz: these together instead. peak: of the loudest of them."""

    phone: Phone
    codec: Codec
    frequency_hz: float
    said: int = 0
    sequence: int = 100
    timestamp: int = 5000
    lose_every: int = 0
    speaks: bool = False
    chord_hz: tuple[float, ...] = ()
    peak: int = 8000
    _sent: int = 0
    _encoder: av.AudioCodecContext = field(init=False)

    def __post_init__(self) -> None:
        self._encoder = _coder(self.codec, "w")
        if self.codec == OPUS:
            self._encoder.options = {"fec": "1", "packet_loss": "20", "frame_duration": "20", "application": "voip"}
            self._encoder.bit_rate = 32000

    async def talk(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(round(seconds * 50)):
            await asyncio.sleep(begun + number * 0.02 - loop.time())
            for octets in self.packets():
                self.send(octets)

    def packets(self) -> list[bytes]:
        """What its coder makes of the next 20 ms: one packet, or none yet."""
        rate = self._encoder.sample_rate
        size = rate // 50
        tones = range(1, 12 if self.speaks else 2)
        parts = [wide_sine(n * self.frequency_hz, size, start=self.said, rate_hz=rate) / n for n in tones]
        if self.chord_hz:
            parts = [wide_sine(hz, size, start=self.said, rate_hz=rate) / 2 for hz in self.chord_hz]
        samples = np.rint(np.sum(parts, axis=0) * (self.peak / 8000)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts = self.said
        self.said += size
        return [self._packet(bytes(packet)) for packet in self._encoder.encode(frame)]

    def send(self, octets: bytes) -> None:
        self._sent += 1
        if not self.lose_every or self._sent % self.lose_every:
            self.phone.send(octets)

    def _packet(self, payload: bytes) -> bytes:
        octets = rtp(payload, sequence=self.sequence, timestamp=self.timestamp, payload_type=self.codec.payload_type)
        self.sequence += 1
        self.timestamp += 960 if self.codec == OPUS else 160
        return octets

    def heard(self) -> NDArray[np.int16]:
        """Decoded from first to last packet, at 16 kHz."""
        decoder = _coder(self.codec, "r")
        pieces = []
        for packet in self.phone.received:
            if packet.payload_type != self.codec.payload_type:
                continue
            for frame in decoder.decode(av.Packet(packet.payload)):
                samples = frame.to_ndarray().reshape(-1)
                if samples.dtype != np.int16:
                    samples = np.rint(samples * 32767).astype(np.int16)
                pieces.append(samples[::3] if self.codec == OPUS else samples)
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


async def coded_phone(
    phones: PhoneBooth, codec: Codec = OPUS, *, frequency_hz: float = 440.0, **agreed: Any
) -> CodedPhone:
    return CodedPhone(await phones.phone(codec, **agreed), codec, frequency_hz)


__all__ = ["G722", "OPUS", "CodedPhone", "coded_phone", "wide_sine", "wide_strength"]
