"""SIPp as a caller: what a phone may do on the wire, well-behaved or not, and what the daemon makes of it."""

from pathlib import Path

import pytest

from gateway.demo.daemon import free_port
from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application
from tests.wire.harness_gateway import OWN_NUMBER, PASSWORD, TRUNK_HOST, Phones, RunningGateway
from tests.wire.harness_login import digest_answer
from tests.wire.harness_scenarios import (
    Step,
    ack,
    ack_failure,
    authorised,
    bye,
    challenged_invite,
    hung_up,
    own_notify,
    pause,
    receive,
    reply,
    request,
    sdp,
)
from tests.wire.harness_sipp import SippOutcome, run_sipp

pytestmark = pytest.mark.wire

TO_BOB = "<Response><Dial answerOnBridge='true'><Client>bob</Client></Dial></Response>"
RINGING = receive(180)
CONNECTED = (receive(180, optional=True), receive(200, routes=True), ack())


async def sipp_calls(
    gateway: RunningGateway,
    directory: Path,
    *steps: Step,
    method: str = "INVITE",
    service: str = "sales",
    caller: str = "sipp",
    identity: str = "sipp",
    password: str = PASSWORD,
    host: str = "127.0.0.1",
    port: int = 0,
    transport: str = "u1",
    limit_s: float = 20.0,
) -> SippOutcome:
    """caller: user of From. identity, password: of the one answer to a challenge that the steps may use."""
    address = gateway.sip_address
    uri = f"sip:{address}" if method == "REGISTER" else f"sip:{service}@{address}"
    digest = await digest_answer(address, method=method, uri=uri, identity=identity, password=password)
    return await run_sipp(
        steps,
        address,
        directory=directory / "sipp",
        keys={"identity": caller, "digest": digest},
        service=service,
        host=host,
        port=port,
        transport=transport,
        limit_s=limit_s,
    )


@pytest.fixture
async def calls_bob(application: Application) -> Application:
    application.on("/voice", TO_BOB)
    return application


REGISTRAR = "sip:[remote_ip]:[remote_port]"


def register(expires_s: int, *, answer: Step) -> tuple[Step, ...]:
    return (
        request("REGISTER", target=REGISTRAR, extra=f"Expires: {expires_s}"),
        receive(401),
        authorised("REGISTER", target=REGISTRAR, extra=f"Expires: {expires_s}"),
        answer,
    )


async def test_register_with_digest_is_taken_and_taken_back(gateway: RunningGateway, tmp_path: Path) -> None:
    taken = receive(200, header="Contact", header_holds="expires=120")
    port = free_port()
    for steps in (register(120, answer=taken), register(0, answer=receive(200))):
        outcome = await sipp_calls(gateway, tmp_path, *steps, method="REGISTER", service="sipp", port=port)
        outcome.verify()
    assert (await gateway.metrics())["ringfork_registrations"] == 0


async def test_register_with_a_wrong_password_is_challenged_again(gateway: RunningGateway, tmp_path: Path) -> None:
    # From an address of its own: wrong passwords block their source for a while.
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *register(120, answer=receive(401)),
        method="REGISTER",
        service="sipp",
        password="wrong",
        host="127.0.0.5",
    )
    outcome.verify()


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_call_of_a_plain_sip_stack_is_challenged_connected_and_hung_up(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path, transport: str
) -> None:
    bob = await phones("bob", incoming=Incoming.ANSWER)
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(body=sdp()),
        *CONNECTED,
        pause(0.3),
        *bye(extra="X-Why: enough"),
        transport=transport,
    )
    outcome.verify()
    assert (await bob.wait("ended"))["by"] == "remote"


async def test_caller_who_cancels_while_it_rings_gets_487(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    bob = await phones("bob")
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(body=sdp()),
        RINGING,
        request("CANCEL", cseq=2, branch="[branch-3]", retransmits=False),
        receive(200),
        receive(487),
        ack_failure(2, branch="[branch-6]"),
    )
    outcome.verify()
    assert (await bob.wait("ended"))["cause"] == "canceled"


async def test_answer_is_repeated_until_a_late_ack_comes(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    await phones("bob", incoming=Incoming.ANSWER)
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(body=sdp()),
        receive(180, optional=True),
        receive(200, routes=True),
        pause(1.8),
        ack(),
        pause(0.2),
        *bye(),
    )
    outcome.verify()
    # At 0, T1 and 3 * T1, and the one for the BYE.
    assert outcome.messages.count("SIP/2.0 200 OK") == 4


@pytest.mark.timeout(90)
async def test_caller_who_never_acknowledges_is_hung_up_after_half_a_minute(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    """64 * T1, in real time. Source: RFC 3261 13.3.1.4."""
    bob = await phones("bob", incoming=Incoming.ANSWER)
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(body=sdp()),
        receive(180, optional=True),
        receive(200, routes=True),
        receive("BYE"),
        reply("200 OK", tag="", contact=False),
        limit_s=45,
    )
    outcome.verify()
    assert (await bob.wait("ended"))["by"] == "remote"


async def test_hold_and_resume_by_reinvite_are_answered_as_the_rfc_says(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    bob = await phones("bob", incoming=Incoming.ANSWER, play="tone:1000")
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(body=sdp()),
        *CONNECTED,
        pause(0.3),
        request("INVITE", cseq=3, in_dialog=True, body=sdp("sendonly", version=2)),
        receive(100, optional=True),
        receive(200, routes=True, holds="a=recvonly"),
        ack(3),
        pause(0.3),
        request("INVITE", cseq=4, in_dialog=True, body=sdp("sendrecv", version=3)),
        receive(100, optional=True),
        receive(200, routes=True, holds="a=sendrecv"),
        ack(4),
        pause(0.2),
        *bye(5),
    )
    outcome.verify()
    await bob.wait("ended")


async def test_update_in_the_dialog_is_answered(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    await phones("bob", incoming=Incoming.ANSWER)
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(body=sdp()),
        *CONNECTED,
        request("UPDATE", cseq=3, in_dialog=True, body=sdp("sendrecv", version=2)),
        receive(200, holds="m=audio [1-9]"),
        *bye(4),
    )
    outcome.verify()


async def test_late_offer_is_answered_in_the_ack(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    bob = await phones("bob", incoming=Incoming.ANSWER)
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(),
        receive(180, optional=True),
        receive(200, routes=True, holds="m=audio [1-9]"),
        ack(body=sdp()),
        pause(0.3),
        *bye(),
    )
    outcome.verify()
    await bob.wait("ended")


async def test_session_timer_is_agreed_on_and_a_short_one_refused(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    await phones("bob", incoming=Incoming.ANSWER)
    short = "Supported: timer\nSession-Expires: 30"
    fine = "Supported: timer\nSession-Expires: 600;refresher=uas"
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        request("INVITE", body=sdp(), extra=fine),
        receive(100, optional=True),
        receive(401),
        ack_failure(1),
        authorised("INVITE", body=sdp(), extra=short),
        receive(100, optional=True),
        receive(422, header="Min-SE", header_holds="[0-9]+"),
        ack_failure(2),
    )
    outcome.verify()
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(body=sdp(), extra=fine),
        receive(180, optional=True),
        receive(200, routes=True, header="Session-Expires", header_holds="600;refresher=uas"),
        ack(),
        pause(0.2),
        *bye(),
    )
    outcome.verify()


async def test_options_is_answered(gateway: RunningGateway, tmp_path: Path) -> None:
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        request("OPTIONS", target="sip:[remote_ip]:[remote_port]"),
        receive(200, header="Allow", header_holds="INVITE"),
    )
    outcome.verify()


async def test_call_without_a_common_codec_is_refused(
    calls_bob: Application, gateway: RunningGateway, tmp_path: Path
) -> None:
    strange = sdp().replace("RTP/AVP 0 101", "RTP/AVP 97").replace("PCMU/8000", "iLBC/8000").replace(":0 ", ":97 ")
    outcome = await sipp_calls(gateway, tmp_path, *challenged_invite(body=strange), receive(488), ack_failure(2))
    outcome.verify()


async def test_call_in_the_name_of_another_is_refused(
    calls_bob: Application, gateway: RunningGateway, tmp_path: Path
) -> None:
    steps = (*challenged_invite(body=sdp()), receive(403), ack_failure(2))
    (await sipp_calls(gateway, tmp_path, *steps, identity="alice")).verify()
    assert not calls_bob.received


async def test_call_from_a_trunk_needs_no_password(
    calls_bob: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    await phones("bob", incoming=Incoming.ANSWER)
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        request("INVITE", body=sdp(), extra="Diversion: <sip:+15550142@[local_ip]>"),
        receive(100, optional=True),
        receive(180, optional=True),
        receive(200, routes=True),
        ack(1),
        pause(0.2),
        *bye(2),
        host=TRUNK_HOST,
        service=OWN_NUMBER,
        caller="+15550123",
    )
    outcome.verify()
    asked = await calls_bob.wait("/voice")
    assert (asked["To"], asked["From"]) == (OWN_NUMBER, "+15550123")
    assert "+15550142" in asked["ForwardedFrom"]


async def test_refer_sends_the_phone_on_and_tells_what_became_of_it(
    application: Application, gateway: RunningGateway, tmp_path: Path
) -> None:
    application.on("/voice", "<Response><Refer action='/sent'><Sip>sip:bob@example.com?X-A=7</Sip></Refer></Response>")
    application.on("/sent", "<Response><Hangup/></Response>")
    outcome = await sipp_calls(
        gateway,
        tmp_path,
        *challenged_invite(body=sdp()),
        *CONNECTED,
        receive("REFER", header="Refer-To", header_holds="sip:bob@example.com", holds="X-A: 7"),
        reply("202 Accepted", tag=""),
        own_notify("SIP/2.0 200 OK"),
        receive(200),
        *hung_up(),
    )
    outcome.verify()
    told = await application.wait("/sent")
    assert (told["ReferCallStatus"], told["ReferSipResponseCode"]) == ("in-progress", "202")
    assert told["NotifySipResponseCode"] == "200"
