"""The browser in tests: aiortc's whole peer connection, which talks in a tone and remembers what it heard.

It says as little as the Voice SDK does: its descriptions carry no candidates. Source: voice-sdk.md 6.1.
"""

import asyncio
import fractions
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from numpy.typing import NDArray

from tests.media.phone import sine, strongest

RATE_HZ, FRAME = 8000, 160
DIGITS_TYPE = 126


class Microphone(MediaStreamTrack):
    """A tone, in real time."""

    kind = "audio"

    def __init__(self, frequency_hz: float) -> None:
        super().__init__()
        self.frequency_hz = frequency_hz
        self.speaks = asyncio.Event()
        self.speaks.set()
        self._said = 0
        self._begun: float | None = None

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self._begun is None:
            self._begun = loop.time()
        await self.speaks.wait()
        await asyncio.sleep(max(self._begun + self._said / RATE_HZ - loop.time(), 0))
        samples = sine(self.frequency_hz, FRAME, start=self._said)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.pts, frame.time_base = self._said, fractions.Fraction(1, RATE_HZ)
        self._said += FRAME
        return frame


class Browser:
    """One page's connection. edit: what is done to a description before it leaves."""

    def __init__(self, *, frequency_hz: float = 440.0, edit: Callable[[str], str] = str) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone(frequency_hz)
        self.rate_hz = RATE_HZ
        self._edit = edit
        self._keys = 0
        self._frames: list[tuple[float, NDArray[np.int16]]] = []
        self._listening: list[asyncio.Task[None]] = []
        self.pc.on("track", self._on_track)

    async def offer(self) -> str:
        self.pc.addTrack(self.microphone)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self._edit(bare(self.pc.localDescription.sdp))

    async def take_answer(self, answer: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def answer(self, offer: str) -> str:
        await self.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        self.pc.addTrack(self.microphone)
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return self._edit(bare(self.pc.localDescription.sdp))

    @property
    def transport(self) -> Any:
        return self.pc.getTransceivers()[0].receiver.transport

    def heard(self, *, since_s: float = 0.0) -> NDArray[np.int16]:
        sound = [samples for time_s, samples in self._frames if time_s >= since_s]
        return np.concatenate(sound) if sound else np.zeros(0, np.int16)

    def strength(self, frequency_hz: float) -> float:
        """Of a tone in what it heard, whatever the codec's rate. The ear of tests/media hears at 8 kHz."""
        return strongest(self.heard(), frequency_hz * RATE_HZ / self.rate_hz)

    def heard_times(self) -> list[float]:
        """When it heard frames that are not silent, on the loop's clock."""
        return [time_s for time_s, samples in self._frames if np.abs(samples).max(initial=0) > 1000]

    async def press(self, code: int) -> None:
        """A key of 100 ms as telephone-event, in place of the sound. Source: RFC 4733 2.5."""
        self.microphone.speaks.clear()
        # What is on its way would end the key for the listener.
        await asyncio.sleep(0.1)
        self._keys += 1
        for number, duration in enumerate((160, 320, 480, 640, 800, 800, 800)):
            is_end = number >= 4
            event = struct.pack("!BBH", code, 0x80 * is_end | 10, duration)
            second = DIGITS_TYPE | 0x80 * (number == 0)
            header = struct.pack("!BBHII", 0x80, second, 7 * self._keys + number, 8000 * self._keys, 4711)
            await self.transport._send_rtp(header + event)
            await asyncio.sleep(0.02)
        self.microphone.speaks.set()

    def silence(self) -> None:
        """As killed: nothing is said any more, and nothing answered. Before ICE too."""
        self.transport.transport._connection._protocols[0].transport.sendto = _nowhere

    def resume(self) -> None:
        del self.transport.transport._connection._protocols[0].transport.sendto

    async def close(self) -> None:
        self.microphone.stop()
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        await self.pc.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._listening.append(asyncio.get_running_loop().create_task(self._listen(track)))

    async def _listen(self, track: MediaStreamTrack) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                self.rate_hz = frame.sample_rate
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
                self._frames.append((loop.time(), np.ascontiguousarray(samples, np.int16)))
        except MediaStreamError:
            return


def _nowhere(*_: object) -> None:
    pass


def bare(description: str) -> str:
    """Without candidates, as the SDK sends it."""
    left_out = ("a=candidate", "a=end-of-candidates")
    return "".join(line for line in description.splitlines(keepends=True) if not line.startswith(left_out))


def with_digits(description: str) -> str:
    """With telephone-event, which browsers have and aiortc has not."""
    head, line, rest = description.partition("m=audio ")
    first, end, attributes = rest.partition("\r\n")
    extra = f"a=rtpmap:{DIGITS_TYPE} telephone-event/8000\r\na=fmtp:{DIGITS_TYPE} 0-16\r\n"
    return f"{head}{line}{first} {DIGITS_TYPE}{end}{attributes}{extra}"
