"""Inside a call that is up: hold and resume, updates, keys, refreshes, and requests that have no business there."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from media.engine import DigitReceived as KeyHeard
from media.engine import FirstPacket, SilenceTimeout
from signaling.leg import DigitReceived, Ended, HangupCause, Held, LegState, Resumed
from signaling.sip.message import Response
from tests.signaling.sip.peers import SteppedScheduler, description, ended, next_event, phone, port_of, rig
from tests.signaling.sip.test_inbound import Line


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Line]:
    clock = SteppedScheduler()
    async with rig(scheduler=clock) as gateway, phone(gateway) as caller:
        yield Line(caller, gateway, clock)


async def test_reinvite_holds_and_resumes(line: Line) -> None:
    leg, answer = await line.up()
    port = port_of(leg)
    for version, (direction, event, watched) in enumerate(
        [
            ("sendonly", Held(), (None, None)),
            ("sendrecv", Resumed(), (30.0, 15.0)),
            ("inactive", Held(), (None, None)),
            ("sendrecv", Resumed(), (30.0, 15.0)),
        ],
        start=2,
    ):
        body = description(4000, direction=direction, version=version)
        reply = await line.ask("INVITE", answer, body=body)
        assert reply.code == 200
        line.phone.say(line.acknowledge(reply))
        assert await next_event(leg) == event
        assert port.watched[-1] == watched
    assert {b"a=inactive", b"a=sendrecv"} & set(reply.body.split(b"\r\n")) == {b"a=sendrecv"}


async def test_hold_by_the_null_address_is_hold(line: Line) -> None:
    leg, answer = await line.up()
    reply = await line.ask("INVITE", answer, body=description(4000, host="0.0.0.0"))
    line.phone.say(line.acknowledge(reply))
    assert await next_event(leg) == Held()
    assert port_of(leg).connected[-1].address is None


async def test_reinvite_moves_the_sound_and_changes_the_codec(line: Line) -> None:
    leg, answer = await line.up()
    reply = await line.ask("INVITE", answer, body=description(4050, payloads="8 101", version=2))
    assert reply.code == 200 and b"RTP/AVP 8" in reply.body
    line.phone.say(line.acknowledge(reply))
    assert (port_of(leg).connected[-1].address, port_of(leg).connected[-1].codec.name) == (("127.0.0.1", 4050), "PCMA")
    assert leg.codec_names == ("PCMA",)


async def test_reinvite_that_cannot_be_taken_leaves_the_call_as_it_was(line: Line) -> None:
    leg, answer = await line.up()
    refused = await line.ask("INVITE", answer, body=description(4050, payloads="18"))
    assert refused.code == 488
    assert leg.state is LegState.UP and len(port_of(leg).connected) == 1
    line.phone.say(line.acknowledge(refused))
    assert (await line.ask("BYE", answer)).code == 200


async def test_reinvite_without_an_offer_gets_ours(line: Line) -> None:
    leg, answer = await line.up()
    reply = await line.ask("INVITE", answer)
    assert reply.code == 200 and b"m=audio 40000" in reply.body
    glare = await line.ask("UPDATE", answer, body=description(4000))
    assert glare.code == 491, "our offer is open until the ACK"
    line.phone.say(line.acknowledge(reply, body=description(4060)))
    await asyncio.sleep(0.02)
    assert port_of(leg).connected[-1].address == ("127.0.0.1", 4060)


async def test_reinvite_while_ours_is_pending_is_a_491(line: Line) -> None:
    leg, answer = await line.up()
    line.clock.advance(900)
    ours = await line.phone.request("INVITE")
    assert (await line.ask("INVITE", answer, body=description(4000))).code == 491
    line.phone.say(line.phone.inside("ACK", answer, sequence=line.phone.sequence))
    line.phone.answer(ours, 200, body=description(4000))
    await line.phone.request("ACK")
    assert leg.state is LegState.UP


async def test_update_changes_the_sound_and_refreshes(line: Line) -> None:
    leg, answer = await line.up()
    reply = await line.ask(
        "UPDATE", answer, body=description(4070, direction="sendonly"), fields=[("Supported", "timer")]
    )
    assert reply.code == 200 and b"m=audio" in reply.body
    assert reply.headers.get("Session-Expires") == "1800;refresher=uac"
    assert await next_event(leg) == Held()
    bare = await line.ask("UPDATE", answer, fields=[("Supported", "timer")])
    assert bare.code == 200 and not bare.body


async def test_requests_out_of_order_are_a_500_and_the_call_goes_on(line: Line) -> None:
    leg, answer = await line.up()
    await line.ask("OPTIONS", answer)
    late = await line.ask("INFO", answer, sequence=1)
    assert late.code == 500
    assert leg.state is LegState.UP


@pytest.mark.parametrize(
    ("kind", "body", "event"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", DigitReceived("5", 160, is_in_media=False)),
        ("application/dtmf", b"#", DigitReceived("#", is_in_media=False)),
    ],
)
async def test_info_is_a_key(line: Line, kind: str, body: bytes, event: DigitReceived) -> None:
    leg, answer = await line.up()
    assert (await line.ask("INFO", answer, body=body, kind=kind)).code == 200
    assert await next_event(leg) == event


async def test_keys_of_the_sound_are_told_and_other_facts_are_not(line: Line) -> None:
    leg, _ = await line.up()
    port = port_of(leg)
    port.tell(FirstPacket())
    port.tell(KeyHeard("7", 100))
    assert await next_event(leg) == DigitReceived("7", 100)
    await leg.send_digits("12w#")
    assert port.digits == "12w#"


async def test_silence_ends_the_call_with_bye(line: Line) -> None:
    leg, _ = await line.up()
    port_of(leg).tell(SilenceTimeout())
    assert await ended(leg) == Ended(HangupCause.MEDIA_TIMEOUT)
    bye = await line.phone.request("BYE")
    assert "No audio" in (bye.headers.get("Reason") or "")
    line.phone.answer(bye, 200)
    await line.over()


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("OPTIONS", [], 200),
        ("INFO", [], 200),
        ("INFO", [("Info-Package", "foo")], 469),
        ("REFER", [("Refer-To", "<sip:c@d>")], 603),
        ("NOTIFY", [("Event", "refer")], 489),
        ("MESSAGE", [], 405),
        ("BREW", [], 405),
        ("PRACK", [("RAck", "1 1 INVITE")], 481),
        ("OPTIONS", [("Require", "foo")], 420),
    ],
)
async def test_other_requests_inside_are_answered_and_the_call_goes_on(
    line: Line, method: str, fields: list[tuple[str, str]], code: int
) -> None:
    leg, answer = await line.up()
    assert (await line.ask(method, answer, fields=fields)).code == code
    assert leg.state is LegState.UP
    assert (await line.ask("BYE", answer)).code == 200
    assert (await line.ask("BYE", answer)).code == 481


async def test_info_of_another_kind_is_a_415(line: Line) -> None:
    _, answer = await line.up()
    assert (await line.ask("INFO", answer, body=b"x", kind="text/plain")).code == 415


async def test_both_sides_hang_up_at_once(line: Line) -> None:
    leg, answer = await line.up()
    line.phone.say(line.phone.inside("BYE", answer))
    leg.hangup()
    ours = await line.phone.request("BYE")
    line.phone.answer(ours, 481)
    reply = await line.phone.hear()
    assert isinstance(reply, Response) and reply.code in (200, 481)
    assert await ended(leg) == Ended(HangupCause.NORMAL)
    await line.over()


async def test_session_that_nobody_refreshes_ends(line: Line) -> None:
    leg, _ = await line.call(fields=[("Supported", "timer"), ("Session-Expires", "90;refresher=uac")])
    await leg.answer()
    answer = await line.phone.response(200)
    assert answer.headers.get("Session-Expires") == "90;refresher=uac" and "timer" in answer.tokens("Require")
    line.phone.say(line.acknowledge(answer))
    await asyncio.sleep(0.01)
    line.clock.advance(50)
    refreshed = await line.ask(
        "UPDATE", answer, fields=[("Supported", "timer"), ("Session-Expires", "90;refresher=uac")]
    )
    assert refreshed.code == 200
    line.clock.advance(50)
    assert leg.state is LegState.UP
    line.clock.advance(11)
    assert await ended(leg) == Ended(HangupCause.SESSION_EXPIRED)
    line.phone.answer(await line.phone.request("BYE"), 200)
    await line.over()


async def test_we_refresh_by_update_where_the_phone_knows_it(line: Line) -> None:
    fields = [("Supported", "timer"), ("Allow", "INVITE, UPDATE"), ("Session-Expires", "120;refresher=uas")]
    leg, _ = await line.call(fields=fields)
    await leg.answer()
    line.phone.say(line.acknowledge(await line.phone.response(200)))
    await asyncio.sleep(0.01)
    for _ in range(3):
        line.clock.advance(60)
        update = await line.phone.request("UPDATE")
        assert update.headers.get("Session-Expires") == "120;refresher=uac" and not update.body
        line.phone.answer(update, 200, fields=[("Session-Expires", "120;refresher=uac"), ("Require", "timer")])
        await asyncio.sleep(0.01)
    assert leg.state is LegState.UP
    leg.hangup()
    line.phone.answer(await line.phone.request("BYE"), 200)
    await line.over()


async def test_we_refresh_by_reinvite_with_the_same_description_where_not(line: Line) -> None:
    leg, answer = await line.up()
    line.clock.advance(900)
    invite = await line.phone.request("INVITE")
    line.phone.answer(invite, 200, body=description(4000))
    ack = await line.phone.request("ACK")
    assert ack.cseq.sequence == invite.cseq.sequence
    assert invite.body == answer.body, "nothing changed"
    assert len(port_of(leg).connected) == 2
    line.phone.answer(invite, 200, body=description(4000))
    assert bytes(await line.phone.request("ACK")) == bytes(ack), "the 2xx again gets the ACK again"
    assert leg.state is LegState.UP
    assert (await line.ask("BYE", answer)).code == 200
    await line.over()


@pytest.mark.parametrize("code", [481, 408])
async def test_refresh_that_shows_the_phone_gone_ends_the_call(line: Line, code: int) -> None:
    leg, _ = await line.up()
    line.clock.advance(900)
    line.phone.answer(await line.phone.request("INVITE"), code)
    await line.phone.request("ACK")
    assert await ended(leg) == Ended(HangupCause.SESSION_EXPIRED)
    line.phone.answer(await line.phone.request("BYE"), 481)
    await line.over()


async def test_refresh_that_nobody_answers_ends_the_call(line: Line) -> None:
    leg, _ = await line.up()
    line.clock.advance(933)
    assert await ended(leg) == Ended(HangupCause.SESSION_EXPIRED)
    await line.over()


async def test_refresh_refused_for_another_reason_is_tried_again(line: Line) -> None:
    leg, _ = await line.up()
    line.clock.advance(900)
    line.phone.answer(await line.phone.request("INVITE"), 491)
    await line.phone.request("ACK")
    for _ in range(20):
        if line.phone.has_heard:
            break
        line.clock.advance(0.2)
        await asyncio.sleep(0.01)
    line.phone.answer(await line.phone.request("INVITE"), 422, fields=[("Min-SE", "2000")])
    await line.phone.request("ACK")
    line.clock.advance(0.1)
    longer = await line.phone.request("INVITE")
    assert longer.headers.get("Session-Expires") == "2000;refresher=uac"
    line.phone.answer(longer, 488)
    await line.phone.request("ACK")
    assert leg.state is LegState.UP


async def test_call_answers_a_challenge_to_nobody_when_it_came_in(line: Line) -> None:
    leg, _ = await line.up()
    challenge = [("WWW-Authenticate", 'Digest realm="ringfork.test", nonce="1", qop="auth"')]
    line.clock.advance(900)
    line.phone.answer(await line.phone.request("INVITE"), 401, fields=challenge)
    await line.phone.request("ACK")
    leg.hangup()
    line.phone.answer(await line.phone.request("BYE"), 401, fields=challenge)
    assert await line.phone.is_silent()
    await line.over()
