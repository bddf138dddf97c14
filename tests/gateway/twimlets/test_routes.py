"""Twimlets over HTTP: methods, addresses to go on at, and mail that only the gateway itself can cause."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from yarl import URL

from gateway.twimlets.routes import Twimlets
from gateway.webhooks.signature import SIGNATURE_HEADER, sign

TOKEN = "f" * 32
RECORDED = {"RecordingUrl": "http://example.com/RE1", "From": "+14155550100\r\nBcc: all@example.com"}


class Letterbox:
    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str]] = []

    def send(self, receiver: str, subject: str, text: str) -> None:
        self.mails.append((receiver, subject, text))


class Served:
    def __init__(self, base: str, letterbox: Letterbox, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.mails = letterbox.mails
        self.session = session

    async def post(self, path: str, form: dict[str, str], *, is_signed: bool) -> int:
        url = f"{self.base}{path}"
        headers = {SIGNATURE_HEADER: sign(TOKEN, url, list(form.items())) if is_signed else "forged"}
        async with self.session.post(
            URL(url, encoded=True), data=form, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async def listing(url: str) -> str:
        return "<Key>a.mp3</Key>"

    letterbox = Letterbox()
    twimlets = Twimlets(auth_token=TOKEN, public_url="http://voice.example.com", fetch=listing, mailer=letterbox)
    app = web.Application()
    app.add_routes(twimlets.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        yield Served(f"http://127.0.0.1:{runner.addresses[0][1]}", letterbox, session)
    await runner.cleanup()


async def test_voicemail_is_mailed_once_when_it_is_not_transcribed(served: Served) -> None:
    path = "/twimlets/voicemail?Email=me%40example.com&Transcribe=false"
    assert await served.post(path, RECORDED, is_signed=True) == 200
    ((receiver, subject, text),) = served.mails
    assert receiver == "me@example.com" and "\n" not in subject and "http://example.com/RE1.mp3" in text


async def test_voicemail_waits_for_its_words(served: Served) -> None:
    path = "/twimlets/voicemail?Email=me%40example.com&Transcribe=true"
    await served.post(path, RECORDED, is_signed=True)
    assert served.mails == []
    words = {"TranscriptionStatus": "completed", "TranscriptionText": "call me back", **RECORDED}
    await served.post(path, words, is_signed=True)
    assert "call me back" in served.mails[0][2]


async def test_voicemail_of_a_stranger_mails_nobody(served: Served) -> None:
    path = "/twimlets/voicemail?Email=me%40example.com&Transcribe=false"
    assert await served.post(path, RECORDED, is_signed=False) == 200
    assert served.mails == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/twimlets/echo?Twiml=%3CResponse%2F%3E", 200),
        ("/twimlets/nothing", 404),
        ("/twimlets/menu?Options%5B1%5D=http%3A%2F%2Fexample.com%2F&Digits=1", 302),
        ("/twimlets/menu?Options%5B1%5D=javascript%3Aalert(1)&Digits=1", 400),
        ("/twimlets/menu?Options%5B1%5D=http%3A%2F%2Fe.com%2F%0D%0AX%3A%20y&Digits=1", 400),
        ("/twimlets/holdmusic?Bucket=com.twilio.music.rock", 200),
        ("/twimlets/holdmusic?Bucket=..%2F..", 400),
    ],
)
async def test_twimlet_by_get(served: Served, path: str, status: int) -> None:
    async with served.session.get(f"{served.base}{path}", allow_redirects=False) as answer:
        assert answer.status == status
        if status == 200:
            assert answer.content_type == "text/xml" and b"<Response" in await answer.read()
