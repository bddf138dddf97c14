"""Phones with a wideband codec through the daemon: what is spoken in the end, and that it is heard."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application, say_nothing
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire


HIGH_HZ, LOW_HZ = 1900, 700


def codecs_of_legs(gateway: RunningGateway) -> list[str]:
    """What each leg spoke at its end, the last call's two. Blocking."""
    database = gateway.daemon.configuration["storage"]["url"].removeprefix("sqlite:///")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT codec FROM legs ORDER BY created_at DESC LIMIT 2").fetchall()
    return [codec for (codec,) in rows]


async def come_to_have_spoken(gateway: RunningGateway, codec: str) -> None:
    """Records are written when the call is over, a moment later."""
    found: list[str] = []
    for _ in range(60):
        found = await asyncio.to_thread(codecs_of_legs, gateway)
        if found == [codec, codec]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"expected both to have spoken {codec}, found {found}")


async def test_wideband_call_between_phones_is_relayed_and_recorded_at_16_khz(
    gateway: RunningGateway, application: Application, phones: Phones, tmp_path: Path
) -> None:
    application.on(
        "/voice",
        "<Response><Dial record='record-from-answer-dual' recordingStatusCallback='/recorded'>"
        "<Client>bob</Client></Dial></Response>",
    )
    application.on("/recorded", say_nothing)
    bob = await phones("bob", codecs=("PCMU", "G722"), incoming=Incoming.ANSWER, play=f"tone:{LOW_HZ}")
    alice = await phones("alice", codecs=("G722", "PCMU"), play=f"tone:{HIGH_HZ}")
    await alice.dial("bob")
    assert (await bob.wait("answered"))["codec"] == "G722", "the caller's codec comes first"
    await asyncio.sleep(1.2)
    alice.hangup()
    await bob.wait("ended")
    await alice.wait("ended")
    assert (await heard_by(alice)).part(-0.8).has(LOW_HZ)
    recorded = await application.wait("/recorded")
    spoken, answered = await gateway.recording(f"{recorded['RecordingUrl']}.wav", tmp_path / "call.wav")
    assert spoken.rate_hz == 16_000
    assert spoken.part(-0.8).has(HIGH_HZ)
    assert answered.part(-0.8).has(LOW_HZ)
    await come_to_have_spoken(gateway, "G722")


@pytest.mark.parametrize("bridge", ["", "answerOnBridge='true'"], ids=["answered-first", "answered-on-bridge"])
async def test_wideband_caller_of_a_g711_phone_comes_to_speak_g711(
    gateway: RunningGateway, application: Application, phones: Phones, bridge: str
) -> None:
    application.on("/voice", f"<Response><Dial {bridge}><Client>bob</Client></Dial></Response>")
    bob = await phones("bob", incoming=Incoming.ANSWER, play=f"tone:{LOW_HZ}")
    alice = await phones("alice", codecs=("G722", "PCMU"), play=f"tone:{LOW_HZ + 300}")
    await alice.dial("bob")
    assert (await bob.wait("answered"))["codec"] == "PCMU"
    assert (await alice.wait("answered"))["codec"] == ("PCMU" if bridge else "G722")
    await asyncio.sleep(1.8)
    alice.hangup()
    await bob.wait("ended")
    await alice.wait("ended")
    assert (await heard_by(alice)).part(-0.8).has(LOW_HZ)
    assert (await heard_by(bob)).part(-0.8).has(LOW_HZ + 300)
    await come_to_have_spoken(gateway, "PCMU")
