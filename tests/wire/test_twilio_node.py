"""The unmodified twilio-node believes what the gateway signs, and its access tokens are taken."""

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.webhooks.signature import sign, signed_url
from signaling.tokens import SigningKey, TokenVerifier
from tests.wire.harness_npm import fetch_once

pytestmark = pytest.mark.wire

TWILIO_NODE_VERSION = "5.3.5"
ACCOUNT, KEY, APPLICATION = "AC" + "1" * 32, "SK" + "1" * 32, "AP" + "1" * 32
SECRET, AUTH_TOKEN = "s" * 32, "t" * 32
DRIVE_S = 60.0

_SCRIPT = """
const twilio = require(process.argv[1]);
const given = JSON.parse(process.argv[2]);
const {AccessToken} = twilio.jwt;
const token = new AccessToken(given.account, given.key, given.secret, {identity: "alice", ttl: 600});
token.addGrant(new AccessToken.VoiceGrant({incomingAllow: true, outgoingApplicationSid: given.application}));
const valid = given.webhooks.map((w) => twilio.validateRequest(given.authToken, w.signature, w.url, w.params));
console.log(JSON.stringify({valid, token: token.toJwt()}));
"""


@pytest.fixture
def library(pytestconfig: pytest.Config) -> Path:
    """twilio-node's directory, from npm once and then from the cache."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: twilio-node cannot run")
    cache = pytestconfig.cache.mkdir(f"twilio-node-{TWILIO_NODE_VERSION}")
    return fetch_once(cache / "node_modules/twilio", cache=cache, packages=[f"twilio@{TWILIO_NODE_VERSION}"])


async def run_node(library: Path, **given: Any) -> dict[str, Any]:
    node = await asyncio.create_subprocess_exec(
        "node",
        "-e",
        _SCRIPT,
        str(library),
        json.dumps(given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DRIVE_S):
            told, complaint = await node.communicate()
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
    assert node.returncode == 0, complaint.decode()
    seen: dict[str, Any] = json.loads(told)
    return seen


async def test_twilio_node_takes_our_signatures_and_its_access_token_is_taken(library: Path) -> None:
    params = {"CallSid": "CA" + "1" * 32, "From": "client:zoë", "To": "+15550100", "Empty": ""}
    urls = ("https://example.com/voice", "http://127.0.0.1:5000/voice?a=b%20c&d=", "https://example.com:8443/voice")
    webhooks = [
        {"url": url, "params": params, "signature": sign(AUTH_TOKEN, signed_url(url), params.items())} for url in urls
    ]
    forged = webhooks[0] | {"params": params | {"To": "+15550199"}}
    seen = await run_node(
        library,
        account=ACCOUNT,
        key=KEY,
        secret=SECRET,
        application=APPLICATION,
        authToken=AUTH_TOKEN,
        webhooks=[*webhooks, forged],
    )
    assert seen["valid"] == [True, True, True, False]
    keys = {KEY: SigningKey(account_sid=ACCOUNT, secret=SECRET)}
    grant = TokenVerifier(keys.get, clock=time.time).verify(seen["token"])
    assert (grant.account_sid, grant.identity) == (ACCOUNT, "alice")
    assert grant.application_sid == APPLICATION
