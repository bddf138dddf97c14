"""One request and its answer: connection, credentials, and what each failure is called.

Owns the HTTP session. A request that finds its kept-open connection closed by the server is sent again on another
one: it is the same request, and carries its idempotency token. Nothing else is sent twice here; retries, redirects
and time limits of a whole fetch are the caller's (client.py).
Source: RFC 9112 9.3.1; Twilio "Webhooks security" (Basic and Digest); Error Dictionary 112xx.
"""

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientTimeout, hdrs

from gateway.webhooks.body import ACCEPT_ENCODING
from gateway.webhooks.cookies import CallCookies
from gateway.webhooks.errors import FetchCode, FetchError, Retry
from gateway.webhooks.resolver import AddressRefused, GuardedResolver
from gateway.webhooks.target import Target
from signaling.sip.auth import ChallengeError, answer_challenge

USER_AGENT: Final = "TwilioProxy/1.1"
FORM_TYPE: Final = "application/x-www-form-urlencoded; charset=UTF-8"
SOCKET_HEARTBEAT_S: Final = 30.0
"""A WebSocket that does not answer a ping in half that time is dead: a call must not wait for it for ever."""
_KEEP_OPEN_S: Final = 2.0
_NEVER_S: Final = 1e9


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """What leaves. form: the encoded body of a POST; None for GET. headers: beyond those every request has."""

    target: Target
    form: bytes | None
    headers: Mapping[str, str]
    connect_s: float
    read_s: float
    cookies: CallCookies | None = None


class Exchanger:
    """tls: a context of the operator's own, or False to accept every certificate. Needs a running loop."""

    def __init__(self, resolver: GuardedResolver, *, tls: ssl.SSLContext | bool = True) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=resolver,
                socket_factory=resolver.make_socket,
                ssl=tls,
                limit=0,
                keepalive_timeout=_KEEP_OPEN_S,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=64 * 1024,
            skip_auto_headers=[hdrs.CONTENT_TYPE],
            trust_env=False,
            trace_configs=[trace],
            middlewares=[_without_hidden_retry],
        )

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def exchange(self, outgoing: Outgoing) -> AsyncIterator[ClientResponse]:
        """The answer to the request, its body not read yet. Raises FetchError, from the block too."""
        url = outgoing.target.url
        try:
            response = await self._answer(outgoing)
        except _Broken as broken:
            raise _failure(broken.error, url) from broken.error
        except aiohttp.ClientError as error:
            raise _failure(error, url) from error
        try:
            if outgoing.cookies is not None:
                outgoing.cookies.take(response)
            yield response
        except aiohttp.ClientError as error:
            failure = _failure(error, url)
            failure.kind = None  # "a partial response is never retried"
            raise failure from error
        finally:
            response.release()

    async def open_socket(
        self, target: Target, headers: Mapping[str, str], *, largest: int
    ) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket, the caller's to close. largest: octets of a message. Raises FetchError."""
        authorization = _basic(target)
        more: dict[str, str] = {} if authorization is None else {hdrs.AUTHORIZATION: authorization}
        try:
            return await self._session.ws_connect(
                target.request_url(),
                headers={hdrs.USER_AGENT: USER_AGENT, **headers, **more},
                max_msg_size=largest,
                compress=0,
                heartbeat=SOCKET_HEARTBEAT_S,
                timeout=aiohttp.ClientWSTimeout(ws_close=_KEEP_OPEN_S),
            )
        except _Broken as broken:
            raise _failure(broken.error, target.url) from broken.error
        except aiohttp.WSServerHandshakeError as error:
            message = f"expected 101 Switching Protocols, found {error.status}"
            raise FetchError(FetchCode.ERROR_STATUS, target.url, message, http_status=error.status) from error
        except aiohttp.ClientError as error:
            raise _failure(error, target.url) from error

    async def _answer(self, outgoing: Outgoing) -> ClientResponse:
        target = outgoing.target
        response = await self._send(outgoing, _basic(target))
        if response.status != 401 or not target.username:
            return response
        challenges = response.headers.getall(hdrs.WWW_AUTHENTICATE, [])
        response.release()
        try:
            authorization = answer_challenge(
                challenges,
                method=_method(outgoing),
                uri=target.resource,
                username=target.username,
                password=target.password,
            )
        except ChallengeError:
            raise FetchError(
                FetchCode.ERROR_STATUS, target.url, "found 401, credentials refused", http_status=401
            ) from None
        return await self._send(outgoing, authorization)

    async def _send(self, outgoing: Outgoing, authorization: str | None) -> ClientResponse:
        url = outgoing.target.request_url()
        headers = {
            hdrs.USER_AGENT: USER_AGENT,
            hdrs.ACCEPT: "*/*",
            hdrs.ACCEPT_ENCODING: ACCEPT_ENCODING,
            **outgoing.headers,
        }
        if outgoing.form is not None:
            headers[hdrs.CONTENT_TYPE] = FORM_TYPE
        if authorization is not None:
            headers[hdrs.AUTHORIZATION] = authorization
        cookie = outgoing.cookies.header(url) if outgoing.cookies is not None else None
        if cookie is not None:
            headers[hdrs.COOKIE] = cookie
        while True:
            connection = SimpleNamespace(reused=False)
            try:
                return await self._session.request(
                    _method(outgoing),
                    url,
                    data=outgoing.form,
                    headers=headers,
                    allow_redirects=False,
                    timeout=ClientTimeout(
                        total=None,
                        connect=outgoing.connect_s,
                        sock_connect=outgoing.connect_s,
                        sock_read=outgoing.read_s,
                        ceil_threshold=_NEVER_S,
                    ),
                    trace_request_ctx=connection,
                )
            except _Broken as broken:
                if not connection.reused or isinstance(broken.error, aiohttp.ClientConnectorError):
                    raise


class _Broken(Exception):
    """A connection that failed; hides the error from the session, which would send a GET again by itself."""

    def __init__(self, error: aiohttp.ClientError) -> None:
        self.error = error


async def _without_hidden_retry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken(error) from error


async def _note_reuse(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx.reused = True


def _method(outgoing: Outgoing) -> str:
    return hdrs.METH_GET if outgoing.form is None else hdrs.METH_POST


def _basic(target: Target) -> str | None:
    if not target.username and not target.password:
        return None
    return "Basic " + b64encode(f"{target.username}:{target.password}".encode()).decode("ascii")


def _failure(error: BaseException, url: str) -> FetchError:
    """What Twilio calls this failure, and whether it came before anything was sent."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            code, message = _certificate(error.certificate_error)
            return FetchError(code, url, message, kind=Retry.CONNECT)
        case aiohttp.ClientConnectorSSLError():
            return FetchError(FetchCode.TLS_HANDSHAKE, url, _reason(error.os_error), kind=Retry.CONNECT)
        case aiohttp.ClientConnectorError(os_error=AddressRefused() as refused):
            return FetchError(FetchCode.RETRIEVAL_FAILURE, url, f"may not be called: {refused}")
        case aiohttp.ClientConnectorDNSError():
            return FetchError(FetchCode.BAD_HOST_NAME, url, _reason(error.os_error), kind=Retry.CONNECT)
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return FetchError(FetchCode.CONNECTION_REFUSED, url, "connection refused", kind=Retry.CONNECT)
        case aiohttp.ClientConnectorError(os_error=TimeoutError()) | aiohttp.ConnectionTimeoutError():
            return FetchError(FetchCode.CONNECT_TIMEOUT, url, "no connection in time", kind=Retry.CONNECT)
        case aiohttp.ClientConnectorError():
            return FetchError(FetchCode.CONNECTION_FAILURE, url, _reason(error.os_error), kind=Retry.CONNECT)
        case aiohttp.ServerTimeoutError():
            return FetchError(FetchCode.TOTAL_TIMEOUT, url, "no answer in time", kind=Retry.READ)
        case aiohttp.InvalidURL():
            return FetchError(FetchCode.INVALID_URL, url, "expected a URL that can be requested")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return FetchError(FetchCode.CONNECTION_FAILURE, url, "connection closed before the answer")
        case aiohttp.ClientPayloadError():
            return FetchError(FetchCode.PROTOCOL_VIOLATION, url, "expected a whole body, found the connection closed")
        case aiohttp.ClientResponseError():
            found = " ".join(error.message.split())
            return FetchError(FetchCode.PROTOCOL_VIOLATION, url, f"expected an HTTP answer, found: {found:.200}")
        case _:
            return FetchError(FetchCode.RETRIEVAL_FAILURE, url, type(error).__name__)


_EXPIRED: Final = frozenset({9, 10})
_NO_PATH: Final = frozenset({2, 18, 19, 20, 21})
_MISMATCH: Final = frozenset({62, 64})


def _certificate(error: Exception) -> tuple[FetchCode, str]:
    """Source: OpenSSL X509_V_ERR_*, in the numbers of verify(1)."""
    code = getattr(error, "verify_code", 0)
    message = str(getattr(error, "verify_message", error))
    if code in _MISMATCH:
        return FetchCode.CERTIFICATE_MISMATCH, message
    if code in _EXPIRED:
        return FetchCode.CERTIFICATE_EXPIRED, message
    if code in _NO_PATH:
        return FetchCode.CERTIFICATE_PATH, message
    return FetchCode.TLS_HANDSHAKE, message


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
