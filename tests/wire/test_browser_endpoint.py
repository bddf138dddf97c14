"""The browser-type endpoint on a real daemon: called and calling, heard at both ends."""

import asyncio
import json
import sys

import pytest

from signaling.endpoints.options import Incoming, WebRtcEndpointOptions
from signaling.endpoints.process import Phone
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire


async def test_browser_endpoint_calls_a_phone_and_both_hear_each_other(plain_phones: Phones) -> None:
    bob = await plain_phones("bob", incoming=Incoming.ANSWER, answer_after_s=0.3, play="tone:700")
    alice = await plain_phones.browser("alice", play="tone:440")
    await alice.dial("bob", headers={"colour": "deep red"})
    assert (await alice.wait("ringing"))["direction"] == "outbound"
    answered = await alice.wait("answered")
    assert (answered["codec"], answered["rate_hz"]) == ("PCMU", 8000)
    alice.digits("1w#")
    first, second = await bob.wait("digit"), await bob.wait("digit")
    assert (first["digit"], second["digit"]) == ("1", "#")
    await asyncio.sleep(1.0)
    statistics = await alice.statistics()
    assert statistics["sent"] > 40 and statistics["received"] > 40
    alice.hangup()
    ended = await alice.wait("ended")
    assert (ended["cause"], ended["code"], ended["by"]) == ("normal", 200, "local")
    assert (await bob.wait("ended"))["by"] == "remote"
    heard = await heard_by(alice)
    assert heard.part(0.4).has(700) and heard.part(0.4).lacks(440)
    heard = await heard_by(bob)
    assert heard.part(-0.5).has(440) and heard.part(-0.5).lacks(700)


async def test_browser_endpoint_is_called_by_a_phone_and_by_a_browser(plain_phones: Phones) -> None:
    carol = await plain_phones.browser(
        "carol", incoming=Incoming.ANSWER, play="tone:700", codecs=("opus", "PCMU"), hangup_after_s=1.2
    )
    bob = await plain_phones("bob", play="tone:440")
    await bob.dial("carol")
    incoming = await carol.wait("incoming")
    assert (incoming["from"], incoming["to"]) == ("sip:bob@127.0.0.1", "client:carol")
    # A phone that speaks G.711 is offered on as such: nothing is transcoded.
    assert (await carol.wait("answered"))["codec"] == "PCMU"
    await bob.wait("answered")
    ended = await bob.wait("ended")
    assert (ended["by"], ended["cause"]) == ("remote", "normal")
    assert (await heard_by(carol)).part(0.5).has(440)
    assert (await heard_by(bob)).part(0.5, 1.0).has(700)
    # Opus from end to end.
    alice = await plain_phones.browser("alice", play="tone:1200", codecs=("opus", "PCMU"))
    await alice.dial("carol")
    assert (await alice.wait("answered"))["codec"] == "opus"
    assert (await carol.wait("ended", call=2))["by"] == "local"
    heard = await heard_by(carol, call=2)
    assert heard.rate_hz == 48_000 and heard.part(0.5).has(1200)
    assert (await heard_by(alice)).part(0.5).has(700)


async def test_browser_endpoint_tells_how_calls_fail(plain_phones: Phones) -> None:
    alice = await plain_phones.browser("alice")
    carol = await plain_phones.browser("carol", incoming=Incoming.REJECT)
    await alice.dial("carol")
    ended = await alice.wait("ended")
    assert (ended["answered"], ended["by"]) == (False, "remote")
    assert ended["code"] in (486, 603)
    assert (await carol.wait("ended"))["cause"] == "declined"
    await alice.dial("nobody-at-all")
    ended = await alice.wait("ended")
    assert (ended["cause"], ended["answered"]) == ("no-answer", False)
    bob = await plain_phones("bob", incoming=Incoming.RING)
    await alice.dial("bob")
    await alice.wait("ringing")
    alice.hangup()
    ended = await alice.wait("ended")
    assert (ended["code"], ended["cause"], ended["by"]) == (487, "canceled", "local")
    assert (await bob.wait("ended"))["cause"] == "canceled"
    await bob.dial("carol")
    assert (await bob.wait("ended"))["code"] in (486, 603)
    alice.hold()
    assert "no call" in (await alice.wait("error"))["message"]


async def test_browser_endpoint_gives_up_a_ringing_call_that_is_cancelled(plain_phones: Phones) -> None:
    alice = await plain_phones.browser("alice", incoming=Incoming.RING)
    bob = await plain_phones("bob")
    await bob.dial("alice")
    await alice.wait("ringing")
    bob.hangup()
    ended = await alice.wait("ended")
    assert (ended["cause"], ended["code"], ended["answered"], ended["recording"]) == ("canceled", 487, False, False)


async def test_browser_endpoint_with_a_wrong_token_ends_with_one(plain_gateway: RunningGateway) -> None:
    options = WebRtcEndpointOptions(
        identity="alice", server=plain_gateway.daemon.http_url, token="nonsense", dial="bob"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "signaling.endpoints",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate(options.to_json().encode() + b"\n")
    events = [json.loads(line) for line in told.splitlines()]
    assert [event["event"] for event in events] == ["started", "registration_failed", "stopped"]
    assert (events[1]["code"], process.returncode) == (401, 1)
    assert "31204" in events[1]["reason"]


async def test_browser_endpoint_without_credentials_is_refused_a_token(plain_gateway: RunningGateway) -> None:
    async with Phone(WebRtcEndpointOptions(identity="alice", server=plain_gateway.daemon.http_url)) as alice:
        failed = await alice.wait("registration_failed")
        assert (failed["code"], "--account" in failed["reason"]) == (401, True)
