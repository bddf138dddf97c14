"""The sound of a browser-type call: aiortc's whole peer connection, an independent peer of the gateway's.

Owns one connection per call: what it says (a Voice, drawn every 20 ms) and the file of what it hears. Descriptions go
in and out as text, without candidates, as the Voice SDK's do. Nothing here knows what a call is.
Traps of the libraries that this file works round: aioice leaves loopback out; aiortc asks a public STUN server unless
told not to; a track nobody reads grows for ever; a connection closed while it connects never ends its checks.
Source: library-traps.md 4.2 and voice-sdk.md 6 of the specification.
"""

import asyncio
import contextlib
import fractions
import socket
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import aioice.ice
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler
from numpy.typing import NDArray

from signaling.endpoints.notes import LibraryError
from signaling.endpoints.session_text import first_codec, preferring, without_candidates

RATE_HZ, FRAME = 48_000, 960
MAX_GAP_S = 10.0
CLOSE_S = 5.0
_SETTLE_S = 3.0
_LIBRARY = (InternalError, InvalidAccessError, InvalidStateError, OperationError, ConnectionError, ValueError, KeyError)


class Voice(Protocol):
    """What is said in one call."""

    def take(self) -> NDArray[np.int16]:
        """The next FRAME samples at RATE_HZ, mono."""


class _Microphone(MediaStreamTrack):
    """A Voice in real time."""

    kind = "audio"

    def __init__(self, voice: Voice) -> None:
        super().__init__()
        self._voice = voice
        self._said = 0
        self._begun_s: float | None = None

    async def recv(self) -> AudioFrame:
        now_s = asyncio.get_running_loop().time()
        if self._begun_s is None:
            self._begun_s = now_s
        await asyncio.sleep(max(self._begun_s + self._said / RATE_HZ - now_s, 0))
        frame = AudioFrame.from_ndarray(self._voice.take().reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.pts, frame.time_base = self._said, fractions.Fraction(1, RATE_HZ)
        self._said += FRAME
        return frame


class _Recording:
    """What is heard, as a mono WAV file in the codec's rate; what did not come is silence of its length."""

    def __init__(self, path: Path, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler = AudioResampler(format="s16", layout="mono", rate=rate_hz)
        self._file = wave.open(str(path), "wb")
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(rate_hz)
        self._file.writeframes(b"")
        self._expected: int | None = None
        self._is_closed = False

    def write(self, frame: AudioFrame) -> None:
        if self._is_closed:
            return
        at = frame.pts
        if at is not None and self._expected is not None:
            gap = at - self._expected
            if 0 < gap <= MAX_GAP_S * frame.sample_rate:
                self._file.writeframes(bytes(2 * (gap * self._rate_hz // frame.sample_rate)))
        self._expected = None if at is None else at + frame.samples
        frame.pts = None
        for piece in self._resampler.resample(frame):
            self._file.writeframes(piece.to_ndarray().astype(np.int16).tobytes())

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._file.close()


class Peer:
    """One call's connection.

    on_sound: sound may come from now on, the recording is open. on_lost: the path is gone. Both on the loop, and not
    after ``close``.
    """

    def __init__(
        self,
        voice: Voice,
        *,
        codecs: Sequence[str],
        record: Path | None,
        on_sound: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._microphone = _Microphone(voice)
        self._codecs = codecs
        self._record = record
        self._on_sound = on_sound
        self._on_lost = on_lost
        self._recording: _Recording | None = None
        self._listening: asyncio.Task[None] | None = None
        self._is_closed = False
        self._settled = asyncio.Event()
        self.codec, self.rate_hz = "", 0
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("track", self._on_track)
        self._connection.on("connectionstatechange", self._on_state)

    @property
    def description(self) -> str:
        """Ours, as it was last sent."""
        return without_candidates(self._connection.localDescription.sdp)

    async def offer(self) -> str:
        """Raises LibraryError, as all of these do."""
        with _library_errors():
            self._connection.addTrack(self._microphone)
            self._connection.getTransceivers()[0].setCodecPreferences(_capabilities(self._codecs))
            await self._connection.setLocalDescription(await self._connection.createOffer())
        return self.description

    async def accept(self, answer: str) -> None:
        self.codec, self.rate_hz = first_codec(answer)
        with _library_errors():
            await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def answer(self, offer: str) -> str:
        offer = preferring(offer, self._codecs)
        with _library_errors():
            self.codec, self.rate_hz = first_codec(offer)
            await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            self._connection.addTrack(self._microphone)
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self.description

    async def statistics(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for report in (await self._connection.getStats()).values():
            match report.type:
                case "outbound-rtp":
                    found["sent"] = report.packetsSent
                case "inbound-rtp":
                    found |= {"received": report.packetsReceived, "lost": max(report.packetsLost, 0)}
                    found["jitter_ms"] = round(1000 * report.jitter / max(self.rate_hz, 1), 3)
                case "remote-inbound-rtp" if report.roundTripTime is not None:
                    found["rtt_ms"] = round(1000 * report.roundTripTime, 3)
        return found

    def stop(self) -> None:
        """The recording is whole afterwards, and nobody is told anything any more; ``close`` does the rest."""
        self._is_closed = True
        if self._recording is not None:
            self._recording.close()

    async def close(self) -> None:
        """Bounded in time."""
        self.stop()
        self._microphone.stop()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        with contextlib.suppress(TimeoutError, ConnectionError):
            if self._connection.connectionState == "connecting":
                async with asyncio.timeout(_SETTLE_S):
                    await self._settled.wait()
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if self._is_closed or self._listening is not None:
            return
        if self._record is not None:
            self._recording = _Recording(
                self._record, RATE_HZ if self.codec.lower() == "opus" else _rate_of(self.codec)
            )
        self._listening = asyncio.get_running_loop().create_task(self._listen(track))
        self._on_sound()

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if self._recording is not None and isinstance(frame, AudioFrame):
                    self._recording.write(frame)

    def _on_state(self) -> None:
        if self._connection.connectionState != "connecting":
            self._settled.set()
        if not self._is_closed and self._connection.connectionState in ("failed", "closed"):
            self._on_lost()


@contextlib.contextmanager
def _library_errors() -> Any:
    try:
        yield
    except _LIBRARY as error:
        raise LibraryError(f"no agreement on the sound: {error or type(error).__name__}") from error


def _rate_of(codec: str) -> int:
    # RFC 3551 4.5.2: G.722 is clocked at half its rate.
    return {"OPUS": RATE_HZ, "G722": 16_000}.get(codec.upper(), 8000)


def _capabilities(codecs: Sequence[str]) -> list[Any]:
    able = RTCRtpSender.getCapabilities("audio").codecs
    return [codec for name in codecs for codec in able if codec.mimeType.partition("/")[2].lower() == name.lower()]


def gather_on_route_to(host: str, port: int) -> None:
    """From now on connections of this process use the one address that leads to host. Raises OSError.

    aioice takes every address but loopback; a browser reaches a server on loopback, and needs no other address there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        address = str(probe.getsockname()[0])
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]
