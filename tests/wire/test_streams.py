"""Media streams with a real WebSocket server: what a phone says goes out, what the server says is heard."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from aiohttp import WSMsgType, web
from numpy.typing import NDArray
from twilio.request_validator import RequestValidator

from media import ulaw
from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application
from tests.wire.harness_ears import Heard
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire

RATE_HZ = 8000


def tone(hertz: float, seconds: float) -> NDArray[np.int16]:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.int16)


class Listener:
    """A WebSocket server that keeps what it is told and says what a test wants."""

    def __init__(self, auth_token: str) -> None:
        self._validator = RequestValidator(auth_token)
        self.messages: list[dict[str, Any]] = []
        self.is_signed = False
        self._sockets: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()
        self._news = asyncio.Event()
        self.url = ""

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        signature = request.headers.get("x-twilio-signature", "")
        self.is_signed = bool(self._validator.validate(f"ws://{request.host}{request.path_qs}", {}, signature))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.put_nowait(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.messages.append(json.loads(message.data))
                self._news.set()
        return socket

    async def socket(self) -> web.WebSocketResponse:
        return await asyncio.wait_for(self._sockets.get(), 10)

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["event"] == event]

    async def wait(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(15):
            while len(self.of(event)) < count:
                self._news.clear()
                await self._news.wait()
        return self.of(event)

    def heard(self, track: str) -> Heard:
        frames = [each["media"]["payload"] for each in self.of("media") if each["media"]["track"] == track]
        return Heard(ulaw.decode(b"".join(base64.b64decode(frame) for frame in frames)), RATE_HZ)


@pytest.fixture
async def listener(gateway: RunningGateway) -> AsyncIterator[Listener]:
    listener = Listener(gateway.secrets.auth_token)
    app = web.Application()
    app.router.add_get("/stream", listener.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/stream"
    yield listener
    await runner.cleanup()


def say(stream_sid: str, event: str, **told: Any) -> str:
    return json.dumps({"event": event, "streamSid": stream_sid, **told})


async def test_connected_stream_is_heard_and_speaks_until_its_server_closes_it(
    application: Application, phones: Phones, listener: Listener
) -> None:
    application.on(
        "/voice",
        f"""<Response><Connect action="/after"><Stream url="{listener.url}" name="talk" statusCallback="/stream-status">
        <Parameter name="color" value="blue"/></Stream></Connect></Response>""",
    )
    application.on("/stream-status", "")
    application.on("/after", "<Response><Hangup/></Response>")
    alice = await phones("alice", play="tone:600")
    await alice.dial("anything")
    socket = await listener.socket()
    (started,) = await listener.wait("start")
    sid, told = started["streamSid"], started["start"]
    assert (told["tracks"], told["customParameters"]) == (["inbound"], {"color": "blue"})
    assert listener.is_signed
    status = await application.wait("/stream-status", StreamEvent="stream-started")
    assert (status["StreamSid"], status["StreamName"]) == (sid, "talk")
    assert status["Timestamp"].endswith("Z")
    payload = base64.b64encode(ulaw.encode(tone(1000, 1.5))).decode()
    await socket.send_str(say(sid, "media", media={"payload": payload}))
    await socket.send_str(say(sid, "mark", mark={"name": "said"}))
    alice.digits("5")
    (digit,) = await listener.wait("dtmf")
    assert digit["dtmf"]["digit"] == "5"
    (mark,) = await listener.wait("mark")
    assert mark["mark"] == {"name": "said"}
    minute = base64.b64encode(ulaw.encode(tone(1300, 20.0))).decode()
    await socket.send_str(say(sid, "media", media={"payload": minute}))
    await socket.send_str(say(sid, "mark", mark={"name": "cleared"}))
    await asyncio.sleep(0.4)
    await socket.send_str("nonsense")
    await socket.send_str(say(sid, "clear"))
    await listener.wait("mark", 2)
    await asyncio.sleep(0.3)
    await socket.close()
    await application.wait("/after")
    assert (await application.wait("/stream-status", StreamEvent="stream-stopped"))["StreamSid"] == sid
    await alice.wait("ended")
    assert listener.heard("inbound").part(0.5, 1.5).has(600)
    heard = await heard_by(alice)
    begun = heard.first_s(1000)
    assert begun is not None and heard.part(begun + 0.2, begun + 1.2).has(1000)
    assert heard.part(-0.2).lacks(1300)


async def test_stream_beside_a_call_carries_both_tracks_until_it_is_stopped(
    application: Application, phones: Phones, listener: Listener
) -> None:
    application.on(
        "/voice",
        f"""<Response><Start><Stream url="{listener.url}" name="ears" track="both_tracks"/></Start>
        <Dial action="/after"><Client>bob</Client></Dial></Response>""",
    )
    application.on("/after", "<Response><Stop><Stream name='ears'/></Stop><Pause length='1'/></Response>")
    alice = await phones("alice", play="tone:600")
    bob = await phones("bob", incoming=Incoming.ANSWER, play="tone:1000")
    await alice.dial("bob")
    await bob.wait("answered")
    await listener.wait("media", 150)
    bob.hangup()
    await listener.wait("stop")
    await alice.wait("ended")
    inbound, outbound = listener.heard("inbound"), listener.heard("outbound")
    assert inbound.part(-0.8, -0.3).has(600)
    found = outbound.first_s(1000)
    assert found is not None and outbound.part(found + 0.1, found + 0.6).has(1000)
    numbers = [int(each["sequenceNumber"]) for each in listener.messages if "sequenceNumber" in each]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_stream_that_cannot_be_opened_is_told_and_the_call_goes_on(
    application: Application, phones: Phones
) -> None:
    application.on(
        "/voice",
        """<Response><Connect><Stream url="ws://127.0.0.1:9/x" statusCallback="/stream-status"/></Connect>
        <Redirect>/after</Redirect></Response>""",
    )
    application.on("/stream-status", "")
    application.on("/after", "<Response><Hangup/></Response>")
    alice = await phones("alice")
    await alice.dial("anything")
    assert (await application.wait("/stream-status"))["StreamEvent"] == "stream-error"
    await application.wait("/after")
    await alice.wait("ended")


async def test_recording_beside_a_call_goes_on_until_it_is_stopped(
    application: Application, phones: Phones, gateway: RunningGateway
) -> None:
    application.on(
        "/voice",
        """<Response><Start><Recording name="tape" recordingStatusCallback="/recorded"/></Start><Pause length="2"/>
        <Stop><Recording name="tape"/></Stop><Pause length="2"/></Response>""",
    )
    application.on("/recorded", "")
    alice = await phones("alice", play="tone:600")
    await alice.dial("anything")
    told = await application.wait("/recorded")
    assert (told["RecordingChannels"], told["RecordingSource"]) == ("2", "StartCallRecordingAPI")
    assert int(told["RecordingDuration"]) == 2
    await alice.wait("ended")
