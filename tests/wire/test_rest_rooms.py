"""Conferences and queues driven by the unmodified twilio-python while phones are in them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application
from tests.wire.harness_gateway import OWN_NUMBER, Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire


@pytest.fixture
def client(gateway: RunningGateway) -> Client:
    client = Client(gateway.secrets.account_sid, gateway.secrets.auth_token)
    client.api.base_url = gateway.daemon.http_url
    return client


async def ask(work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    return await asyncio.to_thread(work, *arguments, **more)


async def test_rest_conference_is_listed_its_members_muted_held_and_kicked(
    client: Client, application: Application, phones: Phones
) -> None:
    application.on(
        "/voice",
        """<Response><Dial><Conference beep="false" statusCallback="/room" statusCallbackEvent="join leave end mute">
        town hall</Conference></Dial></Response>""",
    )
    application.on("/room", "")
    application.on("/hold", "<Response><Pause length='60'/></Response>")
    alice, bob = await phones("alice", play="tone:600"), await phones("bob", play="tone:1000")
    await alice.dial("anything")
    joined = await application.wait("/room", StatusCallbackEvent="participant-join")
    await bob.dial("anything")
    other = await application.wait("/room", StatusCallbackEvent="participant-join")
    assert joined["ConferenceSid"] == other["ConferenceSid"]
    (room,) = await ask(client.conferences.list, status="in-progress", friendly_name="town hall")
    assert (room.sid, room.friendly_name) == (joined["ConferenceSid"], "town hall")
    participants = client.conferences(room.sid).participants
    assert {each.call_sid for each in await ask(participants.list)} == {joined["CallSid"], other["CallSid"]}
    bob_here = participants(other["CallSid"])
    assert (await ask(bob_here.update, muted=True)).muted
    assert [each.call_sid for each in await ask(participants.list, muted=True)] == [other["CallSid"]]
    await application.wait("/room", StatusCallbackEvent="participant-mute")
    await asyncio.sleep(1.2)
    assert not (await ask(bob_here.update, muted=False)).muted
    assert (await ask(bob_here.update, hold=True, hold_url=application.url("/hold"))).hold
    await application.wait("/hold")
    assert not (await ask(bob_here.update, hold=False)).hold
    assert await ask(bob_here.delete)
    await bob.wait("ended")
    left = await application.wait("/room", StatusCallbackEvent="participant-leave")
    assert left["ReasonParticipantLeft"] == "participant_updated_via_api"
    with pytest.raises(TwilioRestException) as gone:
        await ask(bob_here.fetch)
    assert gone.value.status == 404
    await ask(client.conferences(room.sid).update, status="completed")
    await alice.wait("ended")
    over = await application.wait("/room", StatusCallbackEvent="conference-end")
    assert over["ReasonConferenceEnded"] == "conference-ended-via-api"
    done = await ask(client.conferences(room.sid).fetch)
    assert (done.status, done.reason_conference_ended) == ("completed", "conference-ended-via-api")
    assert await ask(client.conferences(room.sid).participants.list) == []
    assert (await heard_by(bob)).has(600)


async def test_rest_participants_are_called_into_a_conference_which_is_recorded_but_for_a_pause(
    client: Client, application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    application.on("/status", "<Response/>")
    application.on("/room", "")
    application.on("/recorded", "")
    alice = await phones("alice", incoming=Incoming.ANSWER, play="tone:600")
    bob = await phones("bob", incoming=Incoming.ANSWER, play="tone:1000")
    planning = client.conferences("planning").participants
    first = await ask(
        planning.create,
        from_=OWN_NUMBER,
        to="client:alice",
        label="alice",
        beep="false",
        end_conference_on_exit=True,
        status_callback=application.url("/status"),
        status_callback_event=["answered", "completed"],
        conference_status_callback=application.url("/room"),
        conference_status_callback_event=["join", "end"],
        conference_record=True,
        conference_trim="do-not-trim",
        conference_recording_status_callback=application.url("/recorded"),
    )
    assert (first.label, first.status, first.conference_sid[:2]) == ("alice", "queued", "CF")
    await application.wait("/room", StatusCallbackEvent="participant-join", CallSid=first.call_sid)
    second = await ask(client.conferences(first.conference_sid).participants.create, from_="desk", to="client:bob")
    await application.wait("/room", StatusCallbackEvent="participant-join", CallSid=second.call_sid)
    assert {each.status for each in await ask(planning.list)} == {"connected"}
    recordings = client.conferences(first.conference_sid).recordings
    (recording,) = await ask(recordings.list)
    assert (recording.conference_sid, recording.source) == (first.conference_sid, "Conference")
    await asyncio.sleep(1.2)
    assert (await ask(recordings("Twilio.CURRENT").update, status="paused")).status == "paused"
    await asyncio.sleep(1.2)
    assert (await ask(recordings(recording.sid).update, status="in-progress")).status == "in-progress"
    await asyncio.sleep(1.2)
    assert (await ask(recordings(recording.sid).update, status="stopped")).status == "stopped"
    with pytest.raises(TwilioRestException) as refused:
        await ask(recordings(recording.sid).update, status="paused")
    assert refused.value.code == 16114
    await application.wait("/recorded", RecordingSid=recording.sid)
    url = f"{gateway.daemon.http_url}/2010-04-01/Accounts/{recording.account_sid}/Recordings/{recording.sid}.wav"
    (sound,) = await gateway.recording(url, tmp_path / "conference.wav")
    middle = sound.duration_s / 2
    assert sound.part(0.3, 0.9).has(600) and sound.part(-0.7, -0.2).has(1000)
    assert sound.part(middle - 0.3, middle + 0.3).is_silent
    assert (await ask(recordings(recording.sid).fetch)).status == "completed"
    assert await ask(recordings(recording.sid).delete)
    assert await ask(recordings.list) == []
    assert await ask(planning("alice").delete)
    for phone in (alice, bob):
        await phone.wait("ended")
    await application.wait("/room", StatusCallbackEvent="conference-end")
    assert (await application.wait("/status", CallStatus="completed"))["CallSid"] == first.call_sid
    assert (await heard_by(alice)).part(-0.6).has(1000)
    assert (await heard_by(bob)).part(-0.6).has(600)


async def test_rest_queue_is_made_and_its_member_taken_out_to_a_document(
    client: Client, application: Application, phones: Phones
) -> None:
    application.on("/voice", '<Response><Enqueue action="/left">support line</Enqueue></Response>')
    application.on("/left", "<Response/>")
    application.on("/agent", "<Response><Play digits='9'/><Hangup/></Response>")
    queue = await ask(client.queues.create, "support line", max_size=5)
    assert (queue.friendly_name, queue.max_size, queue.current_size) == ("support line", 5, 0)
    with pytest.raises(TwilioRestException) as taken:
        await ask(client.queues.create, "support line")
    assert taken.value.status == 409
    alice = await phones("alice")
    await alice.dial("anything")
    await alice.wait("answered")
    members = client.queues(queue.sid).members
    async with asyncio.timeout(10):
        while not (waiting := await ask(members.list)):
            pass
    assert (waiting[0].position, (await ask(client.queues(queue.sid).fetch)).current_size) == (1, 1)
    with pytest.raises(TwilioRestException):
        await ask(client.queues(queue.sid).delete)
    front = await ask(members("Front").update, url=application.url("/agent"))
    assert front.call_sid == waiting[0].call_sid
    left = await application.wait("/left")
    assert (left["QueueResult"], left["QueueSid"]) == ("redirected", queue.sid)
    assert (await application.wait("/agent"))["CallSid"] == front.call_sid
    assert (await alice.wait("digit"))["digit"] == "9"
    await alice.wait("ended")
    assert await ask(client.queues(queue.sid).delete)
    with pytest.raises(TwilioRestException):
        await ask(client.queues(queue.sid).fetch)
