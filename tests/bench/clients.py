"""The REST clients of a bench: calls created at a steady rate, resources read at a steady rate or by a crowd.

Run as ``python -m tests.bench.clients``; speaks JSON lines on standard input: open, create, read, crowd. Steady rates
are open loops: a request is sent when it is due, whatever became of those before. Times are in ms, from the sending of
a request to the last octet of its answer. How late steady requests were sent is told too: a process that does not get
its core in time measures its own waiting.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from typing import Any

import aiohttp

from tests.bench.callers import CALLER_PREFIX
from tests.bench.process import aserve_requests

PAGE = 50
WITHIN_S = 30.0
CALL, CALLS, RECORDINGS = KINDS = ("call", "calls", "recordings")


class Clients:
    """``open`` first."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._base = ""
        self._failures: Counter[str] = Counter()
        self._times: dict[str, list[float]] = {}

    async def open(self, request: Mapping[str, Any]) -> None:
        """base: URL of the account's resources, without the last slash; user and password."""
        self._base = request["base"]
        self._session = aiohttp.ClientSession(
            auth=aiohttp.BasicAuth(request["user"], request["password"]),
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=WITHIN_S),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Calls to ``phones`` identities in turn, each from a caller of its own whose number says which it is.

        first: number of the first call. Answers by call: its number, ns of the wall clock when it was asked for, and
        ms to its 201; and failures by what came instead.
        """
        first, phones, document = int(request["first"]), int(request["phones"]), request["document"]
        self._failures.clear()
        rows: list[tuple[int, int, float]] = []

        async def one(number: int) -> None:
            form = {
                "To": f"client:p{number % phones}",
                "From": f"{CALLER_PREFIX}{number:06d}",
                "Twiml": document,
            }
            asked = time.time_ns()
            taken_ms = await self._ask("POST", "Calls.json", 201, form)
            if taken_ms is not None:
                rows.append((number, asked, taken_ms))

        await self._steadily(iter(range(first, first + int(request["calls"]))), float(request["rate"]), one)
        return {"rows": rows, "failures": dict(self._failures)}

    async def read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A call of ``sids``, a list of calls, a list of recordings, in turn, ``rate`` requests a second."""
        sids, rate = request["sids"], float(request["rate"])
        self._failures.clear()
        self._times = {kind: [] for kind in KINDS}
        asked = zip(cycle(KINDS), cycle(sids), range(round(rate * float(request["seconds"]))), strict=False)
        late_ms = await self._steadily(((kind, sid) for kind, sid, _ in asked), rate, lambda pair: self._read(*pair))
        return {"times_ms": self._times, "failures": dict(self._failures), "late_ms": late_ms}

    async def crowd(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """As ``read``, by so many ``clients`` at once, each of which rests ``pause_s`` after an answer."""
        self._failures.clear()
        self._times = {kind: [] for kind in KINDS}
        count, pause_s = int(request["clients"]), float(request["pause_s"])
        seconds = float(request["seconds"])
        end_s = time.monotonic() + seconds

        async def client(number: int) -> None:
            await asyncio.sleep(min(pause_s, seconds) * number / count)
            for kind, sid in zip(cycle(KINDS), cycle(request["sids"]), strict=False):
                if time.monotonic() >= end_s:
                    return
                await self._read(kind, sid)
                await asyncio.sleep(pause_s)

        await asyncio.gather(*(client(number) for number in range(count)))
        return {"times_ms": self._times, "failures": dict(self._failures)}

    async def sids(self, _: Mapping[str, Any]) -> list[str]:
        """Of the newest calls."""
        assert self._session is not None
        async with self._session.get(f"{self._base}/Calls.json?PageSize={PAGE}") as answer:
            return [each["sid"] for each in (await answer.json())["calls"]]

    async def _read(self, kind: str, sid: str) -> None:
        path = {
            CALL: f"Calls/{sid}.json",
            CALLS: f"Calls.json?PageSize={PAGE}",
            RECORDINGS: f"Recordings.json?PageSize={PAGE}",
        }[kind]
        taken_ms = await self._ask("GET", path, 200)
        if taken_ms is not None:
            self._times[kind].append(taken_ms)

    async def _ask(self, method: str, path: str, expected: int, form: Mapping[str, str] | None = None) -> float | None:
        """How long it took; None for what was not answered as expected, which is counted."""
        assert self._session is not None
        began = time.perf_counter()
        try:
            async with self._session.request(method, f"{self._base}/{path}", data=form) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._failures[type(error).__name__] += 1
            return None
        if answer.status != expected:
            self._failures[str(answer.status)] += 1
            return None
        return (time.perf_counter() - began) * 1000

    @staticmethod
    async def _steadily(wanted: Iterator[Any], rate: float, do: Callable[[Any], Any]) -> list[float]:
        """Answers how late each was begun, in ms."""
        began_s = time.monotonic()
        late_ms: list[float] = []
        async with asyncio.TaskGroup() as group:
            for number, each in enumerate(wanted):
                due_s = began_s + number / rate
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                late_ms.append(1000 * max(0.0, time.monotonic() - due_s))
                group.create_task(do(each))
        return late_ms

    def handlers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
        return {name: getattr(self, name) for name in ("open", "create", "read", "crowd", "sids")}


async def main() -> None:
    clients = Clients()
    await aserve_requests(clients.handlers())
    await clients.close()


if __name__ == "__main__":
    asyncio.run(main())
