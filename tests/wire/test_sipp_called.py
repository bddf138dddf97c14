"""SIPp as a called device: answers, refusals and races of its choice, through a fork of the daemon."""

import asyncio
from pathlib import Path

import pytest

from gateway.demo.daemon import free_port
from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application, say_nothing, twiml
from tests.wire.harness_gateway import OWN_NUMBER, PASSWORD, TRUNK_HOST, Phones, RunningGateway
from tests.wire.harness_login import digest_answer
from tests.wire.harness_scenarios import (
    ANSWER,
    Step,
    answer_after_all,
    authorised,
    hung_up,
    invited,
    own_request,
    pause,
    receive,
    reply,
    sdp,
)
from tests.wire.harness_sipp import Sipp, run_sipp

pytestmark = pytest.mark.wire

REGISTRAR = "sip:[remote_ip]:[remote_port]"
TO_SIPP = "<Response><Dial answerOnBridge='true' action='/dialled'><Client>sipp</Client></Dial></Response>"


class Device:
    """SIPp registered as ``sipp``: ``async with Device(…, *steps) as device`` plays the steps when it is called."""

    def __init__(self, gateway: RunningGateway, directory: Path, *steps: Step) -> None:
        self._gateway = gateway
        self._directory = directory
        self._steps = steps
        self.run: Sipp | None = None

    async def __aenter__(self) -> "Device":
        port = free_port()
        await self._register(port, 120)
        self.run = await Sipp.start(
            self._steps, self._gateway.sip_address, directory=self._directory / "device", port=port
        )
        return self

    async def verify(self) -> None:
        assert self.run is not None
        (await self.run.outcome()).verify()

    async def __aexit__(self, *_: object) -> None:
        assert self.run is not None
        await self.run.close()
        await self._register(self.run.port, 0)

    async def _register(self, port: int, expires_s: int) -> None:
        """Calls come to the port that registered."""
        address = self._gateway.sip_address
        digest = await digest_answer(
            address, method="REGISTER", uri=f"sip:{address}", identity="sipp", password=PASSWORD
        )
        outcome = await run_sipp(
            (authorised("REGISTER", target=REGISTRAR, extra=f"Expires: {expires_s}"), receive(200)),
            address,
            directory=self._directory / f"register-{expires_s}",
            port=port,
            service="sipp",
            keys={"identity": "sipp", "digest": digest},
        )
        outcome.verify()


@pytest.fixture
async def calls_sipp(application: Application) -> Application:
    application.on("/voice", TO_SIPP)
    application.on("/dialled", twiml())
    return application


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        ("486 Busy Here", "busy", 486),
        ("600 Busy Everywhere", "busy", 486),
        ("603 Decline", "busy", 486),
        ("480 Temporarily Unavailable", "no-answer", 480),
        ("404 Not Found", "failed", 500),
        ("500 Server Internal Error", "failed", 500),
    ],
)
async def test_refusal_of_the_callee_is_told_to_the_application_and_to_the_caller(
    application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path, status: str, told: str, code: int
) -> None:
    application.on(
        "/voice",
        "<Response><Dial answerOnBridge='true'><Client statusCallback='/status'>sipp</Client></Dial></Response>",
    )
    application.on("/status", say_nothing)
    alice = await phones("alice")
    steps = (invited(), reply("180 Ringing"), pause(0.1), reply(status), receive("ACK"))
    async with Device(gateway, tmp_path, *steps) as device:
        await alice.dial("sales")
        assert (await application.wait("/status"))["CallStatus"] == told
        await device.verify()
        ended = await alice.wait("ended")
        assert ended["code"] == code, alice.told


async def test_callee_is_called_answers_and_is_hung_up(
    calls_sipp: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    alice = await phones("alice")
    async with Device(gateway, tmp_path, *ANSWER, *hung_up()) as device:
        await alice.dial("sales")
        await alice.wait("answered")
        alice.hangup()
        await device.verify()
    await alice.wait("ended")


async def test_callee_who_hangs_up_ends_the_call_of_the_caller(
    calls_sipp: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    alice = await phones("alice")
    async with Device(gateway, tmp_path, *ANSWER, pause(0.3), own_request("BYE"), receive(200)) as device:
        await alice.dial("sales")
        await alice.wait("answered")
        await device.verify()
        assert (await alice.wait("ended"))["by"] == "remote"
    assert (await calls_sipp.wait("/dialled"))["DialCallStatus"] == "completed"


async def test_callee_whose_answer_crosses_the_cancel_is_acknowledged_and_hung_up(
    calls_sipp: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    """The 200 wins on the wire, the CANCEL in the daemon: ACK, then BYE. Source: RFC 3261 9.1, 15."""
    alice = await phones("alice")
    steps = (
        invited(),
        reply("180 Ringing"),
        receive("CANCEL"),
        reply("200 OK", contact=False),
        answer_after_all(),
        receive("ACK"),
        *hung_up(),
    )
    async with Device(gateway, tmp_path, *steps) as device:
        await alice.dial("sales")
        await alice.wait("ringing")
        alice.hangup()
        await device.verify()
        await alice.wait("ended")


async def test_callee_with_several_ringing_branches_is_connected_on_the_one_that_answers(
    calls_sipp: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    alice = await phones("alice")
    steps = (
        invited(),
        reply("180 Ringing", tag="a"),
        reply("183 Session Progress", tag="b", body=sdp()),
        pause(0.2),
        reply("200 OK", tag="c", body=sdp()),
        receive("ACK"),
        *hung_up(),
    )
    async with Device(gateway, tmp_path, *steps) as device:
        await alice.dial("sales")
        await alice.wait("answered")
        alice.hangup()
        await device.verify()
    await alice.wait("ended")


async def test_callee_that_requires_reliable_ringing_gets_its_prack(
    calls_sipp: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    alice = await phones("alice")
    steps = (
        invited(),
        reply("180 Ringing", extra="Require: 100rel\nRSeq: 4711"),
        receive("PRACK", header="RAck", header_holds="4711 [0-9]+ INVITE"),
        reply("200 OK", tag="", contact=False),
        answer_after_all(),
        receive("ACK"),
        *hung_up(),
    )
    async with Device(gateway, tmp_path, *steps) as device:
        await alice.dial("sales")
        await alice.wait("answered")
        alice.hangup()
        await device.verify()
    await alice.wait("ended")


async def test_callee_may_hold_and_resume(
    calls_sipp: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    alice = await phones("alice")
    steps = (
        *ANSWER,
        own_request("INVITE", cseq=1, body=sdp("sendonly", version=2)),
        receive(100, optional=True),
        receive(200, routes=True, holds="a=recvonly"),
        own_request("ACK", cseq=1),
        pause(0.2),
        own_request("INVITE", cseq=2, body=sdp("sendrecv", version=3)),
        receive(100, optional=True),
        receive(200, routes=True, holds="a=sendrecv"),
        own_request("ACK", cseq=2),
        pause(0.2),
        own_request("BYE", cseq=3),
        receive(200),
    )
    async with Device(gateway, tmp_path, *steps) as device:
        await alice.dial("sales")
        await alice.wait("answered")
        await device.verify()
        await alice.wait("ended")


async def test_number_goes_to_the_trunk_with_our_own_number_as_caller_id(
    application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    application.on(
        "/voice",
        f"<Response><Dial callerId='{OWN_NUMBER}' action='/dialled'>"
        "<Number statusCallback='/status'>+15550142</Number></Dial></Response>",
    )
    application.on("/dialled", twiml())
    application.on("/status", say_nothing)
    alice = await phones("alice")
    carrier = await Sipp.start(
        (*ANSWER, *hung_up()),
        gateway.sip_address,
        directory=tmp_path / "carrier",
        host=TRUNK_HOST,
        port=gateway.trunk_port,
    )
    try:
        await alice.dial("+15550142")
        await alice.wait("answered")
        await asyncio.sleep(0.5)
        alice.hangup()
        outcome = await carrier.outcome()
    finally:
        await carrier.close()
    outcome.verify()
    invite = next(line for line in outcome.messages.splitlines() if line.startswith("INVITE "))
    assert "+15550142@" in invite
    assert f"{OWN_NUMBER}@" in next(line for line in outcome.messages.splitlines() if line.startswith("From:"))
    told = await application.wait("/status")
    assert (told["CallStatus"], told["To"]) == ("completed", "+15550142")
    await alice.wait("ended")


async def test_dial_to_a_sip_uri_tells_its_headers_and_what_came_back(
    application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    alice = await phones("alice", incoming=Incoming.WAIT)
    peer = await Sipp.start(
        (*ANSWER, pause(0.2), own_request("BYE", extra="X-Result: sold"), receive(200)),
        gateway.sip_address,
        directory=tmp_path / "peer",
    )
    application.on(
        "/voice",
        f"<Response><Dial action='/dialled'><Sip>sip:shop@127.0.0.1:{peer.port}?X-Cart=7</Sip></Dial></Response>",
    )
    application.on("/dialled", twiml())
    try:
        await alice.dial("sales")
        result = await application.wait("/dialled")
        outcome = await peer.outcome()
    finally:
        await peer.close()
    outcome.verify()
    assert "X-Cart: 7" in outcome.messages
    assert (result["DialCallStatus"], result["DialSipResponseCode"]) == ("completed", "200")
    assert result["DialSipHeader_X-Result"] == "sold"
    await alice.wait("ended")
