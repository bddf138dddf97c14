"""REFER inside a call, both ways, against a phone that says single messages."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from signaling.leg import Ended, HangupCause, LegState, TransferRequested, TransferResult
from signaling.sip.leg import SipLeg
from signaling.sip.message import Request, Response
from signaling.sip.transfer import MAX_TOLD, fragment_status
from tests.signaling.sip.peers import SteppedScheduler, ended, next_event, phone, rig
from tests.signaling.sip.test_inbound import Line


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Line]:
    clock = SteppedScheduler()
    async with rig(scheduler=clock) as gateway, phone(gateway) as caller:
        yield Line(caller, gateway, clock)


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("<sip:carol@example.com>", "sip:carol@example.com"),
        ("sip:carol@example.com", "sip:carol@example.com"),
        ('"Carol" <sip:carol@example.com:5080;transport=tcp?Replaces=a%3Bb>', "sip:carol@example.com:5080"),
        ("<tel:+15550123>", "+15550123"),
    ],
)
async def test_refer_is_accepted_where_it_is_wanted_and_followed_by_notify(
    line: Line, written: str, target: str
) -> None:
    leg, answer = await line.up()
    leg.accept_transfers(True)
    accepted = await line.ask("REFER", answer, fields=[("Refer-To", written)])
    assert accepted.code == 202
    assert await next_event(leg) == TransferRequested(target, is_accepted=True)
    trying = await line.phone.request("NOTIFY")
    assert (trying.body, trying.content_type) == (b"SIP/2.0 100 Trying\r\n", "message/sipfrag")
    assert (trying.headers.get("Event"), trying.headers.get("Subscription-State")) == ("refer", "active;expires=60")
    line.phone.answer(trying, 200)
    leg.hangup()
    last = await line.phone.request("NOTIFY")
    assert last.body == b"SIP/2.0 200 OK\r\n"
    assert (last.headers.get("Subscription-State") or "").startswith("terminated")
    line.phone.answer(last, 200)
    bye = await line.phone.request("BYE")
    line.phone.answer(bye, 200)
    await line.over()


async def test_refer_without_subscription_is_not_followed_by_notify(line: Line) -> None:
    leg, answer = await line.up()
    leg.accept_transfers(True)
    fields = [("Refer-To", "<sip:c@d>"), ("Refer-Sub", "false")]
    accepted = await line.ask("REFER", answer, fields=fields)
    assert (accepted.code, accepted.headers.get("Refer-Sub")) == (202, "false")
    leg.hangup()
    line.phone.answer(await line.phone.request("BYE"), 200)
    await line.over()


async def test_refer_that_nobody_wants_is_declined_and_told_a_few_times_only(line: Line) -> None:
    leg, answer = await line.up()
    for _ in range(3 * MAX_TOLD):
        assert (await line.ask("REFER", answer, fields=[("Refer-To", "<sip:c@d>")])).code == 603
    leg.hangup()
    told = [event async for event in leg.events]
    assert told.count(TransferRequested("sip:c@d", is_accepted=False)) == MAX_TOLD
    line.phone.answer(await line.phone.request("BYE"), 200)
    await line.over()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([], 400),
        ([("Refer-To", "nonsense")], 400),
        ([("Refer-To", "<http://example.com/>")], 416),
        ([("Refer-To", f"<sip:{'a' * 300}@example.com>")], 414),
    ],
)
async def test_refer_to_nowhere_is_refused_and_the_call_goes_on(
    line: Line, fields: list[tuple[str, str]], code: int
) -> None:
    leg, answer = await line.up()
    leg.accept_transfers(True)
    assert (await line.ask("REFER", answer, fields=fields)).code == code
    assert leg.state is LegState.UP
    assert (await line.ask("REFER", answer, fields=[("Refer-To", "<sip:c@d>")])).code == 202
    line.phone.answer(await line.phone.request("NOTIFY"), 200)
    second = await line.ask("REFER", answer, fields=[("Refer-To", "<sip:c@d>")])
    assert second.code == 491, "one transfer at a time"


async def begun(line: Line) -> tuple[SipLeg, Response, asyncio.Task[TransferResult], Request]:
    leg, answer = await line.up()
    result = asyncio.create_task(leg.transfer("sip:dave@example.com", {"X-A": "1", "Via": "no"}))
    refer = await line.phone.request("REFER")
    return leg, answer, result, refer


def notify(line: Line, answer: Response, status: str, state: str, event: str = "refer") -> Request:
    fields = [("Event", event), ("Subscription-State", state)]
    return line.phone.inside(
        "NOTIFY", answer, fields=fields, body=f"SIP/2.0 {status}\r\n".encode(), kind="message/sipfrag"
    )


async def test_transfer_tells_the_last_status_that_the_phone_told(line: Line) -> None:
    leg, answer, result, refer = await begun(line)
    assert refer.headers.get("Refer-To") == "<sip:dave@example.com>"
    assert refer.headers.get("Referred-By") == "<sip:bob@ringfork.test>"
    assert refer.headers.get("X-A") == "1" and len(refer.headers.getlist("Via")) == 1
    line.phone.answer(refer, 202)
    for status, state in (
        ("100 Trying", "active"),
        ("180 Ringing", "active"),
        ("200 OK", "terminated;reason=noresource"),
    ):
        line.phone.say(notify(line, answer, status, state))
        await line.phone.response(200, "NOTIFY")
    assert await result == TransferResult(sip_status=202, notify_status=200)
    line.phone.say(notify(line, answer, "200 OK", "terminated"))
    await line.phone.response(489, "NOTIFY")
    assert leg.state is LegState.UP


async def test_transfer_notify_may_come_before_the_answer_and_of_another_event_is_refused(line: Line) -> None:
    _, answer, result, refer = await begun(line)
    line.phone.say(notify(line, answer, "200 OK", "active", event="presence"))
    await line.phone.response(489, "NOTIFY")
    line.phone.say(notify(line, answer, "486 Busy Here", "terminated"))
    await line.phone.response(200, "NOTIFY")
    assert await result == TransferResult(sip_status=202, notify_status=486)
    line.phone.answer(refer, 202)


@pytest.mark.parametrize("code", [405, 603, 401])
async def test_transfer_that_the_phone_refuses(line: Line, code: int) -> None:
    _, _, result, refer = await begun(line)
    line.phone.answer(refer, code)
    assert await result == TransferResult(sip_status=code)


async def test_transfer_ends_with_the_call(line: Line) -> None:
    leg, answer, result, refer = await begun(line)
    line.phone.answer(refer, 202)
    await asyncio.sleep(0.01)
    assert (await line.ask("BYE", answer)).code == 200
    assert await result == TransferResult(sip_status=202)
    assert await ended(leg) == Ended(HangupCause.NORMAL, by_remote=True)
    assert await leg.transfer("sip:dave@example.com", {}) == TransferResult()


async def test_transfer_before_the_answer_is_nothing(line: Line) -> None:
    leg, _ = await line.call()
    assert await leg.transfer("sip:dave@example.com", {}) == TransferResult()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"SIP/2.0 200 OK\r\n", 200),
        (b"\r\nSIP/2.0 603 Decline", 603),
        (b"SIP/2.0 999 No", None),
        (b"", None),
        (b"\xff" * 100_000, None),
    ],
)
def test_fragment_is_read_by_its_status_line(body: bytes, status: int | None) -> None:
    assert fragment_status(body) == status
