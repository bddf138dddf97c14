"""Calls that go out, against phones that answer one message at a time: forks, races, challenges, other addresses."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from signaling.leg import Answered, EarlyMedia, Ended, HangupCause, LegState, OutboundCall, Party, Ringing
from signaling.sip.dial_target import Credentials, DialTarget
from signaling.sip.leg import SipLeg
from signaling.sip.message import Request, Response, respond
from signaling.sip.resolver import Destination
from tests.signaling.sip.peers import (
    Phone,
    Rig,
    SteppedScheduler,
    description,
    ended,
    next_event,
    outbound,
    phone,
    port_of,
    rig,
    settled,
)

URI = "sip:bob@phone.test"
ANSWER = description(5000, payloads="0 101")


@dataclass
class Line:
    phone: Phone
    rig: Rig
    clock: SteppedScheduler

    def place(self, phone: Phone | None = None, protocol: str = "udp") -> Destination:
        host, port = (phone or self.phone).address
        return Destination(protocol, host, port)  # type: ignore[arg-type]

    async def dial(
        self, *, credentials: Credentials | None = None, request: OutboundCall | None = None
    ) -> tuple[SipLeg, Request]:
        self.rig.directory.known[URI] = [self.place()]
        target = DialTarget(request_uri=URI, device=URI, credentials=credentials)
        leg = self.rig.agent.dial(target, request or outbound())
        return leg, await self.phone.request("INVITE")

    async def up(self, *, credentials: Credentials | None = None) -> tuple[SipLeg, Request]:
        leg, invite = await self.dial(credentials=credentials)
        self.phone.answer(invite, 200, body=ANSWER)
        await self.phone.request("ACK")
        assert await next_event(leg) == Answered()
        return leg, invite

    async def over(self) -> None:
        await asyncio.sleep(0.01)
        for _ in range(4):
            self.clock.advance(40)
            await asyncio.sleep(0)
        await settled(self.rig)


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Line]:
    clock = SteppedScheduler()
    async with rig(scheduler=clock) as gateway, phone(gateway) as called:
        yield Line(called, gateway, clock)


async def test_invite_tells_who_calls_and_on_whose_account(line: Line) -> None:
    request = outbound(
        caller=Party(address="client:al ice", display_name='A "l"'),
        headers={"X-Colour": "blue", "Via": "no", "X-Twilio-CallSid": "no"},
        diversion="+15550142",
        codec_names=("PCMA", "PCMU"),
    )
    leg, invite = await line.dial(request=request)
    assert invite.headers.get("From", "").startswith('"A \\"l\\"" <sip:al%20ice@ringfork.test>;tag=')  # type: ignore[union-attr]
    assert invite.headers.get("To") == f"<{URI}>"
    assert (invite.uri_text, invite.headers.get("X-Colour")) == (URI, "blue")
    assert invite.headers.getlist("X-Twilio-CallSid") == ["CA" + "0" * 32]
    assert invite.headers.get("X-Twilio-AccountSid") == "AC" + "0" * 32
    assert invite.headers.get("X-Twilio-ApiVersion") == "2010-04-01"
    assert invite.headers.get("Diversion") == "<sip:+15550142@ringfork.test>;reason=unconditional"
    assert {"100rel", "timer"} == invite.tokens("Supported")
    assert b"RTP/AVP 8 0 101" in invite.body
    assert len(invite.headers.getlist("Via")) == 1
    assert leg.headers == {"X-Colour": "blue"}
    leg.hangup()


async def test_call_rings_and_is_answered_and_ended_by_the_phone(line: Line) -> None:
    leg, invite = await line.dial()
    for code in (100, 180, 180, 181, 183):
        line.phone.answer(invite, code)
    assert await next_event(leg) == Ringing()
    line.phone.answer(invite, 200, body=ANSWER, fields=[("X-Answer", "yes"), ("X-Twilio-CallSid", "no")])
    ack = await line.phone.request("ACK")
    assert ack.cseq.sequence == invite.cseq.sequence and ack.uri_text.startswith("sip:phone@127.0.0.1")
    assert await next_event(leg) == Answered({"X-Answer": "yes"})
    assert port_of(leg).watched == [(30.0, 15.0)]
    assert port_of(leg).connected[-1].learn_from == "127.0.0.1"
    bye = line.phone.back("BYE", invite, tag="t1")
    line.phone.say(bye)
    await line.phone.response(200)
    assert await ended(leg) == Ended(HangupCause.NORMAL, by_remote=True)
    await line.over()


async def test_early_media_follows_the_latest_fork_and_the_answer_decides(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 183, tag="a", body=description(5010))
    assert await next_event(leg) == EarlyMedia()
    line.phone.answer(invite, 180, tag="b")
    assert await next_event(leg) == Ringing()
    line.phone.answer(invite, 183, tag="b", body=description(5020))
    await asyncio.sleep(0.01)
    assert line.rig.agent.live["dialogs"] == 2
    line.phone.answer(invite, 200, tag="c", body=description(5030))
    await line.phone.request("ACK")
    assert await next_event(leg) == Answered()
    assert [remote.address for remote in port_of(leg).connected] == [("127.0.0.1", port) for port in (5010, 5020, 5030)]
    assert line.rig.agent.live["dialogs"] == 1


async def test_answer_without_a_description_takes_the_early_one(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 183, body=ANSWER)
    line.phone.answer(invite, 200)
    await line.phone.request("ACK")
    assert [await next_event(leg) for _ in range(2)] == [EarlyMedia(), Answered()]


@pytest.mark.parametrize(
    "body", [b"", b"rubbish", description(5000, payloads="18"), ANSWER.replace(b"audio 5000", b"audio 0")]
)
async def test_answer_that_agrees_on_nothing_is_acknowledged_and_ended(line: Line, body: bytes) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 200, body=body)
    await line.phone.request("ACK")
    line.phone.answer(await line.phone.request("BYE"), 200)
    assert await ended(leg) == Ended(HangupCause.NOT_ACCEPTABLE, sip_status=488)
    assert port_of(leg).closed == 1
    await line.over()


async def test_answer_that_comes_again_gets_the_same_ack_again(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 200, body=ANSWER)
    ack = await line.phone.request("ACK")
    line.phone.answer(invite, 200, body=ANSWER)
    assert bytes(await line.phone.request("ACK")) == bytes(ack)
    assert leg.state is LegState.UP


async def test_second_answer_from_a_fork_is_acknowledged_and_ended(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 200, tag="a", body=ANSWER)
    await line.phone.request("ACK")
    line.phone.answer(invite, 200, tag="b", body=ANSWER)
    assert (await line.phone.request("ACK")).to_tag == "b"
    bye = await line.phone.request("BYE")
    assert bye.to_tag == "b"
    line.phone.answer(bye, 200)
    assert leg.state is LegState.UP and len(port_of(leg).connected) == 1


async def test_hangup_before_any_answer_waits_for_one_to_cancel(line: Line) -> None:
    leg, invite = await line.dial()
    leg.hangup(HangupCause.ANSWERED_ELSEWHERE)
    assert await ended(leg) == Ended(HangupCause.ANSWERED_ELSEWHERE, sip_status=487)
    assert port_of(leg).closed == 1
    assert await line.phone.is_silent(), "a CANCEL now could overtake its INVITE"
    line.phone.answer(invite, 100)
    cancel = await line.phone.request("CANCEL")
    assert cancel.headers.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    assert (cancel.branch, cancel.cseq.sequence, cancel.to_tag) == (invite.branch, invite.cseq.sequence, "")
    line.phone.answer(cancel, 200)
    line.phone.answer(invite, 487)
    assert (await line.phone.request("ACK")).branch == invite.branch
    await line.over()


async def test_hangup_while_ringing_cancels_once(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 180)
    assert await next_event(leg) == Ringing()
    leg.hangup(HangupCause.CANCELED)
    leg.hangup(HangupCause.NORMAL)
    cancel = await line.phone.request("CANCEL")
    line.phone.answer(invite, 180)
    line.phone.answer(cancel, 200)
    assert await line.phone.is_silent()
    line.phone.answer(invite, 487)
    await line.phone.request("ACK")
    assert await ended(leg) == Ended(HangupCause.CANCELED, sip_status=487)
    await line.over()


async def test_answer_that_crosses_cancel_is_acknowledged_and_ended(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 180)
    assert await next_event(leg) == Ringing()
    leg.hangup(HangupCause.ANSWERED_ELSEWHERE)
    cancel = await line.phone.request("CANCEL")
    line.phone.answer(invite, 200, body=ANSWER)
    line.phone.answer(cancel, 200)
    await line.phone.request("ACK")
    bye = await line.phone.request("BYE")
    assert "completed elsewhere" in (bye.headers.get("Reason") or "")
    line.phone.answer(bye, 200)
    assert await ended(leg) == Ended(HangupCause.ANSWERED_ELSEWHERE, sip_status=487)
    await line.over()


async def test_cancel_that_nobody_heeds_is_forgotten_in_the_end(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 180)
    assert await next_event(leg) == Ringing()
    leg.hangup()
    line.phone.answer(await line.phone.request("CANCEL"), 200)
    await line.over()


async def test_hangup_in_a_call_says_bye(line: Line) -> None:
    leg, _ = await line.up()
    leg.hangup()
    bye = await line.phone.request("BYE")
    assert bye.cseq.sequence == 2
    line.phone.answer(bye, 200)
    assert await ended(leg) == Ended(HangupCause.NORMAL)
    await line.over()


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (302, HangupCause.FAILED),
        (404, HangupCause.NOT_FOUND),
        (408, HangupCause.NO_ANSWER),
        (480, HangupCause.NO_ANSWER),
        (486, HangupCause.BUSY),
        (488, HangupCause.NOT_ACCEPTABLE),
        (503, HangupCause.FAILED),
        (600, HangupCause.BUSY),
        (603, HangupCause.DECLINED),
        (699, HangupCause.FAILED),
        (401, HangupCause.FAILED),
    ],
)
async def test_refusal_ends_the_leg_with_its_cause_and_headers(line: Line, code: int, cause: HangupCause) -> None:
    leg, invite = await line.dial()
    fields = [("Contact", "<sip:premium@evil.test>"), ("X-Reason", "because")]
    line.phone.answer(invite, code, fields=fields)
    await line.phone.request("ACK")
    line.phone.answer(invite, code, fields=fields)
    await line.phone.request("ACK")
    assert await ended(leg) == Ended(cause, by_remote=True, sip_status=code, headers={"X-Reason": "because"})
    assert await line.phone.is_silent(), "nobody else is called"
    await line.over()


async def test_nobody_at_home_is_a_408_after_timer_b(line: Line) -> None:
    leg, _ = await line.dial()
    line.clock.advance(31)
    assert leg.state is LegState.TRYING
    line.clock.advance(2)
    assert await ended(leg) == Ended(HangupCause.NO_ANSWER, sip_status=408)
    await line.over()


async def test_name_without_an_address_is_unreachable(line: Line) -> None:
    leg = line.rig.dial("sip:bob@nowhere.test", [])
    assert await ended(leg) == Ended(HangupCause.UNREACHABLE, sip_status=404)
    await line.over()


@pytest.mark.parametrize(
    "uri", ["sip:bob@phone.test\r\nX-Evil: 1", "sip:bob@phone.test\n", "sip:b b@phone.test", "bob", ""]
)
async def test_target_that_is_no_uri_is_never_written(line: Line, uri: str) -> None:
    leg = line.rig.agent.dial(DialTarget(request_uri=uri, device="x"), outbound())
    assert await ended(leg) == Ended(HangupCause.UNREACHABLE, sip_status=404)
    assert await line.phone.is_silent()
    await line.over()


async def test_connection_that_is_refused_is_unreachable(line: Line) -> None:
    async with rig(listen=("tcp:127.0.0.1:0",)) as gateway:
        leg = gateway.dial(URI, [line.place(protocol="tcp")])
        assert await ended(leg) == Ended(HangupCause.UNREACHABLE, sip_status=503)
        await settled(gateway)


async def test_silent_address_makes_room_for_the_next(line: Line) -> None:
    async with phone() as second:
        leg = line.rig.dial(URI, [line.place(), line.place(second)])
        first = await line.phone.request("INVITE")
        line.clock.advance(4)
        invite = await second.request("INVITE")
        assert (invite.call_id, invite.branch != first.branch) == (first.call_id, True)
        second.answer(invite, 200, body=ANSWER)
        await second.request("ACK")
        assert await next_event(leg) == Answered()
        line.phone.forget()
        line.phone.answer(first, 200, tag="late", body=ANSWER)
        await line.phone.request("ACK")
        line.phone.answer(await line.phone.request("BYE"), 200)
        assert leg.state is LegState.UP


async def test_address_that_is_full_makes_room_for_the_next(line: Line) -> None:
    async with phone() as second:
        leg = line.rig.dial(URI, [line.place(), line.place(second)])
        line.phone.answer(await line.phone.request("INVITE"), 503)
        await line.phone.request("ACK")
        second.answer(await second.request("INVITE"), 486)
        assert (await ended(leg)).cause is HangupCause.BUSY


async def test_reliable_provisional_answers_get_one_prack_each_in_order(line: Line) -> None:
    leg, invite = await line.dial()
    reliable = [("Require", "100rel")]
    line.phone.answer(invite, 183, body=ANSWER, fields=[*reliable, ("RSeq", "70")])
    prack = await line.phone.request("PRACK")
    assert (prack.headers.get("RAck"), prack.cseq.sequence, prack.to_tag) == ("70 1 INVITE", 2, "t1")
    line.phone.answer(prack, 200)
    line.phone.answer(invite, 183, body=ANSWER, fields=[*reliable, ("RSeq", "70")])
    line.phone.answer(invite, 180, fields=[*reliable, ("RSeq", "72")])
    assert await line.phone.is_silent(), "one came twice, one came too early"
    line.phone.answer(invite, 180, fields=[*reliable, ("RSeq", "71")])
    assert (await line.phone.request("PRACK")).headers.get("RAck") == "71 1 INVITE"
    assert [await next_event(leg) for _ in range(2)] == [EarlyMedia(), Ringing()]
    line.phone.answer(invite, 200)
    assert (await line.phone.request("ACK")).cseq.sequence == 1
    leg.hangup()
    assert (await line.phone.request("BYE")).cseq.sequence == 4


async def test_reliable_early_answer_may_be_followed_by_an_update_before_the_call_is_answered(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 183, body=ANSWER, fields=[("Require", "100rel"), ("RSeq", "1")])
    line.phone.answer(await line.phone.request("PRACK"), 200)
    assert await next_event(leg) == EarlyMedia()
    line.phone.say(line.phone.back("UPDATE", invite, tag="t1", body=description(5500, payloads="0 101")))
    assert (await line.phone.response(200, "UPDATE")).body
    line.phone.answer(invite, 200, body=ANSWER)
    await line.phone.request("ACK")
    assert await next_event(leg) == Answered()
    assert port_of(leg).connected[-1].address == ("127.0.0.1", 5500), "the 200 does not answer a second time"


async def test_update_before_anything_is_agreed_has_to_wait(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 180)
    assert await next_event(leg) == Ringing()
    line.phone.say(line.phone.back("UPDATE", invite, tag="t1", body=ANSWER))
    await line.phone.response(491)
    leg.hangup()


async def test_session_that_is_too_short_is_asked_for_again(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 422, fields=[("Min-SE", "3600")])
    await line.phone.request("ACK")
    again = await line.phone.request("INVITE")
    assert (again.headers.get("Session-Expires"), again.headers.get("Min-SE")) == ("3600", "3600")
    assert (again.call_id, again.cseq.sequence, again.from_tag) == (invite.call_id, 2, invite.from_tag)
    leg.hangup()


LOGIN = Credentials(username="me", password="secret", realm="carrier.test")


def challenge(nonce: str, *, realm: str = "carrier.test", header: str = "WWW-Authenticate") -> list[tuple[str, str]]:
    return [(header, f'Digest realm="{realm}", nonce="{nonce}", qop="auth", algorithm=MD5')]


@pytest.mark.parametrize(
    ("code", "asks", "answers"),
    [(401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")],
)
async def test_trunk_gets_its_login_once_for_each_nonce(line: Line, code: int, asks: str, answers: str) -> None:
    leg, invite = await line.dial(credentials=LOGIN)
    assert "Authorization" not in invite.headers
    line.phone.answer(invite, code, fields=challenge("n1", header=asks))
    await line.phone.request("ACK")
    again = await line.phone.request("INVITE")
    assert 'username="me"' in (again.headers.get(answers) or "") and again.cseq.sequence == 2
    assert b"secret" not in bytes(again) and "secret" not in repr(LOGIN)
    line.phone.answer(again, code, fields=challenge("n1", header=asks))
    await line.phone.request("ACK")
    assert await ended(leg) == Ended(HangupCause.FAILED, by_remote=True, sip_status=code)
    assert await line.phone.is_silent()
    await line.over()


async def test_login_goes_to_no_other_realm(line: Line) -> None:
    leg, invite = await line.dial(credentials=LOGIN)
    line.phone.answer(invite, 401, fields=challenge("n1", realm="evil.test"))
    await line.phone.request("ACK")
    assert (await ended(leg)).sip_status == 401
    assert await line.phone.is_silent()


async def test_login_without_a_realm_keeps_to_the_first_one(line: Line) -> None:
    leg, invite = await line.dial(credentials=Credentials(username="me", password="secret"))
    line.phone.answer(invite, 401, fields=challenge("n1"))
    await line.phone.request("ACK")
    again = await line.phone.request("INVITE")
    line.phone.answer(again, 401, fields=challenge("n2", realm="evil.test"))
    await line.phone.request("ACK")
    assert (await ended(leg)).sip_status == 401
    assert await line.phone.is_silent()


async def test_challenged_bye_and_refresh_of_a_trunk_are_answered(line: Line) -> None:
    leg, _ = await line.up(credentials=LOGIN)
    line.clock.advance(900)
    refresh = await line.phone.request("INVITE")
    line.phone.answer(refresh, 407, fields=challenge("n1", header="Proxy-Authenticate"))
    await line.phone.request("ACK")
    again = await line.phone.request("INVITE")
    assert "Proxy-Authorization" in again.headers
    line.phone.answer(again, 200, body=ANSWER)
    await line.phone.request("ACK")
    leg.hangup()
    line.phone.answer(await line.phone.request("BYE"), 401, fields=challenge("n2"))
    last = await line.phone.request("BYE")
    assert "Authorization" in last.headers
    line.phone.answer(last, 200)
    await line.over()


async def test_login_goes_to_nobody_that_a_contact_led_to(line: Line) -> None:
    async with phone(host="127.0.0.2") as elsewhere:
        leg, invite = await line.dial(credentials=Credentials(username="me", password="secret"))
        line.phone.say(respond(invite, 200, to_tag="t", fields=[("Contact", elsewhere.contact)], body=ANSWER))
        elsewhere.answer(await elsewhere.request("ACK"), 100)
        leg.hangup()
        elsewhere.answer(await elsewhere.request("BYE"), 401, fields=challenge("n"))
        assert await elsewhere.is_silent() and await line.phone.is_silent()
        await line.over()


async def test_call_without_a_login_answers_no_challenge(line: Line) -> None:
    leg, _ = await line.up()
    leg.hangup()
    line.phone.answer(await line.phone.request("BYE"), 401, fields=challenge("n1"))
    assert await line.phone.is_silent()
    await line.over()


async def test_engine_without_a_port_ends_the_leg_at_once() -> None:
    async with rig(capacity=0) as gateway:
        leg = gateway.dial(URI, [])
        assert await ended(leg) == Ended(HangupCause.OVERLOAD, sip_status=503)
        await settled(gateway)


async def test_broken_answers_to_our_invite_do_no_harm(line: Line) -> None:
    leg, invite = await line.dial()
    good = bytes(Response(200, headers=invite.headers, body=ANSWER))
    line.phone.say(good.replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"))
    line.phone.say(good.replace(b"SIP/2.0 200", b"SIP/2.0 2000"))
    line.phone.say(good.replace(b"Call-ID:", b"Call-IX:"))
    line.phone.answer(invite, 180, tag="x", fields=[("Record-Route", "<sip:broken")])
    line.phone.answer(invite, 183, tag="y", body=b"rubbish")
    assert await next_event(leg) == Ringing()
    line.phone.answer(invite, 200, body=ANSWER)
    await line.phone.request("ACK")
    assert await next_event(leg) == Answered()


async def test_answer_without_contact_is_acknowledged_where_we_called(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.say(respond(invite, 200, to_tag="z", body=ANSWER))
    assert (await line.phone.request("ACK")).uri_text == URI
    assert await next_event(leg) == Answered()
    leg.hangup()
    line.phone.answer(await line.phone.request("BYE"), 200)
    await line.over()


async def test_answer_with_a_route_that_cannot_be_read_fails(line: Line) -> None:
    leg, invite = await line.dial()
    line.phone.answer(invite, 180)
    line.phone.answer(invite, 200, fields=[("Record-Route", "<sip:broken")], body=ANSWER)
    assert (await ended(leg)).cause is HangupCause.FAILED
    await line.over()


@pytest.mark.parametrize("is_permitted", [True, False])
async def test_target_at_an_address_that_may_not_be_called_is_never_sent_to(is_permitted: bool) -> None:
    async with rig() as gateway, phone() as callee:
        uri = "sip:bob@callee.test"
        host, port = callee.address
        gateway.directory.known[uri] = [Destination("udp", host, port)]
        asked: list[str] = []

        def permits(address: str) -> bool:
            asked.append(address)
            return is_permitted

        leg = gateway.agent.dial(DialTarget(request_uri=uri, device=uri, permits=permits), outbound())
        if is_permitted:
            await callee.request("INVITE")
            leg.hangup()
        else:
            end = await ended(leg)
            assert (end.cause, end.sip_status, end.by_remote) == (HangupCause.FORBIDDEN, 403, False)
            assert await callee.is_silent()
        assert asked == ["127.0.0.1"]
