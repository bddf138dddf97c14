"""The load of idle browsers: sockets at ``/signal`` that register, echo heartbeats and refresh, and do nothing else.

Run as ``python -m tests.bench.browsers``; speaks JSON lines on standard input: connect (url, tokens), state. Each
socket is a Device of the client endpoint, so what is said is what the Voice SDK says.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from signaling.endpoints.device import Device, LoggedIn, Refused, Registered
from tests.bench.process import aserve_requests

AT_ONCE = 50
REFRESH_S = 30.0


class Browsers:
    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self._registered = 0
        self._refreshed = 0
        self._beats = 0
        self._lost: list[str] = []

    async def connect(self, request: Mapping[str, Any]) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._tasks = [asyncio.create_task(self._live(request["url"], token)) for token in request["tokens"]]

    def state(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "registered": self._registered,
            "refreshed": self._refreshed,
            "beats": self._beats,
            "lost": self._lost[:5],
            "lost_count": len(self._lost),
        }

    async def _live(self, url: str, token: str) -> None:
        assert self._session is not None
        waiting: list[str] = []
        device = Device(waiting.append, lambda: 1)
        is_registered = False
        try:
            await self._room.acquire()
            async with self._session.ws_connect(url) as socket:
                device.listen(token)
                loop = asyncio.get_running_loop()
                refresh_s = loop.time() + REFRESH_S
                while True:
                    while waiting:
                        await socket.send_str(waiting.pop(0))
                    frame = await socket.receive_str()
                    self._beats += frame == "\n"
                    for note in device.receive(frame):
                        match note:
                            case LoggedIn():
                                device.register(is_reachable=True)
                            case Registered() if not is_registered:
                                is_registered = True
                                self._registered += 1
                                self._room.release()
                            case Registered():
                                self._refreshed += 1
                            case Refused():
                                raise ConnectionError(note.message)
                            case _:
                                pass
                    # A heartbeat comes every few seconds, so this is looked at in time.
                    if is_registered and loop.time() >= refresh_s:
                        refresh_s += REFRESH_S
                        device.register(is_reachable=True)
        except (aiohttp.ClientError, TypeError, OSError) as error:
            self._lost.append(f"{type(error).__name__}: {error}")
            if not is_registered:
                self._room.release()

    def handlers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        return {"connect": self.connect, "state": self.state}


async def main() -> None:
    await aserve_requests(Browsers().handlers())


if __name__ == "__main__":
    asyncio.run(main())
