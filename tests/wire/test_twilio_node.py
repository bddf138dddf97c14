"""The unmodified twilio-node drives the daemon, believes what it signs, and makes access tokens that it takes."""

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.webhooks.signature import sign, signed_url
from signaling.endpoints.options import Incoming
from signaling.tokens import SigningKey, TokenVerifier
from tests.wire.harness_gateway import Phones, RunningGateway
from tests.wire.harness_npm import fetch_once

pytestmark = pytest.mark.wire

TWILIO_NODE_VERSION = "5.3.5"
ACCOUNT, KEY, APPLICATION = "AC" + "1" * 32, "SK" + "1" * 32, "AP" + "1" * 32
SECRET, AUTH_TOKEN = "s" * 32, "t" * 32
DRIVE_S = 50.0

_SIGN = """
const twilio = require(process.argv[1]);
const given = JSON.parse(process.argv[2]);
const {AccessToken} = twilio.jwt;
const token = new AccessToken(given.account, given.key, given.secret, {identity: "alice", ttl: 600});
token.addGrant(new AccessToken.VoiceGrant({incomingAllow: true, outgoingApplicationSid: given.application}));
const valid = given.webhooks.map((w) => twilio.validateRequest(given.authToken, w.signature, w.url, w.params));
console.log(JSON.stringify({valid, token: token.toJwt()}));
"""

_DRIVE = """
const given = JSON.parse(process.argv[2]);
const client = require(process.argv[1])(given.account, given.authToken);
client.api.baseUrl = given.url;
const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const comesTo = async (resource, status) => {
  for (let round = 0; round < 300; round++) {
    const found = await resource.fetch();
    if (found.status === status) return found;
    await after(100);
  }
  throw new Error(`it did not come to ${status}`);
};
const made = async (resource, all, parameters) => {
  const {sid} = await resource.create(parameters);
  const listed = (await all.list()).some((each) => each.sid === sid);
  await all(sid).remove();
  return listed;
};
(async () => {
  const seen = {};
  const call = await client.calls.create({
    to: "client:bob", from: "client:desk", twiml: "<Response><Pause length='60'/></Response>",
  });
  seen.created = [call.status, call.direction, call.to, call.dateCreated instanceof Date];
  const live = client.calls(call.sid);
  await comesTo(live, "in-progress");
  const recording = await live.recordings.create({recordingChannels: "dual"});
  // Of nothing at all it would be "absent".
  await after(500);
  seen.recording = [recording.status, recording.channels, recording.callSid === call.sid];
  const running = await client.calls.list({status: "in-progress", to: "client:bob"});
  seen.running = running.map((each) => each.sid === call.sid);
  const stopped = await live.recordings("Twilio.CURRENT").update({status: "stopped"});
  seen.stopped = stopped.sid === recording.sid;
  await live.update({twiml: "<Response><Pause length='50'/></Response>"});
  await live.update({status: "completed"});
  seen.over = (await comesTo(live, "completed")).status;
  await comesTo(client.recordings(recording.sid), "completed");
  seen.recordings = (await client.recordings.list({callSid: call.sid})).map((each) => each.sid === recording.sid);
  seen.removed = [await client.recordings(recording.sid).remove(), await live.remove()];
  try {
    await live.fetch();
  } catch (error) {
    seen.gone = [error.status, error.code];
  }
  for (const name of ["one", "two", "three", "four", "five"]) {
    await client.queues.create({friendlyName: `node ${name}`});
  }
  const queues = (await client.queues.list({pageSize: 2})).filter((each) => each.friendlyName.startsWith("node "));
  seen.queues = queues.length;
  seen.renamed = (await client.queues(queues[0].sid).update({friendlyName: "node six"})).friendlyName;
  for (const queue of queues) await client.queues(queue.sid).remove();
  seen.left = (await client.queues.list()).filter((each) => each.friendlyName.startsWith("node ")).length;
  seen.conferences = (await client.conferences.list({friendlyName: "nobody was ever here"})).length;
  seen.application = await made(client.applications, client.applications, {friendlyName: "node"});
  seen.number = await made(client.incomingPhoneNumbers, client.incomingPhoneNumbers, {phoneNumber: "+15557642"});
  seen.key = await made(client.newKeys, client.keys, {friendlyName: "node"});
  console.log(JSON.stringify(seen));
})();
"""


@pytest.fixture
def library(pytestconfig: pytest.Config) -> Path:
    """twilio-node's directory, from npm once and then from the cache."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: twilio-node cannot run")
    cache = pytestconfig.cache.mkdir(f"twilio-node-{TWILIO_NODE_VERSION}")
    return fetch_once(cache / "node_modules/twilio", cache=cache, packages=[f"twilio@{TWILIO_NODE_VERSION}"])


async def run_node(script: str, library: Path, **given: Any) -> dict[str, Any]:
    node = await asyncio.create_subprocess_exec(
        "node",
        "-e",
        script,
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
        _SIGN,
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


async def test_twilio_node_drives_calls_recordings_queues_and_configuration(
    library: Path, gateway: RunningGateway, phones: Phones
) -> None:
    bob = await phones("bob", incoming=Incoming.ANSWER)
    seen = await run_node(
        _DRIVE,
        library,
        account=gateway.secrets.account_sid,
        authToken=gateway.secrets.auth_token,
        url=gateway.daemon.http_url,
    )
    await bob.wait("ended")
    assert seen == {
        "created": ["queued", "outbound-api", "client:bob", True],
        "recording": ["in-progress", 2, True],
        "running": [True],
        "stopped": True,
        "over": "completed",
        "recordings": [True],
        "removed": [True, True],
        "gone": [404, 20404],
        "queues": 5,
        "renamed": "node six",
        "left": 0,
        "conferences": 0,
        "application": True,
        "number": True,
        "key": True,
    }
