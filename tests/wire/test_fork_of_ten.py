"""Ten parties at once, each with a random mind: whatever they do, one bridge at most and no live leg is left."""

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

import pytest

from signaling.endpoints.process import Phone
from tests.wire.harness_application import Application, twiml
from tests.wire.harness_gateway import Phones, RunningGateway

pytestmark = pytest.mark.wire

PARTIES = 10
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"


class Mind(Enum):
    ANSWER = 200
    BUSY = 486
    DECLINE = 603
    GONE = 480
    IGNORE = 0


@dataclass
class Party:
    """One called party: what it will do, and what became of it."""

    mind: Mind
    after_s: float
    invite: str = ""
    address: tuple[str, int] = ("", 0)
    answered: bool = False
    acknowledged: bool = False
    cancelled: bool = False
    ended: bool = False
    timer: asyncio.TimerHandle | None = None


@dataclass
class Household(asyncio.DatagramProtocol):
    """Ten user agents behind one UDP port, told apart by the user part of the URI. Written for this test alone."""

    parties: dict[str, Party]
    transport: asyncio.DatagramTransport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        text = data.decode()
        method, uri = text.split(" ", 2)[:2]
        if method == "SIP/2.0":
            return
        party = self.parties[re.split("[:@]", uri)[1]]
        if method == "INVITE":
            if party.invite:
                return
            party.invite, party.address = text, address
            self.reply(party, text, "180 Ringing")
            if party.mind is not Mind.IGNORE:
                loop = asyncio.get_running_loop()
                party.timer = loop.call_later(party.after_s, self.decide, party)
        elif method == "ACK":
            party.acknowledged = True
        elif method == "CANCEL":
            self.reply(party, text, "200 OK")
            if not party.answered and not party.ended:
                party.cancelled = party.ended = True
                self.reply(party, party.invite, "487 Request Terminated")
                if party.timer is not None:
                    party.timer.cancel()
        elif method == "BYE":
            party.ended = True
            self.reply(party, text, "200 OK")

    def decide(self, party: Party) -> None:
        if party.mind is Mind.ANSWER:
            party.answered = True
            self.reply(party, party.invite, "200 OK", body=SDP)
        else:
            party.ended = True
            self.reply(party, party.invite, f"{party.mind.value} No")

    def reply(self, party: Party, request: str, status: str, *, body: str = "") -> None:
        lines = [f"SIP/2.0 {status}"]
        for line in request.split("\r\n\r\n")[0].split("\r\n")[1:]:
            name = line.partition(":")[0].lower()
            if name == "to" and ";tag=" not in line:
                line += ";tag=t"
            if name in ("via", "from", "to", "call-id", "cseq"):
                lines.append(line)
        host, port = self.transport.get_extra_info("sockname")
        lines += [f"Contact: <sip:{self.name_of(party)}@{host}:{port}>", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/sdp"] if body else []
        self.transport.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), party.address)

    def name_of(self, party: Party) -> str:
        return next(name for name, each in self.parties.items() if each is party)

    def is_settled(self) -> bool:
        return len(self.bridged()) == 1 and all(party.ended for party in self.parties.values() if not party.answered)

    def bridged(self) -> list[Party]:
        return [party for party in self.parties.values() if party.answered and not party.ended]


def household(seed: int) -> dict[str, Party]:
    dice = random.Random(seed)  # noqa: S311
    minds = dice.choices(list(Mind), weights=[4, 2, 1, 1, 2], k=PARTIES)
    # Several that answer in the same instant are what this test is about.
    return {f"p{number}": Party(mind, dice.choice([0.0, 0.02, 0.02, 0.1])) for number, mind in enumerate(minds)}


async def until(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # the peer is a protocol, it has no event for every condition
            await asyncio.sleep(0.01)
    assert condition(), what


@pytest.mark.parametrize("seed", range(8))
async def test_fork_of_ten_with_random_minds_leaves_one_bridge_and_no_live_leg(
    gateway: RunningGateway, application: Application, phones: Phones, seed: int
) -> None:
    loop = asyncio.get_running_loop()
    transport, home = await loop.create_datagram_endpoint(lambda: Household(household(seed)), ("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        nouns = "".join(f"<Sip>sip:{name}@127.0.0.1:{port}</Sip>" for name in home.parties)
        application.on("/voice", f'<Response><Dial timeout="5" action="/dialled">{nouns}</Dial></Response>')
        application.on("/dialled", twiml())
        alice: Phone = await phones("alice")
        await alice.dial("everybody")
        answering = [party for party in home.parties.values() if party.mind is Mind.ANSWER]
        if answering:
            await until(home.is_settled, "one bridge, all others over")
            await asyncio.sleep(0.3)
            (winner,) = home.bridged()
            assert winner.acknowledged
            alice.hangup()
        await alice.wait("ended")
        await until(lambda: all(party.ended for party in home.parties.values()), "nobody is left")
        result = await application.wait("/dialled")
        assert result["DialBridged"] == ("true" if answering else "false")
    finally:
        transport.close()
