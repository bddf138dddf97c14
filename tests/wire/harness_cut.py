"""A wire that can be cut: TCP passed on to the daemon until the test breaks every connection that runs over it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Wire:
    """address: what to connect to instead of the daemon."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self.address = ""

    def cut(self) -> int:
        """Resets all connections; new ones are passed on again. How many ends there were."""
        for writer in self._writers:
            writer.transport.abort()
        return len(self._writers)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        ends = [writer]
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection(*self._target)
            ends.append(back)
            self._writers.add(back)
            copies = [asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))]
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.transport.abort()
            await asyncio.wait(copies)
        finally:
            for end in ends:
                end.transport.abort()
                with suppress(ConnectionError):
                    await end.wait_closed()
            self._writers.difference_update(ends)
            self._passing.discard(task)

    @staticmethod
    @asynccontextmanager
    async def to(target: tuple[str, int]) -> AsyncIterator["Wire"]:
        wire = Wire(target)
        server = await asyncio.start_server(wire._pass_on, "127.0.0.1", 0)
        wire.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield wire
        finally:
            server.close()
            await wire._end()

    async def _end(self) -> None:
        """A page that goes on trying may have one more connection accepted while the server closes."""
        for _ in range(100):
            await asyncio.sleep(0.05)
            if not self._passing:
                return
            self.cut()
            await asyncio.wait(set(self._passing), timeout=0.1)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while octets := await reader.read(65536):
            writer.write(octets)
            await writer.drain()
