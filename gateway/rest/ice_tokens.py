"""Passes for the operator's TURN servers, for pages that hand them to their browsers.

Nothing is kept: the server can tell by itself that a pass is ours and has not run out. Source: rest-api.md 7 of the
specification; Twilio Token resource (Network Traversal); draft-uberti-behave-turn-rest-00, 2.2.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.parameters import rfc2822
from gateway.rest.dispatch import Ask, Reply, Resource

DAY_S: Final = 86_400


class IceTokensApi:
    """urls: ``stun:``, ``turn:`` and ``turns:``. secret: shared with those servers. now: wall clock, aware."""

    def __init__(self, *, urls: Sequence[str], secret: str, now: Callable[[], datetime]) -> None:
        self._urls = tuple(urls)
        self._secret = secret
        self._now = now

    def resources(self) -> list[Resource]:
        return [Resource("Tokens", {"POST": self._create})]

    async def _create(self, ask: Ask) -> Reply:
        ttl_s = ask.form.integer("Ttl", default=DAY_S, lowest=1, highest=DAY_S) or DAY_S
        resource = token_resource(ask.account_sid, self._urls, self._secret, ttl_s=ttl_s, now=self._now())
        return Reply(resource=resource, name="Token", status=201)


def token_resource(account_sid: str, urls: Sequence[str], secret: str, *, ttl_s: int, now: datetime) -> dict[str, Any]:
    """The Token resource as Twilio's helpers read it. Without a TURN server there is no pass."""
    username = password = None
    if any(url.startswith("turn") for url in urls):
        username = f"{int(now.timestamp()) + ttl_s}:{account_sid}"
        password = base64.b64encode(hmac.digest(secret.encode(), username.encode(), hashlib.sha1)).decode()
    return {
        "account_sid": account_sid,
        "username": username,
        "password": password,
        "ttl": str(ttl_s),
        # "url" is what browsers of long ago read.
        "ice_servers": [
            {
                "url": url,
                "urls": url,
                **({"username": username, "credential": password} if url.startswith("turn") else {}),
            }
            for url in urls
        ],
        "date_created": rfc2822(now),
        "date_updated": rfc2822(now),
    }
