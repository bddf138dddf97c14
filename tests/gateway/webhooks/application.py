"""Applications as peers: a real web server that notes what it is asked, and servers that misbehave byte by byte."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from multidict import CIMultiDictProxy, MultiDict

from gateway.webhooks.client import WebhookClient
from gateway.webhooks.guard import Guard
from gateway.webhooks.resolver import LookUp, system_addresses

TOKEN = "12345"
LOOPBACK = ("127.0.0.0/8", "::1/128")

Answer = Callable[["Seen"], web.StreamResponse | Awaitable[web.StreamResponse]]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """A request as the application saw it; url: as its framework would put it together."""

    method: str
    url: str
    path: str
    query: MultiDict[str]
    form: MultiDict[str]
    headers: CIMultiDictProxy[str]


@dataclass
class Application:
    """answers: by path; one that is not there is answered with an empty document."""

    port: int = 0
    scheme: str = "http"
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    def url(self, path: str, *, user: str = "") -> str:
        return f"{self.scheme}://{user}127.0.0.1:{self.port}{path}"

    def answer(self, path: str, body: str = "<Response/>", *, status: int = 200, **headers: str) -> None:
        """headers: with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Content-Type", "text/xml")
        self.answers[path] = lambda _: web.Response(status=status, body=body.encode(), headers=named)

    def redirect(self, path: str, location: str, *, status: int = 302) -> None:
        self.answers[path] = lambda _: web.Response(status=status, headers={"Location": location})

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        form: MultiDict[str] = MultiDict()
        for name, value in (await request.post()).items():
            assert isinstance(value, str)
            form.add(name, value)
        url = f"{self.scheme}://{request.host}{request.raw_path}"
        seen = Seen(request.method, url, request.path, MultiDict(request.query), form, request.headers)
        self.seen.append(seen)
        answer = self.answers.get(request.path, empty_document)(seen)
        return answer if isinstance(answer, web.StreamResponse) else await answer


def empty_document(_: Seen) -> web.StreamResponse:
    return web.Response(text="<Response/>", content_type="text/xml")


@asynccontextmanager
async def running_application(tls: ssl.SSLContext | None = None) -> AsyncIterator[Application]:
    application = Application(scheme="http" if tls is None else "https")
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", application._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    application.port = runner.addresses[0][1]
    try:
        yield application
    finally:
        await runner.cleanup()


@dataclass
class RawServer:
    """requests: how many requests came; connections: how many connections."""

    port: int = 0
    connections: int = 0
    requests: int = 0

    def url(self, fragment: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/voice" + (f"#{fragment}" if fragment else "")


@asynccontextmanager
async def raw_server(script: Script) -> AsyncIterator[RawServer]:
    """Reads a request's header, then lets the script do what it likes with the connection."""
    server = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        try:
            header = await reader.readuntil(b"\r\n\r\n")
            server.requests += 1
            length = header.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the end of the task: nobody above would want to know
        finally:
            writer.close()
            tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sending(*parts: bytes) -> Script:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            for start in range(0, len(part), 16384):
                writer.write(part[start : start + 16384])
                await writer.drain()

    return script


@asynccontextmanager
async def webhook_client(
    *,
    allow: tuple[str, ...] = LOOPBACK,
    look_up: LookUp = system_addresses,
    tls: ssl.SSLContext | bool = True,
    token_of: Callable[[str], str] = lambda _account_sid: TOKEN,
) -> AsyncIterator[WebhookClient]:
    client = WebhookClient(token_of=token_of, guard=Guard(allow), look_up=look_up, tls=tls)
    try:
        yield client
    finally:
        await client.close()


def closed_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
