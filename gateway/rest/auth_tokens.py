"""An account's second auth token: made beside the first, valid like it, put in its place when all have changed over.

Webhooks are signed with the first until then. Owns the routes below ``/v1/AuthTokens``, which twilio-python asks on
``client.accounts``. Source: Twilio AuthTokenPromotion and SecondaryAuthToken resources.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from gateway.accounts.entries import Account
from gateway.accounts.ledger import Ledger
from gateway.rest.auth import Credentials
from gateway.rest.errors import RestError, answering, not_found
from gateway.rest.owned import DENIED, changeable

PATH: Final = "/v1/AuthTokens"


class AuthTokensApi:
    """public_url: how clients reach us, for the URLs in answers. now: wall clock, aware."""

    def __init__(
        self, ledger: Ledger, credentials: Credentials, *, public_url: str, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._credentials = credentials
        self._url = public_url.rstrip("/") + PATH
        self._now = now

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()
        table.post(f"{PATH}/Secondary")(answering(self._create))
        table.delete(f"{PATH}/Secondary")(answering(self._delete))
        table.post(f"{PATH}/Promote")(answering(self._promote))
        return table

    async def _create(self, request: web.Request) -> web.StreamResponse:
        """A second one that there is already is replaced."""
        account = await self._put(self._account(request), secondary_token=secrets.token_hex(16))
        shown = self._shown(account, "Secondary", secondary_auth_token=account.secondary_token)
        return web.json_response(shown, status=201)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        await self._put(self._account(request), secondary_token="")
        return web.Response(status=204)

    async def _promote(self, request: web.Request) -> web.StreamResponse:
        """The first one is valid no more."""
        account = self._account(request)
        if not account.secondary_token:
            raise not_found(request.path)
        account = await self._put(account, auth_token=account.secondary_token, secondary_token="")
        return web.json_response(self._shown(account, "Promote", auth_token=account.auth_token))

    async def _put(self, account: Account, **changes: Any) -> Account:
        changed = replace(account, date_updated=self._now(), **changes)
        await self._ledger.put(changed)
        return changed

    def _account(self, request: web.Request) -> Account:
        """Of whoever asks, by a token. Raises RestError."""
        principal = self._credentials.require(request)
        if principal.is_key:
            raise RestError(403, DENIED, "An API key may not manage auth tokens: use the account's own")
        account = self._ledger.directory.account(principal.account_sid)
        assert account is not None, "who logged in has an account"
        return changeable(account)

    def _shown(self, account: Account, name: str, **token: str) -> dict[str, str]:
        return {
            "account_sid": account.sid,
            "date_created": _iso(account.date_created),
            "date_updated": _iso(account.date_updated),
            "url": f"{self._url}/{name}",
            **token,
        }


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
