"""Sound files of applications: fetched by the rules of HTTP, decoded once, kept ready for the next call.

Fetching and its cache of files are gateway/webhooks/audio.py, decoding is media/player.py; this joins them and keeps
what was decoded, for as long as the file it came from may be kept.
"""

import asyncio
from typing import Final, Protocol

from gateway.webhooks.audio import Audio
from gateway.webhooks.cookies import CallCookies
from media.clips import ClipCache
from media.player import Clip, load_clip

MEMORY_BYTES: Final = 64 * 2**20
DECODERS: Final = 4
"""Files decoded at once; the others wait, so that a flood of calls does not hold every core."""


class Fetcher(Protocol):
    async def fetch_audio(self, url: str, *, account_sid: str = "", cookies: CallCookies | None = None) -> Audio: ...


class Sounds:
    """fetcher: the webhook client."""

    def __init__(self, fetcher: Fetcher, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._fetcher = fetcher
        self._decoded = ClipCache(capacity=memory_bytes)
        self._decoding = asyncio.Semaphore(DECODERS)

    async def clip(
        self, url: str, *, account_sid: str, cookies: CallCookies | None = None, rate_hz: int = 8000
    ) -> Clip:
        """account_sid: whose call plays it. rate_hz: of the clip, as whoever hears it has use for.

        Raises FetchError, UnplayableAudio.
        """
        audio = await self._fetcher.fetch_audio(url, account_sid=account_sid, cookies=cookies)
        key = (audio.version, rate_hz)
        clip = self._decoded.get(key) if audio.version else None
        if clip is None:
            async with self._decoding:
                clip = await load_clip(audio.body, content_type=audio.content_type, rate_hz=rate_hz)
            if audio.version:
                self._decoded.put(key, clip)
        return clip
