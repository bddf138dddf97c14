"""Who may use the REST API: account sid with auth token, or an API key with its secret, by HTTP Basic.

Pure. An unknown user costs the same and gets the same answer as a wrong password.
Source: rest-api.md 1 of the specification; RFC 7617.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from gateway.rest.errors import unauthorized

MAX_HEADER: Final = 4_096
_NOBODY: Final = "\0"


class Credentials:
    """account_sid, auth_token: the account's. api_keys: secret by sid of the key."""

    def __init__(self, *, account_sid: str, auth_token: str, api_keys: Mapping[str, str] | None = None) -> None:
        self._account_sid = account_sid
        self._secrets = {account_sid: auth_token, **(api_keys or {})}

    @property
    def account_sid(self) -> str:
        return self._account_sid

    def require(self, request: web.Request) -> None:
        """Raises RestError 401 unless the request carries valid credentials."""
        found = _basic(request.headers.get(hdrs.AUTHORIZATION, ""))
        if found is None:
            raise unauthorized()
        user, password = found
        secret = self._secrets.get(user)
        # Compared with something in any case, so that time tells nothing about users.
        is_right = hmac.compare_digest(password.encode(), (secret or _NOBODY).encode())
        if not is_right or not secret:
            raise unauthorized()


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > MAX_HEADER:
        return None
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return (user, password) if colon else None
