"""A TwiML application that a test programs: paths with documents or handlers, every request kept and its signature
checked with Twilio's own validator."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web
from multidict import CIMultiDictProxy, MultiDict, MultiDictProxy
from twilio.request_validator import RequestValidator

EMPTY_DOCUMENT = "<Response/>"
WAIT_S = 10.0


@dataclass(frozen=True)
class Received:
    """One request of the gateway. params: of the query for GET, of the body for POST."""

    path: str
    method: str
    url: str
    params: MultiDictProxy[str]
    headers: CIMultiDictProxy[str]
    t: float
    is_signed: bool

    def __getitem__(self, name: str) -> str:
        return self.params[name]

    def get(self, name: str, default: str = "") -> str:
        return self.params.get(name, default)


Handler = Callable[[Received], "str | web.Response | Awaitable[str | web.Response]"]
Answer = str | web.Response | Handler


@dataclass
class Application:
    """``async with Application(port=0, auth_token=…) as application``.

    A path without a handler is answered 404 and fails the test by ``unexpected``; strings are TwiML documents.
    """

    auth_token: str
    port: int = 0
    received: list[Received] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    _answers: dict[str, Answer] = field(default_factory=dict)
    _unread: list[Received] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def on(self, path: str, answer: Answer) -> None:
        """Answer requests for a path with a TwiML document, a response, or what a handler makes of the request."""
        self._answers[path] = answer

    def requests(self, path: str) -> list[Received]:
        return [request for request in self.received if request.path == path]

    async def wait(self, path: str, *, timeout_s: float = WAIT_S, **params: str) -> Received:
        """The first request for the path, with those parameters, that was not handed out yet."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for index, request in enumerate(self._unread):
                        wanted = all(request.get(name) == value for name, value in params.items())
                        if request.path == path and wanted:
                            return self._unread.pop(index)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            seen = "\n".join(f"  {each.method} {each.path} {dict(each.params)}" for each in self.received)
            raise AssertionError(f"no request for {path} {params} within {timeout_s:g} s; came:\n{seen}") from None

    def verify(self) -> None:
        """What every test may expect of the gateway's requests."""
        unsigned = [f"{each.method} {each.url}" for each in self.received if not each.is_signed]
        assert not unsigned, f"signatures that Twilio's validator refuses: {unsigned}"
        assert not self.unexpected, f"requests nobody answers: {self.unexpected}"

    async def _serve(self, request: web.Request) -> web.Response:
        received = await self._read(request)
        self.received.append(received)
        self._unread.append(received)
        self._news.set()
        if request.path not in self._answers:
            self.unexpected.append(f"{request.method} {request.path}")
            return web.Response(status=404)
        answer = self._answers[request.path]
        if callable(answer):
            outcome = answer(received)
            answer = await outcome if inspect.isawaitable(outcome) else outcome
        if isinstance(answer, web.Response):
            return answer
        return web.Response(text=answer, content_type="text/xml")

    async def _read(self, request: web.Request) -> Received:
        url = str(request.url)
        query: MultiDict[str] = MultiDict(request.query)
        body: MultiDict[str] = MultiDict()
        if request.method == "POST":
            body.extend({name: value for name, value in (await request.post()).items() if isinstance(value, str)})
        signature = request.headers.get("X-Twilio-Signature", "")
        # The validator is given the URL as it went over the wire, escapes and all.
        raw = f"{request.scheme}://{request.host}{request.raw_path}"
        is_signed = RequestValidator(self.auth_token).validate(raw, body, signature)
        return Received(
            path=request.path,
            method=request.method,
            url=url,
            params=MultiDictProxy(body if request.method == "POST" else query),
            headers=request.headers,
            t=asyncio.get_running_loop().time(),
            is_signed=bool(is_signed),
        )


def sequence(*documents: str) -> Handler:
    """One document after the other, the last one from then on."""
    left = list(documents)

    def answer(_: Received) -> str:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def say_nothing(_: Received) -> web.Response:
    """204, as a status callback is answered."""
    return web.Response(status=204)


def twiml(*verbs: object) -> str:
    """A document of twilio-python verbs or of literal markup."""
    return f"<Response>{''.join(str(verb) for verb in verbs)}</Response>"
