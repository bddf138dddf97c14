"""A phone that is led from verb to verb: a queue it leaves, an application that is recorded, a redirection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.media.sounds import sine, write_wav
from tests.wire.harness_application import Application, say_nothing, twiml
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire

CALLER_HZ, WAITING_HZ, INNER_HZ, LAST_HZ = 600, 760, 920, 1100


async def play(application: Application, directory: Path, hz: int) -> str:
    """A verb that plays this tone for most of a second."""
    path = await asyncio.to_thread(write_wav, directory / f"{hz}.wav", sine(hz, seconds=0.8))
    sound = await asyncio.to_thread(path.read_bytes)
    application.on(f"/{hz}.wav", lambda _: web.Response(body=sound, content_type="audio/wav"))
    return f"<Play>/{hz}.wav</Play>"


@asynccontextmanager
async def another_application(gateway: RunningGateway, voice_url: str) -> AsyncIterator[str]:
    """The sid of an application of the account, for as long as it is needed."""
    resource = f"{gateway.daemon.http_url}/2010-04-01/Accounts/{gateway.secrets.account_sid}/Applications"
    async with aiohttp.ClientSession(headers=gateway.authorization) as session:
        async with session.post(f"{resource}.json", data={"VoiceUrl": voice_url}) as made:
            assert made.status == 201
            sid = str((await made.json())["sid"])
        try:
            yield sid
        finally:
            async with session.delete(f"{resource}/{sid}.json") as deleted:
                assert deleted.status == 204


async def test_leave_application_and_redirect_are_heard_one_after_the_other(
    application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    waiting, inner, last = [await play(application, tmp_path, hz) for hz in (WAITING_HZ, INNER_HZ, LAST_HZ)]
    application.on("/voice", twiml("<Enqueue waitUrl='/waiting' action='/left'>line</Enqueue>"))
    application.on("/waiting", twiml(waiting, "<Leave/>"))
    dial = "<Dial action='/talked' record='record-from-answer-dual' recordingStatusCallback='/recorded'>"
    application.on("/application", twiml(inner, "<Pause/>"))
    application.on("/talked", twiml("<Redirect method='GET'>/last</Redirect>"))
    application.on("/last", twiml(last, "<Hangup/>"))
    application.on("/recorded", say_nothing)
    async with another_application(gateway, application.url("/application")) as sid:
        application.on("/left", twiml(f"{dial}<Application>{sid}</Application></Dial>"))
        alice = await phones("alice", play=f"tone:{CALLER_HZ}")
        await alice.dial("sales")
        left = await application.wait("/left")
        assert left["QueueResult"] == "leave"
        inside = await application.wait("/application")
        assert inside["ParentCallSid"] == left["CallSid"]
        talked = await application.wait("/talked")
    assert (talked["DialCallStatus"], talked["DialCallSid"]) == ("completed", inside["CallSid"])
    assert (await application.wait("/last")).method == "GET"
    assert (await alice.wait("ended"))["by"] == "remote"

    heard = await heard_by(alice)
    begins = [heard.first_s(hz) for hz in (WAITING_HZ, INNER_HZ, LAST_HZ)]
    assert None not in begins and begins == sorted(begins, key=lambda at_s: at_s or 0.0), begins
    recorded = await application.wait("/recorded")
    assert (recorded["RecordingSid"], recorded["RecordingChannels"]) == (talked["RecordingSid"], "2")
    parent, child = await gateway.recording(recorded["RecordingUrl"] + ".wav", tmp_path / "application.wav")
    assert parent.has(CALLER_HZ)
    assert child.first_s(INNER_HZ) is not None
    assert child.first_s(WAITING_HZ) is None and child.first_s(LAST_HZ) is None
