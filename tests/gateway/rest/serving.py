"""Resources behind a real server, for the official client."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from twilio.rest import Client

from gateway.rest.auth import Credentials
from gateway.rest.dispatch import Resource, RestApi
from tests.gateway.accounts.peers import directory

TOKEN = "f" * 32


@asynccontextmanager
async def client_of(account_sid: str, resources: Sequence[Resource]) -> AsyncIterator[Client]:
    """An unmodified twilio-python whose account has these resources; it blocks, so its calls belong into threads."""
    app = web.Application()
    app.add_routes(RestApi(resources, credentials=Credentials(directory(account_sid, TOKEN))).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = Client(account_sid, TOKEN)
        client.api.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield client
    finally:
        await runner.cleanup()
