"""The unmodified Voice SDK in Chromium against our signalling; the sound is aiortc's, only as far as SDP needs it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.engine import MediaPort
from signaling.call_message import CallMessage
from signaling.leg import Answered, DigitReceived, Ended, HangupCause, LegEvent, Ringing
from signaling.peer_media import Connected, PeerMedia, PeerMediaEvent
from signaling.video import Video
from signaling.voice_sdk.server import VoiceSdkServer
from signaling.voice_sdk.settings import VoiceSdkSettings
from tests.signaling.voice_sdk.peers import CALL_SID, Rig, token
from tests.wire.harness_chromium import Browser, Certificate, find_sdk, page_routes, serving, visiting

pytestmark = pytest.mark.wire


class AiortcSound:
    """A PeerMedia that agrees on descriptions and connects, and throws the sound away."""

    def __init__(self, on_event: Callable[[PeerMediaEvent], None]) -> None:
        self._on_event = on_event
        self._closing: list[asyncio.Task[None]] = []
        self._connection = self._fresh()
        self.port = cast(MediaPort, self)
        self.codec_names: tuple[str, ...] = ("PCMU",)
        self.video: Video | None = None

    def _fresh(self) -> RTCPeerConnection:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))

        @connection.on("connectionstatechange")
        def _changed() -> None:
            if connection is self._connection and connection.connectionState == "connected":
                self._on_event(Connected())

        return connection

    def prefer(self, codec_names: Sequence[str]) -> None:
        """aiortc answers in the offer's order."""

    def offered_video(self, offer: str) -> None:
        """Sound alone."""

    def show(self, video: Video | None) -> None:
        """Sound alone."""

    async def offer(self) -> str:
        self._connection.addTransceiver("audio")
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._connection.localDescription.sdp

    async def accept_answer(self, answer: str) -> None:
        await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def answer(self, offer: str) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    async def restart(self, offer: str) -> str:
        old, self._connection = self._connection, self._fresh()
        self._close(old)
        return await self.answer(offer)

    def close(self) -> None:
        self._close(self._connection)

    def _close(self, connection: RTCPeerConnection) -> None:
        self._closing.append(asyncio.get_running_loop().create_task(_let_go(connection)))

    async def closed(self) -> None:
        await asyncio.wait(self._closing, timeout=10)


async def _let_go(connection: RTCPeerConnection) -> None:
    """Closed while it connects, aioice would start its consent checks all the same and never end them."""
    for _ in range(100):
        if connection.connectionState != "connecting":
            break
        await asyncio.sleep(0.02)
    await connection.close()
    strays = [task for task in asyncio.all_tasks() if "query_consent" in repr(task.get_coro())]
    for task in strays:
        task.cancel()
    await asyncio.gather(*strays, return_exceptions=True)


class SdkRig(Rig):
    """The rig with sounds that a browser can connect to."""

    def make_media(self, *, codec_names: Sequence[str], on_event: Callable[[PeerMediaEvent], None]) -> PeerMedia:
        sound = AiortcSound(on_event)
        self.opened.append(sound)
        return sound

    @property
    def opened(self) -> list[AiortcSound]:
        if not hasattr(self, "_opened"):
            self._opened: list[AiortcSound] = []
        return self._opened


@dataclass(frozen=True)
class Scene:
    rig: SdkRig
    browser: Browser


@pytest.fixture(scope="session")
def sdk(pytestconfig: pytest.Config) -> Path:
    return find_sdk(pytestconfig.cache.mkdir("voice-sdk"))


@pytest.fixture
async def scene(sdk: Path, certificate: Certificate, debugger: str) -> AsyncIterator[Scene]:
    rig = SdkRig(VoiceSdkSettings(beat_s=1.0))
    tables = [page_routes(sdk), VoiceSdkServer(rig.agent).routes()]
    async with serving(tables, certificate) as url, visiting(debugger, url) as browser:
        yield Scene(rig, browser)
        rig.agent.stop()
        for sound in rig.opened:
            await sound.closed()
    assert rig.agent.live == {"connections": 0, "registered": 0, "legs": 0}


async def next_of(stream: AsyncIterator[LegEvent], kind: type[LegEvent]) -> LegEvent:
    async with asyncio.timeout(10):
        event = await anext(stream)
    assert isinstance(event, kind), event
    return event


async def eventually(is_so: Callable[[], bool], *, within_s: float = 10.0) -> None:
    for _ in range(int(within_s / 0.02)):
        if is_so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about")


async def test_sdk_registers_unregisters_and_sends_its_statistics_nowhere(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.register(token())
    entry = await tab.wait_for("registered")
    assert entry["identity"] == "alice"
    assert len(scene.rig.agent.devices("alice")) == 1
    await tab.do("devices.main.unregister()")
    await tab.wait_for("unregistered")
    assert scene.rig.agent.devices("alice") == []
    connected = [url for url in tab.asked_outside if "eventgw.invalid" not in url and "twilio.com" in url]
    assert all("EndpointEvents" in url for url in connected), connected


async def test_sdk_incoming_with_parameters_is_accepted_and_hung_up(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.register(token(), publishEvents=False)
    assert tab.asked_outside == []
    [leg] = scene.rig.dial(parameters={"team": "sales & more", "näme": "zoë=1"})
    stream = aiter(leg.events)
    await next_of(stream, Ringing)
    incoming = await tab.wait_for("incoming")
    assert incoming["parameters"]["From"] == "+15550100"
    assert incoming["parameters"]["CallSid"] == CALL_SID
    assert incoming["custom"] == {"team": "sales & more", "näme": "zoë=1"}
    await tab.do("calls.in.accept()")
    await next_of(stream, Answered)
    await tab.wait_for("in.accept")
    await tab.do("calls.in.sendDigits('1#w2')")
    assert await next_of(stream, DigitReceived) == DigitReceived("1", is_in_media=False)
    assert await next_of(stream, DigitReceived) == DigitReceived("#", is_in_media=False)
    assert await next_of(stream, DigitReceived) == DigitReceived("2", is_in_media=False)
    assert leg.send_message(CallMessage(content={"from": "gateway"}))
    assert (await tab.wait_for("in.message"))["content"] == {"from": "gateway"}
    await tab.do("void calls.in.sendMessage({content: {to: 'gateway'}, messageType: 'user-defined-message'})")
    await tab.wait_for("in.sent")
    leg.hangup()
    await tab.wait_for("in.disconnect")


async def test_sdk_incoming_rejected_and_cancelled(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.register(token(), publishEvents=False)
    [leg] = scene.rig.dial()
    await tab.wait_for("incoming")
    await tab.do("calls.in.reject()")
    await eventually(lambda: leg.events.ended is not None)
    assert leg.events.ended == Ended(HangupCause.DECLINED, by_remote=True, sip_status=603)
    [second] = scene.rig.dial(call_sid="CA" + "d" * 32)
    await tab.wait_for("incoming", count=2)
    second.hangup(HangupCause.CANCELED)
    await tab.wait_for("in.cancel")


async def test_sdk_outgoing_with_parameters_rings_and_is_answered(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.make_device(token(), publishEvents=False)
    await tab.do("connect({To: '+15550101', note: 'zoë & co + 1'})")
    await eventually(lambda: len(scene.rig.calls) == 1)
    [leg] = scene.rig.calls
    assert leg.caller_parameters == {"To": "+15550101", "note": "zoë & co + 1"}
    assert leg.callee.address == "+15550101"
    await leg.ring()
    assert (await tab.wait_for("out.ringing"))["sid"] == leg.call_sid
    await leg.answer()
    await tab.wait_for("out.accept")
    await tab.do("calls.out.disconnect()")
    await eventually(lambda: leg.events.ended is not None)
    assert leg.events.ended == Ended(HangupCause.NORMAL, by_remote=True)


async def test_sdk_outgoing_refused_tells_the_page(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.make_device(token(), publishEvents=False, enableImprovedSignalingErrorPrecision=True)
    await tab.do("connect({To: 'nobody'})")
    await eventually(lambda: len(scene.rig.calls) == 1)
    scene.rig.calls[0].hangup(HangupCause.NOT_FOUND)
    assert (await tab.wait_for("out.error"))["code"] == 31404
    await tab.wait_for("out.disconnect")


async def test_sdk_socket_dropped_in_a_call_comes_back_to_it(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.register(token(), publishEvents=False)
    [leg] = scene.rig.dial()
    await tab.wait_for("incoming")
    await tab.do("calls.in.accept()")
    await tab.wait_for("in.accept")
    [connection] = scene.rig.agent.connections
    connection.shut()
    await tab.wait_for("in.reconnecting")
    await tab.wait_for("in.reconnected")
    await tab.wait_for("registered", count=2)
    assert leg.events.ended is None
    assert leg.connection is not connection
    await tab.do("devices.main.disconnectAll()")
    await eventually(lambda: leg.events.ended is not None)


async def test_sdk_token_renewed_in_a_call(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.register(token(lifetime_s=30), publishEvents=False, tokenRefreshMs=29_000)
    [leg] = scene.rig.dial()
    await tab.wait_for("incoming")
    await tab.do("calls.in.accept()")
    await tab.wait_for("in.accept")
    await tab.wait_for("tokenWillExpire")
    before = leg.reconnect.current
    await tab.page.evaluate("token => devices.main.updateToken(token)", token())
    await eventually(lambda: leg.reconnect.current != before)
    await asyncio.sleep(0.3)
    assert leg.events.ended is None
    assert not [entry for entry in await tab.log() if entry["name"] == "error"]
    leg.hangup()
    await tab.wait_for("in.disconnect")


async def test_sdk_wrong_token_waits_for_a_better_one(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.make_device(token(), publishEvents=False)
    await tab.do("devices.main.updateToken('a.b.c')")
    await tab.do("void devices.main.register()")
    assert (await tab.wait_for("error"))["code"] == 20101
    assert len(scene.rig.agent.connections) == 1
    await tab.page.evaluate("token => devices.main.updateToken(token)", token())
    await tab.wait_for("registered")


async def test_sdk_token_runs_out_while_registered(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.register(token(lifetime_s=3), publishEvents=False)
    assert (await tab.wait_for("error"))["code"] == 20104
    await tab.wait_for("unregistered")
    await tab.page.evaluate("token => devices.main.updateToken(token)", token())
    await tab.wait_for("registered", count=2)


async def test_sdk_registration_without_the_right_fails_for_the_page(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.make_device(token(may_receive=False), publishEvents=False)
    await tab.do("void devices.main.register().catch(error => note('refused'))")
    assert (await tab.wait_for("error"))["code"] == 20151
    await tab.wait_for("unregistered")


async def test_sdk_ringing_call_is_taken_over_by_another_tab(scene: Scene) -> None:
    first, second = await scene.browser.tab(), await scene.browser.tab()
    await first.register(token(), publishEvents=False)
    [leg] = scene.rig.dial()
    await first.wait_for("incoming")
    connect_token = await first.do("calls.in.connectToken")
    await second.make_device(token(), publishEvents=False)
    await second.page.evaluate(
        "async connectToken => watch(await devices.main.connect({connectToken}), 'out')", connect_token
    )
    await second.wait_for("out.accept")
    await first.wait_for("in.cancel")
    assert leg.events.ended is None
    await second.do("calls.out.disconnect()")
    await eventually(lambda: leg.events.ended is not None)


async def test_sdk_forced_ice_restart_is_answered(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.register(token(), publishEvents=False)
    [leg] = scene.rig.dial()
    await tab.wait_for("incoming")
    await tab.do("calls.in.accept()")
    await tab.wait_for("in.accept")
    await tab.do("calls.in._mediaHandler.iceRestart()")
    await eventually(lambda: len(scene.rig.opened[0]._closing) == 1)
    await asyncio.sleep(0.5)
    assert leg.events.ended is None
    assert not [entry for entry in await tab.log() if entry["name"] == "in.error"]
    leg.hangup()
    await tab.wait_for("in.disconnect")


async def test_sdk_page_closed_ends_its_calls(scene: Scene) -> None:
    tab = await scene.browser.tab()
    await tab.register(token(), publishEvents=False)
    [leg] = scene.rig.dial()
    await tab.wait_for("incoming")
    await tab.do("calls.in.accept()")
    await tab.wait_for("in.accept")
    await tab.page.close(run_before_unload=False)
    await eventually(lambda: leg.events.ended is not None or leg.connection is None, within_s=2)
    assert scene.rig.agent.devices("alice") == []
