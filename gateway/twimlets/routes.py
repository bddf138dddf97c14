"""``/twimlets/<name>``: the twimlets over HTTP, by GET and POST.

Open to anybody, as they only turn parameters into TwiML. What acts (a mail of ``voicemail``) does so only for requests
that this gateway signed itself.
Source: twimlets.md of the specification.
"""

import asyncio
import hmac
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog
from aiohttp import hdrs, web

from gateway.twimlets.asked import Asked
from gateway.twimlets.documents import TWIMLETS, Answer, GoTo, voicemail
from gateway.twimlets.hold_music import bucket_url, hold_music
from gateway.twimlets.markup import response
from gateway.webhooks.errors import FetchError
from gateway.webhooks.signature import SIGNATURE_HEADER, sign

_log = structlog.get_logger(__name__)

PATH: Final = "/twimlets/{name}"
LOCATIONS: Final = ("http://", "https://")

Fetch = Callable[[str], Awaitable[str]]
"""GET of a URL within the limits of webhooks. Raises FetchError."""


class Mails(Protocol):
    def send(self, receiver: str, subject: str, text: str) -> None: ...


class Twimlets:
    """auth_token: signs our own requests. mailer None: voice mail is recorded, but not mailed."""

    def __init__(self, *, auth_token: str, public_url: str, fetch: Fetch, mailer: Mails | None) -> None:
        self._auth_token = auth_token
        self._public_url = public_url.rstrip("/")
        self._fetch = fetch
        self._mailer = mailer

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()
        table.get(PATH)(self._serve)
        table.post(PATH)(self._serve)
        return table

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        form: list[tuple[str, str]] = []
        if request.method == hdrs.METH_POST:
            form = [(key, value) for key, value in (await request.post()).items() if isinstance(value, str)]
        asked = Asked([*request.query.items(), *form])
        if name == "holdmusic":
            return _document(await self._hold_music(asked))
        made = TWIMLETS.get(name)
        if made is None:
            raise web.HTTPNotFound
        if made is voicemail and self._is_ours(request, form):
            await self._mail(asked)
        answer = made(asked)
        if isinstance(answer, GoTo):
            if not answer.url.lower().startswith(LOCATIONS) or any(each < "!" for each in answer.url):
                raise web.HTTPBadRequest(text="expected an http or https address to go on at")
            raise web.HTTPFound(answer.url)
        return _document(answer)

    async def _hold_music(self, asked: Asked) -> Answer:
        url = bucket_url(asked.text("Bucket"))
        if url is None:
            raise web.HTTPBadRequest(text="Bucket: expected the name or the URL of a bucket")
        try:
            listing = await self._fetch(url)
        except FetchError as error:
            _log.warning("hold music not listed", url=url, reason=error.message)
            return response()
        return hold_music(listing, url, asked.text("Message"), random.shuffle)

    def _is_ours(self, request: web.Request, form: list[tuple[str, str]]) -> bool:
        """Whether this gateway made the request, by whichever of its names."""
        found = request.headers.get(SIGNATURE_HEADER, "")
        urls = (f"{self._public_url}{request.raw_path}", f"{request.scheme}://{request.host}{request.raw_path}")
        return any(hmac.compare_digest(found, sign(self._auth_token, url, form)) for url in urls)

    async def _mail(self, asked: Asked) -> None:
        """The recording when it is there, or with its words when they are."""
        receiver, is_transcribed = asked.text("Email"), asked.has("TranscriptionStatus")
        is_due = is_transcribed or (asked.has("RecordingUrl") and not asked.is_true("Transcribe", default=True))
        if not receiver or not is_due:
            return
        if self._mailer is None:
            _log.warning("voice mail not mailed: [mail] has no server", recording_url=asked.text("RecordingUrl"))
            return
        words = asked.text("TranscriptionText") if asked.text("TranscriptionStatus") == "completed" else ""
        text = f"{words or '(no transcription)'}\n\n{asked.text('RecordingUrl')}.mp3\n"
        subject = f"New voicemail message from {asked.text('From') or 'an unknown caller'}"
        try:
            await asyncio.to_thread(self._mailer.send, receiver, " ".join(subject.split()), text)
        except (OSError, ValueError) as error:
            _log.error("voice mail not mailed", reason=str(error))


def _document(answer: Answer) -> web.Response:
    assert isinstance(answer, bytes)
    return web.Response(body=answer, content_type="text/xml", charset="utf-8")
