"""Real browsers on a real daemon: the SDK, JsSIP and the softphone page, with the engine's own sound, judged by ear.

One Chromium and one daemon serve all of it; the microphone says a tone.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from gateway.demo.daemon import free_port
from gateway.routing import BUILT_IN_APPLICATION_SID
from signaling.endpoints.options import Incoming
from tests.wire.harness_chromium import (
    Browser,
    Certificate,
    Tab,
    chromium_process,
    find_sdk,
    make_certificate,
    page_routes,
    serving,
    visiting,
)
from tests.wire.harness_cut import Wire
from tests.wire.harness_gateway import PASSWORD, Phones, RunningGateway, heard_by
from tests.wire.harness_jssip import find_jssip, jssip_routes
from tests.wire.test_voice_sdk_calls import BROWSER_HZ, KEY_SECRET, KEY_SID, write_tone

pytestmark = [pytest.mark.wire, pytest.mark.timeout(120)]

PHONE_HZ = 1000


@dataclass(frozen=True)
class House:
    """What all tests here share. debugger: of the Chromium; its pages come from page_port."""

    gateway: RunningGateway
    certificate: Certificate
    debugger: str
    page_port: int
    sdk: Path

    @property
    def server(self) -> str:
        """``host:port`` of the daemon's HTTP."""
        return str(self.gateway.daemon.configuration["server"]["listen"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("house")
    sdk = find_sdk(pytestconfig.cache.mkdir("voice-sdk"))
    certificate = make_certificate(directory)
    microphone = write_tone(directory / "microphone.wav")
    http_port, page_port = free_port(), free_port()
    gateway = RunningGateway.launch(
        directory / "daemon",
        has_application=False,
        more={
            "server": {
                "listen": f"127.0.0.1:{http_port}",
                "public_url": f"https://127.0.0.1:{http_port}",
                "tls_certificate": str(certificate.path),
                "tls_key": str(certificate.path),
            },
            "api_keys": [{"sid": KEY_SID, "secret": KEY_SECRET}],
            "voice_sdk": {"origins": [f"https://127.0.0.1:{page_port}"]},
        },
    )
    try:
        with chromium_process(certificate, directory / "profile", microphone=microphone) as debugger:
            yield House(gateway, certificate, debugger, page_port, sdk)
    finally:
        assert gateway.daemon.stop() == 0, gateway.daemon.last_words()


@dataclass(frozen=True)
class Scene:
    house: House
    phones: Phones
    browser: Browser

    async def tab(self, identity: str, *, server: str = "", lifetime_s: int = 3600, **options: object) -> Tab:
        tab = await self.browser.tab()
        await tab.register(
            access_token(self.house, identity, lifetime_s=lifetime_s),
            chunderw=server or self.house.server,
            publishEvents=False,
            **options,
        )
        return tab

    async def softphone(self, identity: str) -> Page:
        page = await self.browser.page(f"https://{self.house.server}/")
        await page.get_by_label("Sign in with").select_option("token")
        await page.get_by_label("Access token", exact=True).fill(access_token(self.house, identity))
        await page.get_by_role("button", name="Connect").click()
        await reads(page, "#state", "Ready")
        return page


def access_token(house: House, identity: str, *, lifetime_s: int = 3600) -> str:
    """As Twilio's own library makes it."""
    account = house.gateway.secrets.account_sid
    token = AccessToken(account, KEY_SID, KEY_SECRET, identity=identity, ttl=lifetime_s)
    token.add_grant(VoiceGrant(incoming_allow=True, outgoing_application_sid=BUILT_IN_APPLICATION_SID))
    return str(token.to_jwt())


async def reads(page: Page, selector: str, text: str) -> None:
    await page.locator(selector).filter(has_text=text, visible=True).first.wait_for(timeout=15_000)


@pytest.fixture
async def scene(house: House, tmp_path: Path, needs_pjsua2: None) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(
            serving([page_routes(house.sdk)], house.certificate, port=house.page_port)
        )
        phones = Phones(house.gateway, tmp_path, stack)
        yield Scene(house, phones, await stack.enter_async_context(visiting(house.debugger, url)))


def assert_near(found: dict[str, float], frequency_hz: int) -> None:
    assert abs(found["hz"] - frequency_hz) < 15 and found["db"] > -60, found


async def test_opus_page_that_calls_a_g711_phone_speaks_pcmu_from_end_to_end(scene: Scene) -> None:
    bob = await scene.phones("bob", incoming=Incoming.ANSWER, play=f"tone:{PHONE_HZ}")
    tab = await scene.tab("ann", codecPreferences=["opus", "pcmu"])
    await tab.do("connect({To: 'bob'})")
    await tab.wait_for("out.accept")
    assert (await bob.wait("answered"))["codec"] == "PCMU"
    await tab.page.wait_for_function("calls.out.spoken")
    assert await tab.do("calls.out.spoken.toLowerCase()") == "pcmu"
    assert_near(await tab.do("hears('out')"), PHONE_HZ)
    await tab.do("calls.out.disconnect()")
    await bob.wait("ended")


async def test_sdk_socket_cut_in_a_call_comes_back_and_the_sound_never_stops(scene: Scene) -> None:
    host, _, port = scene.house.server.rpartition(":")
    async with Wire.to((host, int(port))) as wire:
        tab = await scene.tab("ann", server=wire.address)
        alice = await scene.phones("alice", play=f"tone:{PHONE_HZ}")
        await alice.dial("ann")
        await tab.wait_for("incoming")
        await tab.do("calls.in.accept()")
        await alice.wait("answered")
        await asyncio.sleep(0.5)
        assert wire.cut() > 0
        await tab.wait_for("in.reconnecting")
        await tab.wait_for("in.reconnected")
        await tab.wait_for("registered", count=2)
        assert_near(await tab.do("hears('in')"), PHONE_HZ)
        # The socket that is there now speaks for the call.
        await tab.do("calls.in.disconnect()")
        assert (await alice.wait("ended"))["by"] == "remote"
        heard = await heard_by(alice)
        spans = [span for span in heard.part(0.6).spans() if span.duration_s > 0.2]
        assert len(spans) == 1 and heard.part(-0.5).has(BROWSER_HZ), spans


async def test_sdk_ice_restart_in_a_call_keeps_the_sound(scene: Scene) -> None:
    tab = await scene.tab("ann")
    alice = await scene.phones("alice", play=f"tone:{PHONE_HZ}")
    await alice.dial("ann")
    await tab.wait_for("incoming")
    await tab.do("calls.in.accept()")
    await alice.wait("answered")
    await asyncio.sleep(0.5)
    before = await tab.do("calls.in._mediaHandler.version.pc.remoteDescription.sdp")
    await tab.do("calls.in._mediaHandler.iceRestart()")
    await tab.page.wait_for_function(
        "before => calls.in._mediaHandler.version.pc.remoteDescription.sdp !== before", arg=before
    )
    assert_near(await tab.do("hears('in')"), PHONE_HZ)
    alice.hangup()
    await tab.wait_for("in.disconnect")
    await alice.wait("ended")
    assert (await heard_by(alice)).part(-0.5).has(BROWSER_HZ)


async def test_sdk_two_tabs_of_one_identity_ring_and_the_first_to_answer_has_it(scene: Scene) -> None:
    first, second = await scene.tab("ann"), await scene.tab("ann")
    alice = await scene.phones("alice", play=f"tone:{PHONE_HZ}")
    await alice.dial("ann")
    await first.wait_for("incoming")
    await second.wait_for("incoming")
    await second.do("calls.in.accept()")
    await first.wait_for("in.cancel")
    await alice.wait("answered")
    assert_near(await second.do("hears('in')"), PHONE_HZ)
    assert not [entry for entry in await first.log() if entry["name"] == "in.accept"]
    alice.hangup()
    await second.wait_for("in.disconnect")


async def test_sdk_token_that_runs_out_in_a_call_is_renewed_or_ends_the_registration_alone(scene: Scene) -> None:
    tab = await scene.tab("ann", lifetime_s=12)
    alice = await scene.phones("alice", play=f"tone:{PHONE_HZ}")
    await alice.dial("ann")
    await tab.wait_for("incoming")
    await tab.do("calls.in.accept()")
    await alice.wait("answered")
    await tab.wait_for("tokenWillExpire")
    await tab.page.evaluate("token => devices.main.updateToken(token)", access_token(scene.house, "ann", lifetime_s=4))
    runs_out_at = time.monotonic() + 4
    error = await tab.wait_for("error", within_s=12)
    assert error["code"] == 20104 and time.monotonic() > runs_out_at - 1
    await tab.wait_for("unregistered")
    assert_near(await tab.do("hears('in')"), PHONE_HZ)
    await tab.page.evaluate("token => devices.main.updateToken(token)", access_token(scene.house, "ann"))
    await tab.wait_for("registered", count=2)
    assert not [entry for entry in await tab.log() if entry["name"] == "in.disconnect"]
    alice.hangup()
    await tab.wait_for("in.disconnect")


async def test_jssip_and_a_phone_hear_each_other(house: House, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    jssip = await asyncio.to_thread(find_jssip, pytestconfig.cache.mkdir("jssip"))
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving([jssip_routes(jssip)], house.certificate, port=house.page_port))
        phones = Phones(house.gateway, tmp_path, stack)
        browser = await stack.enter_async_context(visiting(house.debugger, url))
        bob = await phones("bob", incoming=Incoming.ANSWER, play=f"tone:{PHONE_HZ}")
        tab = await browser.tab()
        await tab.page.evaluate(
            "([password, origin]) => make('carol', password, {}, '127.0.0.1', origin)",
            [PASSWORD, f"https://{house.server}"],
        )
        await tab.wait_for("registered")
        await tab.do("call('sip:bob@127.0.0.1')")
        await tab.wait_for("out.confirmed")
        assert (await bob.wait("answered"))["codec"] == "PCMU"
        assert_near(await tab.do("hears('out')"), PHONE_HZ)
        await asyncio.sleep(0.5)
        await tab.do("sessions.out.terminate()")
        await bob.wait("ended")
        assert (await heard_by(bob)).part(-0.5).has(BROWSER_HZ)
        # And the other way round.
        await bob.dial("carol")
        await tab.wait_for("session", count=2)
        await tab.do("sessions.in.answer({mediaConstraints: {audio: true, video: false}})")
        await tab.wait_for("in.confirmed")
        assert_near(await tab.do("hears('in')"), PHONE_HZ)
        bob.hangup(call=2)
        await tab.wait_for("in.ended")


async def hears_the_other(page: Page) -> bool:
    """The page has Chromium take steady noise away, so the tone soon gets faint; but silence has no such peak."""
    for _ in range(10):
        found = await page.evaluate(_HEARS)
        if abs(found["hz"] - BROWSER_HZ) < 15 and found["db"] is not None and found["db"] > -110:
            return True
    return False


async def test_softphone_pages_call_each_other_and_hear_each_other(scene: Scene) -> None:
    alice, bob = await scene.softphone("alice"), await scene.softphone("bob")
    await alice.get_by_label("Name or number").fill("bob")
    await alice.get_by_role("button", name="Call", exact=True).click()
    await reads(bob, "#incoming", "alice")
    await bob.get_by_role("button", name="Accept").click()
    for page in (alice, bob):
        await reads(page, "#call-state", "Connected")
    for page in (alice, bob):
        assert await hears_the_other(page)
    await bob.get_by_role("button", name="Hang up", exact=True).click()
    await reads(alice, "#dial", "Name or number")


_HEARS = """async () => {
  const context = new AudioContext(), analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  context.createMediaStreamSource(document.getElementById('far-sound').srcObject).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  await new Promise(done => setTimeout(done, 700));
  analyser.getFloatFrequencyData(bins);
  const top = bins.indexOf(Math.max(...bins));
  const found = {hz: top * context.sampleRate / analyser.fftSize, db: bins[top]};
  await context.close();
  return found;
}"""
