"""The REST API of a gateway with several accounts: its own store, the unmodified twilio-python in front."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from gateway.accounts.directory import Directory
from gateway.accounts.ledger import Ledger
from gateway.accounts.vault import Vault
from gateway.live_calls import LiveCalls
from gateway.rest.accounts import AccountsApi
from gateway.rest.auth import Credentials
from gateway.rest.auth_tokens import AuthTokensApi
from gateway.rest.dispatch import Resource, RestApi
from gateway.rest.keys import KeysApi
from gateway.store import Store
from tests.gateway.accounts.peers import directory
from tests.gateway.rest.test_recordings import basic
from tests.gateway.store.records import url_of

MAIN, TOKEN = "AC" + "a" * 32, "main token of the main account"
KEY, SECRET = "SK" + "1" * 32, "key secret"
APPLICATION = "AP" + "2" * 32
VAULT = Vault("secret of the storage")
CONFIGURED: dict[str, Any] = {
    "applications": [{"sid": APPLICATION, "friendly_name": "configured", "voice_url": "http://127.0.0.1/voice"}],
    "numbers": [{"phone_number": "+15550100", "application_sid": APPLICATION}],
    "clients": [{"identity": "alice", "password": "wonderland"}],
}


def now() -> datetime:
    return datetime.now(UTC)


class Served:
    def __init__(self, base: str, ledger: Ledger) -> None:
        self.base = base
        self.ledger = ledger
        self.main = self.client(MAIN, TOKEN)

    @property
    def directory(self) -> Directory:
        return self.ledger.directory

    def client(self, user: str, password: str, account_sid: str | None = None) -> Client:
        client = Client(user, password, account_sid)
        client.api.base_url = client.accounts.base_url = self.base
        return client

    async def sub(self, name: str = "sub") -> tuple[Any, Client]:
        """A fresh sub-account, and a client that is logged in to it."""
        account = await ask(self.main.api.accounts.create, friendly_name=name)
        return account, self.client(account.sid, account.auth_token)

    async def raw(
        self, path: str, *, user: str = MAIN, password: str = TOKEN, method: str = "GET", **form: str
    ) -> tuple[int, dict[str, Any]]:
        """path: below the root."""
        headers = {"Authorization": basic(user, password)}
        sent = {"params": form} if method == "GET" else {"data": form}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.request(method, f"{self.base}/2010-04-01/{path}", **sent) as answer:  # type: ignore[arg-type]
                return answer.status, await answer.json() if answer.status != 204 else {}


@asynccontextmanager
async def served(
    path: Path, apis: Callable[[Ledger], Sequence[Resource]], *, vault: Vault = VAULT, calls: LiveCalls | None = None
) -> AsyncIterator[Served]:
    """path: of a directory that keeps the database. apis: resources beside accounts and keys."""
    store = await Store.open(url_of(path))
    try:
        ledger = Ledger(directory(MAIN, TOKEN, api_keys={KEY: SECRET}, **CONFIGURED), store=store, vault=vault)
        await ledger.load()
        accounts = AccountsApi(ledger, calls=LiveCalls() if calls is None else calls, now=now)
        resources = [*accounts.resources(), *KeysApi(ledger, now=now).resources(), *apis(ledger)]
        app = web.Application()
        credentials = Credentials(ledger.directory)
        app.add_routes(RestApi(resources, credentials=credentials).routes())
        app.add_routes(AuthTokensApi(ledger, credentials, public_url="http://voice.example.com", now=now).routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield Served(f"http://127.0.0.1:{runner.addresses[0][1]}", ledger)
        finally:
            await runner.cleanup()
    finally:
        await store.close()


async def ask(work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    return await asyncio.to_thread(work, *arguments, **more)


async def refusal(work: Callable[..., Any], *arguments: Any, **more: Any) -> tuple[int, int]:
    """Status and code of the error."""
    try:
        found = await asyncio.to_thread(work, *arguments, **more)
    except TwilioRestException as error:
        return error.status, error.code
    except TwilioException as error:
        # A list that is refused.
        response = error.args[1]
        return response.status_code, json.loads(response.text)["code"]
    raise AssertionError(f"expected an error, found {found}")
