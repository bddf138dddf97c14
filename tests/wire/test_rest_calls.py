"""Calls driven by the unmodified twilio-python: nothing changed but the base URL."""

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


async def test_rest_call_to_a_client_runs_its_document_and_tells_every_status(
    client: Client, application: Application, phones: Phones
) -> None:
    application.on("/outbound", "<Response><Play digits='42'/><Pause length='1'/></Response>")
    application.on("/status", "<Response/>")
    bob = await phones("bob", incoming=Incoming.ANSWER)
    call = await ask(
        client.calls.create,
        to="client:bob",
        from_=OWN_NUMBER,
        url=application.url("/outbound"),
        status_callback=application.url("/status"),
        status_callback_event=["initiated", "ringing", "answered", "completed"],
    )
    assert (call.status, call.direction, call.to, call._from) == ("queued", "outbound-api", "client:bob", OWN_NUMBER)
    asked = await application.wait("/outbound")
    assert (asked["CallSid"], asked["CallStatus"], asked["Direction"]) == (call.sid, "in-progress", "outbound-api")
    for number, status in enumerate(("initiated", "ringing", "in-progress", "completed")):
        told = await application.wait("/status", CallStatus=status)
        assert (told["SequenceNumber"], told["CallSid"]) == (str(number), call.sid)
    await bob.wait("ended")
    assert [(await bob.wait("digit"))["digit"] for _ in "42"] == ["4", "2"]
    done = await ask(client.calls(call.sid).fetch)
    assert done.status == "completed" and int(done.duration) >= 1
    assert done.end_time > done.start_time >= done.date_created


async def test_rest_live_call_is_redirected_and_ended(client: Client, application: Application, phones: Phones) -> None:
    application.on("/next", "<Response><Pause length='60'/></Response>")
    bob = await phones("bob", incoming=Incoming.ANSWER)
    application.on("/over", "<Response/>")
    call = await ask(
        client.calls.create,
        to="client:bob",
        from_="client:desk",
        twiml="<Response><Pause length='60'/></Response>",
        status_callback=application.url("/over"),
    )
    await bob.wait("answered")
    live = await ask(client.calls.list, status="in-progress", to="client:bob")
    assert [each.sid for each in live] == [call.sid]
    await ask(client.calls(call.sid).update, url=application.url("/next"), method="GET")
    assert (await application.wait("/next"))["CallStatus"] == "in-progress"
    await ask(client.calls(call.sid).update, twiml="<Response><Play digits='7'/><Pause length='60'/></Response>")
    assert (await bob.wait("digit"))["digit"] == "7"
    with pytest.raises(TwilioRestException) as refused:
        await ask(client.calls(call.sid).delete)
    assert (refused.value.status, refused.value.code) == (400, 20009)
    await ask(client.calls(call.sid).update, status="completed")
    await bob.wait("ended")
    await application.wait("/over", CallSid=call.sid)
    with pytest.raises(TwilioRestException) as refused:
        await ask(client.calls(call.sid).update, status="completed")
    assert (refused.value.status, refused.value.code) == (400, 21220)
    assert await ask(client.calls(call.sid).delete)
    with pytest.raises(TwilioRestException) as refused:
        await ask(client.calls(call.sid).fetch)
    assert (refused.value.status, refused.value.code) == (404, 20404)


async def test_rest_ringing_call_is_canceled_and_nobody_reachable_is_not_answered(
    client: Client, application: Application, phones: Phones
) -> None:
    bob = await phones("bob")
    application.on("/over", "<Response/>")
    over = application.url("/over")
    call = await ask(
        client.calls.create, to="client:bob", from_="client:desk", twiml="<Response/>", status_callback=over
    )
    await bob.wait("ringing")
    await ask(client.calls(call.sid).update, status="canceled")
    assert (await bob.wait("ended"))["cause"] == "canceled"
    nobody = await ask(
        client.calls.create, to="client:nobody", from_="client:desk", twiml="<Response/>", status_callback=over
    )
    for sid, status in ((call.sid, "canceled"), (nobody.sid, "no-answer")):
        assert (await application.wait("/over", CallSid=sid))["CallStatus"] == status
        assert (await ask(client.calls(sid).fetch)).status == status


async def test_rest_call_answered_by_a_phone_is_bridged_by_its_document(
    client: Client, application: Application, phones: Phones
) -> None:
    application.on("/connect", "<Response><Dial><Client>carol</Client></Dial></Response>")
    bob = await phones("bob", incoming=Incoming.ANSWER, play="tone:600")
    carol = await phones("carol", incoming=Incoming.ANSWER, play="tone:1000")
    await ask(client.calls.create, to="client:bob", from_="client:desk", url=application.url("/connect"))
    await bob.wait("answered")
    await carol.wait("answered")
    await asyncio.sleep(1.0)
    carol.hangup()
    await bob.wait("ended")
    assert (await heard_by(bob)).part(-0.6).has(1000)
    assert (await heard_by(carol)).part(-0.6).has(600)


async def test_rest_dialled_party_and_its_caller_go_their_own_ways(
    client: Client, application: Application, phones: Phones
) -> None:
    """Alice has dialled bob. Bob is sent to carol, alice goes on with dave; then alice is sent on alone."""
    application.on(
        "/voice",
        """<Response><Dial action="/after"><Client statusCallback="/bob" statusCallbackEvent="answered">bob</Client>
        </Dial></Response>""",
    )
    application.on("/bob", "<Response/>")
    application.on("/after", "<Response><Dial><Client>dave</Client></Dial></Response>")
    application.on("/own", "<Response><Dial><Client>carol</Client></Dial></Response>")
    alice = await phones("alice", play="tone:600")
    bob = await phones("bob", incoming=Incoming.ANSWER, play="tone:800")
    carol = await phones("carol", incoming=Incoming.ANSWER, play="tone:1000")
    dave = await phones("dave", incoming=Incoming.ANSWER, play="tone:1200")
    await alice.dial("anything")
    await bob.wait("answered")
    parent_sid = (await application.wait("/voice"))["CallSid"]
    await application.wait("/bob", CallStatus="in-progress")
    (child,) = await ask(client.calls.list, parent_call_sid=parent_sid, status="in-progress")
    moved = await ask(client.calls(child.sid).update, url=application.url("/own"))
    assert (moved.sid, moved.status, moved.parent_call_sid) == (child.sid, "in-progress", parent_sid)
    assert (await application.wait("/own"))["CallSid"] == child.sid
    after = await application.wait("/after", CallSid=parent_sid)
    assert (after["DialCallSid"], after["DialCallStatus"]) == (child.sid, "completed")
    await carol.wait("answered")
    await dave.wait("answered")
    await asyncio.sleep(1.0)
    await ask(client.calls(parent_sid).update, twiml="<Response><Play digits='7'/><Pause length='60'/></Response>")
    await dave.wait("ended")
    assert (await alice.wait("digit"))["digit"] == "7"
    await ask(client.calls(child.sid).update, status="completed")
    await bob.wait("ended")
    await carol.wait("ended")
    alice.hangup()
    await alice.wait("ended")
    assert (await heard_by(bob)).part(-0.6).has(1000)
    assert (await heard_by(carol)).part(-0.6).has(800)
    assert (await heard_by(dave)).part(-0.4).has(600)


async def test_rest_recording_is_paused_resumed_and_stopped_while_a_phone_talks(
    client: Client, application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    """Twice two seconds of tone with a pause between: silent in the one recording, left out of the other."""
    application.on("/recorded", "<Response/>")
    bob = await phones("bob", incoming=Incoming.ANSWER, play="tone:600")
    call = await ask(
        client.calls.create, to="client:bob", from_="client:desk", twiml="<Response><Pause length='60'/></Response>"
    )
    await bob.wait("answered")
    recordings = client.calls(call.sid).recordings
    told = {
        "recording_status_callback": application.url("/recorded"),
        "recording_status_callback_event": ["completed"],
    }
    silent = await ask(recordings.create, recording_channels="dual", **told)
    skipped = await ask(recordings.create, **told)
    assert (silent.status, silent.channels, skipped.channels) == ("in-progress", 2, 1)
    assert silent.source == "StartCallRecordingAPI"
    with pytest.raises(TwilioRestException):
        await ask(recordings("Twilio.CURRENT").update, status="paused")
    await asyncio.sleep(1.5)
    assert (await ask(recordings(silent.sid).update, status="paused")).status == "paused"
    await ask(recordings(skipped.sid).update, status="paused", pause_behavior="skip")
    await asyncio.sleep(1.5)
    for sid in (silent.sid, skipped.sid):
        assert (await ask(recordings(sid).update, status="in-progress")).status == "in-progress"
    with pytest.raises(TwilioRestException) as refused:
        await ask(recordings(silent.sid).update, status="in-progress")
    assert refused.value.code == 16114
    await asyncio.sleep(1.5)
    for sid in (silent.sid, skipped.sid):
        assert (await ask(recordings(sid).update, status="stopped")).status == "stopped"
        assert (await application.wait("/recorded", RecordingSid=sid))["RecordingStatus"] == "completed"
    found = await ask(client.recordings.list, call_sid=call.sid)
    assert {each.sid for each in found} == {silent.sid, skipped.sid}
    left, _ = await gateway.recording(f"{gateway.daemon.http_url}{_media(silent)}", tmp_path / "silent.wav")
    (mono,) = await gateway.recording(f"{gateway.daemon.http_url}{_media(skipped)}", tmp_path / "skipped.wav")
    middle = left.duration_s / 2
    assert left.part(0.3, 1.0).has(600) and left.part(-1.0, -0.3).has(600)
    assert left.part(middle - 0.3, middle + 0.3).is_silent
    assert mono.duration_s < left.duration_s - 1.0
    assert all(mono.part(at, at + 0.4).has(600) for at in (0.3, mono.duration_s / 2, mono.duration_s - 0.7))
    assert await ask(client.recordings(silent.sid).delete)
    with pytest.raises(TwilioRestException):
        await ask(client.recordings(silent.sid).fetch)
    await ask(client.calls(call.sid).update, status="completed")


async def test_rest_call_is_recorded_from_its_answer_when_asked_to(
    client: Client, application: Application, phones: Phones
) -> None:
    application.on("/recorded", "<Response/>")
    application.on("/over", "<Response/>")
    await phones("bob", incoming=Incoming.ANSWER, play="tone:600")
    call = await ask(
        client.calls.create,
        to="client:bob",
        from_="client:desk",
        twiml="<Response><Pause length='2'/></Response>",
        record=True,
        recording_channels="dual",
        recording_status_callback=application.url("/recorded"),
        status_callback=application.url("/over"),
    )
    told = await application.wait("/recorded", CallSid=call.sid)
    assert (told["RecordingSource"], told["RecordingChannels"]) == ("OutboundAPI", "2")
    assert (await application.wait("/over", CallSid=call.sid))["RecordingSid"] == told["RecordingSid"]


def _media(recording: Any) -> str:
    return f"/2010-04-01/Accounts/{recording.account_sid}/Recordings/{recording.sid}.wav"
