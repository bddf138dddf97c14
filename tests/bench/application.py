"""The webhook application of a bench: answers each voice request at once with the same ``<Dial>`` and notes the time.

Run as ``python -m tests.bench.application PHONES ATTRIBUTES NOUN_ATTRIBUTES``. Speaks JSON lines on standard input:
start → port, times → per call when its request came and was answered, counts → requests by path. Everything but the
voice URL gets an empty 200. No framework: what it takes must be small against what is measured, and is subtracted.
Source: RFC 9112 (Content-Length, keep-alive); Twilio voice request.
"""

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from tests.bench.callers import CALLER_PREFIX
from tests.bench.process import Handler, aserve_requests

VOICE_PATH = "/voice"
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_FROM = re.compile(rb"(?:^|&|\?)From=([^&\s]+)")
_REQUEST_LIMIT = 1 << 20


class Application:
    """What was asked, and when. Times are ns of the wall clock, by call index: received, replied."""

    def __init__(self, *, phones: int, dial_attributes: str, noun_attributes: str) -> None:
        self._phones = phones
        self._dial, self._noun = dial_attributes, noun_attributes
        self._server: asyncio.Server | None = None
        self._times: dict[int, tuple[int, int]] = {}
        self._requests: Counter[str] = Counter()

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def reply(self, path: str, parameters: bytes, received: int) -> tuple[bytes, int]:
        """The response, and the call it belongs to or -1."""
        self._requests[path] += 1
        if path != VOICE_PATH:
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", -1
        found = _FROM.search(parameters)
        caller = unquote_plus(found[1].decode()) if found else ""
        digits = caller.removeprefix(CALLER_PREFIX)
        index = int(digits) if caller.startswith(CALLER_PREFIX) and digits.isdigit() else -1
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?><Response><Dial {self._dial}>'
            f"<Client {self._noun}>p{max(index, 0) % self._phones}</Client></Dial></Response>"
        ).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body)
        return head + body, index

    def note(self, index: int, received: int, replied: int) -> None:
        if index >= 0:
            self._times.setdefault(index, (received, replied))

    def handlers(self) -> dict[str, Handler]:
        def times(_: Mapping[str, Any]) -> list[tuple[int, int, int]]:
            return [(index, *pair) for index, pair in self._times.items()]

        return {"times": times, "counts": lambda _: dict(self._requests)}


class _Connection(asyncio.Protocol):
    """One connection of the gateway's HTTP client: requests one after another, bounded in size."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._began = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._received:
            self._began = time.time_ns()
        self._received += data
        if len(self._received) > _REQUEST_LIMIT and self._transport is not None:
            self._transport.abort()
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[: end + 2]
            length = _LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < size:
                return
            body, self._received = self._received[end + 4 : size], self._received[size:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        target = head.split(b" ", 2)[1]
        path, _, query = target.partition(b"?")
        response, index = self._application.reply(path.decode(), body or query, self._began)
        if self._transport is not None:
            self._transport.write(response)
        self._application.note(index, self._began, time.time_ns())
        self._began = time.time_ns()


async def serve(application: Application) -> None:
    """Answer requests on standard input until it closes."""
    await aserve_requests({**application.handlers(), "start": lambda _: application.start()})
    await application.close()


def main() -> None:
    phones, dial_attributes, noun_attributes = sys.argv[1:4]
    asyncio.run(
        serve(Application(phones=int(phones), dial_attributes=dial_attributes, noun_attributes=noun_attributes))
    )


if __name__ == "__main__":
    main()
