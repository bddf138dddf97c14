"""baresip, a SIP stack that shares nothing with PJSIP, as one party of calls through the daemon."""

import asyncio
from pathlib import Path

import pytest

from signaling.endpoints.options import Incoming
from tests.wire.harness_baresip import Baresip
from tests.wire.harness_gateway import PASSWORD, Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire

ALICE_HZ, BOB_HZ = 600, 1000


def baresip(gateway: RunningGateway, directory: Path, *, answers: bool = False, **more: str) -> Baresip:
    return Baresip(
        identity="bob",
        directory=directory / "baresip",
        server=gateway.sip_address,
        password=PASSWORD,
        answers=answers,
        tone_hz=BOB_HZ,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_is_called_heard_and_hung_up(
    plain_gateway: RunningGateway, plain_phones: Phones, tmp_path: Path, transport: str
) -> None:
    async with baresip(plain_gateway, tmp_path, answers=True, transport=transport) as bob:
        await bob.registered()
        alice = await plain_phones("alice", play=f"tone:{ALICE_HZ}")
        await alice.dial("bob")
        await alice.wait("answered")
        await bob.wait("CALL_ESTABLISHED")
        await asyncio.sleep(1.2)
        alice.hangup()
        await bob.wait("CALL_CLOSED")
        assert (await heard_by(alice)).part(-0.8).has(BOB_HZ)


async def test_baresip_calls_in_its_own_codec_and_hangs_up(
    plain_gateway: RunningGateway, plain_phones: Phones, tmp_path: Path
) -> None:
    async with baresip(plain_gateway, tmp_path, codec="PCMA") as bob:
        await bob.registered()
        alice = await plain_phones("alice", incoming=Incoming.ANSWER)
        await bob.command("dial", f"sip:alice@{plain_gateway.sip_address}")
        await bob.wait("CALL_ESTABLISHED")
        assert (await alice.wait("answered"))["codec"] == "PCMA"
        await asyncio.sleep(1.0)
        await bob.command("hangup")
        assert (await alice.wait("ended"))["by"] == "remote"
        assert (await heard_by(alice)).part(-0.6).has(BOB_HZ)


async def test_baresip_that_gives_up_while_it_rings_stops_the_other_phone(
    plain_gateway: RunningGateway, plain_phones: Phones, tmp_path: Path
) -> None:
    async with baresip(plain_gateway, tmp_path) as bob:
        await bob.registered()
        alice = await plain_phones("alice")
        await bob.command("dial", f"sip:alice@{plain_gateway.sip_address}")
        await bob.wait("CALL_RINGING")
        await alice.wait("ringing")
        await bob.command("hangup")
        assert (await alice.wait("ended"))["cause"] == "canceled"
