"""Access tokens of the configuration's keys: by command, over HTTP, and what they lead to."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from typer.testing import CliRunner

from gateway import development
from gateway.cli import app
from gateway.config import Configuration, load
from gateway.rest.auth import Credentials
from gateway.rest.token import TokenApi
from gateway.routing import BUILT_IN_APPLICATION_SID, Router
from gateway.tokens import NoSigningKey, TokenIssuer, verifier_of
from signaling.tokens import TokenRefused
from tests.gateway.accounts.peers import configured

NOW = 1_800_000_000.0
APPLICATION = "AP" + "1" * 32
ACCOUNT, AUTH_TOKEN = "AC" + "1" * 32, "t" * 32
KEY = "SK" + "1" * 32


def configuration(**more: Any) -> Configuration:
    values = {
        "account": {"sid": ACCOUNT, "auth_token": AUTH_TOKEN},
        "api_keys": [{"sid": KEY, "secret": "s" * 32}],
        **more,
    }
    return Configuration.model_validate(values)


def test_token_command_prints_one_that_the_daemon_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = development.make_configuration(tmp_path)
    result = CliRunner().invoke(app, ["token", "alice", "--config", str(path), "--ttl", "600", "--json"])
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    grant = verifier_of(configured(load(path, {})), clock=time.time).verify(made["token"])
    assert (grant.identity, grant.may_receive, grant.application_sid) == ("alice", True, BUILT_IN_APPLICATION_SID)
    plain = CliRunner().invoke(app, ["token", "alice", "--config", str(path), "--no-incoming"])
    text = plain.stdout.strip()
    assert text.count(".") == 2
    assert not verifier_of(configured(load(path, {})), clock=time.time).verify(text).may_receive


@pytest.mark.parametrize("arguments", [["a b"], ["alice", "--ttl", "0"], ["alice", "--ttl", "86401"]])
def test_token_command_says_what_is_wrong(tmp_path: Path, arguments: list[str]) -> None:
    path = development.make_configuration(tmp_path)
    result = CliRunner().invoke(app, ["token", *arguments, "--config", str(path)])
    assert result.exit_code == 1
    assert "expected" in result.stderr


def test_token_needs_a_key() -> None:
    with pytest.raises(NoSigningKey, match="api_keys"):
        TokenIssuer(configured(configuration(api_keys=[])), clock=lambda: NOW).issue("alice")


def test_token_names_the_first_application() -> None:
    with_application = configuration(applications=[{"sid": APPLICATION, "voice_url": "http://127.0.0.1/voice"}])
    token = TokenIssuer(configured(with_application), clock=lambda: NOW).issue("alice")
    grant = verifier_of(configured(with_application), clock=lambda: NOW).verify(token)
    assert grant.application_sid == APPLICATION


def test_token_of_a_removed_key_is_refused() -> None:
    token = TokenIssuer(configured(configuration()), clock=lambda: NOW).issue("alice")
    with pytest.raises(TokenRefused):
        verifier_of(configured(configuration(api_keys=[])), clock=lambda: NOW).verify(token)


def test_router_finds_the_application_of_a_device() -> None:
    router = Router(configuration(applications=[{"sid": APPLICATION, "voice_url": "http://127.0.0.1/voice"}]))
    script = router.for_device(APPLICATION, "")
    assert script is not None
    assert (script.voice_url, script.application_sid) == ("http://127.0.0.1/voice", APPLICATION)
    assert router.for_device("AP" + "9" * 32, "bob") is None


def test_router_built_in_application_dials_what_the_device_asked_for() -> None:
    router = Router(configuration())
    for dialled in ("bob", "client:bob"):
        script = router.for_device(BUILT_IN_APPLICATION_SID, dialled)
        assert script is not None
        assert (script.voice_url, script.dialled, script.application_sid) == ("", "bob", None)


@asynccontextmanager
async def serving(*, is_open: bool) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    api = TokenApi(
        TokenIssuer(configured(configuration()), clock=lambda: NOW),
        Credentials(configured(configuration())),
        is_open=is_open,
    )
    application = web.Application()
    application.add_routes(api.routes())
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield session, f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    await runner.cleanup()


async def test_token_route_in_development_serves_this_machine() -> None:
    async with serving(is_open=True) as (session, url):
        async with session.get(url, params={"identity": "alice", "ttl": "60"}) as response:
            assert response.status == 200
            made = await response.json()
        grant = verifier_of(configured(configuration()), clock=lambda: NOW).verify(made["token"])
        assert (grant.identity, grant.expires_at) == ("alice", NOW + 60)
        async with session.get(
            url, params={"identity": "alice"}, headers={"Origin": "http://localhost:3000"}
        ) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Host": "rebound.evil.example"},
        {"X-Forwarded-For": "127.0.0.1"},
    ],
)
async def test_token_route_in_development_serves_nobody_else(headers: dict[str, str]) -> None:
    async with (
        serving(is_open=True) as (session, url),
        session.get(url, params={"identity": "alice"}, headers=headers) as response,
    ):
        assert response.status == 401
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_token_route_otherwise_needs_the_accounts_credentials() -> None:
    async with serving(is_open=False) as (session, url):
        async with session.get(url, params={"identity": "alice"}) as response:
            assert response.status == 401
        right = base64.b64encode(f"{ACCOUNT}:{AUTH_TOKEN}".encode()).decode()
        headers = {"Authorization": f"Basic {right}"}
        async with session.post(url, data={"identity": "alice"}, headers=headers) as response:
            assert response.status == 200
        for wrong in ({"identity": "a b"}, {}, {"identity": "a", "ttl": "soon"}, {"identity": "a", "ttl": "-1"}):
            async with session.post(url, data=wrong, headers=headers) as response:
                assert response.status == 400
