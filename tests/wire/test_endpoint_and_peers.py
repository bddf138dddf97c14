"""The client endpoint against SIP stacks of others, without the gateway: is it a phone that everybody understands?"""

from pathlib import Path

import pytest

from signaling.endpoints.options import Incoming, SipEndpointOptions
from signaling.endpoints.process import Phone
from tests.wire.harness_baresip import Baresip
from tests.wire.harness_scenarios import ANSWER, ack, bye, hung_up, pause, receive, request, sdp
from tests.wire.harness_sipp import Sipp, run_sipp

CALL = (
    request("INVITE", body=sdp()),
    receive(100, optional=True),
    receive(180),
    receive(200, routes=True),
    ack(1),
    pause(0.5),
    *bye(2),
)

pytestmark = pytest.mark.wire


@pytest.fixture(autouse=True)
def _needs(needs_pjsua2: None) -> None:
    """All of these need the endpoint."""


async def test_endpoint_calls_sipp_and_hangs_up(tmp_path: Path) -> None:
    async with Phone(SipEndpointOptions(identity="alice")) as phone:
        peer = await Sipp.start((*ANSWER, *hung_up()), "127.0.0.1", directory=tmp_path)
        await phone.dial(f"sip:bob@127.0.0.1:{peer.port}")
        assert (await phone.wait("answered"))["headers"] == {"X-Answered-By": "sipp"}
        phone.hangup()
        (await peer.outcome()).verify()
        assert (await phone.wait("ended"))["cause"] == "normal"


async def test_endpoint_answers_sipp_three_times(tmp_path: Path) -> None:
    options = SipEndpointOptions(identity="alice", incoming=Incoming.ANSWER, calls=3)
    async with Phone(options) as phone:
        address = phone.seen("started")[0]["address"]
        outcome = await run_sipp(CALL, address, directory=tmp_path, calls=3, service="alice", keys={"identity": "sipp"})
        outcome.verify(calls=3)
        assert (await phone.wait("stopped"))["exit_code"] == 0


async def test_endpoint_and_baresip_call_each_other(tmp_path: Path) -> None:
    async with (
        Phone(SipEndpointOptions(identity="alice")) as phone,
        Baresip(identity="bob", directory=tmp_path / "bob", answers=True) as peer,
    ):
        await phone.dial(f"sip:bob@127.0.0.1:{peer.sip_port}")
        await phone.wait("answered")
        await peer.wait("CALL_ESTABLISHED")
        phone.hangup()
        await peer.wait("CALL_CLOSED")
        await peer.command("dial", f"sip:alice@{phone.seen('started')[0]['address']}")
        await phone.wait("incoming")
        phone.answer()
        await peer.wait("CALL_ESTABLISHED")
        await phone.wait("answered", call=2)
        await peer.command("hangup")
        assert (await phone.wait("ended", call=2))["by"] == "remote"
