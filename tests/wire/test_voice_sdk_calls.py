"""The unmodified Voice SDK in Chromium, a SIP phone, and the daemon between them: sound both ways, judged by ear."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import soundfile
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from gateway.demo.daemon import free_port
from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application, say_nothing
from tests.wire.harness_chromium import Browser, Tab, chromium, find_sdk, make_certificate, page_routes, serving
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = [pytest.mark.wire, pytest.mark.timeout(120)]

BROWSER_HZ, PHONE_HZ = 700, 1000
KEY_SID, KEY_SECRET = "SK" + "1" * 32, "a secret of the test, long enough"
APPLICATION_SID = "AP" + "2" * 32


@dataclass(frozen=True)
class Scene:
    gateway: RunningGateway
    application: Application
    phones: Phones
    browser: Browser
    directory: Path

    async def tab(self, identity: str, **options: object) -> Tab:
        """A page whose SDK is registered as this identity, with a token of Twilio's own library."""
        token = AccessToken(self.gateway.secrets.account_sid, KEY_SID, KEY_SECRET, identity=identity)
        token.add_grant(VoiceGrant(incoming_allow=True, outgoing_application_sid=APPLICATION_SID))
        host = str(self.gateway.daemon.configuration["server"]["listen"])
        tab = await self.browser.tab()
        await tab.register(str(token.to_jwt()), chunderw=host, publishEvents=False, **options)
        return tab


def write_tone(path: Path) -> Path:
    """What the browser's microphone says, over and over."""
    at_s = np.arange(48_000 * 2) / 48_000
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * BROWSER_HZ * at_s), 48_000)
    return path


@pytest.fixture
async def scene(tmp_path: Path, pytestconfig: pytest.Config, needs_pjsua2: None) -> AsyncIterator[Scene]:
    sdk = await asyncio.to_thread(find_sdk, pytestconfig.cache.mkdir("voice-sdk"))
    certificate = await asyncio.to_thread(make_certificate, tmp_path)
    microphone = await asyncio.to_thread(write_tone, tmp_path / "microphone.wav")
    async with AsyncExitStack() as stack:
        page_url = await stack.enter_async_context(serving([page_routes(sdk)], certificate))
        port, voice_port = free_port(), free_port()
        more = {
            "server": {
                "listen": f"127.0.0.1:{port}",
                "public_url": f"https://127.0.0.1:{port}",
                "tls_certificate": str(certificate.path),
                "tls_key": str(certificate.path),
            },
            "sip": {"voice_url": f"http://127.0.0.1:{voice_port}/voice"},
            "api_keys": [{"sid": KEY_SID, "secret": KEY_SECRET}],
            "applications": [{"sid": APPLICATION_SID, "voice_url": f"http://127.0.0.1:{voice_port}/voice"}],
            "voice_sdk": {"origins": [page_url]},
        }
        gateway = await asyncio.to_thread(RunningGateway.launch, tmp_path / "daemon", more=more)
        try:
            application = await stack.enter_async_context(Application(gateway.secrets.auth_token, voice_port))
            async with AsyncExitStack() as phones_stack:
                phones = Phones(gateway, tmp_path, phones_stack)
                browser = chromium(page_url, certificate, tmp_path / "profile", microphone=microphone)
                yield Scene(gateway, application, phones, await phones_stack.enter_async_context(browser), tmp_path)
            application.verify()
        finally:
            assert await asyncio.to_thread(gateway.daemon.stop) == 0, gateway.daemon.last_words()


def assert_near(found: dict[str, float], frequency_hz: int) -> None:
    assert abs(found["hz"] - frequency_hz) < 15 and found["db"] > -60, found


@pytest.mark.parametrize("codecs", [["pcmu", "opus"], ["opus", "pcmu"]], ids="-".join)
async def test_browser_calls_a_phone_and_both_are_heard_and_recorded(scene: Scene, codecs: list[str]) -> None:
    scene.application.on(
        "/voice",
        "<Response><Dial record='record-from-answer-dual' recordingStatusCallback='/recorded'>"
        "<Client>bob</Client></Dial></Response>",
    )
    scene.application.on("/recorded", say_nothing)
    bob = await scene.phones("bob", incoming=Incoming.ANSWER, play=f"tone:{PHONE_HZ}")
    tab = await scene.tab("ann", codecPreferences=codecs)
    await tab.do("connect({Mood: 'good & well', To: 'bob'})")
    await tab.wait_for("out.accept")
    asked = await scene.application.wait("/voice")
    assert (asked["From"], asked["To"], asked["Mood"]) == ("client:ann", "bob", "good & well")
    assert asked["ApplicationSid"] == APPLICATION_SID
    assert (await bob.wait("answered"))["codec"] == "PCMU"
    await tab.page.wait_for_function("calls.out.spoken")
    assert await tab.do("calls.out.spoken.toLowerCase()") == "pcmu", (
        "the same from end to end, whatever the page prefers"
    )
    assert_near(await tab.do("hears('out')"), PHONE_HZ)
    await asyncio.sleep(0.5)
    await tab.do("calls.out.disconnect()")
    await bob.wait("ended")
    assert (await heard_by(bob)).part(0.5).has(BROWSER_HZ)
    recorded = await scene.application.wait("/recorded")
    first, second = await fetched(scene, recorded["RecordingUrl"])
    assert first == pytest.approx(BROWSER_HZ, abs=10)
    assert second == pytest.approx(PHONE_HZ, abs=10)


async def fetched(scene: Scene, url: str) -> tuple[float, float]:
    """The loudest tone of each channel. The file is read from disk: its URL has the test's own certificate."""
    path = scene.directory / "daemon" / "recordings" / f"{url.rpartition('/')[2]}.wav"
    samples, rate_hz = await asyncio.to_thread(soundfile.read, path, always_2d=True)
    spectrum = np.abs(np.fft.rfft(samples[len(samples) // 2 :], axis=0))
    peaks = spectrum.argmax(axis=0) * rate_hz / (len(samples) - len(samples) // 2)
    return float(peaks[0]), float(peaks[1])


async def exchange_messages(scene: Scene, tab: Tab, call_sid: str) -> None:
    """The application and the page of a running call tell each other something."""
    secrets, listen = scene.gateway.secrets, scene.gateway.daemon.configuration["server"]["listen"]
    path = f"https://{listen}/2010-04-01/Accounts/{secrets.account_sid}/Calls/{call_sid}/UserDefinedMessage"
    scene.application.on("/said", say_nothing)
    async with aiohttp.ClientSession(headers=scene.gateway.authorization) as session:
        form = {"Callback": scene.application.url("/said")}
        async with session.post(f"{path}Subscriptions.json", data=form, ssl=False) as answer:
            assert answer.status == 201
        async with session.post(f"{path}s.json", data={"Content": '{"from": "outside"}'}, ssl=False) as answer:
            sent = (await answer.json())["sid"]
    message = await tab.wait_for("in.message")
    assert (message["content"], message["sid"]) == ({"from": "outside"}, sent)
    await tab.do("void calls.in.sendMessage({content: {to: 'outside'}, messageType: 'user-defined-message'})")
    told = await scene.application.wait("/said")
    assert (told["CallSid"], told["Content"], told["SequenceNumber"]) == (call_sid, '{"to":"outside"}', "1")


async def test_phone_calls_a_browser_with_parameters_and_both_are_heard(scene: Scene) -> None:
    scene.application.on(
        "/voice",
        "<Response><Dial><Client><Identity>ann</Identity><Parameter name='First' value='Jane &amp; Doe'/></Client>"
        "</Dial></Response>",
    )
    tab = await scene.tab("ann")
    alice = await scene.phones("alice", play=f"tone:{PHONE_HZ}")
    await alice.dial("ann")
    incoming = await tab.wait_for("incoming")
    assert incoming["custom"] == {"First": "Jane & Doe"}
    await tab.do("calls.in.accept()")
    await tab.wait_for("in.accept")
    await exchange_messages(scene, tab, incoming["parameters"]["CallSid"])
    assert_near(await tab.do("hears('in')"), PHONE_HZ)
    await tab.do("calls.in.mute(true)")
    await asyncio.sleep(1.2)
    alice.hangup()
    await tab.wait_for("in.disconnect")
    await alice.wait("ended")
    heard = await heard_by(alice)
    assert heard.has(BROWSER_HZ)
    assert heard.part(-0.6).lacks(BROWSER_HZ), "muted"
