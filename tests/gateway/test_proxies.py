"""Whose address counts where proxies stand in between."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from gateway.proxies import TrustedProxies

PROXY, CLIENT, LIED = "192.0.2.10", "198.51.100.7", "203.0.113.99"


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        (PROXY, [CLIENT], CLIENT),
        (CLIENT, [LIED], CLIENT),
        (PROXY, [LIED, CLIENT], CLIENT),
        (PROXY, [LIED, CLIENT, "192.0.2.11"], CLIENT),
        (PROXY, [], PROXY),
        (PROXY, ["unknown"], PROXY),
        (PROXY, [LIED, "unknown"], PROXY),
        (PROXY, ["<script>"], PROXY),
        (PROXY, [f" {CLIENT}:4711 "], CLIENT),
        (PROXY, ["[2001:db8::7]:4711"], "2001:db8::7"),
        (PROXY, ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:192.0.2.10", [CLIENT], CLIENT),
        (PROXY, [f"::ffff:{CLIENT}"], CLIENT),
        (PROXY, [LIED, *["192.0.2.12"] * 16], "192.0.2.12"),
        (PROXY, ["192.0.2.12", "192.0.2.11"], "192.0.2.12"),
        ("", [LIED], ""),
    ],
)
def test_client_is_the_last_address_that_is_no_trusted_proxy(peer: str, chain: list[str], client: str) -> None:
    assert TrustedProxies(["192.0.2.0/24"]).client_of(peer, chain) == client


def test_no_proxies_means_that_nobody_is_believed() -> None:
    assert TrustedProxies([]).client_of(PROXY, [CLIENT]) == PROXY


@pytest.fixture
async def asked_by() -> AsyncIterator[list[str]]:
    """A server that trusts 127.0.0.1 and one that trusts nobody; the URLs of both."""
    runners, urls = [], []

    async def who(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.remote} {request.scheme}")

    for networks in (["127.0.0.1/32"], []):
        application = web.Application(middlewares=[TrustedProxies(networks).middleware()])
        application.router.add_get("/", who)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    yield urls
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ([("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")], f"{CLIENT} https"),
        ([("X-Forwarded-For", LIED), ("X-Forwarded-For", CLIENT)], f"{CLIENT} http"),
        ([("X-Forwarded-For", CLIENT), ("Forwarded", f"for={LIED}")], f"{CLIENT} http"),
        ([("Forwarded", f'for={LIED}, For="{CLIENT}:80";proto=http')], f"{CLIENT} http"),
        ([("Forwarded", "by=203.0.113.1")], "127.0.0.1 http"),
        ([("X-Forwarded-Proto", "ftp")], "127.0.0.1 http"),
        ([], "127.0.0.1 http"),
    ],
)
async def test_request_shows_its_client_behind_a_trusted_proxy_alone(
    asked_by: list[str], headers: list[tuple[str, str]], seen: str
) -> None:
    trusting, wary = asked_by
    async with aiohttp.ClientSession() as session:
        async with session.get(trusting, headers=headers) as answer:
            assert await answer.text() == seen
        async with session.get(wary, headers=headers) as answer:
            assert await answer.text() == "127.0.0.1 http"
