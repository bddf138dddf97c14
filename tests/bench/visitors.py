"""Browsers that place calls, and a stranger who throws hostile datagrams at the ports of those calls.

Run as ``python -m tests.bench.visitors``; speaks JSON lines on standard input: open, stay, visit, attack, state, leave.
Each call is a page of its own: a socket at ``/signal``, aiortc's whole peer connection. What they say is sparse, and
what they hear is deciphered and thrown away, so that fifty of them do not take the machine from the gateway; checks,
consent and DTLS are all there, and a path that breaks is noticed.
"""

import asyncio
import itertools
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import aiohttp
from av import AudioFrame

from signaling.endpoints.device import Device, LoggedIn, Opened, Over, Rang, Refused
from signaling.endpoints.peer import gather_on_route_to
from tests.bench.process import aserve_requests
from tests.bench.rtp import ADDRESS
from tests.signaling.webrtc.browser import Browser, Microphone
from tests.signaling.webrtc.hostile import HOSTILE

SPARSE_S = 0.5
WITHIN_S = 20.0
_GONE = ("failed", "closed")


class _Murmur(Microphone):
    """A frame now and then: enough for a path that is watched."""

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(SPARSE_S)
        return await super().recv()


async def _unread(*_: object, **__: object) -> None:
    """In place of parsing, buffering and decoding what is heard, for which a core would not do."""


class Stranger:
    """Sends so many datagrams a second in a thread: in turn to a port that is being set up and to one of a call that
    is up. Ports may be changed by another thread at any time."""

    def __init__(self) -> None:
        self.coming_up: list[int] = []
        self.up: list[int] = []
        self.rate = 0
        self.sent = 0
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((ADDRESS, 0))
        self._sock.setblocking(False)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stranger", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        datagrams = itertools.cycle(HOSTILE)
        due_s = time.monotonic()
        while not self._is_over.is_set():
            ports = (self.coming_up if self.sent % 2 else self.up) or self.up or self.coming_up
            if not self.rate or not ports:
                self._is_over.wait(0.01)
                due_s = time.monotonic()
                continue
            try:
                self._sock.sendto(next(datagrams), (ADDRESS, random.choice(ports)))
                self.sent += 1
            except (OSError, IndexError):
                # The port has just been closed, or its list emptied.
                pass
            due_s += 1 / self.rate
            self._is_over.wait(max(0.0, due_s - time.monotonic()))

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._sock.close()


class Page:
    """One call of a browser. ``connect`` once; ``ended`` says why it is over, if it ended by itself."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url
        self._numbers = itertools.count(1)
        self._frames: asyncio.Queue[str] = asyncio.Queue()
        self._device = Device(self._frames.put_nowait, lambda: next(self._numbers))
        self._browser = Browser()
        self._browser.microphone = _Murmur(440.0)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_logged_in = asyncio.Event()
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._is_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_leaving = False
        self.port = 0
        self.ended: str | None = None
        self._browser.pc.on("connectionstatechange", self._on_state)

    async def connect(self, token: str, on_port: Callable[[int], None]) -> float:
        """Seconds from the invitation to ICE and DTLS being up. on_port: told the gateway's port at its answer.

        Raises ConnectionError or TimeoutError.
        """
        async with asyncio.timeout(WITHIN_S):
            connected = asyncio.get_running_loop().create_future()
            self._tasks = [asyncio.create_task(self._talk(connected, token))]
            await connected
            await self._is_logged_in.wait()
            offer = await self._browser.offer()
            self._browser.transport._handle_rtp_data = _unread
            begun_s = time.perf_counter()
            self._device.invite(next(self._numbers), f"TJS{random.getrandbits(128):032x}", offer, {"To": "anybody"})
            answer = await self._answer
            self.port = int(answer.split("m=audio ")[1].split()[0])
            on_port(self.port)
            await self._browser.take_answer(answer)
            await self._is_up
        return time.perf_counter() - begun_s

    async def leave(self) -> None:
        """Any number of times."""
        self._is_leaving = True
        for call in self._device.calls:
            self._device.hangup(call.number)
        # A moment for the last frame.
        await asyncio.sleep(0.05)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for awaited in (self._answer, self._is_up):
            awaited.cancel()
        await self._browser.close()

    async def _talk(self, connected: "asyncio.Future[None]", token: str) -> None:
        try:
            async with self._session.ws_connect(self._url) as frames:
                self._device.listen(token)
                connected.set_result(None)
                sending = asyncio.create_task(self._send(frames))
                try:
                    async for frame in frames:
                        self._receive(str(frame.data))
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
            self._end("the socket was closed")
        except (aiohttp.ClientError, OSError) as error:
            self._end(f"{type(error).__name__}: {error}")
            if not connected.done():
                connected.set_exception(ConnectionError(self.ended))

    async def _send(self, frames: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await frames.send_str(await self._frames.get())

    def _receive(self, frame: str) -> None:
        for note in self._device.receive(frame):
            match note:
                case LoggedIn():
                    self._is_logged_in.set()
                case Refused(code, _, message):
                    self._end(f"refused: {code} {message}")
                case Rang(_, sdp) | Opened(_, sdp) if sdp and not self._answer.done():
                    self._answer.set_result(sdp)
                case Over(_, status, reason):
                    self._end(f"{status} {reason}")
                case _:
                    pass

    def _on_state(self) -> None:
        state = self._browser.pc.connectionState
        if state == "connected" and not self._is_up.done():
            self._is_up.set_result(None)
        if state in _GONE:
            self._end(f"the path has {state}")

    def _end(self, reason: str) -> None:
        if self._is_leaving or self.ended is not None:
            return
        self.ended = reason
        for awaited in (self._answer, self._is_up):
            if not awaited.done():
                awaited.set_exception(ConnectionError(reason))
                awaited.exception()
        self._is_logged_in.set()


class Visitors:
    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._url = ""
        self._tokens: Iterator[str] = iter(())
        self._stranger = Stranger()
        self._residents: list[Page] = []

    async def open(self, request: Mapping[str, Any]) -> None:
        """url: of ``/signal``; tokens: of the identities that call in turn; name the application that answers."""
        self._url, self._tokens = request["url"], itertools.cycle(request["tokens"])
        gather_on_route_to(ADDRESS, 9)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def stay(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """So many calls, ``rate`` a second, that stay up until ``leave``."""
        return await self._arrive(int(request["calls"]), float(request["rate"]), None)

    async def visit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """So many calls, ``rate`` a second, each of which is hung up ``hold_s`` after it came up.

        Answers the seconds each took to come up, and the others by what became of them.
        """
        return await self._arrive(int(request["calls"]), float(request["rate"]), float(request["hold_s"]))

    def attack(self, request: Mapping[str, Any]) -> int:
        """rate: datagrams a second from now on; ports: of calls that stay, here or elsewhere. Answers how many were
        sent so far."""
        self._stranger.up = list(request["ports"])
        self._stranger.rate = int(request["rate"])
        return self._stranger.sent

    def state(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "up": sum(page.ended is None for page in self._residents),
            "ended": self._ended(),
            "ports": [page.port for page in self._residents],
        }

    async def leave(self, _: Mapping[str, Any]) -> None:
        self._stranger.rate = 0
        await asyncio.gather(*(page.leave() for page in self._residents))
        self._residents.clear()

    async def close(self) -> None:
        self._stranger.close()
        await self.leave({})
        if self._session is not None:
            await self._session.close()

    def _ended(self) -> dict[str, int]:
        return dict(Counter(page.ended for page in self._residents if page.ended is not None))

    async def _arrive(self, calls: int, rate: float, hold_s: float | None) -> dict[str, Any]:
        came_up_s: list[float] = []
        failures: Counter[str] = Counter()

        async def one() -> None:
            taken_s = await self._call(failures, hold_s)
            if taken_s is not None:
                came_up_s.append(taken_s)

        begun_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(calls):
                await asyncio.sleep(max(0.0, begun_s + number / rate - time.monotonic()))
                group.create_task(one())
        return {"came_up_s": came_up_s, "failures": dict(failures)}

    async def _call(self, failures: Counter[str], hold_s: float | None) -> float | None:
        assert self._session is not None
        page = Page(self._session, self._url)
        taken_s: float | None = None
        try:
            taken_s = await page.connect(next(self._tokens), self._stranger.coming_up.append)
        except (ConnectionError, TimeoutError) as error:
            failures[str(error) or type(error).__name__] += 1
        finally:
            if page.port in self._stranger.coming_up:
                self._stranger.coming_up.remove(page.port)
        if taken_s is not None and hold_s is None:
            self._residents.append(page)
            return taken_s
        await asyncio.sleep(0 if taken_s is None else hold_s or 0)
        if taken_s is not None and page.ended is not None:
            failures[f"came up, then: {page.ended}"] += 1
            taken_s = None
        await page.leave()
        return taken_s

    def handlers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        return {name: getattr(self, name) for name in ("open", "stay", "visit", "attack", "state", "leave")}


async def main() -> None:
    visitors = Visitors()
    await aserve_requests(visitors.handlers())
    await visitors.close()


if __name__ == "__main__":
    asyncio.run(main())
