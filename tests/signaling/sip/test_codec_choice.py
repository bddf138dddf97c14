"""Which codec a SIP leg ends up with: what the phone likes, what its party speaks, and what a new offer changes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from signaling.leg import LegState
from tests.signaling.sip.peers import SteppedScheduler, description, phone, port_of, rig
from tests.signaling.sip.test_inbound import Line

WIDE_FIRST = "9 0 8 101"


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Line]:
    clock = SteppedScheduler()
    async with rig(scheduler=clock) as gateway, phone(gateway) as caller:
        yield Line(caller, gateway, clock)


async def test_codec_is_the_callers_favourite_and_the_others_stay_possible(line: Line) -> None:
    leg, _ = await line.call(body=description(4000, payloads=WIDE_FIRST))
    assert leg.codec_names == leg.codec_choices == ("G722", "PCMU", "PCMA")
    await leg.answer()
    line.phone.say(line.acknowledge(await line.phone.response(200)))
    assert list(leg.codec_names) == ["G722"]
    assert leg.codec_choices == ("G722", "PCMU", "PCMA")
    assert not leg.is_codec_final


async def test_codec_preferred_before_the_answer_is_answered(line: Line) -> None:
    leg, _ = await line.call(body=description(4000, payloads=WIDE_FIRST))
    leg.prefer(["OPUS", "PCMA"])
    await leg.answer()
    answer = await line.phone.response(200)
    assert b"RTP/AVP 8 101" in answer.body
    line.phone.say(line.acknowledge(answer))
    assert port_of(leg).connected[-1].codec.name == "PCMA"


async def test_codec_preferred_in_the_call_is_offered_by_reinvite(line: Line) -> None:
    leg, _ = await line.up(body=description(4000, payloads=WIDE_FIRST))
    leg.prefer(["PCMU"])
    line.clock.advance(0.2)
    offer = await line.phone.request("INVITE")
    assert b"RTP/AVP 0 9 101" in offer.body
    leg.prefer(["PCMU"])
    line.phone.answer(offer, 200, body=description(4000, payloads="0 101", version=2))
    ack = await line.phone.request("ACK")
    assert ack.cseq.sequence == offer.cseq.sequence
    assert leg.codec_names == ("PCMU",)
    assert port_of(leg).connected[-1].codec.name == "PCMU"
    leg.prefer(["PCMU"])
    line.clock.advance(1)
    assert await line.phone.is_silent(), "it is spoken already"


async def test_codec_asked_for_before_the_ack_is_offered_after_it(line: Line) -> None:
    leg, _ = await line.call(body=description(4000, payloads=WIDE_FIRST))
    await leg.answer()
    answer = await line.phone.response(200)
    leg.prefer(["PCMU"])
    assert await line.phone.is_silent()
    line.phone.say(line.acknowledge(answer))
    await line.phone.is_silent()
    line.clock.advance(0.2)
    await line.phone.request("INVITE")


@pytest.mark.parametrize("code", [488, 500])
async def test_codec_the_phone_does_not_want_is_let_be(line: Line, code: int) -> None:
    leg, answer = await line.up(body=description(4000, payloads=WIDE_FIRST))
    leg.prefer(["PCMU"])
    line.clock.advance(0.2)
    line.phone.answer(await line.phone.request("INVITE"), code)
    await line.phone.request("ACK")
    assert leg.state is LegState.UP and leg.codec_names == ("G722",)
    line.clock.advance(300)
    assert await line.phone.is_silent()
    assert (await line.ask("BYE", answer)).code == 200


async def test_codec_offer_that_meets_the_phones_own_is_made_again(line: Line) -> None:
    leg, _ = await line.up(body=description(4000, payloads=WIDE_FIRST))
    leg.prefer(["PCMU"])
    line.clock.advance(0.2)
    line.phone.answer(await line.phone.request("INVITE"), 491)
    await line.phone.request("ACK")
    line.clock.advance(4)
    assert b"RTP/AVP 0 9 101" in (await line.phone.request("INVITE")).body


async def test_codec_the_phone_never_named_is_not_offered(line: Line) -> None:
    leg, _ = await line.up(body=description(4000, payloads="9 101"))
    leg.prefer(["PCMU"])
    line.clock.advance(1)
    assert await line.phone.is_silent()


async def test_codecs_of_the_settings_are_the_only_ones(line: Line) -> None:
    clock = SteppedScheduler()
    async with rig(scheduler=clock, codec_names=("PCMA",)) as gateway, phone(gateway) as caller:
        narrow = Line(caller, gateway, clock)
        leg, _ = await narrow.call(body=description(4000, payloads=WIDE_FIRST))
        assert leg.codec_names == ("PCMA",)


async def test_advertised_addresses_are_what_the_phone_is_told() -> None:
    clock = SteppedScheduler()
    told: dict[str, Any] = {"advertised_media_address": "203.0.113.7", "advertised_address": "203.0.113.8"}
    async with rig(scheduler=clock, **told) as gateway, phone(gateway) as caller:
        line = Line(caller, gateway, clock)
        leg, _ = await line.call()
        await leg.answer()
        answer = await caller.response(200)
        assert b"c=IN IP4 203.0.113.7" in answer.body and b"127.0.0.1" not in answer.body
        port = gateway.agent.addresses[0][1]
        assert answer.headers.get("Contact") == f"<sip:203.0.113.8:{port}>"
        caller.say(line.acknowledge(answer))
        leg.hangup()
        bye = await caller.request("BYE")
        assert (bye.headers.get("Via") or "").startswith(f"SIP/2.0/UDP 203.0.113.8:{port};rport")
        caller.answer(bye, 200)
