"""Calls that an application steers: forks, who wins, what each side hears, what the application is told."""

import asyncio
from pathlib import Path

import pytest
from twilio.twiml.voice_response import Dial, VoiceResponse

from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application, say_nothing, twiml
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire

ALICE_HZ, BOB_HZ = 600, 1000
UK_HZ = (400, 450)


def fork(*identities: str, status: str = "", **attributes: object) -> str:
    """A document of one <Dial> with these clients, written by twilio-python."""
    document = VoiceResponse()
    dial = Dial(**attributes)
    for identity in identities:
        if status:
            dial.client(identity, status_callback=status, status_callback_event="initiated ringing answered completed")
        else:
            dial.client(identity)
    document.append(dial)
    return str(document)


async def test_fork_first_to_answer_gets_the_call_and_the_others_are_cancelled(
    application: Application, phones: Phones
) -> None:
    application.on("/voice", fork("bob", "carol", "dave", status="/status", action="/dialled"))
    application.on("/status", say_nothing)
    application.on("/dialled", twiml())
    alice = await phones("alice", play=f"tone:{ALICE_HZ}")
    called = {name: await phones(name) for name in ("bob", "carol", "dave")}
    await alice.dial("sales")
    for phone in called.values():
        await phone.wait("ringing")
    called["bob"].answer()
    await called["bob"].wait("answered")
    for name in ("carol", "dave"):
        ended = await called[name].wait("ended")
        assert (ended["code"], ended["answered"]) == (487, False)
    await asyncio.sleep(0.6)
    called["bob"].hangup()
    await alice.wait("ended")
    result = await application.wait("/dialled")
    assert (result["DialCallStatus"], result["DialBridged"]) == ("completed", "true")
    final = {
        told["To"]: told["CallStatus"]
        for told in [
            await application.wait("/status", CallStatus="completed"),
            await application.wait("/status", CallStatus="canceled"),
            await application.wait("/status", CallStatus="canceled"),
        ]
    }
    assert final == {"client:bob": "completed", "client:carol": "canceled", "client:dave": "canceled"}
    assert (await heard_by(called["bob"])).part(-0.4).has(ALICE_HZ)


async def test_fork_fast_busy_does_not_end_the_others(application: Application, phones: Phones) -> None:
    application.on("/voice", fork("bob", "carol", action="/dialled"))
    application.on("/dialled", twiml())
    alice = await phones("alice")
    bob = await phones("bob", incoming=Incoming.REJECT, reject_code=486)
    carol = await phones("carol", incoming=Incoming.ANSWER, answer_after_s=0.5)
    await alice.dial("sales")
    await bob.wait("ended")
    await carol.wait("answered")
    carol.hangup()
    await alice.wait("ended")
    assert (await application.wait("/dialled"))["DialCallStatus"] == "completed"


async def test_fork_nobody_accepts_is_busy(application: Application, phones: Phones) -> None:
    application.on("/voice", fork("bob", "carol", action="/dialled"))
    application.on("/dialled", twiml())
    alice = await phones("alice")
    for name in ("bob", "carol"):
        await phones(name, incoming=Incoming.REJECT)
    await alice.dial("sales")
    assert (await application.wait("/dialled"))["DialCallStatus"] == "busy"
    await alice.wait("ended")


async def test_fork_caller_who_gives_up_cancels_all_and_the_action_is_told(
    application: Application, phones: Phones
) -> None:
    application.on("/voice", fork("bob", "carol", action="/dialled", answer_on_bridge=True))
    application.on("/dialled", twiml())
    alice = await phones("alice")
    called = [await phones(name) for name in ("bob", "carol")]
    await alice.dial("sales")
    await alice.wait("ringing")
    for phone in called:
        await phone.wait("ringing")
    alice.hangup()
    for phone in called:
        assert (await phone.wait("ended"))["code"] == 487
    assert (await alice.wait("ended"))["answered"] is False
    assert (await application.wait("/dialled"))["DialCallStatus"] == "canceled"


async def test_ringing_tone_of_the_country_is_heard_until_the_answer(application: Application, phones: Phones) -> None:
    application.on("/voice", fork("bob", ring_tone="uk"))
    alice = await phones("alice")
    bob = await phones("bob", play=f"tone:{BOB_HZ}")
    await alice.dial("sales")
    answered = await alice.wait("answered")
    await asyncio.sleep(1.2)
    bob.answer()
    connected = await bob.wait("answered")
    await asyncio.sleep(0.8)
    bob.hangup()
    await alice.wait("ended")
    heard = await heard_by(alice)
    at_s = connected.t - answered.t
    assert heard.part(0.1, 0.35).has(*UK_HZ)
    assert heard.part(0.1, at_s - 0.1).lacks(BOB_HZ)
    assert heard.part(-0.5).has(BOB_HZ) and heard.part(-0.5).lacks(*UK_HZ)


RECORDINGS = {
    # mode: channels, whether the ringing is in it
    "record-from-answer": (1, False),
    "record-from-answer-dual": (2, False),
    "record-from-ringing": (1, True),
    "record-from-ringing-dual": (2, True),
}


@pytest.mark.parametrize("mode", RECORDINGS)
async def test_recording_holds_what_its_mode_promises(
    mode: str, application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    count, has_ringing = RECORDINGS[mode]
    application.on("/voice", fork("bob", record=mode, ring_tone="uk", recording_status_callback="/recording"))
    application.on("/recording", say_nothing)
    alice = await phones("alice", play=f"tone:{ALICE_HZ}")
    bob = await phones("bob", play=f"tone:{BOB_HZ}")
    await alice.dial("sales")
    rang = await bob.wait("ringing")
    await asyncio.sleep(1.2)
    bob.answer()
    answered = await bob.wait("answered")
    await asyncio.sleep(1.3)
    bob.hangup()
    ended = await bob.wait("ended")
    told = await application.wait("/recording")
    assert (told["RecordingStatus"], told["RecordingChannels"], told["RecordingSource"]) == (
        "completed",
        str(count),
        "DialVerb",
    )
    recorded = await gateway.recording(told["RecordingUrl"], tmp_path / "recording.wav")
    assert len(recorded) == count
    since = rang if has_ringing else answered
    assert recorded[0].duration_s == pytest.approx(ended.t - since.t, abs=0.3)
    talk = [channel.part(-0.9, -0.1) for channel in recorded]
    assert talk[0].has(ALICE_HZ) and talk[-1].has(BOB_HZ)
    if count == 2:
        assert talk[0].lacks(BOB_HZ) and talk[1].lacks(ALICE_HZ)
        assert recorded[0].lacks(*UK_HZ)
    if has_ringing:
        assert recorded[-1].part(0.1, 0.35).has(*UK_HZ)
        assert recorded[-1].first_s(BOB_HZ) == pytest.approx(answered.t - rang.t, abs=0.3)
    else:
        assert recorded[-1].lacks(*UK_HZ)


async def test_recording_that_is_trimmed_begins_and_ends_with_sound_on_both_channels(
    application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    dial = fork("bob", record="record-from-answer-dual", trim="trim-silence", recording_status_callback="/recording")
    application.on("/voice", dial)
    application.on("/recording", say_nothing)
    alice, bob = await phones("alice"), await phones("bob", incoming=Incoming.ANSWER)
    await alice.dial("sales")
    answered = await bob.wait("answered")
    await asyncio.sleep(1.0)
    alice.play(f"tone:{ALICE_HZ}")
    await asyncio.sleep(1.0)
    bob.play(f"tone:{BOB_HZ}")
    await asyncio.sleep(0.6)
    bob.hangup()
    ended = await bob.wait("ended")
    told = await application.wait("/recording")
    first, second = await gateway.recording(told["RecordingUrl"], tmp_path / "recording.wav")
    assert first.duration_s == second.duration_s == pytest.approx(ended.t - answered.t - 1.0, abs=0.3)
    assert first.first_s(ALICE_HZ) == pytest.approx(0.0, abs=0.15)
    assert second.first_s(BOB_HZ) == pytest.approx(1.0, abs=0.25), "the channels stay aligned"


async def test_hangup_on_star_drops_the_callee_and_the_caller_goes_on(application: Application, phones: Phones) -> None:
    application.on("/voice", fork("bob", hangup_on_star=True, action="/dialled"))
    application.on("/dialled", fork("carol"))
    alice = await phones("alice")
    bob, carol = await phones("bob", incoming=Incoming.ANSWER), await phones("carol", incoming=Incoming.ANSWER)
    await alice.dial("sales")
    await bob.wait("answered")
    alice.digits("1*")
    assert (await bob.wait("ended"))["by"] == "remote"
    assert (await application.wait("/dialled"))["DialCallStatus"] == "completed"
    await carol.wait("answered")
    assert not alice.seen("ended")
    alice.hangup()
    await carol.wait("ended")


async def test_parameters_of_the_request_name_the_sip_call(application: Application, phones: Phones) -> None:
    application.on("/voice", "<Response><Reject reason='busy'/></Response>")
    alice = await phones("alice", headers={"X-Campaign": "spring"})
    await alice.dial("sales")
    assert (await alice.wait("ended"))["code"] == 486
    asked = await application.wait("/voice")
    assert asked["CallStatus"] == "ringing"
    assert asked["Direction"] == "inbound"
    assert "alice" in asked["From"] and "sales" in asked["To"]
    assert asked["SipHeader_X-Campaign"] == "spring"
    assert asked["CallSid"].startswith("CA") and len(asked["CallSid"]) == 34


async def test_headers_of_a_client_noun_reach_the_phone(application: Application, phones: Phones) -> None:
    application.on("/voice", twiml("<Dial><Client>bob?X-Order=42&amp;X-Tier=gold</Client></Dial>"))
    alice, bob = await phones("alice"), await phones("bob", incoming=Incoming.REJECT)
    await alice.dial("sales")
    incoming = await bob.wait("incoming")
    assert (incoming["headers"]["X-Order"], incoming["headers"]["X-Tier"]) == ("42", "gold")
    await alice.wait("ended")
