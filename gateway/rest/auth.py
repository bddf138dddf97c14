"""Who may use the REST API: account sid with auth token, or an API key with its secret, by HTTP Basic.

Pure. An unknown user costs the same and gets the same answer as a wrong password. Guessing is slowed down as the SIP
registrar does it; an address that is blocked is told so (429), whatever it sends. Nobody learns that another account
exists: what is not his is not found.
Source: rest-api.md 1 and 9 of the specification; RFC 7617; reliability checks S-04, S-09.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from gateway.accounts.directory import Directory
from gateway.accounts.entries import Account
from gateway.rest.errors import inactive, not_found, too_many_guesses, unauthorized
from signaling.sip.limits import GuessGuard

MAX_HEADER: Final = 4_096
MAX_USER: Final = 64


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks. is_key: by an API key, not by the account's token."""

    account_sid: str
    is_key: bool


class Credentials:
    """directory: whose tokens and keys count, now.

    guard: counts wrong passwords by the address that ``request.remote`` names; None: nothing is counted.
    """

    def __init__(self, directory: Directory, *, guard: GuessGuard | None = None) -> None:
        self._directory = directory
        self._guard = guard

    def require(self, request: web.Request) -> Principal:
        """Raises RestError 401 unless the request carries valid credentials, 429 where guessing has to stop.

        403 for an account that is not active.
        """
        found = _basic(request.headers.get(hdrs.AUTHORIZATION, ""))
        if found is None:
            raise unauthorized()
        return self.log_in(request.remote or "", *found)

    def log_in(self, source: str, user: str, password: str) -> Principal:
        """source: the address it comes from. Raises as ``require``."""
        guessed = user[:MAX_USER]
        if self._guard is not None and self._guard.refuses(source, guessed):
            raise too_many_guesses(self._guard.block_left_s(source))
        login = self._directory.login(user, password)
        if login is None:
            if self._guard is not None:
                self._guard.failed(source, guessed)
            raise unauthorized()
        if self._guard is not None:
            self._guard.succeeded(source, guessed)
        account_sid, is_key = login
        if not self._directory.is_active(account_sid):
            raise inactive()
        return Principal(account_sid=account_sid, is_key=is_key)

    def require_for(self, request: web.Request, account_sid: str) -> tuple[Principal, Account]:
        """As require; RestError 404 as well, for an account that there is not, or that is none of the caller's."""
        principal = self.require(request)
        account = self._directory.account(account_sid)
        if account is None or not self._directory.may_act_for(principal.account_sid, account_sid):
            raise not_found(request.path)
        return principal, account

    def holds(self, user: str, digest: bytes) -> bool:
        """Whether the user's password is still the one of this SHA-256 digest."""
        return self._directory.proves(user, digest)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > MAX_HEADER:
        return None
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return (user, password) if colon else None
