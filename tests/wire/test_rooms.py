"""Conferences and queues with real phones: who hears whom, chimes, recordings, waiting music, three agents."""

import asyncio
from pathlib import Path

import pytest

from signaling.endpoints.process import Phone
from tests.wire.harness_application import Application, Received, say_nothing
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire

HZ = {"alice": 600, "bob": 1000, "carol": 1400}
# Notes of the chimes and of the music (media/music.py).
ENTRY_HZ, EXIT_HZ = (660, 880), (660, 440)
AGENTS = ("alice", "bob", "carol")
CALLERS = ("dave", "erin")


async def test_conference_of_three_hears_itself_chimes_and_is_recorded(
    application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    application.on(
        "/voice",
        """<Response><Dial><Conference record="record-from-start" trim="do-not-trim"
        recordingStatusCallback="/recorded" statusCallback="/events" statusCallbackEvent="start end join leave">
        standup</Conference></Dial></Response>""",
    )
    application.on("/events", say_nothing)
    application.on("/recorded", say_nothing)
    parties: list[Phone] = []
    for name, hz in HZ.items():
        phone = await phones(name, play=f"tone:{hz}")
        await phone.dial("sales")
        await phone.wait("answered")
        await application.wait("/events", StatusCallbackEvent="participant-join")
        parties.append(phone)
        await asyncio.sleep(0.8)
    await asyncio.sleep(1.0)
    alice, bob, carol = parties
    carol.hangup()
    await application.wait("/events", StatusCallbackEvent="participant-leave")
    await asyncio.sleep(0.8)
    alice.hangup()
    bob.hangup()
    end = await application.wait("/events", StatusCallbackEvent="conference-end")
    assert end["ReasonConferenceEnded"] == "last-participant-left"
    numbers = [int(each["SequenceNumber"]) for each in application.requests("/events")]
    assert numbers == list(range(1, len(numbers) + 1))
    recorded = await application.wait("/recorded")
    assert (recorded["RecordingSource"], recorded["RecordingChannels"]) == ("Conference", "1")
    assert recorded["ConferenceSid"] == end["ConferenceSid"]
    assert "CallSid" not in recorded.params

    by_carol, by_alice = await heard_by(carol), await heard_by(alice)
    assert by_carol.part(-0.8).has(HZ["alice"], HZ["bob"])
    assert by_carol.part(-0.8).lacks(HZ["carol"])
    assert by_alice.first_s(ENTRY_HZ[1]) is not None
    assert by_alice.first_s(EXIT_HZ[1]) is not None
    (mixed,) = await gateway.recording(recorded["RecordingUrl"] + ".wav", tmp_path / "mixed.wav")
    # All three at once, whenever the last of them came.
    moments = [tenths / 10 for tenths in range(0, int(mixed.duration_s * 10) - 4, 2)]
    assert max(mixed.part(at_s, at_s + 0.4).level(*HZ.values()) for at_s in moments) > -30.0


async def test_queue_with_waiting_music_and_three_agents(application: Application, phones: Phones) -> None:
    def voice(request: Received) -> str:
        if request["To"].startswith("sip:queue@"):
            return '<Response><Enqueue action="/left">support</Enqueue></Response>'
        return '<Response><Dial action="/talked" timeout="20"><Queue>support</Queue></Dial></Response>'

    application.on("/voice", voice)
    application.on("/left", "<Response/>")
    application.on("/talked", "<Response/>")
    first = await phones("dave", play="tone:700")
    await first.dial("queue")
    await first.wait("answered")
    await asyncio.sleep(1.2)
    agents = {name: await phones(name, play=f"tone:{HZ[name]}") for name in AGENTS}
    for agent in agents.values():
        await agent.dial("agent")
        await agent.wait("answered")
        await asyncio.sleep(0.3)
    second = await phones("erin", play="tone:800")
    await second.dial("queue")
    await second.wait("answered")
    await asyncio.sleep(1.5)
    first.hangup()
    second.hangup()
    third = await phones("dave", play="tone:900")
    await third.dial("queue")
    await third.wait("answered")
    await asyncio.sleep(1.5)
    third.hangup()
    for _ in range(3):
        talked = await application.wait("/talked")
        assert (talked["DialCallStatus"], talked["DialBridged"]) == ("completed", "true")
    for agent in agents.values():
        await agent.wait("ended")
    by_first = await heard_by(first)
    assert not by_first.part(0.4, 1.0).is_silent
    assert by_first.part(-0.5).has(HZ["alice"])
    assert (await heard_by(second)).part(-0.5).has(HZ["bob"])
    assert (await heard_by(third)).part(-0.5).has(HZ["carol"])
    assert (await heard_by(agents["alice"])).part(-0.5).has(700)
