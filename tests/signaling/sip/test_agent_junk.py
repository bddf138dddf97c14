"""Mutated messages in numbers, in and outside of calls: nothing escapes to the loop, and calls work afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from signaling.leg import Answered, LegState
from signaling.sip.leg import SipLeg
from signaling.sip.message import Request, Response, respond
from signaling.sip.resolver import Destination
from tests.signaling.sip.peers import Phone, Rig, SteppedScheduler, description, next_event, phone, rig
from tests.signaling.sip.test_inbound import Line

OFFER = description(4000)
PIECES = [b"\r\n", b"\r\n ", b"\0", b"\xff", b";", b",", b'"', b"<", b">", b"=", b"%", b":", b"tag=", b"sip:"]
METHODS = ["INVITE", "INVITE", "UPDATE", "INFO", "PRACK", "ACK", "CANCEL", "OPTIONS", "REFER", "BYE"]
CODES = [100, 180, 183, 183, 200, 200, 200, 302, 401, 407, 422, 481, 486, 491, 503, 604]
FIELDS = [
    ("Require", "100rel"), ("Require", "100rel;,<"), ("RSeq", "0"), ("RSeq", "4294967296"), ("RAck", "x"),
    ("Session-Expires", "90"), ("Session-Expires", "-1;refresher=uas"), ("Min-SE", "x"), ("Expires", "0"),
    ("Record-Route", "<sip:p;lr>"), ("Record-Route", '"<sip:p'), ("Contact", "*"), ("Contact", "<sip:[::]>"),
    ("Contact", "<sip:x@0.0.0.0>"), ("Contact", "<sip:x@239.1.1.1;transport=tcp>"), ("Allow", "UPDATE"),
    ("Supported", "timer, 100rel"), ("Content-Type", "multipart/mixed;boundary=x"), ("Diversion", "<"),
    ("WWW-Authenticate", "Digest"), ("Info-Package", "x"), ("Reason", "SIP"), ("X-Twilio-CallSid", "CA"),
]  # fmt: skip


def mutated(octets: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(octets)
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        place = chance.randrange(len(damaged))
        match chance.randrange(4):
            case 0:
                damaged[place] = chance.randrange(256)
            case 1:
                del damaged[place : place + chance.randrange(1, 30)]
            case 2:
                damaged[place:place] = chance.choice(PIECES)
            case _:
                end = place + chance.randrange(1, 60)
                damaged[place:place] = damaged[place:end]
        if not damaged:
            return b"\r\n"
    return bytes(damaged)


@pytest_asyncio.fixture
async def escaped() -> AsyncIterator[list[dict[str, Any]]]:
    """What reached the loop's exception handler."""
    found: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: found.append(context))
    yield found
    loop.set_exception_handler(None)


def fields(chance: random.Random) -> list[tuple[str, str]]:
    return chance.sample(FIELDS, chance.randrange(4))


def body(chance: random.Random) -> bytes:
    return mutated(description(chance.choice((0, 4000, 70000))), chance) if chance.random() < 0.7 else b""


async def take_all(gateway: Rig, chance: random.Random) -> list[SipLeg]:
    """Whatever comes in is treated somehow; gives what may still ring."""
    taken = []
    while not gateway.calls.empty():
        leg = gateway.calls.get_nowait()
        taken.append(leg)
        for treatment in chance.sample(("ring", "early", "answer", "hangup"), 2):
            match treatment:
                case "ring":
                    await leg.ring()
                case "early":
                    await leg.early_media()
                case "answer":
                    answering = asyncio.ensure_future(leg.answer())
                    await asyncio.sleep(0)
                    if not answering.done():
                        leg.hangup()
                    await answering
                case _:
                    leg.hangup()
    return taken


async def drain(peer: Phone) -> list[Request]:
    await asyncio.sleep(0.002)
    requests = []
    while peer.has_heard:
        message = await peer.hear()
        if isinstance(message, Request):
            requests.append(message)
    return requests


@pytest.mark.parametrize("seed", range(4))
async def test_junk_from_a_caller_harms_nothing(seed: int, escaped: list[dict[str, Any]]) -> None:
    chance = random.Random(seed)
    clock = SteppedScheduler()
    async with rig(scheduler=clock) as gateway, phone(gateway) as caller:
        line = Line(caller, gateway, clock)
        _, answer = await line.up()
        legs = []
        for _ in range(250):
            method = chance.choice(METHODS)
            inside = chance.random() < 0.6
            message = (
                caller.inside(method, answer, fields=fields(chance), body=body(chance))
                if inside
                else caller.make(method, fields=fields(chance), body=body(chance))
            )
            caller.say(mutated(bytes(message), chance))
            legs += await take_all(gateway, chance)
            await drain(caller)
            clock.advance(chance.choice((0, 0, 0, 0.6, 40)))
        await asyncio.sleep(0.02)
        legs += await take_all(gateway, chance)
        for leg in legs:
            leg.hangup()
        await drain(caller)
        clock.advance(200)
        await asyncio.sleep(0.05)
        caller.forget()
        leg, answer = await line.up()
        assert leg.state is LegState.UP
        assert (await line.ask("BYE", answer)).code == 200
        await line.over()
    assert not escaped


@pytest.mark.parametrize("seed", range(4))
async def test_junk_from_a_called_party_harms_nothing(seed: int, escaped: list[dict[str, Any]]) -> None:
    chance = random.Random(seed)
    clock = SteppedScheduler()
    async with rig(scheduler=clock) as gateway, phone(gateway) as called:
        place = Destination("udp", *called.address)
        for _ in range(60):
            leg = gateway.dial("sip:bob@there", [place])
            await asyncio.sleep(0)
            for _ in range(chance.randrange(1, 8)):
                for request in await drain(called):
                    code = chance.choice(CODES)
                    tag = chance.choice(("a", "b"))
                    reply = respond(request, code, to_tag=tag, fields=fields(chance), body=body(chance))
                    for _ in range(chance.randrange(3)):
                        called.say(mutated(bytes(reply), chance))
                clock.advance(chance.choice((0, 0, 0.6, 5, 1000)))
                if chance.random() < 0.2:
                    leg.hangup()
            leg.hangup()
        await drain(called)
        clock.advance(200)
        await asyncio.sleep(0.05)
        called.forget()
        leg = gateway.dial("sip:bob@there", [place])
        called.answer(await called.request("INVITE"), 200, body=OFFER)
        assert isinstance(await next_event(leg), Answered)
        leg.hangup()
        await drain(called)
        for _ in range(4):
            clock.advance(40)
            await drain(called)
        assert gateway.agent.live == {"legs": 0, "dialogs": 0, "transactions": 0}
        assert gateway.engine.live == 0
    assert not escaped


def test_mutations_are_not_all_refused_by_the_parser() -> None:
    chance = random.Random(1)
    original = bytes(Response(200, body=OFFER))
    assert sum(mutated(original, chance) == original for _ in range(100)) > 5
