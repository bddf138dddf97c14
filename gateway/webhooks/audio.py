"""Sound files for <Play>: fetched without parameters, kept as long as their server allows.

Owns the cache: bounded in memory, least recently played goes first. Several calls that play the same file at once
cost one fetch. A file is fresh by ``Cache-Control`` or ``Expires``; a stale one with a validator is asked about, not
fetched again.
Source: Twilio <Play> (caching, MIME types); RFC 9111 4.2, 4.3, 5.2; reliability check S-31 (50 MB, 5 redirects, 30 s).
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Final

from aiohttp import ClientResponse, hdrs

from gateway.webhooks.answer import bounded_body, error_status, media_type
from gateway.webhooks.cookies import CallCookies
from gateway.webhooks.errors import FetchCode, FetchError
from gateway.webhooks.exchange import Exchanger, Outgoing
from gateway.webhooks.overrides import Overrides
from gateway.webhooks.redirects import Hop, following
from gateway.webhooks.target import Target, parse_target

MAX_AUDIO: Final = 50 * 1024 * 1024
MAX_REDIRECTS: Final = 5
TOTAL_S: Final = 30.0
CACHE_BYTES: Final = 64 * 1024 * 1024
CACHEABLE_BYTES: Final = 16 * 1024 * 1024
LONGEST_FRESH_S: Final = 24 * 3600.0

AUDIO_TYPES: Final = frozenset(
    f"audio/{name}"
    for name in ("mpeg", "wav", "wave", "x-wav", "aiff", "x-aifc", "x-aiff", "x-gsm", "gsm", "ulaw")
    # The registered name of WAV, which newer web servers send for .wav files. Source: RFC 2361.
    + ("vnd.wave",)
)


@dataclass(frozen=True, kw_only=True)
class Audio:
    """A sound file as its server sent it. version: the same for the same bytes from the cache; 0 if it is not kept."""

    body: bytes = field(repr=False)
    content_type: str
    url: str
    version: int = 0


@dataclass(frozen=True)
class _Stored:
    audio: Audio
    fresh_until: float
    validators: Mapping[str, str]


class AudioFetcher:
    """sign: headers every request of an account carries, for a GET of this target. clock: monotonic seconds."""

    def __init__(
        self,
        exchanger: Exchanger,
        *,
        sign: Callable[[Target, str], Mapping[str, str]],
        clock: Callable[[], float],
        capacity: int = CACHE_BYTES,
        total_s: float = TOTAL_S,
    ) -> None:
        self._exchanger = exchanger
        self._sign = sign
        self._clock = clock
        self._total_s = total_s
        self._cache = _Cache(capacity)
        self._turns: dict[str, _Turn] = {}
        self._versions = count(1)

    async def fetch(self, url: str, *, account_sid: str = "", cookies: CallCookies | None = None) -> Audio:
        """Raises FetchError; 13420 for what is no sound file by its Content-Type.

        Files are kept for each account apart: what one may hear was asked for in its name.
        """
        clean, overrides = Overrides.parse(url)
        target = parse_target(clean)
        key = f"{account_sid} {target.base_url}"
        try:
            async with asyncio.timeout(self._total_s), self._turn(key):
                stored = self._cache.get(key)
                if stored is not None and stored.fresh_until > self._clock():
                    return stored.audio
                return await self._ask(key, target, stored, overrides, account_sid, cookies)
        except TimeoutError:
            message = f"expected the sound file within {self._total_s:g} s, found no end of it"
            raise FetchError(FetchCode.TOTAL_TIMEOUT, target.url, message) from None

    async def _ask(
        self,
        key: str,
        target: Target,
        stored: _Stored | None,
        overrides: Overrides,
        account_sid: str,
        cookies: CallCookies | None,
    ) -> Audio:
        def make(hop: Hop) -> Outgoing:
            return Outgoing(
                target=hop.target,
                form=None,
                headers={**self._sign(hop.target, account_sid), **(stored.validators if stored is not None else {})},
                connect_s=overrides.connect_s,
                read_s=overrides.read_s,
                cookies=cookies,
            )

        first = Hop(target, hdrs.METH_GET)
        async with following(self._exchanger, first, make=make, limit=MAX_REDIRECTS) as (response, final):
            if response.status == 304 and stored is not None:
                self._cache.put(key, replace(stored, fresh_until=self._fresh_until(response)))
                return stored.audio
            if not 200 <= response.status < 300:
                raise error_status(response.status, final.url)
            content_type = media_type(response)
            if content_type not in AUDIO_TYPES:
                raise FetchError(
                    FetchCode.BAD_AUDIO_TYPE,
                    final.url,
                    f"expected a sound file's type, found {content_type!r:.80}",
                )
            body = await bounded_body(response, final.url, limit=MAX_AUDIO)
            if not body:
                raise FetchError(FetchCode.BODY_EMPTY, final.url, "expected a sound file, found an empty body")
            audio = Audio(body=body, content_type=content_type, url=final.url)
            return self._keep(key, audio, response)

    def _keep(self, key: str, audio: Audio, response: ClientResponse) -> Audio:
        control = _directives(response)
        validators = {
            str(condition): response.headers[header]
            for header, condition in ((hdrs.ETAG, hdrs.IF_NONE_MATCH), (hdrs.LAST_MODIFIED, hdrs.IF_MODIFIED_SINCE))
            if header in response.headers
        }
        fresh_until = self._fresh_until(response)
        may_help = bool(validators) or fresh_until > self._clock()
        is_whole = response.status == 200 and len(audio.body) <= CACHEABLE_BYTES
        if not may_help or not is_whole or "no-store" in control or hdrs.VARY in response.headers and _varies(response):
            self._cache.drop(key)
            return audio
        audio = replace(audio, version=next(self._versions))
        self._cache.put(key, _Stored(audio, fresh_until, validators))
        return audio

    def _fresh_until(self, response: ClientResponse) -> float:
        return self._clock() + min(_lifetime_s(response), LONGEST_FRESH_S)

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """One fetch of a file at a time; those who waited find it in the cache."""
        turn = self._turns.setdefault(key, _Turn())
        turn.takers += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.takers -= 1
            if not turn.takers:
                del self._turns[key]


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.takers = 0


class _Cache:
    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._stored: OrderedDict[str, _Stored] = OrderedDict()

    def get(self, key: str) -> _Stored | None:
        found = self._stored.get(key)
        if found is not None:
            self._stored.move_to_end(key)
        return found

    def put(self, key: str, stored: _Stored) -> None:
        self.drop(key)
        self._stored[key] = stored
        self._size += len(stored.audio.body)
        while self._size > self._capacity:
            _, oldest = self._stored.popitem(last=False)
            self._size -= len(oldest.audio.body)

    def drop(self, key: str) -> None:
        found = self._stored.pop(key, None)
        if found is not None:
            self._size -= len(found.audio.body)


def _directives(response: ClientResponse) -> dict[str, str]:
    """Cache-Control, names in lower case, quotes taken off."""
    text = ",".join(response.headers.getall(hdrs.CACHE_CONTROL, []))
    pairs = (part.strip().partition("=") for part in text.split(","))
    return {name.lower(): value.strip('"') for name, _, value in pairs if name}


def _lifetime_s(response: ClientResponse) -> float:
    """How long from now the file may be played without asking. Source: RFC 9111 4.2.1, 4.2.3."""
    control = _directives(response)
    if "no-cache" in control:
        return 0.0
    if "max-age" in control:
        return max(0.0, _seconds(control["max-age"]) - _seconds(response.headers.get(hdrs.AGE, "0")))
    try:
        expires = parsedate_to_datetime(response.headers[hdrs.EXPIRES])
        return max(0.0, (expires - parsedate_to_datetime(response.headers[hdrs.DATE])).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0


def _seconds(text: str) -> float:
    return float(text[:9]) if re.fullmatch(r"[0-9]+", text) else 0.0


def _varies(response: ClientResponse) -> bool:
    """Whether the answer depends on more than what is the same in all our requests for a file."""
    names = {name.strip().lower() for name in response.headers[hdrs.VARY].split(",")}
    return not names <= {"accept", "accept-encoding", "user-agent", "origin", ""}
