"""What a called phone goes through before it is connected, and how it hands its caller on: real phones and SIPp."""

import asyncio
from pathlib import Path

import pytest

from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application, Received, twiml
from tests.wire.harness_gateway import OWN_NUMBER, TRUNK_HOST, Phones, RunningGateway
from tests.wire.harness_scenarios import ANSWER, own_request, pause, receive, reply
from tests.wire.test_sipp_called import Device

pytestmark = pytest.mark.wire

SCREENED = (
    "<Response><Dial answerOnBridge='true' action='/dialled'><Client url='/whisper'>bob</Client></Dial></Response>"
)
ASKS = "<Response><Gather numDigits='1' action='/choice' timeout='10'/><Hangup/></Response>"


@pytest.mark.parametrize(("key", "is_bridged"), [("1", "true"), ("2", "false")])
async def test_callee_decides_by_a_key_whether_he_is_connected(
    application: Application, phones: Phones, key: str, is_bridged: str
) -> None:
    def choice(request: Received) -> str:
        return twiml() if request["Digits"] == "1" else twiml("<Hangup/>")

    application.on("/voice", SCREENED)
    application.on("/whisper", ASKS)
    application.on("/choice", choice)
    application.on("/dialled", twiml("<Hangup/>"))
    alice, bob = await phones("alice"), await phones("bob", incoming=Incoming.ANSWER)
    await alice.dial("sales")
    await bob.wait("answered")
    whisper = await application.wait("/whisper")
    assert (whisper["CallStatus"], whisper["Direction"]) == ("in-progress", "outbound-dial")
    assert not alice.seen("answered"), "the caller's phone still rings"
    # The request has come, its answer is on the way: keys pressed before the <Gather> begins are lost.
    await asyncio.sleep(0.5)
    bob.digits(key)
    chosen = await application.wait("/choice")
    assert chosen["Digits"] == key and chosen["CallSid"] == whisper["CallSid"]
    if is_bridged == "true":
        await alice.wait("answered")
        bob.hangup()
    dialled = await application.wait("/dialled")
    assert (dialled["DialCallStatus"], dialled["DialBridged"]) == ("completed", is_bridged)
    await bob.wait("ended")
    await alice.wait("ended")


async def test_called_sip_device_refers_the_caller_to_another_document(
    application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    application.on(
        "/voice", "<Response><Dial action='/dialled' referUrl='/refer'><Client>sipp</Client></Dial></Response>"
    )
    application.on("/refer", twiml("<Pause length='1'/>", "<Hangup/>"))
    alice = await phones("alice")
    steps = (
        *ANSWER,
        pause(0.5),
        own_request("REFER", extra="Refer-To: <sip:carol@example.com>"),
        receive(202),
        receive("NOTIFY", holds="SIP/2.0 100 Trying"),
        reply("200 OK", tag="", contact=False),
        receive("NOTIFY", holds="SIP/2.0 200 OK"),
        reply("200 OK", tag="", contact=False),
        receive("BYE"),
        reply("200 OK", tag="", contact=False),
    )
    async with Device(gateway, tmp_path, *steps) as device:
        await alice.dial("sales")
        told = await application.wait("/refer")
        assert told["ReferTransferTarget"] == "sip:carol@example.com"
        await device.verify()
    assert (await alice.wait("ended"))["by"] == "remote"
    assert not application.requests("/dialled")


async def test_send_digits_reach_the_number_after_its_answer_and_before_the_bridge(
    application: Application, phones: Phones, gateway: RunningGateway
) -> None:
    application.on(
        "/voice",
        f"<Response><Dial answerOnBridge='true' callerId='{OWN_NUMBER}'>"
        "<Number sendDigits='ww4W2#'>+15550123</Number></Dial></Response>",
    )
    alice = await phones("alice")
    line = await phones(
        "erin",
        is_registered=False,
        server="none",
        local_address=TRUNK_HOST,
        local_port=gateway.trunk_port,
        incoming=Incoming.ANSWER,
    )
    await alice.dial("sales")
    answered = await line.wait("answered")
    pressed = [await line.wait("digit") for _ in range(3)]
    assert [event["digit"] for event in pressed] == ["4", "2", "#"]
    assert pressed[0]["t"] - answered["t"] >= 0.9, "two waits of half a second come first"
    assert pressed[1]["t"] - pressed[0]["t"] >= 0.9
    assert (await alice.wait("answered"))["t"] >= pressed[1]["t"]
    line.hangup()
    await alice.wait("ended")
