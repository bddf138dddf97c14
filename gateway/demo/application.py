"""The demo's sample application: a TwiML application as a user would write it, over real HTTP.

Answers with documents, keeps every request, and checks each signature. Owns its web server.
"""

import asyncio
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

from gateway.webhooks.signature import SIGNATURE_HEADER, sign

DOCUMENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Dial record="record-from-ringing-dual" ringTone="uk" action="/dialled"
        recordingStatusCallback="/recording" recordingStatusCallbackEvent="in-progress completed">
{clients}
  </Dial>
</Response>
"""
CLIENT = """\
    <Client statusCallback="/status" statusCallbackEvent="initiated ringing answered completed">{identity}</Client>"""
APPLICATION_PATHS = ("/voice", "/dialled", "/status", "/recording")
GOODBYE = "<Response><Hangup/></Response>"


def document_for(identities: tuple[str, ...]) -> str:
    return DOCUMENT.format(clients="\n".join(CLIENT.format(identity=name) for name in identities))


@dataclass(frozen=True)
class Request:
    """One request of the gateway. t: seconds of the loop's clock, which is the machine's monotonic one."""

    path: str
    params: Mapping[str, str]
    t: float
    is_signed: bool


@dataclass
class SampleApplication:
    """``async with SampleApplication(…) as application``: listens on a free port of 127.0.0.1."""

    identities: tuple[str, ...]
    auth_token: str
    on_request: Callable[[Request], None]
    requests: list[Request] = field(default_factory=list)
    _port: int = 0
    _runner: web.AppRunner | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def voice_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/voice"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/voice", self._voice)
        app.router.add_post("/dialled", self._dialled)
        app.router.add_post("/status", self._told)
        app.router.add_post("/recording", self._told)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def of(self, path: str, **params: str) -> list[Request]:
        """Requests so far for that path with those parameters."""
        return [
            request
            for request in self.requests
            if request.path == path and all(request.params.get(name) == value for name, value in params.items())
        ]

    async def wait(self, path: str, *, count: int = 1, timeout_s: float, **params: str) -> bool:
        """Until so many such requests came. False when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.of(path, **params)) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _voice(self, request: web.Request) -> web.Response:
        await self._take_in(request)
        return web.Response(text=document_for(self.identities), content_type="text/xml")

    async def _dialled(self, request: web.Request) -> web.Response:
        await self._take_in(request)
        return web.Response(text=GOODBYE, content_type="text/xml")

    async def _told(self, request: web.Request) -> web.Response:
        await self._take_in(request)
        return web.Response(status=204)

    async def _take_in(self, request: web.Request) -> None:
        form = {name: str(value) for name, value in (await request.post()).items()}
        expected = sign(self.auth_token, f"http://{request.host}{request.raw_path}", form.items())
        is_signed = hmac.compare_digest(expected, request.headers.get(SIGNATURE_HEADER, ""))
        taken = Request(request.path, form, asyncio.get_running_loop().time(), is_signed)
        self.requests.append(taken)
        self._news.set()
        self.on_request(taken)
