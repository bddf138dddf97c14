"""Calls that come in, against a phone that says one message at a time: set-up, its races, and its end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from signaling.leg import Ended, HangupCause, LegState, Party
from signaling.sip.auth import answer_challenge
from signaling.sip.leg import SipLeg
from signaling.sip.message import Request, Response
from tests.signaling.sip.peers import (
    Phone,
    Rig,
    SteppedScheduler,
    description,
    ended,
    phone,
    port_of,
    rig,
    settled,
)

OFFER = description(4000)


@dataclass
class Line:
    """A phone, the agent it calls, and the clock of the agent's timers."""

    phone: Phone
    rig: Rig
    clock: SteppedScheduler

    async def call(self, *, body: bytes = OFFER, fields: list[tuple[str, str]] | None = None) -> tuple[SipLeg, Request]:
        """An INVITE that was admitted."""
        invite = self.phone.make("INVITE", fields=fields or [], body=body)
        self.phone.say(invite)
        await self.phone.response(100)
        return await self.rig.incoming(), invite

    async def up(self, *, body: bytes = OFFER) -> tuple[SipLeg, Response]:
        """A call that is up; gives its leg and the 200."""
        leg, _ = await self.call(body=body)
        await leg.answer()
        answer = await self.phone.response(200)
        self.phone.say(self.acknowledge(answer))
        await asyncio.sleep(0.01)
        return leg, answer

    def acknowledge(self, answer: Response, *, body: bytes = b"") -> Request:
        return self.phone.inside("ACK", answer, sequence=answer.cseq.sequence, body=body)

    async def ask(self, method: str, answer: Response, **more: object) -> Response:
        """A request inside the dialog and what it was answered."""
        self.phone.say(self.phone.inside(method, answer, **more))  # type: ignore[arg-type]
        message = await self.phone.hear()
        assert isinstance(message, Response) and message.cseq.method == method, message
        return message

    async def over(self) -> None:
        """Everything ends by its timers, and nothing is left."""
        await asyncio.sleep(0.01)
        for _ in range(4):
            self.clock.advance(40)
            await asyncio.sleep(0)
        await settled(self.rig)


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Line]:
    clock = SteppedScheduler()
    async with rig(scheduler=clock) as gateway, phone(gateway) as caller:
        yield Line(caller, gateway, clock)


async def test_call_goes_through_100_180_200_ack_bye(line: Line) -> None:
    leg, _ = await line.call(
        fields=[("X-Colour", "blue"), ("x-twilio-callsid", "CAfake"), ("Diversion", "<sip:+15550199@c>")]
    )
    assert leg.headers == {"X-Colour": "blue"}
    assert (leg.diversion, leg.device) == ("+15550199", "trunk:carrier")
    assert (leg.caller, leg.callee.address) == (Party(address="sip:alice@ringfork.test"), "sip:bob@ringfork.test")
    assert leg.sip is not None and leg.sip.source_ip == "127.0.0.1"
    assert leg.codec_names == ("PCMU", "PCMA")
    await leg.ring()
    ringing = await line.phone.response(180)
    assert ringing.to_tag and not ringing.body
    await leg.answer()
    answer = await line.phone.response(200)
    assert answer.to_tag == ringing.to_tag
    assert b"RTP/AVP 0 101" in answer.body
    assert list(leg.codec_names) == ["PCMU"]
    assert answer.headers.get("Session-Expires") == "1800;refresher=uas"
    line.phone.say(line.acknowledge(answer))
    port = port_of(leg)
    assert (port.connected[-1].address, port.connected[-1].learn_from) == (("127.0.0.1", 4000), "127.0.0.1")
    assert port.watched == [(30.0, 15.0)]
    bye = await line.ask("BYE", answer, fields=[("X-Why", "done")])
    assert bye.code == 200
    assert await ended(leg) == Ended(HangupCause.NORMAL, by_remote=True, headers={"X-Why": "done"})
    assert port.closed == 1
    await line.over()


async def test_copies_of_the_invite_get_the_last_answer_again_and_make_no_second_call(line: Line) -> None:
    leg, invite = await line.call()
    await leg.ring()
    await line.phone.response(180)
    line.phone.say(invite)
    await line.phone.response(180)
    leg.hangup(HangupCause.BUSY)
    await line.phone.response(486)
    line.phone.say(invite)
    await line.phone.response(486)
    assert line.rig.calls.empty()
    assert await ended(leg) == Ended(HangupCause.BUSY, sip_status=486)
    await line.over()


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (HangupCause.BUSY, 486),
        (HangupCause.DECLINED, 603),
        (HangupCause.NO_ANSWER, 480),
        (HangupCause.NOT_FOUND, 404),
        (HangupCause.OVERLOAD, 503),
        (HangupCause.NORMAL, 480),
    ],
)
@pytest.mark.parametrize("rings", [False, True])
async def test_hangup_before_the_answer_refuses_with_the_status_of_its_cause(
    line: Line, cause: HangupCause, code: int, *, rings: bool
) -> None:
    leg, _ = await line.call()
    if rings:
        await leg.ring()
        await line.phone.response(180)
    leg.hangup(cause)
    leg.hangup(cause)
    refusal = await line.phone.response(code)
    line.phone.say(line.acknowledge(refusal))
    assert await ended(leg) == Ended(cause, sip_status=code)
    assert leg.state is LegState.ENDED
    await leg.answer()
    await leg.ring()
    await leg.early_media()
    await line.over()


async def test_cancel_takes_the_call_back(line: Line) -> None:
    leg, invite = await line.call()
    await leg.ring()
    await line.phone.response(180)
    cancel = line.phone.make("CANCEL", call_id=invite.call_id, branch=invite.branch)
    line.phone.say(cancel)
    first, second = await line.phone.hear(), await line.phone.hear()
    assert isinstance(first, Response) and isinstance(second, Response)
    assert {(first.code, first.cseq.method), (second.code, second.cseq.method)} == {(200, "CANCEL"), (487, "INVITE")}
    assert await ended(leg) == Ended(HangupCause.CANCELED, by_remote=True, sip_status=487)
    await leg.answer()
    assert await line.phone.is_silent()
    await line.over()


async def test_cancel_that_crosses_the_answer_changes_nothing(line: Line) -> None:
    leg, invite = await line.call()
    await leg.answer()
    line.phone.say(line.phone.make("CANCEL", call_id=invite.call_id, branch=invite.branch))
    answer = await line.phone.response(200, "INVITE")
    await line.phone.response(200, "CANCEL")
    line.phone.say(line.acknowledge(answer))
    assert leg.state is LegState.UP
    assert (await line.ask("BYE", answer)).code == 200
    assert (await ended(leg)).cause is HangupCause.NORMAL
    await line.over()


async def test_cancel_of_nothing_is_a_481(line: Line) -> None:
    line.phone.say(line.phone.make("CANCEL"))
    await line.phone.response(481, "CANCEL")


async def test_bye_before_the_answer_is_as_good_as_cancel(line: Line) -> None:
    leg, _ = await line.call()
    await leg.ring()
    ringing = await line.phone.response(180)
    line.phone.say(line.phone.inside("BYE", ringing))
    codes = [(await line.phone.hear()) for _ in range(2)]
    assert {message.code for message in codes if isinstance(message, Response)} == {200, 487}
    assert await ended(leg) == Ended(HangupCause.CANCELED, by_remote=True, sip_status=487)
    await line.over()


async def test_answer_is_repeated_until_ack(line: Line) -> None:
    leg, _ = await line.call()
    await leg.answer()
    answer = await line.phone.response(200)
    for interval_s in (0.5, 1.0, 2.0, 4.0, 4.0):
        line.clock.advance(interval_s)
        assert bytes(await line.phone.response(200)) == bytes(answer)
    line.phone.say(line.acknowledge(answer))
    await asyncio.sleep(0.01)
    line.clock.advance(20)
    assert await line.phone.is_silent()
    assert leg.state is LegState.UP


async def test_answer_that_nobody_acknowledges_ends_the_call_with_bye(line: Line) -> None:
    leg, _ = await line.call()
    await leg.answer()
    await line.phone.response(200)
    line.clock.advance(32.1)
    await asyncio.sleep(0.01)
    while isinstance(message := await line.phone.hear(), Response):
        assert message.code == 200
    assert message.method == "BYE"
    line.phone.answer(message, 200)
    assert await ended(leg) == Ended(HangupCause.FAILED)
    await line.over()


async def test_hangup_between_answer_and_ack_says_bye_after_the_ack(line: Line) -> None:
    leg, _ = await line.call()
    await leg.answer()
    answer = await line.phone.response(200)
    leg.hangup()
    assert await ended(leg) == Ended(HangupCause.NORMAL)
    assert port_of(leg).closed == 1
    assert await line.phone.is_silent()
    line.phone.say(line.acknowledge(answer))
    line.phone.answer(await line.phone.request("BYE"), 200)
    await line.over()


async def test_hangup_between_answer_and_ack_says_bye_without_one_at_last(line: Line) -> None:
    leg, _ = await line.call()
    await leg.answer()
    await line.phone.response(200)
    leg.hangup()
    line.clock.advance(32.1)
    await asyncio.sleep(0.01)
    while isinstance(message := await line.phone.hear(), Response):
        pass
    assert message.method == "BYE"
    line.phone.answer(message, 200)
    await line.over()


async def test_bye_that_nobody_answers_is_given_up(line: Line) -> None:
    leg, _ = await line.up()
    leg.hangup()
    await line.phone.request("BYE")
    line.clock.advance(0.5)
    await line.phone.request("BYE")
    await line.over()


async def test_late_offer_is_ours_in_the_answer_and_theirs_in_ack(line: Line) -> None:
    leg, _ = await line.call(body=b"")
    await leg.ring()
    await line.phone.response(180)
    await leg.answer()
    answer = await line.phone.response(200)
    assert b"m=audio 40000 RTP/AVP 0 8 9 111 101 102" in answer.body
    assert not port_of(leg).connected
    line.phone.say(line.acknowledge(answer, body=description(4002, payloads="8 101")))
    await asyncio.sleep(0.02)
    assert leg.codec_names == ("PCMA",)
    assert port_of(leg).connected[-1].address == ("127.0.0.1", 4002)
    assert port_of(leg).watched[-1] == (30.0, 15.0)
    leg.hangup()
    line.phone.answer(await line.phone.request("BYE"), 200)
    await line.over()


@pytest.mark.parametrize(
    "body", [b"", b"rubbish", description(4000, payloads="18")], ids=["none", "rubbish", "foreign codec"]
)
async def test_late_offer_without_a_usable_answer_ends_the_call(line: Line, body: bytes) -> None:
    leg, _ = await line.call(body=b"")
    await leg.answer()
    line.phone.say(line.acknowledge(await line.phone.response(200), body=body))
    bye = await line.phone.request("BYE")
    assert "488" in (bye.headers.get("Reason") or "")
    line.phone.answer(bye, 200)
    assert await ended(leg) == Ended(HangupCause.NOT_ACCEPTABLE)
    await line.over()


async def test_early_media_opens_the_sound_before_the_answer(line: Line) -> None:
    leg, _ = await line.call()
    await leg.early_media()
    progress = await line.phone.response(183)
    assert b"m=audio 40000" in progress.body
    assert len(port_of(leg).connected) == 1 and not port_of(leg).watched
    await leg.answer()
    answer = await line.phone.response(200)
    assert answer.body == progress.body
    assert len(port_of(leg).connected) == 1


async def test_early_media_without_an_offer_to_answer_only_tells_progress(line: Line) -> None:
    leg, _ = await line.call(body=b"")
    await leg.early_media()
    assert not (await line.phone.response(183)).body
    leg.hangup()


async def test_provisional_answer_is_repeated_each_minute(line: Line) -> None:
    leg, _ = await line.call()
    await leg.ring()
    await line.phone.response(180)
    for _ in range(3):
        line.clock.advance(60)
        await line.phone.response(180)
    leg.hangup()


async def test_invite_that_expires_is_taken_back(line: Line) -> None:
    leg, _ = await line.call(fields=[("Expires", "20")])
    line.clock.advance(20)
    assert await ended(leg) == Ended(HangupCause.CANCELED, by_remote=True, sip_status=487)
    await line.phone.response(487)


async def test_reliable_provisional_is_repeated_until_prack(line: Line) -> None:
    leg, invite = await line.call(fields=[("Require", "100rel")])
    await leg.ring()
    ringing = await line.phone.response(180)
    assert ringing.headers.get("RSeq") == "1"
    assert ringing.tokens("Require") == {"100rel"}
    for interval_s in (0.5, 1.0, 2.0):
        line.clock.advance(interval_s)
        await line.phone.response(180)
    assert (await line.ask("PRACK", ringing, fields=[("RAck", f"9 {invite.cseq.sequence} INVITE")])).code == 481
    assert (await line.ask("PRACK", ringing, fields=[("RAck", f"1 {invite.cseq.sequence}  INVITE")])).code == 200
    line.clock.advance(20)
    assert await line.phone.is_silent()
    await leg.answer()
    await line.phone.response(200)


async def test_reliable_provisional_without_prack_refuses_the_call(line: Line) -> None:
    leg, _ = await line.call(fields=[("Require", "100rel")])
    await leg.ring()
    answering = asyncio.ensure_future(leg.answer())
    line.clock.advance(32.1)
    await answering
    assert (await ended(leg)).cause is HangupCause.FAILED
    while (message := await line.phone.hear()) and isinstance(message, Response) and message.code == 180:
        pass
    assert isinstance(message, Response) and message.code == 504
    await line.over()


async def test_answer_waits_for_the_prack_of_an_early_description(line: Line) -> None:
    leg, invite = await line.call(fields=[("Require", "100rel")])
    await leg.early_media()
    progress = await line.phone.response(183)
    answering = asyncio.ensure_future(leg.answer())
    assert await line.phone.is_silent()
    assert (await line.ask("PRACK", progress, fields=[("RAck", f"1 {invite.cseq.sequence} INVITE")])).code == 200
    await answering
    assert not (await line.phone.response(200)).body, "the description was told reliably"
    assert leg.state is LegState.UP


async def test_late_offer_with_reliable_provisional_is_settled_by_prack(line: Line) -> None:
    leg, invite = await line.call(body=b"", fields=[("Require", "100rel")])
    await leg.ring()
    ringing = await line.phone.response(180)
    assert b"m=audio" in ringing.body
    rack = ("RAck", f"1 {invite.cseq.sequence} INVITE")
    assert (await line.ask("PRACK", ringing, fields=[rack], body=description(4004))).code == 200
    assert port_of(leg).connected[-1].address == ("127.0.0.1", 4004)
    await leg.answer()
    answer = await line.phone.response(200)
    assert not answer.body
    line.phone.say(line.acknowledge(answer))
    await asyncio.sleep(0.01)
    assert leg.state is LegState.UP


BAD_INVITES = {
    "offer of a foreign codec": (description(4000, payloads="18"), [], 488),
    "offer that is no SDP": (b"rubbish", [], 400),
    "offer of video alone": (OFFER.replace(b"m=audio", b"m=video"), [], 488),
    "demand we do not know": (OFFER, [("Require", "100rel, foo")], 420),
    "a session shorter than ours": (OFFER, [("Supported", "timer"), ("Session-Expires", "60")], 422),
    "a compressed body": (OFFER, [("Content-Encoding", "gzip")], 415),
}


@pytest.mark.parametrize("name", BAD_INVITES)
async def test_invite_that_cannot_be_taken_is_refused_before_anybody_hears_of_it(line: Line, name: str) -> None:
    body, fields, code = BAD_INVITES[name]
    line.phone.say(line.phone.make("INVITE", fields=fields, body=body))
    message = await line.phone.hear()
    if isinstance(message, Response) and message.code == 100:
        message = await line.phone.hear()
    assert isinstance(message, Response) and message.code == code
    if code == 422:
        assert message.headers.get("Min-SE") == "90"
    if code == 420:
        assert message.headers.get("Unsupported") == "foo"
    assert line.rig.calls.empty()
    await line.over()


async def test_invite_without_contact_is_refused(line: Line) -> None:
    invite = line.phone.make("INVITE", body=OFFER)
    invite.headers.remove("Contact")
    line.phone.say(invite)
    await line.phone.response(400)
    await line.over()


async def test_invite_that_came_round_a_second_way_is_a_loop(line: Line) -> None:
    leg, invite = await line.call()
    again = line.phone.make("INVITE", call_id=invite.call_id, body=OFFER)
    again.headers.set("CSeq", invite.headers.get("CSeq") or "")
    line.phone.say(again)
    await line.phone.response(482)
    leg.hangup()


OUTSIDE = {
    "OPTIONS": 200, "BYE": 481, "UPDATE": 481, "INFO": 481, "PRACK": 481, "NOTIFY": 481,
    "MESSAGE": 405, "SUBSCRIBE": 405, "PUBLISH": 405, "REFER": 405, "BREW": 501, "REGISTER": 403,
}  # fmt: skip


@pytest.mark.parametrize("method", OUTSIDE)
async def test_request_outside_of_any_dialog_is_answered_and_nothing_is_kept(line: Line, method: str) -> None:
    line.phone.say(line.phone.make(method))
    answer = await line.phone.response(OUTSIDE[method])
    assert answer.to_tag
    if method in ("OPTIONS", "MESSAGE", "BREW"):
        assert "INVITE" in (answer.headers.get("Allow") or "")
    assert line.rig.agent.live == {"legs": 0, "dialogs": 0, "transactions": 0}


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "UPDATE", "MESSAGE"])
async def test_request_of_an_unknown_dialog_is_a_481(line: Line, method: str) -> None:
    request = line.phone.make(method, body=OFFER if method == "INVITE" else b"")
    request.headers.set("To", "<sip:bob@ringfork.test>;tag=unknown")
    line.phone.say(Request(method, request.uri_text, headers=request.headers, body=request.body))
    await line.phone.response(405 if method == "MESSAGE" else 481)


async def test_drain_and_limit_and_exhausted_ports_answer_503_with_retry_after() -> None:
    async with rig(capacity=1, calls=2) as gateway, phone(gateway) as caller:
        caller.say(caller.make("INVITE", body=OFFER))
        await caller.response(100)
        await gateway.incoming()
        caller.say(caller.make("INVITE", body=OFFER))
        assert (await caller.response(503)).headers.get("Retry-After") == "10"
        gateway.agent.drain()
        caller.say(caller.make("INVITE", body=OFFER))
        await caller.response(503)
        caller.say(caller.make("OPTIONS"))
        await caller.response(200)
    async with rig(calls=1) as gateway, phone(gateway) as caller:
        for code in (100, 503):
            caller.say(caller.make("INVITE", body=OFFER))
            await caller.response(code)


async def test_flood_of_calls_beyond_the_limit_is_answered_one_by_one() -> None:
    async with rig(calls=0) as gateway, phone(gateway) as caller:
        for _ in range(150):
            caller.say(caller.make("INVITE", body=OFFER))
            await caller.response(503)
        for _ in range(150):
            caller.say(caller.make("OPTIONS"))
        answers = 0
        with pytest.raises(TimeoutError):
            while answers <= 150:
                async with asyncio.timeout(0.5):
                    await caller.response(200)
                answers += 1
        assert 50 <= answers < 100, "strangers' questions are answered up to a limit"


async def test_stop_hangs_up_everything(line: Line) -> None:
    pending, _ = await line.call()
    running, _ = await line.up()
    await line.rig.agent.stop()
    assert await ended(pending) == Ended(HangupCause.SHUTDOWN, sip_status=503)
    assert await ended(running) == Ended(HangupCause.SHUTDOWN)
    heard = [await line.phone.hear(), await line.phone.hear()]
    assert {message.code if isinstance(message, Response) else message.method for message in heard} == {503, "BYE"}


async def test_stop_waits_until_its_goodbyes_are_answered() -> None:
    clock = SteppedScheduler()
    async with rig(scheduler=clock, goodbye_s=3.0) as gateway, phone(gateway) as caller:
        await Line(caller, gateway, clock).up()
        stopping = asyncio.ensure_future(gateway.agent.stop())
        bye = await caller.request("BYE")
        clock.advance(0.5)
        assert bytes(await caller.request("BYE")) == bytes(bye) and not stopping.done()
        caller.answer(bye, 200)
        async with asyncio.timeout(1):
            await stopping


async def test_ack_whose_body_is_no_answer_ends_the_call(line: Line) -> None:
    leg, _ = await line.call(body=b"")
    await leg.answer()
    answer = await line.phone.response(200)
    line.phone.say(line.phone.inside("ACK", answer, sequence=answer.cseq.sequence, body=b"x", kind="text/plain"))
    line.phone.answer(await line.phone.request("BYE"), 200)
    assert await ended(leg) == Ended(HangupCause.NOT_ACCEPTABLE)
    await line.over()


async def test_stranger_is_challenged_and_nothing_is_kept() -> None:
    async with rig(trunks={}, passwords={"alice": "wonder"}) as gateway, phone(gateway) as caller:
        invite = caller.make("INVITE", body=OFFER, fields=[("User-Agent", "Phone/1")])
        tags = set()
        for _ in range(3):
            caller.say(invite)
            challenge = await caller.response(401)
            tags.add(challenge.to_tag)
            assert gateway.agent.live == {"legs": 0, "dialogs": 0, "transactions": 0}
        assert len(tags) == 1, "a copy gets the same answer"
        offered = challenge.headers.getlist("WWW-Authenticate")
        assert {value.split("algorithm=")[1].split(",")[0] for value in offered} == {"SHA-256", "MD5"}
        ack = caller.inside("ACK", challenge, sequence=invite.cseq.sequence)
        caller.say(ack)
        assert await caller.is_silent()


@pytest.mark.parametrize(
    ("user", "password", "code"), [("alice", "wonder", 100), ("alice", "wrong", 401), ("bob", "wonder", 403)]
)
async def test_registered_identity_proves_itself_and_nobody_else(user: str, password: str, code: int) -> None:
    async with rig(trunks={}, passwords={"alice": "wonder"}) as gateway, phone(gateway) as caller:
        caller.say(caller.make("INVITE", body=OFFER))
        challenge = await caller.response(401)
        answer = answer_challenge(
            challenge.headers.getlist("WWW-Authenticate"),
            method="INVITE",
            uri="sip:bob@ringfork.test",
            username="alice",
            password=password,
        )
        caller.say(caller.make("INVITE", fields=[("Authorization", answer)], body=OFFER, user=user))
        await caller.response(code)
        if code == 100:
            leg = await gateway.incoming()
            assert (leg.identity, leg.trunk, leg.device) == ("alice", None, "sip:alice@127.0.0.1")
            leg.hangup()
        else:
            assert gateway.agent.live == {"legs": 0, "dialogs": 0, "transactions": 0}


async def test_junk_costs_nothing_and_a_call_works_afterwards(line: Line) -> None:
    for junk in (b"\r\n\r\n", b"\x00" * 40, b"INVITE\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"x" * 2000):
        line.phone.say(junk)
    line.phone.say(bytes(line.phone.make("INVITE", body=OFFER)).replace(b"sip:bob@", b"nonsense:bob@", 1))
    await line.phone.response(416)
    leg, answer = await line.up()
    assert (await line.ask("BYE", answer)).code == 200
    assert (await ended(leg)).cause is HangupCause.NORMAL
    await line.over()
