"""Sound files for <Play>: what is asked, what is kept, what is refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
import pytest_asyncio
from aiohttp import web
from twilio.request_validator import RequestValidator

from gateway.webhooks import audio
from gateway.webhooks.audio import AudioFetcher
from gateway.webhooks.client import CallCookies, WebhookClient
from gateway.webhooks.errors import FetchCode, FetchError
from gateway.webhooks.exchange import Exchanger
from gateway.webhooks.guard import Guard
from gateway.webhooks.resolver import GuardedResolver
from tests.gateway.webhooks.application import (
    LOOPBACK,
    TOKEN,
    Application,
    Seen,
    raw_server,
    running_application,
    sending,
    webhook_client,
)

SOUND = b"RIFF" + bytes(1000)


@pytest_asyncio.fixture
async def application() -> AsyncIterator[Application]:
    async with running_application() as application:
        yield application


@pytest_asyncio.fixture
async def client() -> AsyncIterator[WebhookClient]:
    async with webhook_client() as client:
        yield client


@dataclass
class SteppedFetcher:
    fetcher: AudioFetcher
    clock: list[float] = field(default_factory=lambda: [1000.0])


@pytest_asyncio.fixture
async def stepped() -> AsyncIterator[SteppedFetcher]:
    clock = [1000.0]
    exchanger = Exchanger(GuardedResolver(Guard(LOOPBACK)))
    fetcher = AudioFetcher(exchanger, sign=lambda *_: {}, clock=lambda: clock[0], capacity=3000)
    yield SteppedFetcher(fetcher, clock)
    await exchanger.close()


def serve(
    application: Application, path: str = "/a.wav", *, body: bytes = SOUND, headers: dict[str, str] | None = None
) -> None:
    named = {"Content-Type": "audio/x-wav"} | (headers or {})

    def answer(seen: Seen) -> web.Response:
        if "ETag" in named and seen.headers.get("If-None-Match") == named["ETag"]:
            return web.Response(status=304, headers=named)
        if "Last-Modified" in named and seen.headers.get("If-Modified-Since") == named["Last-Modified"]:
            return web.Response(status=304, headers=named)
        return web.Response(body=body, headers=named)

    application.answers[path] = answer


async def failure(client: WebhookClient, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await client.fetch_audio(url)
    return caught.value


async def test_audio_is_fetched_by_get_without_parameters_and_signed(
    client: WebhookClient, application: Application
) -> None:
    serve(application)
    found = await client.fetch_audio(application.url("/a.wav?x=1#ct=500"), cookies=CallCookies())
    assert (found.body, found.content_type) == (SOUND, "audio/x-wav")
    (seen,) = application.seen
    assert (seen.method, seen.url) == ("GET", application.url("/a.wav?x=1"))
    assert RequestValidator(TOKEN).validate(seen.url, {}, seen.headers["X-Twilio-Signature"])


@pytest.mark.parametrize("kind", sorted(audio.AUDIO_TYPES))
async def test_audio_every_documented_type_is_taken(client: WebhookClient, application: Application, kind: str) -> None:
    serve(application, headers={"Content-Type": kind.upper() + "; rate=8000"})
    assert (await client.fetch_audio(application.url("/a.wav"))).content_type == kind


@pytest.mark.parametrize("kind", ["text/html", "text/xml", "video/mp4", "audio/ogg", "application/octet-stream"])
async def test_audio_other_types_are_13420(client: WebhookClient, application: Application, kind: str) -> None:
    serve(application, headers={"Content-Type": kind})
    assert (await failure(client, application.url("/a.wav"))).code is FetchCode.BAD_AUDIO_TYPE


async def test_audio_without_a_type_is_13420(client: WebhookClient) -> None:
    async with raw_server(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nRIFF")) as server:
        assert (await failure(client, server.url())).code is FetchCode.BAD_AUDIO_TYPE


async def test_audio_failures_have_their_codes(client: WebhookClient, application: Application) -> None:
    application.answer("/gone", status=404)
    serve(application, "/empty", body=b"")
    for number in range(7):
        application.redirect(f"/{number}", f"/{number + 1}")
    serve(application, "/7")
    assert (await failure(client, application.url("/gone"))).code is FetchCode.ERROR_STATUS
    assert (await failure(client, application.url("/empty"))).code is FetchCode.BODY_EMPTY
    assert (await failure(client, application.url("/1"))).code is FetchCode.TOO_MANY_REDIRECTS
    assert (await client.fetch_audio(application.url("/2"))).url == application.url("/7")
    assert (await failure(client, "file:///a.wav")).code is FetchCode.INVALID_URL


async def test_audio_over_the_limit_is_not_read(client: WebhookClient) -> None:
    header = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n" % (audio.MAX_AUDIO + 1)
    async with raw_server(sending(header, SOUND)) as server:
        assert (await failure(client, server.url())).code is FetchCode.BODY_TOO_LARGE


async def test_audio_that_takes_too_long_is_given_up() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    exchanger = Exchanger(GuardedResolver(Guard(LOOPBACK)))
    fetcher = AudioFetcher(exchanger, sign=lambda *_: {}, clock=asyncio.get_running_loop().time, total_s=0.2)
    async with raw_server(drip) as server:
        with pytest.raises(FetchError) as caught:
            await fetcher.fetch(server.url())
        assert caught.value.code is FetchCode.TOTAL_TIMEOUT
    await exchanger.close()


async def test_audio_fresh_file_is_not_asked_for_again(stepped: SteppedFetcher, application: Application) -> None:
    serve(application, headers={"Cache-Control": 'public, max-age="60"'})
    for _ in range(3):
        assert (await stepped.fetcher.fetch(application.url("/a.wav"))).body == SOUND
    stepped.clock[0] += 59
    await stepped.fetcher.fetch(application.url("/a.wav"))
    assert len(application.seen) == 1
    stepped.clock[0] += 2
    await stepped.fetcher.fetch(application.url("/a.wav"))
    assert len(application.seen) == 2


@pytest.mark.parametrize("validator", [{"ETag": '"v1"'}, {"Last-Modified": "Fri, 20 Aug 2010 01:13:42 GMT"}])
async def test_audio_stale_file_is_asked_about_and_kept(
    stepped: SteppedFetcher, application: Application, validator: dict[str, str]
) -> None:
    sent: list[int] = []
    serve(application, headers={**validator, "Cache-Control": "max-age=10"})
    answer = application.answers["/a.wav"]

    def counted(seen: Seen) -> web.StreamResponse:
        found = answer(seen)
        assert isinstance(found, web.Response)
        sent.append(found.status)
        return found

    application.answers["/a.wav"] = counted
    for _ in range(3):
        assert (await stepped.fetcher.fetch(application.url("/a.wav"))).body == SOUND
        stepped.clock[0] += 11
    assert sent == [200, 304, 304]


@pytest.mark.parametrize(
    ("headers", "requests"),
    [
        ({}, 2),
        ({"Cache-Control": "no-store, max-age=60", "ETag": '"v1"'}, 2),
        ({"Cache-Control": "no-cache, max-age=60", "ETag": '"v1"'}, 2),
        ({"Cache-Control": "max-age=60", "Age": "61"}, 2),
        ({"Cache-Control": "max-age=60", "Age": "30"}, 1),
        ({"Cache-Control": "max-age=60", "Vary": "Cookie"}, 2),
        ({"Cache-Control": "max-age=60", "Vary": "Accept-Encoding"}, 1),
        ({"Cache-Control": "max-age=never"}, 2),
        ({"Expires": formatdate(4e9, usegmt=True)}, 1),
        ({"Expires": "0"}, 2),
        ({"Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, 2),
    ],
)
async def test_audio_caching_follows_the_servers_headers(
    stepped: SteppedFetcher, application: Application, headers: dict[str, str], requests: int
) -> None:
    serve(application, headers=headers)
    for _ in range(2):
        assert (await stepped.fetcher.fetch(application.url("/a.wav"))).body == SOUND
    assert len(application.seen) == requests


async def test_audio_cache_is_bounded_and_forgets_what_was_not_played(
    stepped: SteppedFetcher, application: Application
) -> None:
    for name in "abc":
        serve(application, f"/{name}", headers={"Cache-Control": "max-age=60"})
    for name in "ababcab":
        await stepped.fetcher.fetch(application.url(f"/{name}"))
    assert [seen.path for seen in application.seen] == ["/a", "/b", "/c", "/a", "/b"]


async def test_audio_played_by_many_at_once_is_fetched_once(client: WebhookClient, application: Application) -> None:
    serve(application, headers={"Cache-Control": "max-age=60"})
    found = await asyncio.gather(*(client.fetch_audio(application.url("/a.wav")) for _ in range(20)))
    assert {each.body for each in found} == {SOUND}
    assert len(application.seen) == 1


async def test_audio_with_other_credentials_is_another_file(client: WebhookClient, application: Application) -> None:
    serve(application, headers={"Cache-Control": "max-age=60"})
    await client.fetch_audio(application.url("/a.wav", user="a:b@"))
    await client.fetch_audio(application.url("/a.wav"))
    assert ["Authorization" in seen.headers for seen in application.seen] == [True, False]
