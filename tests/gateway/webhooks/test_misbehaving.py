"""Applications that misbehave (R-05): each costs what it is allowed to cost, and has its own name.

The limits are those of the URL's fragment where the full fifteen seconds would only be waited for; that these are
fifteen without one is test_overrides.py's.
"""

import asyncio
import gzip
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter

import pytest
import pytest_asyncio

from gateway.webhooks.client import CallCookies, Request, WebhookClient
from gateway.webhooks.errors import FetchCode, FetchError
from tests.gateway.webhooks.application import (
    RawServer,
    Script,
    closed_port,
    raw_server,
    running_application,
    sending,
    webhook_client,
)
from tests.gateway.webhooks.certificates import Authority

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
DOCUMENT = b"<Response/>"


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def dripping(start: bytes, drop: bytes, pause_s: float) -> Script:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        for _number in range(1000):
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return script


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"\r\n")
    while not writer.is_closing():
        writer.write(b"<Pause/>" * 8192)
        await writer.drain()


def sized(body: bytes, *headers: bytes) -> Script:
    lines = b"".join(header + b"\r\n" for header in headers)
    return sending(OK + lines + b"Content-Length: %d\r\n\r\n" % len(body), body)


def bomb() -> bytes:
    """100 MB in 100 kB, packed once more: 100 MB in a few hundred bytes of gzip, as a nested bomb would begin."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()


Case = tuple[str, Script, str, FetchCode, int]
CASES: list[Case] = [
    ("accepts and is silent", silent, "rt=100&rc=2", FetchCode.TOTAL_TIMEOUT, 1),
    ("is silent in all retries", silent, "rt=100&rc=2&rp=rt", FetchCode.TOTAL_TIMEOUT, 3),
    ("is silent until the total is over", silent, "tt=100&rc=5&rp=all", FetchCode.TOTAL_TIMEOUT, 1),
    ("drips its header", dripping(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n", 0.02), "tt=200", FetchCode.TOTAL_TIMEOUT, 1),
    ("drips its body", dripping(OK + b"\r\n<!--", b" ", 0.02), "tt=200&rp=all", FetchCode.TOTAL_TIMEOUT, 1),
    ("stops in its body", dripping(OK + b"\r\n<!--", b" ", 9), "rt=100&rp=all", FetchCode.TOTAL_TIMEOUT, 1),
    ("500", sending(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), "", FetchCode.ERROR_STATUS, 1),
    ("404", sending(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), "", FetchCode.ERROR_STATUS, 1),
    ("304", sending(b"HTTP/1.1 304 Not Modified\r\n\r\n"), "", FetchCode.ERROR_STATUS, 1),
    ("empty", sized(b""), "", FetchCode.BODY_EMPTY, 1),
    ("no body at all", sending(b"HTTP/1.1 204 No Content\r\n\r\n"), "", FetchCode.BODY_EMPTY, 1),
    ("10 MB", sized(bytes(10 << 20)), "", FetchCode.BODY_TOO_LARGE, 1),
    ("10 MB without saying so", sending(OK + b"\r\n", bytes(10 << 20)), "", FetchCode.BODY_TOO_LARGE, 1),
    ("one byte too many", sized(b" " * 65537), "", FetchCode.BODY_TOO_LARGE, 1),
    ("endless", endless, "", FetchCode.BODY_TOO_LARGE, 1),
    ("gzip bomb", sized(bomb(), b"Content-Encoding: gzip"), "", FetchCode.BODY_TOO_LARGE, 1),
    (
        "deflate bomb",
        sized(zlib.compress(bytes(10 << 20)), b"Content-Encoding: deflate"),
        "",
        FetchCode.BODY_TOO_LARGE,
        1,
    ),
    (
        "bomb of small members",
        sized(gzip.compress(b"") * 10_000, b"Content-Encoding: gzip"),
        "",
        FetchCode.BODY_TOO_LARGE,
        1,
    ),
    ("no gzip", sized(b"not gzip at all", b"Content-Encoding: gzip"), "", FetchCode.PROTOCOL_VIOLATION, 1),
    (
        "gzip cut short",
        sized(gzip.compress(DOCUMENT * 99)[:-9], b"Content-Encoding: gzip"),
        "",
        FetchCode.PROTOCOL_VIOLATION,
        1,
    ),
    ("brotli nobody asked for", sized(DOCUMENT, b"Content-Encoding: br"), "", FetchCode.PROTOCOL_VIOLATION, 1),
    (
        "closes in mid-body",
        sending(OK + b"Content-Length: 100\r\n\r\n<Resp"),
        "rp=all",
        FetchCode.PROTOCOL_VIOLATION,
        1,
    ),
    (
        "closes in mid-chunk",
        sending(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n<Resp"),
        "rp=all",
        FetchCode.PROTOCOL_VIOLATION,
        1,
    ),
    (
        "broken chunk",
        sending(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n<Resp\r\n"),
        "rp=all",
        FetchCode.PROTOCOL_VIOLATION,
        1,
    ),
    ("closes without an answer", sending(), "rc=3", FetchCode.CONNECTION_FAILURE, 1),
    ("closes in its header", sending(b"HTTP/1.1 200 OK\r\nContent-"), "rc=3", FetchCode.CONNECTION_FAILURE, 1),
    ("speaks SSH", sending(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "rc=3", FetchCode.PROTOCOL_VIOLATION, 1),
    ("speaks nothing known", sending(b"\x00\xff\x16\x03" * 100), "rc=3", FetchCode.PROTOCOL_VIOLATION, 1),
    (
        "cookie of 100 kB",
        sending(OK + b"Set-Cookie: a=" + b"x" * 100_000 + b"\r\nContent-Length: 11\r\n\r\n" + DOCUMENT),
        "",
        FetchCode.PROTOCOL_VIOLATION,
        1,
    ),
    (
        "100 000 headers",
        sending(OK + b"X-Filler: 1\r\n" * 100_000 + b"\r\n" + DOCUMENT),
        "",
        FetchCode.PROTOCOL_VIOLATION,
        1,
    ),
    (
        "301 to itself",
        sending(b"HTTP/1.1 301 Moved\r\nLocation: /voice\r\nContent-Length: 0\r\n\r\n"),
        "",
        FetchCode.TOO_MANY_REDIRECTS,
        11,
    ),
    (
        "301 to file:",
        sending(b"HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"),
        "",
        FetchCode.INVALID_REDIRECT,
        1,
    ),
    (
        "301 to a private address",
        sending(b"HTTP/1.1 301 Moved\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n"),
        "",
        FetchCode.RETRIEVAL_FAILURE,
        1,
    ),
]


@pytest_asyncio.fixture
async def client() -> AsyncIterator[WebhookClient]:
    async with webhook_client() as client:
        yield client


async def failure(client: WebhookClient, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await client.fetch(Request(url=url, params=(("CallSid", "CA1"),), cookies=CallCookies()))
    return caught.value


@pytest.mark.parametrize(
    ("script", "fragment", "code", "requests"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
async def test_application_that_misbehaves_is_named_and_asked_no_more_than_allowed(
    client: WebhookClient, script: Script, fragment: str, code: FetchCode, requests: int
) -> None:
    async with raw_server(script) as server:
        before = perf_counter()
        assert (await failure(client, server.url(fragment))).code is code
        assert perf_counter() - before < 3
        assert server.requests == requests


Good = tuple[str, Script, bytes, str]
GOOD: list[Good] = [
    ("200 with HTML", sending(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>"), b"<p>", "text/html"),
    ("no Content-Type", sending(b"HTTP/1.1 200 OK\r\n\r\n" + DOCUMENT), DOCUMENT, ""),
    ("HTTP/1.0", sending(b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n" + DOCUMENT), DOCUMENT, "text/xml"),
    ("64 kB", sized(b"x" * 65536), b"x" * 65536, "text/xml"),
    ("gzip", sized(gzip.compress(DOCUMENT), b"Content-Encoding: gzip"), DOCUMENT, "text/xml"),
    (
        "gzip in two members",
        sized(gzip.compress(b"<Resp") + gzip.compress(b"onse/>"), b"Content-Encoding: x-gzip"),
        DOCUMENT,
        "text/xml",
    ),
    ("deflate", sized(zlib.compress(DOCUMENT), b"Content-Encoding: deflate"), DOCUMENT, "text/xml"),
    (
        "deflate without its frame",
        sized(zlib.compress(DOCUMENT, wbits=-15), b"Content-Encoding: deflate"),
        DOCUMENT,
        "text/xml",
    ),
    ("drip that ends in time", sending(OK + b"\r\n", *(bytes([byte]) for byte in DOCUMENT)), DOCUMENT, "text/xml"),
]


@pytest.mark.parametrize(
    ("script", "body", "content_type"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD]
)
async def test_application_that_is_only_odd_is_understood(
    client: WebhookClient, script: Script, body: bytes, content_type: str
) -> None:
    async with raw_server(script) as server:
        fetched = await client.fetch(Request(url=server.url()))
        assert (fetched.body, fetched.content_type) == (body, content_type)
        assert server.requests == 1


async def test_application_that_refuses_is_11202(client: WebhookClient) -> None:
    assert (await failure(client, f"http://127.0.0.1:{closed_port()}/")).code is FetchCode.CONNECTION_REFUSED


async def test_application_whose_host_takes_no_connection_is_11201(client: WebhookClient) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for each in filling:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        error = await failure(client, f"http://127.0.0.1:{port}/#ct=100&rc=1")
        for each in filling:
            each.close()
    assert error.code is FetchCode.CONNECT_TIMEOUT


async def test_application_without_an_address_is_11210() -> None:
    def no_such_host(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with webhook_client(look_up=no_such_host) as client:
        assert (await failure(client, "http://app.example.com/")).code is FetchCode.BAD_HOST_NAME


async def test_application_whose_name_server_is_slow_does_not_delay_others() -> None:
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(host: str) -> list[str]:
        asyncio.run_coroutine_threadsafe(answered.wait(), loop).result(10)
        return ["127.0.0.1"]

    async with running_application() as application, webhook_client(look_up=slow) as client:
        slow_ones = [
            asyncio.ensure_future(failure(client, f"http://app{n}.example.com/#ct=200&rc=0")) for n in range(10)
        ]
        await client.fetch(Request(url=application.url("/voice")))
        assert not any(each.done() for each in slow_ones)
        assert {error.code for error in await asyncio.gather(*slow_ones)} == {FetchCode.CONNECT_TIMEOUT}
        answered.set()


async def test_application_name_is_remembered_while_the_name_server_is_away() -> None:
    answers: list[list[str] | OSError] = [["127.0.0.1"], socket.gaierror(socket.EAI_AGAIN, "try again")]
    from gateway.webhooks.guard import Guard
    from gateway.webhooks.resolver import GuardedResolver

    def look_up(_: str) -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    resolver = GuardedResolver(Guard(["127.0.0.0/8"]), look_up=look_up)
    first = await resolver.resolve("app.example.com", 80)
    assert await resolver.resolve("app.example.com", 80) == first
    assert answers == []
    await resolver.close()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("good", None),
        ("other address", FetchCode.CERTIFICATE_MISMATCH),
        ("expired", FetchCode.CERTIFICATE_EXPIRED),
        ("unknown authority", FetchCode.CERTIFICATE_PATH),
        ("no TLS at all", FetchCode.TLS_HANDSHAKE),
    ],
)
async def test_application_with_a_wrong_certificate_is_not_talked_to(
    tmp_path: Path, kind: str, code: FetchCode | None
) -> None:
    authority = await asyncio.to_thread(Authority, tmp_path)
    server = await asyncio.to_thread(
        authority.server, address="127.0.0.9" if kind == "other address" else "127.0.0.1", is_expired=kind == "expired"
    )
    trusting = await asyncio.to_thread(authority.trusting)
    async with (
        running_application(None if kind == "no TLS at all" else server) as application,
        webhook_client(tls=True if kind == "unknown authority" else trusting) as client,
    ):
        url = f"https://127.0.0.1:{application.port}/voice"
        if code is None:
            assert (await client.fetch(Request(url=url))).body == DOCUMENT
        else:
            assert (await failure(client, url)).code is code
            assert application.seen == []


async def test_application_with_any_certificate_is_talked_to_when_validation_is_off(tmp_path: Path) -> None:
    authority = await asyncio.to_thread(Authority, tmp_path)
    server = await asyncio.to_thread(authority.server, address="127.0.0.9", is_expired=True)
    async with running_application(server) as application, webhook_client(tls=False) as client:
        assert (await client.fetch(Request(url=application.url("/voice")))).body == DOCUMENT


async def test_application_that_closed_a_kept_connection_is_asked_once_more(client: WebhookClient) -> None:
    requests: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(b"")
        writer.write(OK + b"Content-Length: 11\r\n\r\n" + DOCUMENT)
        await reader.read(1)

    async with raw_server(once) as server:
        for _ in range(3):
            await client.fetch(Request(url=server.url("rc=0")))
        assert (server.connections, len(requests)) == (3, 3)


Behaviour = Callable[[], Awaitable[str]]


@asynccontextmanager
async def every_misbehaviour() -> AsyncIterator[list[RawServer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(raw_server(case[1])) for case in CASES]


async def test_applications_misbehaving_all_at_once_cost_little_memory(client: WebhookClient) -> None:
    """Every behaviour ten times at once, beside an application that is fine."""
    async with every_misbehaviour() as servers, running_application() as healthy:
        tracemalloc.start()
        try:
            attempts = [
                asyncio.ensure_future(failure(client, server.url(case[2] or "rt=1000")))
                for case, server in zip(CASES, servers, strict=True)
                if case[0] != "100 000 headers"
                for _ in range(10)
            ]
            for _ in range(5):
                assert (await client.fetch(Request(url=healthy.url("/voice")))).body == DOCUMENT
            errors = await asyncio.gather(*attempts)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(errors) == 10 * (len(CASES) - 1)
    assert peak < 40 << 20, "ours and the servers' buffers"
