"""The product's media engine as a process, without SIP: ports are opened by request and bridged two by two.

Run as ``python -m tests.bench.engine_host none|mono|dual|conference DIRECTORY``; speaks the requests of
tests/bench/media.py on standard input. Uses the engine as the gateway does, through media/engine.py only.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from media.engine import Engine, EngineSettings, Listener, MediaPort, Received, Recorder, RemoteMedia, Tap
from tests.bench.daemon import MEDIA_PORTS
from tests.bench.pairs import Pair, keys_of
from tests.bench.process import aserve_requests
from tests.bench.rtp import ADDRESS

_CAPACITY = 8192
CONFERENCE = "conference"


class EngineHost:
    """Ports 2k and 2k + 1 hear each other, and are recorded together; or all of them are in one conference."""

    def __init__(self, record: str, directory: Path) -> None:
        self._record, self._directory = record, directory
        self._engine = Engine(EngineSettings(address=ADDRESS, port_range=MEDIA_PORTS, capacity=_CAPACITY))
        self._ports: list[MediaPort] = []
        self._recorders: list[Recorder] = []
        self._listeners: list[Listener] = []
        self._listening: list[asyncio.Task[None]] = []

    async def start(self, _: Mapping[str, Any]) -> None:
        await self._engine.start()

    async def open(self, request: Mapping[str, Any]) -> list[tuple[str, int]]:
        pair = Pair.of(request["pair"])
        for leg, ((host, port), keys) in enumerate(zip(request["legs"], request["keys"], strict=True)):
            codec = pair.party(leg).codec
            media = self._engine.open_port(lambda _event: None)
            media.connect(
                RemoteMedia(
                    address=(host, port),
                    rtcp_address=(host, port + 1),
                    rtcp_mux=keys is not None,
                    codec=codec,
                    payload_type=codec.payload_type,
                    digits_payload_type=101,
                    send=True,
                    receive=True,
                    learn_from=None,
                    srtp=keys_of(keys, own="gateway"),
                )
            )
            self._ports.append(media)
        if self._record == CONFERENCE:
            self._confer()
        else:
            self._bridge()
        if request.get("listen"):
            self._listeners = [self._engine.listen(Received(media)) for media in self._ports]
            self._listening = [asyncio.create_task(_follow(listener)) for listener in self._listeners]
        return [media.address for media in self._ports]

    def _confer(self) -> None:
        mix = self._engine.open_mix()
        for media in self._ports:
            media.join(mix)
            media.hear(mix)

    def _bridge(self) -> None:
        for parent, child in zip(self._ports[::2], self._ports[1::2], strict=True):
            parent.hear(child)
            child.hear(parent)
        if self._record != "none":
            self._start_recorders()

    def _start_recorders(self) -> None:
        for number, (parent, child) in enumerate(zip(self._ports[::2], self._ports[1::2], strict=True)):
            channels: Sequence[Sequence[Tap]] = [[Received(parent)], [Received(child)]]
            if self._record == "mono":
                channels = [[Received(parent), Received(child)]]
            path = self._directory / f"recording-{number}.wav"
            rate_hz = max(parent.rate_hz, child.rate_hz)
            self._recorders.append(self._engine.record(path, channels, rate_hz=rate_hz))

    async def statistics(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Counters since the start; tick_lateness in bins of 0.1 ms."""
        figures = vars(self._engine.statistics())
        return {
            "tick_lateness": figures["tick_lateness"].tolist(),
            **{name: value for name, value in figures.items() if isinstance(value, int)},
        }

    async def close(self, _: Mapping[str, Any]) -> dict[str, int]:
        recorded = await asyncio.gather(*(recorder.stop() for recorder in self._recorders))
        for media in self._ports:
            media.close()
        await asyncio.gather(*self._listening)
        await self._engine.stop()
        return {
            "lost_frames": sum(recording.lost_frames for recording in recorded),
            "dropped_frames": sum(listener.dropped_frames for listener in self._listeners),
        }


async def _follow(listener: Listener) -> None:
    async for _ in listener:
        pass


async def serve(record: str, directory: Path) -> None:
    host = EngineHost(record, directory)
    await aserve_requests({name: getattr(host, name) for name in ("start", "open", "statistics", "close")})


def main() -> None:
    record, directory = sys.argv[1:3]
    asyncio.run(serve(record, Path(directory)))


if __name__ == "__main__":
    main()
