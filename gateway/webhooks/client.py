"""Requests to applications: signed, bounded in time and size, with redirects and retries as Twilio has them.

Owns the time limit of a whole fetch and the order of its requests. Leaves connections to exchange.py, addresses to
guard.py, what an answer means and the fallback URL to the interpreter. Clocks are the loop's, so a step of the wall
clock changes nothing.
Source: webhooks.md 6 to 8 of the specification; Twilio "Webhooks: Connection Overrides".
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from aiohttp import ClientWebSocketResponse, hdrs

from gateway.twiml.content import ReplyKind, reply_kind
from gateway.webhooks.answer import bounded_body, error_status, media_type
from gateway.webhooks.audio import Audio, AudioFetcher
from gateway.webhooks.cookies import CallCookies
from gateway.webhooks.errors import FetchCode, FetchError, Retry
from gateway.webhooks.exchange import Exchanger, Outgoing
from gateway.webhooks.guard import Guard
from gateway.webhooks.overrides import Overrides
from gateway.webhooks.redirects import Hop, following
from gateway.webhooks.resolver import GuardedResolver, LookUp, system_addresses
from gateway.webhooks.signature import SIGNATURE_HEADER, sign
from gateway.webhooks.target import Target, form, parse_target

__all__ = ["Audio", "CallCookies", "Exchanged", "Fetched", "Request", "WebhookClient"]

MAX_BODY: Final = 64 * 1024
MAX_REDIRECTS: Final = 10
TOKEN_HEADER: Final = "I-Twilio-Idempotency-Token"

Params = Sequence[tuple[str, str]]


MAX_SOCKET_MESSAGE: Final = 256 * 1024
SOCKET_OPENS_S: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """One webhook. url: absolute, with or without user and password and a fragment of connection overrides.

    account_sid: whose token signs it; "" the main one's. token: I-Twilio-Idempotency-Token, the same over all attempts.
    may_be_empty: an answer without a body is fine.
    """

    url: str = field(repr=False)
    method: str = "POST"
    params: Params = field(default=(), repr=False)
    call_sid: str = ""
    account_sid: str = ""
    cookies: CallCookies | None = None
    token: str = field(default_factory=lambda: str(uuid4()))
    may_be_empty: bool = False


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """An answer with a 2xx status. content_type: lower case without parameters, empty if there was none.

    url: the final one, as it may be told. base_url: for relative URLs of the document; may hold credentials.
    """

    body: bytes = field(repr=False)
    content_type: str
    charset: str | None
    status: int
    url: str
    base_url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """A webhook that is over, with its retries and redirects: what came of it is an answer or an error.

    took_s: from the first request to the end of the last answer.
    """

    request: Request
    took_s: float
    answer: Fetched | None = None
    error: FetchError | None = None


class WebhookClient:
    """token_of: an account's secret, which its requests are signed with. Made and closed on a running loop.

    on_exchange: told of every webhook that is over.
    """

    def __init__(
        self,
        *,
        token_of: Callable[[str], str],
        guard: Guard,
        tls: ssl.SSLContext | bool = True,
        look_up: LookUp = system_addresses,
        on_exchange: Callable[[Exchanged], None] | None = None,
    ) -> None:
        self._token_of = token_of
        self._on_exchange = on_exchange
        self._resolver = GuardedResolver(guard, look_up=look_up)
        self._exchanger = Exchanger(self._resolver, tls=tls)
        self._audio = AudioFetcher(self._exchanger, sign=self._audio_headers, clock=asyncio.get_running_loop().time)

    async def close(self) -> None:
        await self._exchanger.close()
        await self._resolver.close()

    async def fetch(self, request: Request) -> Fetched:
        """Raises FetchError for anything but a 2xx answer with a body of at most 64 kB."""
        clock = asyncio.get_running_loop().time
        begun_s = clock()
        try:
            answer = await self._fetch(request)
        except FetchError as error:
            self._tell(Exchanged(request=request, took_s=clock() - begun_s, error=error))
            raise
        self._tell(Exchanged(request=request, took_s=clock() - begun_s, answer=answer))
        return answer

    def _tell(self, exchanged: Exchanged) -> None:
        if self._on_exchange is not None:
            self._on_exchange(exchanged)

    async def _fetch(self, request: Request) -> Fetched:
        url, overrides = Overrides.parse(request.url)
        target = parse_target(url)
        if request.method not in (hdrs.METH_GET, hdrs.METH_POST):
            raise FetchError(FetchCode.INVALID_METHOD, url, f"expected GET or POST, found {request.method:.20}")
        try:
            async with asyncio.timeout(overrides.total_s):
                return await self._persist(target, request, overrides)
        except TimeoutError:
            message = f"expected an answer within {overrides.total_s:g} s in all, found none"
            raise FetchError(FetchCode.TOTAL_TIMEOUT, url, message, kind=Retry.READ) from None

    async def fetch_audio(self, url: str, *, account_sid: str = "", cookies: CallCookies | None = None) -> Audio:
        """A sound file of at most 50 MB, from the account's cache if its server allows. Raises FetchError."""
        return await self._audio.fetch(url, account_sid=account_sid, cookies=cookies)

    async def open_socket(
        self, url: str, *, account_sid: str = "", largest: int = MAX_SOCKET_MESSAGE
    ) -> ClientWebSocketResponse:
        """A WebSocket to a ``ws`` or ``wss`` URL, signed as it stands; the caller closes it. Raises FetchError."""
        scheme, _, rest = url.partition("://")
        target = parse_target(f"{'http' if scheme == 'ws' else 'https'}://{rest}")
        headers = {SIGNATURE_HEADER.lower(): sign(self._token_of(account_sid), url)}
        try:
            async with asyncio.timeout(SOCKET_OPENS_S):
                return await self._exchanger.open_socket(target, headers, largest=largest)
        except TimeoutError:
            message = f"expected a WebSocket within {SOCKET_OPENS_S:g} s, found none"
            raise FetchError(FetchCode.TOTAL_TIMEOUT, url, message) from None

    async def _persist(self, target: Target, request: Request, overrides: Overrides) -> Fetched:
        left = overrides.retries
        while True:
            try:
                return await self._attempt(target, request, overrides)
            except FetchError as error:
                if not left or error.kind not in overrides.retry_on:
                    raise
                left -= 1

    async def _attempt(self, target: Target, request: Request, overrides: Overrides) -> Fetched:
        def make(hop: Hop) -> Outgoing:
            return self._signed(hop, request, overrides)

        first = Hop(target, request.method, tuple(request.params))
        async with following(self._exchanger, first, make=make, limit=MAX_REDIRECTS) as (response, final):
            if not 200 <= response.status < 300:
                raise error_status(response.status, final.url)
            # Sound is fetched by whoever plays it, within limits of its own.
            is_sound = reply_kind(media_type(response)) is ReplyKind.AUDIO
            body = b"" if is_sound else await bounded_body(response, final.url, limit=MAX_BODY)
            if not body and not is_sound and not request.may_be_empty:
                raise FetchError(FetchCode.BODY_EMPTY, final.url, "expected a body, found none")
            return Fetched(
                body=body,
                content_type=media_type(response),
                charset=response.charset,
                status=response.status,
                url=final.url,
                base_url=final.base_url,
            )

    def _signed(self, hop: Hop, request: Request, overrides: Overrides) -> Outgoing:
        is_get = hop.method == hdrs.METH_GET
        target = hop.target.with_params(hop.params) if is_get else hop.target
        return Outgoing(
            target=target,
            form=None if is_get else form(hop.params).encode("ascii"),
            headers={
                **self._signature(target, () if is_get else hop.params, account_sid=request.account_sid),
                TOKEN_HEADER: request.token,
            },
            connect_s=overrides.connect_s,
            read_s=overrides.read_s,
            cookies=request.cookies,
        )

    def _audio_headers(self, target: Target, account_sid: str) -> dict[str, str]:
        return self._signature(target, account_sid=account_sid)

    def _signature(self, target: Target, params: Params = (), *, account_sid: str) -> dict[str, str]:
        return {SIGNATURE_HEADER: sign(self._token_of(account_sid), target.url, params), "X-Home-Region": "us1"}
