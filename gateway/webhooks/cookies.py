"""Cookies of one call: what its application set is sent back to it, and to nobody else.

Bounded: a receiver cannot make a call carry more than a browser would.
Source: Twilio TwiML, "Cookies"; RFC 6265.
"""

from typing import Final

from aiohttp import ClientResponse, CookieJar
from yarl import URL

MAX_COOKIES: Final = 50
MAX_COOKIE_LENGTH: Final = 4_096


class CallCookies:
    """Made empty for each call; needs a running loop once a cookie arrives."""

    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def header(self, url: URL) -> str | None:
        """Value of the Cookie header for a request to this URL."""
        if self._jar is None:
            return None
        return (
            "; ".join(f"{name}={morsel.coded_value}" for name, morsel in self._jar.filter_cookies(url).items()) or None
        )

    def take(self, response: ClientResponse) -> None:
        """Keep what the response sets."""
        for name, morsel in response.cookies.items():
            if self._jar is None:
                self._jar = CookieJar(unsafe=True)
            if len(self._jar) < MAX_COOKIES and len(name) + len(morsel.value) <= MAX_COOKIE_LENGTH:
                self._jar.update_cookies({name: morsel}, response.url)
