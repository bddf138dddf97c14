"""SIPp, an independent stack, against the agent alone: what needs timers or transports of its own."""

import asyncio
import shutil
from pathlib import Path

import pytest

from signaling.leg import Answered, Ended, HangupCause, Ringing
from signaling.sip.leg import SipLeg
from signaling.sip.resolver import Destination
from signaling.sip.transaction import TimerValues
from tests.signaling.sip.peers import Rig, SteppedScheduler, ended, next_event, rig, settled
from tests.wire.harness_scenarios import (
    ANSWER,
    Step,
    ack,
    bye,
    hung_up,
    invited,
    pause,
    receive,
    reply,
    request,
    sdp,
)
from tests.wire.harness_sipp import Sipp, run_sipp

pytestmark = [
    pytest.mark.wire,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian package sip-tester)"),
]

# A second and a quarter for what takes 32 s otherwise; SIPp's own repeats stay out of the way.
QUICK = TimerValues(t1_s=0.02, t2_s=0.16, t4_s=0.1)
KEYS = {"identity": "sipp"}


def remote(gateway: Rig) -> str:
    host, port = gateway.address()
    return f"{host}:{port}"


async def answer_all(gateway: Rig, calls: int, *, ring: bool = True) -> list[SipLeg]:
    legs = []
    for _ in range(calls):
        leg = await gateway.incoming()
        if ring:
            await leg.ring()
        await leg.answer()
        legs.append(leg)
    return legs


PLAIN_CALL: tuple[Step, ...] = (
    request("INVITE", body=sdp()),
    receive(100, optional=True),
    receive(180, optional=True),
    receive(200, routes=True),
    ack(1),
    pause(0.1),
    *bye(2),
)


@pytest.mark.parametrize(("listen", "transport"), [("udp", "u1"), ("tcp", "t1")])
async def test_twenty_calls_of_sipp_at_once_leave_nothing(listen: str, transport: str, tmp_path: Path) -> None:
    async with rig(listen=(f"{listen}:127.0.0.1:0",), timers=QUICK) as gateway:
        answering = asyncio.ensure_future(answer_all(gateway, 20))
        outcome = await run_sipp(
            PLAIN_CALL,
            remote(gateway),
            directory=tmp_path,
            calls=20,
            transport=transport,
            keys=KEYS,
            arguments=("-r", "200"),
        )
        outcome.verify(calls=20)
        for leg in await answering:
            assert await ended(leg) == Ended(HangupCause.NORMAL, by_remote=True)
        await settled(gateway)


@pytest.mark.parametrize(("listen", "transport"), [("udp", "u1"), ("tcp", "t1")])
async def test_sipp_is_called_answers_and_is_hung_up(listen: str, transport: str, tmp_path: Path) -> None:
    async with rig(listen=(f"{listen}:127.0.0.1:0",), timers=QUICK) as gateway:
        called = await Sipp.start(
            (*ANSWER, *hung_up()), remote(gateway), directory=tmp_path, transport=transport, keys=KEYS
        )
        uri = f"sip:bob@127.0.0.1:{called.port};transport={listen}"
        leg = gateway.dial(uri, [Destination(listen, "127.0.0.1", called.port)])  # type: ignore[arg-type]
        assert await next_event(leg) == Ringing()
        assert isinstance(answered := await next_event(leg), Answered)
        assert answered.headers == {"X-Answered-By": "sipp"}
        leg.hangup()
        (await called.outcome()).verify()
        await settled(gateway)


async def test_sipp_that_never_acknowledges_is_hung_up_on(tmp_path: Path) -> None:
    steps = (
        request("INVITE", body=sdp(), retransmits=False),
        receive(100, optional=True),
        receive(180, optional=True),
        receive(200, routes=True),
        receive("BYE"),
        reply("200 OK", tag="", contact=False),
    )
    async with rig(timers=QUICK) as gateway:
        answering = asyncio.ensure_future(answer_all(gateway, 1))
        outcome = await run_sipp(steps, remote(gateway), directory=tmp_path, keys=KEYS)
        outcome.verify()
        (leg,) = await answering
        assert await ended(leg) == Ended(HangupCause.FAILED)
        assert outcome.messages.count("SIP/2.0 200 OK") > 3, "the answer was repeated"
        await settled(gateway)


async def test_sipp_that_requires_reliable_answers_gets_them(tmp_path: Path) -> None:
    steps = (
        request("INVITE", body=sdp(), extra="Require: 100rel"),
        receive(100, optional=True),
        receive(180, routes=True, header="RSeq", header_holds="1"),
        request("PRACK", cseq=2, in_dialog=True, extra="RAck: 1 1 INVITE"),
        receive(200),
        receive(200, routes=True, header="CSeq", header_holds="1 INVITE"),
        ack(1),
        *bye(3),
    )
    async with rig(timers=TimerValues(t1_s=0.1)) as gateway:
        running = asyncio.ensure_future(run_sipp(steps, remote(gateway), directory=tmp_path, keys=KEYS))
        leg = await gateway.incoming()
        await leg.ring()
        await asyncio.sleep(0.3)
        await leg.answer()
        (await running).verify()
        assert (await ended(leg)).by_remote


async def test_sipp_that_stops_refreshing_is_hung_up_on(tmp_path: Path) -> None:
    steps = (
        request("INVITE", body=sdp(), extra="Supported: timer\nSession-Expires: 90;refresher=uac"),
        receive(100, optional=True),
        receive(180, optional=True),
        receive(200, routes=True, header="Session-Expires", header_holds="90;refresher=uac"),
        ack(1),
        receive("BYE", header="Reason", header_holds="Session expired"),
        reply("200 OK", tag="", contact=False),
    )
    clock = SteppedScheduler()
    async with rig(scheduler=clock) as gateway:
        running = asyncio.ensure_future(run_sipp(steps, remote(gateway), directory=tmp_path, keys=KEYS))
        (leg,) = await answer_all(gateway, 1)
        await asyncio.sleep(0.3)
        clock.advance(61)
        assert await ended(leg) == Ended(HangupCause.SESSION_EXPIRED)
        (await running).verify()


@pytest.mark.parametrize(("status", "cause"), [("486 Busy", HangupCause.BUSY), ("603 No", HangupCause.DECLINED)])
async def test_refusal_of_sipp_over_tcp_is_acknowledged(status: str, cause: HangupCause, tmp_path: Path) -> None:
    async with rig(listen=("tcp:127.0.0.1:0",), timers=QUICK) as gateway:
        steps = (invited(), reply(status), receive("ACK"))
        called = await Sipp.start(steps, remote(gateway), directory=tmp_path, transport="t1", keys=KEYS)
        leg = gateway.dial("sip:bob@there", [Destination("tcp", "127.0.0.1", called.port)])
        (await called.outcome()).verify()
        assert (await ended(leg)).cause is cause
        await settled(gateway)
