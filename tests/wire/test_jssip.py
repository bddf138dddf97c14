"""JsSIP in Chromium over ``/sip``: registers, is called, calls; the sound is aiortc's, only as far as SDP needs it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from signaling.leg import Answered, Ended, HangupCause, Held, Resumed, Ringing
from signaling.peer_media import PeerMedia, PeerMediaEvent
from signaling.sip.leg import SipLeg
from tests.signaling.sip.peers import ended, next_event, outbound, settled
from tests.signaling.sip.web_peers import PASSWORDS, WebRig, web_rig
from tests.signaling.voice_sdk.test_server import eventually
from tests.wire.harness_chromium import Tab, visiting
from tests.wire.harness_jssip import find_jssip, jssip_routes
from tests.wire.test_voice_sdk_signalling import AiortcSound

pytestmark = pytest.mark.wire


@pytest.fixture(scope="session")
def jssip(pytestconfig: pytest.Config) -> Path:
    return find_jssip(pytestconfig.cache.mkdir("jssip"))


@dataclass
class Scene:
    rig: WebRig
    tab: Tab

    async def start(self, *, password: str = PASSWORDS["alice"]) -> None:
        await self.tab.page.evaluate("([password]) => make('alice', password)", [password])

    async def connects(self, session: str) -> None:
        """ICE and DTLS are up."""
        await self.tab.page.wait_for_function(f"sessions['{session}'].connection.connectionState === 'connected'")


@pytest.fixture
async def scene(jssip: Path, debugger: str) -> AsyncIterator[Scene]:
    opened: list[AiortcSound] = []

    def make_media(*, codec_names: Sequence[str], on_event: Callable[[PeerMediaEvent], None]) -> PeerMedia:
        opened.append(AiortcSound(on_event))
        return opened[-1]

    async with web_rig(tables=[jssip_routes(jssip)], make_peer_media=make_media) as at:
        url = at.url.removesuffix("/sip")
        async with visiting(debugger, url) as browser:
            yield Scene(at, await browser.tab())
        for leg in list(at.agent.core.legs):
            leg.hangup()
        for sound in opened:
            await sound.closed()
        # A replaced connection of aiortc's that never came up waits for ever.
        for task in asyncio.all_tasks():
            if "RTCPeerConnection" in repr(task.get_coro()):
                task.cancel()


async def test_jssip_registers_and_unregisters(scene: Scene) -> None:
    await scene.start()
    await scene.tab.wait_for("registered")
    [binding] = scene.rig.registrar.bindings("alice")
    assert binding.flow.protocol == "ws"
    assert ".invalid" in binding.contact
    assert "JsSIP" in binding.user_agent
    await scene.tab.do("ua.unregister()")
    await scene.tab.wait_for("unregistered")
    assert scene.rig.registrar.bindings("alice") == ()


async def test_jssip_wrong_password_is_refused(scene: Scene) -> None:
    await scene.start(password="wrong")
    await scene.tab.wait_for("registrationFailed")
    assert scene.rig.registrar.bindings("alice") == ()


async def test_jssip_is_called_and_declines(scene: Scene) -> None:
    await scene.start()
    await scene.tab.wait_for("registered")
    leg = cast(SipLeg, scene.rig.registrar.devices("alice")[0].dial(outbound()))
    session = await scene.tab.wait_for("session")
    assert session == {"name": "session", "originator": "remote", "from": "alice"}
    await scene.tab.do("sessions.in.terminate({status_code: 486})")
    assert (await ended(leg)).cause is HangupCause.BUSY
    await settled(scene.rig)


async def test_jssip_is_called_and_the_caller_gives_up(scene: Scene) -> None:
    await scene.start()
    await scene.tab.wait_for("registered")
    leg = cast(SipLeg, scene.rig.registrar.devices("alice")[0].dial(outbound()))
    await scene.tab.wait_for("session")
    leg.hangup(HangupCause.CANCELED)
    assert (await scene.tab.wait_for("in.failed"))["cause"] == "Canceled"
    await settled(scene.rig)


async def test_jssip_is_called_answers_and_is_hung_up_on(scene: Scene) -> None:
    await scene.start()
    await scene.tab.wait_for("registered")
    leg = cast(SipLeg, scene.rig.registrar.devices("alice")[0].dial(outbound()))
    await scene.tab.wait_for("session")
    await scene.tab.do("sessions.in.answer({mediaConstraints: {audio: true, video: false}})")
    await scene.tab.wait_for("in.confirmed")
    assert isinstance(await next_event(leg), Ringing)
    assert isinstance(await next_event(leg), Answered)
    await scene.connects("in")
    leg.hangup()
    assert (await scene.tab.wait_for("in.ended"))["cause"] == "Terminated"
    await settled(scene.rig)


async def test_jssip_calls_holds_resumes_and_hangs_up(scene: Scene) -> None:
    await scene.start()
    await scene.tab.wait_for("registered")
    await scene.tab.do("call('sip:bob@ringfork.test')")
    leg = await scene.rig.incoming()
    assert leg.dialled == "bob"
    await leg.ring()
    await scene.tab.wait_for("out.progress")
    await leg.answer()
    await scene.tab.wait_for("out.confirmed")
    await scene.connects("out")
    await scene.tab.do("sessions.out.hold()")
    assert isinstance(await next_event(leg), Held)
    await scene.tab.do("sessions.out.unhold()")
    assert isinstance(await next_event(leg), Resumed)
    await scene.tab.do("sessions.out.terminate()")
    assert await ended(leg) == Ended(HangupCause.NORMAL, by_remote=True)
    await settled(scene.rig)


async def test_jssip_lost_socket_comes_back_and_registers_again(scene: Scene) -> None:
    await scene.start()
    await scene.tab.wait_for("registered")
    [binding] = scene.rig.registrar.bindings("alice")
    connection = scene.rig.agent.transports._pool.find(binding.flow)
    assert connection is not None
    connection.end(ConnectionAbortedError("cut"))
    await scene.tab.wait_for("disconnected")
    await eventually(lambda: bool(scene.rig.registrar.bindings("alice")), within_s=10)
    [again] = scene.rig.registrar.bindings("alice")
    assert again.flow != binding.flow
