"""Who may use the REST API: account sid with auth token, or an API key with its secret, by HTTP Basic.

Pure. An unknown user costs the same and gets the same answer as a wrong password. Guessing is slowed down as the SIP
registrar does it; an address that is blocked is told so (429), whatever it sends.
Source: rest-api.md 1 and 9 of the specification; RFC 7617; reliability checks S-04, S-09.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from gateway.rest.errors import too_many_guesses, unauthorized
from signaling.sip.limits import GuessGuard

MAX_HEADER: Final = 4_096
MAX_USER: Final = 64
_NOBODY: Final = "\0"


class Credentials:
    """account_sid, auth_token: the account's. api_keys: secret by sid of the key.

    guard: counts wrong passwords by the address that ``request.remote`` names; None: nothing is counted.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        api_keys: Mapping[str, str] | None = None,
        guard: GuessGuard | None = None,
    ) -> None:
        self._guard = guard
        self._account_sid = account_sid
        self._secrets = {account_sid: auth_token, **(api_keys or {})}

    @property
    def account_sid(self) -> str:
        return self._account_sid

    def require(self, request: web.Request) -> None:
        """Raises RestError 401 unless the request carries valid credentials, 429 where guessing has to stop."""
        found = _basic(request.headers.get(hdrs.AUTHORIZATION, ""))
        if found is None:
            raise unauthorized()
        user, password = found
        source, guessed = request.remote or "", user[:MAX_USER]
        if self._guard is not None and self._guard.refuses(source, guessed):
            raise too_many_guesses(self._guard.block_left_s(source))
        if self.account_of(user, password) is None:
            if self._guard is not None:
                self._guard.failed(source, guessed)
            raise unauthorized()
        if self._guard is not None:
            self._guard.succeeded(source, guessed)

    def account_of(self, user: str, password: str) -> str | None:
        """The account that a user with this password acts for; None: it is not right. Counts nothing."""
        secret = self._secrets.get(user)
        # Compared with something in any case, and by digests of one length: time tells nothing about users or secrets.
        is_right = hmac.compare_digest(_digest(password), _digest(secret or _NOBODY))
        return self._account_sid if is_right and secret else None

    def holds(self, user: str, digest: bytes) -> bool:
        """Whether the user's password is still the one of this SHA-256 digest."""
        secret = self._secrets.get(user)
        return bool(secret) and hmac.compare_digest(digest, _digest(secret or _NOBODY))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > MAX_HEADER:
        return None
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return (user, password) if colon else None
