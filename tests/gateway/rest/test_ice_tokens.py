"""Passes for TURN servers as the official client reads them."""

import asyncio
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from twilio.base.exceptions import TwilioRestException
from twilio.rest.api.v2010.account.token import TokenInstance

from gateway.config import Turn
from gateway.rest.ice_tokens import IceTokensApi, token_resource
from tests.gateway.rest.serving import client_of
from tests.gateway.rest.test_schema import read_by
from tests.gateway.store.records import ACCOUNT

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STUN, TURN = "stun:turn.example.com:3478", "turn:turn.example.com:3478?transport=udp"


async def test_token_names_the_servers_with_a_pass_that_runs_out() -> None:
    api = IceTokensApi(urls=[STUN, TURN], secret="north", now=lambda: AT)
    async with client_of(ACCOUNT, api.resources()) as client:
        token = await asyncio.to_thread(client.tokens.create, ttl=3600)
        assert (token.account_sid, token.ttl, token.date_created) == (ACCOUNT, "3600", AT)
        assert token.username == f"{int(AT.timestamp()) + 3600}:{ACCOUNT}"
        # As coturn makes it: openssl dgst -sha1 -hmac north -binary | base64
        assert token.password == "Ve6NTxXDl1WeJb2ZhM72/n+oIjQ="
        stun, turn = token.ice_servers
        assert stun == {"url": STUN, "urls": STUN}
        assert turn == {"url": TURN, "urls": TURN, "username": token.username, "credential": token.password}
        assert (await asyncio.to_thread(client.tokens.create)).ttl == "86400"
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(client.tokens.create, ttl=86_401)
        assert (refused.value.status, refused.value.code) == (400, 20001)


@pytest.mark.parametrize("urls", [[], [STUN]])
def test_token_without_a_turn_server_has_no_pass(urls: list[str]) -> None:
    token = token_resource(ACCOUNT, urls, "", ttl_s=60, now=AT)
    assert (token["username"], token["password"]) == (None, None)
    assert token["ice_servers"] == [{"url": url, "urls": url} for url in urls]
    assert read_by(TokenInstance) <= token.keys()


@pytest.mark.parametrize("settings", [{"urls": [TURN]}, {"urls": ["http://turn.example.com"], "secret": "s"}])
def test_turn_server_that_could_not_be_used_is_a_configuration_error(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Turn.model_validate(settings)
