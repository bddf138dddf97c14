"""Following redirects ourselves, as a browser does: every hop is judged, signed and limited like a first request.

Source: Fetch standard, HTTP-redirect fetch 10 to 16 (which method survives); Twilio TwiML, "redirects" (at most 10).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import ClientResponse, hdrs

from gateway.webhooks.errors import FetchCode, FetchError
from gateway.webhooks.exchange import Exchanger, Outgoing
from gateway.webhooks.target import Target

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD: Final = frozenset({307, 308})


@dataclass(frozen=True)
class Hop:
    """What is asked for next. params: of the form, or to be appended to the query of a GET."""

    target: Target
    method: str
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@asynccontextmanager
async def following(
    exchanger: Exchanger, hop: Hop, *, make: Callable[[Hop], Outgoing], limit: int
) -> AsyncIterator[tuple[ClientResponse, Target]]:
    """The first answer that is no redirect, and where it came from. make: turns a hop into a signed request."""
    for _ in range(limit + 1):
        outgoing = make(hop)
        async with exchanger.exchange(outgoing) as response:
            if response.status not in _REDIRECTS:
                yield response, outgoing.target
                return
            hop = _next(hop, outgoing.target, response)
    raise FetchError(FetchCode.TOO_MANY_REDIRECTS, hop.target.url, f"expected at most {limit} redirects, found more")


def _next(hop: Hop, asked: Target, response: ClientResponse) -> Hop:
    location = response.headers.get(hdrs.LOCATION)
    if not location:
        raise FetchError(
            FetchCode.INVALID_REDIRECT, asked.url, f"expected a Location with {response.status}, found none"
        )
    try:
        target = asked.redirected(location)
    except (FetchError, ValueError):
        raise FetchError(
            FetchCode.INVALID_REDIRECT, asked.url, "expected a Location with an http or https URL, found another"
        ) from None
    if hop.method == hdrs.METH_POST and response.status in _KEEPS_METHOD:
        return Hop(target, hop.method, hop.params)
    # A GET's parameters stood in the query, which the Location replaces.
    return Hop(target, hdrs.METH_GET)
