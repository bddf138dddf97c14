"""The engine's peer in tests: a phone made of a UDP socket, which talks in tones and remembers what it was sent."""

import asyncio
import itertools
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from media.engine import PCMU, Codec, Engine, MediaPort, PortEvent, RemoteMedia
from media.kernel import g711

RATE_HZ = 8000
FRAME = 160
DIGITS_TYPE = 101

_decoded, _encoded, _ = g711.tables()
_law = {"PCMU": g711.PCMU, "PCMA": g711.PCMA}


@dataclass(frozen=True)
class Rtp:
    """One packet as it came, at `time_s` on the loop's clock."""

    time_s: float
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @staticmethod
    def parse(octets: bytes, time_s: float) -> "Rtp":
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", octets)
        assert first == 0x80
        return Rtp(time_s, second & 127, bool(second >> 7), sequence, timestamp, ssrc, octets[12:])


def rtp(
    payload: bytes, *, sequence: int, timestamp: int, payload_type: int = 0, ssrc: int = 7, marker: bool = False
) -> bytes:
    second = payload_type | marker << 7
    return struct.pack("!BBHII", 0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def sine(frequency_hz: float, samples: int, *, start: int = 0, peak: int = 8000) -> NDArray[np.int16]:
    turns = 2 * np.pi * frequency_hz / RATE_HZ * (np.arange(samples) + start)
    return np.asarray(np.rint(peak * np.sin(turns)), np.int16)


def encode(samples: NDArray[np.int16], codec: Codec = PCMU) -> bytes:
    return bytes(_encoded[_law[codec.name]][samples.view(np.uint16)].tobytes())


def decode(payload: bytes, codec: Codec = PCMU) -> NDArray[np.int16]:
    return np.asarray(_decoded[_law[codec.name]][np.frombuffer(payload, np.uint8)], np.int16)


def loudness(samples: NDArray[np.int16]) -> float:
    """Root of the mean square."""
    return math.sqrt(float((samples.astype(np.float64) ** 2).mean())) if len(samples) else 0.0


def strength(samples: NDArray[np.int16], frequency_hz: float) -> float:
    """Amplitude of one frequency: the ear. A sine of peak p gives p."""
    turns = 2j * np.pi * frequency_hz / RATE_HZ * np.arange(len(samples))
    return float(2 * abs(np.dot(samples.astype(np.float64), np.exp(-turns))) / max(len(samples), 1))


def strongest(samples: NDArray[np.int16], frequency_hz: float) -> float:
    """Strength in the best 80 ms: hears a tone also where a busy machine made the phone stumble."""
    windows = [samples[start : start + 640] for start in range(0, max(len(samples) - 639, 1), 320)]
    return max(strength(window, frequency_hz) for window in windows)


async def until(is_true: Callable[[], bool], *, within_s: float = 2.0) -> None:
    """Waits for what another thread or the network brings about. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        for _ in itertools.count():
            if is_true():
                return
            await asyncio.sleep(0.002)


class _Socket(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.datagrams: list[tuple[float, bytes]] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.datagrams.append((asyncio.get_running_loop().time(), data))


@dataclass
class Phone:
    """One phone and the port it talks to. frequency_hz: what it says; packet_samples: how much of it in a packet."""

    port: MediaPort
    codec: Codec
    transport: asyncio.DatagramTransport
    rtcp_transport: asyncio.DatagramTransport
    _socket: _Socket
    _rtcp_socket: _Socket
    frequency_hz: float = 440.0
    packet_samples: int = FRAME
    peak: int = 8000
    sequence: int = 65000
    timestamp: int = 0xFFFFF000
    ssrc: int = 7
    said: int = 0
    events: list[PortEvent] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.transport.get_extra_info("sockname")
        return str(host), int(port)

    @property
    def received(self) -> list[Rtp]:
        return [Rtp.parse(octets, time_s) for time_s, octets in self._socket.datagrams if not 192 <= octets[1] <= 223]

    @property
    def spoken(self) -> list[Rtp]:
        """What was received without silence."""
        return [packet for packet in self.received if len(set(packet.payload)) > 1]

    @property
    def datagrams(self) -> list[bytes]:
        return [octets for _, octets in self._socket.datagrams]

    @property
    def reports(self) -> list[bytes]:
        return [octets for _, octets in self._rtcp_socket.datagrams]

    def remote(self, **changes: object) -> RemoteMedia:
        rtcp_host, rtcp_port = self.rtcp_transport.get_extra_info("sockname")
        agreed: dict[str, object] = {
            "address": self.address,
            "rtcp_address": (rtcp_host, rtcp_port),
            "codec": self.codec,
            "payload_type": self.codec.payload_type,
            "digits_payload_type": DIGITS_TYPE,
        }
        return RemoteMedia(**{**agreed, **changes})  # type: ignore[arg-type]

    def heard(self, *, since_s: float = 0.0) -> NDArray[np.int16]:
        """The sound of the packets in the order they came."""
        sound = [p.payload for p in self.received if p.payload_type == self.codec.payload_type and p.time_s >= since_s]
        return decode(b"".join(sound), self.codec)

    def send(self, octets: bytes) -> None:
        self.transport.sendto(octets, self.port.address)

    def packet(self, *, marker: bool = False) -> bytes:
        """The next packet of its tone."""
        size = self.packet_samples
        payload = encode(sine(self.frequency_hz, size, start=self.said, peak=self.peak), self.codec)
        octets = rtp(
            payload,
            sequence=self.sequence,
            timestamp=self.timestamp,
            payload_type=self.codec.payload_type,
            ssrc=self.ssrc,
            marker=marker,
        )
        self.sequence += 1
        self.timestamp += size
        self.said += size
        return octets

    async def talk(self, seconds: float) -> None:
        """Says its tone in real time."""
        loop = asyncio.get_running_loop()
        begun, packet_s = loop.time(), self.packet_samples / RATE_HZ
        for number in range(round(seconds / packet_s)):
            await asyncio.sleep(begun + number * packet_s - loop.time())
            self.send(self.packet())

    async def has(self, packets: int, *, within_s: float = 2.0) -> list[Rtp]:
        """Waits until so many packets have come, and gives them all."""
        await until(lambda: len(self._socket.datagrams) >= packets, within_s=within_s)
        return self.received

    async def hears(self, packets: int, *, within_s: float = 2.0) -> list[Rtp]:
        """Waits for so many packets of sound. What ticks sent between connecting and bridging, silence, is left out."""
        await until(lambda: len(self.spoken) >= packets, within_s=within_s)
        return self.spoken

    async def told(self, kind: type[PortEvent], *, within_s: float = 2.0) -> PortEvent:
        """Waits for the first event of a kind."""
        await until(lambda: any(isinstance(event, kind) for event in self.events), within_s=within_s)
        return next(event for event in self.events if isinstance(event, kind))


class PhoneBooth:
    """Makes phones; each has a port of the engine and is connected to it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._transports: list[asyncio.DatagramTransport] = []

    async def socket(self, host: str = "127.0.0.1", port: int = 0) -> tuple[asyncio.DatagramTransport, _Socket]:
        """A socket of nobody's: a stranger."""
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(_Socket, local_addr=(host, port))
        self._transports.append(transport)
        return transport, protocol

    async def phone(
        self, codec: Codec = PCMU, *, frequency_hz: float = 440.0, host: str = "127.0.0.1", **agreed: object
    ) -> Phone:
        transport, protocol = await self.socket(host)
        rtcp_transport, rtcp_protocol = await self.socket(host)
        events: list[PortEvent] = []
        port = self._engine.open_port(events.append)
        phone = Phone(
            port=port,
            codec=codec,
            transport=transport,
            rtcp_transport=rtcp_transport,
            _socket=protocol,
            _rtcp_socket=rtcp_protocol,
            frequency_hz=frequency_hz,
            events=events,
        )
        port.connect(phone.remote(**agreed))
        return phone

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
