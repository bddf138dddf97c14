"""A daemon killed amid what REST asked of it: calls in every state, a recording on its way to S3, words owed.

One daemon, one kill at the moment when everything is under way, one start after it.
"""

import asyncio
import hashlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from twilio.rest import Client

from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application, Received, say_nothing, twiml
from tests.wire.harness_gateway import OWN_NUMBER, Phones, RunningGateway
from tests.wire.harness_objects import BUCKET, Objects

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]

PER_SECOND = 0.5
QUEUED = 16
"""The last of them has its turn in half a minute."""
TOKEN = "I-Twilio-Idempotency-Token"
LONG = twiml("<Pause length='120'/>")
SOUND_S = 2


@dataclass
class House:
    gateway: RunningGateway
    application: Application
    objects: Objects
    phones: Phones
    client: Client

    @property
    def recordings(self) -> Path:
        return Path(self.gateway.daemon.configuration["recordings"]["directory"])

    async def place(self, to: str, document: str) -> Any:
        return await ask(
            self.client.calls.create,
            to=to,
            from_=OWN_NUMBER,
            twiml=document,
            status_callback=self.application.url("/status"),
        )

    async def restart(self) -> None:
        await asyncio.to_thread(self.gateway.daemon.kill)
        await asyncio.to_thread(self.gateway.daemon.start)
        await asyncio.to_thread(self.gateway.daemon.wait_ready)

    async def moved(self, sid: str) -> str:
        """The digest of a recording in the object store, once its file is gone from here."""
        async with asyncio.timeout(30):
            while await asyncio.to_thread((self.recordings / f"{sid}.wav").exists):  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.05)
        return await self.objects.digest(key(sid))


def record(application: Application) -> str:
    """Document of a call that says something, which is to be written down."""
    return twiml(
        f"<Record maxLength='{SOUND_S}' playBeep='false' transcribe='true'"
        f" action='{application.url('/long')}' transcribeCallback='{application.url('/text')}'"
        f" recordingStatusCallback='{application.url('/recorded')}'/>"
    )


async def ask(work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    return await asyncio.to_thread(work, *arguments, **more)


def key(sid: str) -> str:
    return f"calls/{sid}.wav"


@pytest_asyncio.fixture
async def house(tmp_path: Path, needs_pjsua2: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        objects = await stack.enter_async_context(Objects.served())
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": objects.url,
        }.items():
            monkeypatch.setenv(name, value)
        more = {"calls": {"per_second": PER_SECOND}, "recordings": {"url": f"s3://{BUCKET}/calls"}}
        gateway = await asyncio.to_thread(RunningGateway.launch, tmp_path / "daemon", more=more)
        stack.push_async_callback(asyncio.to_thread, gateway.daemon.stop)
        application = Application(gateway.secrets.auth_token, gateway.voice_port)
        await stack.enter_async_context(application)
        client = Client(gateway.secrets.account_sid, gateway.secrets.auth_token)
        client.api.base_url = gateway.daemon.http_url
        phones = Phones(gateway, tmp_path, stack)
        yield House(gateway, application, objects, phones, client)


async def test_crash_amid_everything_rest_asked_for_is_made_good_by_the_next_start(house: House) -> None:
    application, objects, client = house.application, house.objects, house.client
    for path in ("/status", "/recorded", "/text"):
        application.on(path, say_nothing)
    application.on("/long", LONG)
    bob = await house.phones("bob", incoming=Incoming.ANSWER, play="tone:600")
    carol = await house.phones("carol", incoming=Incoming.RING)

    running = await house.place("client:bob", LONG)
    ringing = await house.place("client:carol", LONG)
    await bob.wait("answered")
    await carol.wait("ringing")

    # A recording of the running call is complete, and stops half way to the object store.
    objects.stall(True)
    moving = await ask(client.calls(running.sid).recordings.create)
    await asyncio.sleep(1.0)
    await ask(client.calls(running.sid).recordings(moving.sid).update, status="stopped")
    await asyncio.wait_for(objects.stalled.wait(), 10)
    whole = hashlib.sha256(await asyncio.to_thread((house.recordings / f"{moving.sid}.wav").read_bytes)).hexdigest()

    # Another recording is to be written down; when it is told to be complete, the words are still owed. Whoever is
    # killed then has just promised one more call.
    queued = [await house.place("client:nobody", LONG) for _ in range(QUEUED)]
    killed = asyncio.Event()

    async def crash(_: Received) -> web.Response:
        if not killed.is_set():
            queued.append(await house.place("client:nobody", LONG))
            os.kill(house.gateway.daemon.pid, signal.SIGKILL)
            killed.set()
        return web.Response(status=204)

    application.on("/recorded", crash)
    await ask(client.calls(running.sid).update, twiml=record(application))
    await asyncio.wait_for(killed.wait(), 20)
    objects.stall(False)
    await house.restart()

    # Every call that was promised is over, and was told to be so once.
    ends = {running.sid: "completed", ringing.sid: "failed", queued[-1].sid: "failed"}
    for sid, status in ends.items():
        told = await application.wait("/status", CallSid=sid, timeout_s=20)
        assert (told["CallStatus"], told["CallbackSource"]) == (status, "call-progress-events")
        kept = await ask(client.calls(sid).fetch)
        assert (kept.status, kept.direction) == (status, "outbound-api")
        assert kept.end_time >= kept.date_created
        assert (kept.duration is not None) is (status == "completed")
    completed = next(each for each in application.requests("/status") if each["CallSid"] == running.sid)
    assert int(completed["CallDuration"]) >= SOUND_S
    assert completed["RecordingSid"] == moving.sid
    for status in ("queued", "ringing", "in-progress"):
        assert await ask(client.calls.list, status=status) == []

    # The words are told, from the file that only then moves too.
    text = await application.wait("/text", timeout_s=30)
    assert (text["TranscriptionStatus"], text["CallSid"]) == ("completed", running.sid)
    (recorded, *again) = application.requests("/recorded")
    assert recorded["RecordingSid"] == text["RecordingSid"]
    # The answer to the first one was cut off, so that it may have come twice, as one and the same.
    assert {each.headers[TOKEN] for each in again} <= {recorded.headers[TOKEN]}

    # What was on its way is whole where it belongs, is read from there, and went there once.
    assert await house.moved(moving.sid) == whole
    assert objects.uploads[key(moving.sid)] == 2
    await house.moved(text["RecordingSid"])
    assert objects.uploads[key(text["RecordingSid"])] == 1
    shown = await ask(client.recordings(moving.sid).fetch)
    assert (shown.status, shown.call_sid) == ("completed", running.sid)
    assert await house.gateway.recording(completed["RecordingUrl"], house.recordings.parent / "read.wav")
    assert not [path for path in await asyncio.to_thread(lambda: [*house.recordings.glob("RE*")]) if path.is_file()]

    await house.gateway.assert_idle()
    # A call whose turn came before the crash may have been told of while it struck, and again after it: as one and the
    # same callback.
    told_of = {(each["CallSid"], each.headers[TOKEN]) for each in application.requests("/status")}
    often = Counter(sid for sid, _ in told_of)
    assert often == Counter([running.sid, ringing.sid, *(call.sid for call in queued)])
    assert len(application.requests("/text")) == 1
    application.verify()
